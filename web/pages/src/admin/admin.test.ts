import { describe, expect, it } from 'vitest'
import { roomOf, type Room } from './api'
import { line, roundUp, Series, SPAN_MS } from './plot'
import { Meter, Rates, bitrate, loss } from './rates'
import { Cutter, type Happening } from './stream'
import { ago, eventWords, pathKind } from './words'

describe('a meter', () => {
  const counts = (bytes: number, packets = 0, lost = 0) => ({ bytes, packets, lost })

  it('gives the rate between two readings, and how much was lost', () => {
    const meter = new Meter()
    meter.add(0, counts(1000, 10, 0))
    expect(meter.rate(0)).toBeUndefined()
    meter.add(2000, counts(251_000, 100, 10))
    expect(meter.rate(2000)).toMatchObject({ kbps: 1000, lossPercent: 10 })
  })

  it('forgets what is older than its window', () => {
    const meter = new Meter()
    for (let at = 0; at <= 60_000; at += 2000) meter.add(at, counts(at < 30_000 ? at * 1000 : 30_000_000))
    expect(meter.rate(60_000)?.kbps).toBe(0)
  })

  it('begins anew when the counter does, and is silent when nothing is heard any more', () => {
    const meter = new Meter()
    meter.add(0, counts(9000, 9))
    meter.add(2000, counts(100, 1))
    expect(meter.rate(2000)).toBeUndefined()
    meter.add(4000, counts(100, 1))
    expect(meter.rate(4000)?.kbps).toBe(0)
    expect(meter.rate(60_000)).toBeUndefined()
  })
})

describe('rates of a room', () => {
  const view = (bytes: number, ageMs: number) =>
    ({
      participants: [{ id: 'p1' }, { id: 'p2' }],
      traffic: [
        { participant: 'p1', links: [], up: { bytes, packets: 0, lost: 0 } },
        {
          participant: 'p2',
          links: [{ from: 'p1', bytes: bytes / 2, packets: 4, lost: 0, rttMs: 12, ageMs }],
        },
      ],
    }) as unknown as Room

  it('adds what one sends to the server to what others get of it directly', () => {
    const rates = new Rates()
    rates.read(view(0, 500), 1000)
    const found = rates.read(view(100_000, 1500), 4000)
    expect(found.get('p1')?.sends?.kbps).toBeCloseTo((100_000 * 8) / 3000 + (50_000 * 8) / 2000)
    expect(found.get('p2')?.receives?.kbps).toBeCloseTo((50_000 * 8) / 2000)
    expect(found.get('p2')?.rttMs).toBe(12)
    expect(found.get('p1')?.receives).toBeUndefined()
  })
})

describe('the stream', () => {
  it('is cut into messages wherever its pieces end', () => {
    const text = 'id: 7\ndata: {"a":1}\n\n: keep-alive\n\nevent: missed\ndata: {"missed":3}\n\nid: 8\nda'
    for (let cut = 0; cut < text.length; cut++) {
      const cutter = new Cutter()
      expect([...cutter.push(text.slice(0, cut)), ...cutter.push(text.slice(cut))]).toEqual([
        { event: 'message', id: '7', data: '{"a":1}' },
        { event: 'missed', id: undefined, data: '{"missed":3}' },
      ])
    }
  })
})

describe('words', () => {
  it('say what happened, with the names that are known', () => {
    const event = (type: string, more: object) => ({ id: 1, time: '', room: 'r', type, ...more }) as Happening
    const who = (id: string) => `<b>${id}</b>`
    expect(eventWords(event('participant-left', { participant: 'p1', reason: 'removed' }), who)).toBe(
      '<b>p1</b> was put out',
    )
    expect(eventWords(event('mode-switched', { to: 'sfu', tookMs: 1234 }), who)).toBe('now SFU, after 1.2 s')
    expect(eventWords(event('never-heard-of', {}), who)).toBe('never-heard-of')
  })

  it('name the way of a pair', () => {
    const pair = { receiver: 'p1', sender: 'p2' }
    expect(pathKind({ ...pair, state: 'shown', carrier: 'mesh', relayed: true })).toBe('relayed')
    expect(pathKind({ ...pair, state: 'shown', carrier: 'mesh' })).toBe('direct')
    expect(pathKind({ ...pair, state: 'shown', carrier: 'sfu', relayed: true })).toBe('sfu')
    expect(pathKind({ ...pair, state: 'moving', carrier: 'sfu' })).toBe('moving')
  })

  it('round as people do', () => {
    expect([bitrate(812.4), bitrate(1900), bitrate(12_345)]).toEqual([
      '812 kbit/s',
      '1.9 Mbit/s',
      '12 Mbit/s',
    ])
    expect([loss(0), loss(5), loss(0.234), loss(12.7)]).toEqual(['0 %', '5 %', '0.2 %', '13 %'])
    expect([ago(5000), ago(61_000), ago(7_500_000)]).toEqual(['5 s', '1 min', '2 h 05 min'])
  })
})

describe('a plot', () => {
  it('joins what is near, and leaves gaps where nothing was known', () => {
    const points = [0, 2000, 60_000].map((at) => ({ at, value: 50 }))
    expect(line(points, 60_000, 60_000, 100)).toBe('M0.0 50.0L10.0 50.0M300.0 50.0')
  })

  it('keeps no more than it shows', () => {
    const series = new Series()
    for (let at = 0; at <= 2 * SPAN_MS; at += 1000) series.add(at, 1)
    expect(series.points).toHaveLength(SPAN_MS / 1000 + 1)
  })

  it('ends its axis with a round number', () => {
    expect([0, 1, 3, 77, 210, 501].map(roundUp)).toEqual([1, 1, 5, 100, 250, 1000])
  })
})

describe('the room of a credential', () => {
  const token = (room: string) => `e30.${btoa(JSON.stringify({ room }))}.sig`

  it('is the one that a token names', () => {
    expect([token('demo'), token('*'), 'shop.secret', 'a.b.c'].map(roomOf)).toEqual([
      'demo',
      undefined,
      undefined,
      undefined,
    ])
  })
})
