import { describe, expect, test } from 'vitest'
import { Backoff, clockText, latencyText } from './pace'
import { hasEnded, look } from './playlist'
import { capturedAt, levelName } from './source'
import { placeOf, startFrom, startQuery } from './start'
import { viewerId, viewersOf, viewersText } from './viewers'

const MASTER = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo/live.m3u8\n'
const LIVE = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n1.m4s\n'
const ENDED = `${LIVE}#EXT-X-ENDLIST\n`

/** A server with these files. */
function server(files: Record<string, string>): typeof fetch {
  return async (input) => {
    const text = files[new URL(String(input), 'http://test').pathname]
    const response = new Response(text ?? 'no', { status: text === undefined ? 404 : 200 })
    Object.defineProperty(response, 'url', { value: new URL(String(input), 'http://test').href })
    return response
  }
}

describe('a broadcast', () => {
  test('that has not begun is nothing yet', async () => {
    expect(await look('/hls/a/index.m3u8', server({}))).toBe('nothing')
    expect(await look('/hls/a/index.m3u8', server({ '/hls/a/index.m3u8': MASTER }))).toBe('nothing')
  })

  test('is live until its media playlist ends', async () => {
    const files = { '/hls/a/index.m3u8': MASTER, '/hls/a/video/live.m3u8': LIVE }
    expect(await look('/hls/a/index.m3u8', server(files))).toBe('live')
    files['/hls/a/video/live.m3u8'] = ENDED
    expect(await look('/hls/a/index.m3u8', server(files))).toBe('ended')
  })

  test('may have one playlist only', async () => {
    expect(await look('/hls/a/index.m3u8', server({ '/hls/a/index.m3u8': LIVE }))).toBe('live')
  })

  test('is for those who were let in', async () => {
    for (const status of [401, 403])
      expect(await look('/x', async () => new Response('no', { status }))).toBe('refused')
  })

  test('is out of reach when the server does not answer', async () => {
    expect(await look('/x', () => Promise.reject(new TypeError('no network')))).toBe('unreachable')
  })

  test('has ended by a tag of its own line only', () => {
    expect(hasEnded('#EXTM3U\n# not #EXT-X-ENDLIST\n')).toBe(false)
    expect(hasEnded('#EXTM3U\r\n#EXT-X-ENDLIST\r\n')).toBe(true)
  })
})

test('a moment is told by the segment that it is in, and by the first for what is before', () => {
  const fragments = [
    { start: 10, programDateTime: 1_000_000 },
    { start: 12, programDateTime: null },
    { start: 14, programDateTime: 1_009_000 },
  ]
  const at = (time: number) => capturedAt(fragments, time)?.getTime()
  expect([9, 10, 13, 14, 15.5].map(at)).toEqual([999_000, 1_000_000, 1_003_000, 1_009_000, 1_010_500])
  expect(capturedAt([{ start: 0, programDateTime: null }], 1)).toBeUndefined()
})

test('waiting begins with a second and never takes longer than two', () => {
  const backoff = new Backoff()
  const waits = Array.from({ length: 20 }, () => backoff.next())
  expect(waits[0]).toBe(1000)
  expect(Math.max(...waits)).toBe(2000)
})

test('a delay is said in tenths of a second, and not at all when clocks disagree', () => {
  expect(latencyText(1.44)).toBe('1.4 s behind')
  expect(latencyText(750)).toBe('12:30 behind')
  expect(latencyText(-3)).toBe('')
  expect(latencyText(1e6)).toBe('')
  expect(latencyText(undefined)).toBe('')
})

test('times are said as clocks show them', () => {
  expect([0, 59.9, 60, 3723, -5].map(clockText)).toEqual(['0:00', '0:59', '1:00', '1:02:03', '0:00'])
})

describe('a link into a broadcast', () => {
  const range = { start: 100, end: 700 }
  const dateAt = (time: number) => new Date(Date.UTC(2026, 0, 1) + time * 1000)
  const leads = (search: string) => {
    const start = startFrom(search)
    return start && placeOf(start, range, dateAt)
  }

  test('leads so many seconds from the beginning, or from the end', () => {
    expect(leads('?start=90')).toBe(190)
    expect(leads('?start=-90.5')).toBe(609.5)
  })

  test('leads to a moment, as it was copied', () => {
    expect(leads(startQuery(dateAt(345)))).toBe(345)
    expect(leads('?start=2026-01-01T01:05:45+01:00')).toBe(345)
  })

  test('never leads out of what there is', () => {
    expect(leads('?start=9999')).toBe(700)
    expect(leads('?start=-9999')).toBe(100)
    expect(leads('?start=1999-01-01T00:00:00Z')).toBe(100)
  })

  test('that makes no sense leads nowhere', () => {
    for (const absurd of [
      '',
      '?start=',
      '?start=soon',
      '?start=1e9',
      '?start=2026-99-99T00:00:00Z',
      '?start=NaN',
    ])
      expect(startFrom(absurd)).toBeUndefined()
  })

  test('to a moment waits until moments are known', () => {
    expect(placeOf({ date: new Date() }, range, () => undefined)).toBeUndefined()
  })
})

describe('those who watch', () => {
  test('are told apart by nothing but a random number', () => {
    expect(viewerId()).toMatch(/^[0-9a-f]{16}$/u)
    expect(viewerId()).not.toBe(viewerId())
  })

  test('are as many as the server says', async () => {
    const says = (body: string) => async () => new Response(body)
    expect(await viewersOf('a', says('{"viewers":12}'))).toBe(12)
    expect(await viewersOf('a', says('{"viewers":"12"}'))).toBeUndefined()
    expect(await viewersOf('a', says('oops'))).toBeUndefined()
    expect([undefined, 0, 1, 2345].map(viewersText)).toEqual(['', '', '1 watching', '2,345 watching'])
  })
})

test('a quality is called by its height, or by what it takes', () => {
  expect(levelName(720, 3e6)).toBe('720p')
  expect(levelName(0, 96_400)).toBe('96 kbit/s')
})
