import { describe, expect, test } from 'vitest'
import { MAX_TEXT, parseChat } from './chat'
import { pathOf } from './path'
import { hue, initials } from './person'
import { qualityOf, worst } from './quality'
import { reasonFor } from './reasons'

describe('a name', () => {
  test('is shortened to the first letters of its first and last word', () => {
    expect(initials('Ann Lindqvist')).toBe('AL')
    expect(initials('ann b. c. lind')).toBe('AL')
    expect(initials('Ben')).toBe('B')
    expect(initials('佐藤 美咲')).toBe('佐美')
    expect(initials('👩‍👩‍👧 x')).toBe('👩‍👩‍👧X')
    expect(initials('   ')).toBe('?')
  })

  test('always has the same colour', () => {
    expect(hue('Ann')).toBe(hue('Ann'))
    for (const name of ['', 'Ann', '佐藤', 'x'.repeat(200)]) {
      expect(hue(name)).toBeGreaterThanOrEqual(0)
      expect(hue(name)).toBeLessThan(360)
    }
  })
})

describe('connection quality', () => {
  test('has three, two or one bar by the worst of its figures', () => {
    expect(qualityOf({ rttMs: 30, lossPercent: 0, longestGapMs: 80 })?.bars).toBe(3)
    expect(qualityOf({ rttMs: 260, lossPercent: 0 })?.bars).toBe(2)
    expect(qualityOf({ rttMs: 30, lossPercent: 9 })?.bars).toBe(1)
    expect(qualityOf({ rttMs: 30, longestGapMs: 2000 })?.bars).toBe(1)
  })

  test('is said in words with its figures', () => {
    expect(qualityOf({ rttMs: 24.4, lossPercent: 0.4 })?.words).toBe(
      'Good connection (24 ms round trip, 0.4 % lost)',
    )
  })

  test('is unknown while nothing is measured, and that of the worst track', () => {
    expect(qualityOf({})).toBeUndefined()
    expect(worst([])).toBeUndefined()
    expect(worst([undefined, qualityOf({ rttMs: 1 }), qualityOf({ rttMs: 900 })])?.bars).toBe(1)
  })
})

describe('a path', () => {
  test('is direct, relayed or by the server, and none before there is media', () => {
    expect(pathOf('mesh', false)).toBe('direct')
    expect(pathOf('mesh', true)).toBe('relayed')
    expect(pathOf('sfu', true)).toBe('server')
    expect(pathOf(undefined, false)).toBeUndefined()
  })
})

describe('a message', () => {
  test.each([
    undefined,
    null,
    7,
    'x',
    [],
    {},
    { type: 'chat' },
    { type: 'chat', text: 7 },
    { type: 'chat', text: '  ' },
    { type: 'wave', text: 'x' },
  ])('of another shape is no chat: %j', (data) => expect(parseChat(data)).toBeUndefined())

  test('that is too long is cut', () => {
    expect(parseChat({ type: 'chat', text: 'x'.repeat(MAX_TEXT + 5) })?.text).toHaveLength(MAX_TEXT)
  })
})

describe('why a call has stopped', () => {
  test('says what to do when media cannot reach the server', () => {
    expect(reasonFor('sfu-unreachable', '').text).toMatch(/Try another network/)
  })

  test('is the server’s own explanation where the page has none', () => {
    expect(reasonFor('something-new', 'the moon is full').text).toBe('the moon is full')
  })
})
