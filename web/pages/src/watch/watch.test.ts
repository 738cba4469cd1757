import { describe, expect, test } from 'vitest'
import { Backoff, latencyText } from './pace'
import { hasEnded, look } from './playlist'

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

  test('is out of reach when the server does not answer', async () => {
    expect(await look('/x', () => Promise.reject(new TypeError('no network')))).toBe('unreachable')
  })

  test('has ended by a tag of its own line only', () => {
    expect(hasEnded('#EXTM3U\n# not #EXT-X-ENDLIST\n')).toBe(false)
    expect(hasEnded('#EXTM3U\r\n#EXT-X-ENDLIST\r\n')).toBe(true)
  })
})

test('waiting begins with a second and never takes longer than two', () => {
  const backoff = new Backoff()
  const waits = Array.from({ length: 20 }, () => backoff.next())
  expect(waits[0]).toBe(1000)
  expect(Math.max(...waits)).toBe(2000)
})

test('a delay is said in tenths of a second, and not at all when clocks disagree', () => {
  expect(latencyText(1.44)).toBe('1.4 s behind')
  expect(latencyText(-3)).toBe('')
  expect(latencyText(undefined)).toBe('')
})
