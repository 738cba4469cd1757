import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { slim } from '../src/answer.js'

/** Answers of real browsers. The server's own tests read them, and need of them what is compared here. */
const recorded = (name: string) =>
  readFileSync(new URL(`../../../tests/data/sdp/${name}.sdp`, import.meta.url), 'utf8')

/** What the server takes from an answer, by its own rules: `src/sfu/sdp/answer.rs`. */
function read(sdp: string) {
  const transport: Record<string, string> = {}
  const sections: { rejected: boolean; mid?: string; direction: string; ssrc?: string; repair?: string }[] =
    []
  for (const line of sdp.split(/\r?\n/).filter((line) => line !== '')) {
    const section = sections.at(-1)
    const [, name = '', value = ''] = /^a=([^:]+):?(.*)$/.exec(line) ?? []
    expect(line).toMatch(/^[a-z]=/)
    if (line.startsWith('m=')) sections.push({ rejected: line.split(' ')[1] === '0', direction: 'sendrecv' })
    const known =
      ['ice-ufrag', 'ice-pwd', 'setup'].includes(name) || line.startsWith('a=fingerprint:sha-256 ')
    if (known && !section?.rejected) transport[name] ??= value
    if (!section) continue
    if (name === 'mid') section.mid = value
    if (['sendrecv', 'sendonly', 'recvonly', 'inactive'].includes(name)) section.direction = name
    // It is asked for only where the client sends.
    if (
      name === 'ssrc-group' &&
      value.startsWith('FID ') &&
      !/a=(recvonly|inactive)/.test(sectionOf(sdp, sections.length))
    )
      section.repair ??= value.split(' ')[2]
    if (name === 'ssrc' && !/a=(recvonly|inactive)/.test(sectionOf(sdp, sections.length)))
      section.ssrc ??= value.split(' ')[0]
  }
  return { transport, sections }
}

const sectionOf = (sdp: string, number: number) => sdp.split(/^(?=m=)/m)[number] ?? ''

/** Bytes on the wire, where every line end is four characters of JSON. */
const size = (sdp: string) => JSON.stringify(sdp).length

describe.each(['chromium-up', 'chromium-down', 'firefox-up', 'firefox-down'])('the answer %s', (name) => {
  const answer = recorded(name)
  const slimmed = slim(answer)

  it('says the same to the server', () => {
    const said = read(slimmed)
    expect(said).toEqual(read(answer))
    expect(Object.keys(said.transport).sort()).toEqual(['fingerprint', 'ice-pwd', 'ice-ufrag', 'setup'])
    expect(said.sections.every(({ mid }) => mid !== undefined)).toBe(true)
    // Sound and picture twice, and data channels.
    const sends = name.endsWith('up') ? 4 : 0
    expect(said.sections.filter(({ ssrc }) => ssrc !== undefined)).toHaveLength(sends)
  })

  it('cannot be made slimmer by doing it again', () => expect(slim(slimmed)).toBe(slimmed))
})

it.each(['chromium-down', 'firefox-down'])(
  '%s takes under 200 bytes for sound and picture together',
  (name) => {
    const [session = '', anchor = '', ...sections] = slim(recorded(name)).split(/^(?=m=)/m)
    expect(sections).toHaveLength(6)
    // Three of each, in no order.
    expect(size(sections.join('')) / 3).toBeLessThan(200)
    expect(size(session + anchor)).toBeLessThan(500)
  },
)

it('300 people with sound and picture fit in a message of 64 KiB', () => {
  const [session = '', anchor = '', sound = '', picture = ''] = recorded('chromium-down').split(/^(?=m=)/m)
  const pair = (n: number) => (sound + picture).replaceAll(/a=mid:\d/g, (mid) => `${mid}${n}`)
  const pairs = Array.from({ length: 300 }, (_, n) => pair(1000 + n))
  const answer = [session, anchor, ...pairs].join('')
  expect(size(answer)).toBeGreaterThan(5 * 65_536)
  expect(size(slim(answer))).toBeLessThan(60_000)
  expect(read(slim(answer)).sections).toHaveLength(601)
})

it('the stream of retransmissions is named', () => {
  const ssrc = /a=ssrc:(\d+)/.exec(recorded('chromium-up'))?.[1] ?? ''
  const answer = recorded('chromium-up').replace(
    `a=ssrc:${ssrc}`,
    `a=ssrc-group:FID ${ssrc} 77\r\na=ssrc:${ssrc}`,
  )
  expect(read(slim(answer))).toEqual(read(answer))
  expect(slim(answer)).toContain(`a=ssrc-group:FID ${ssrc} 77\r\n`)
})

it('a rejected section stays in its place and does not speak for the transport', () => {
  const answer = recorded('chromium-up')
    .replace(/^m=audio \d+/m, 'm=audio 0')
    .replace('a=ice-ufrag:', 'a=ice-ufrag:old')
  const said = read(slim(answer))
  expect(said).toEqual(read(answer))
  expect(said.sections.map(({ rejected }) => rejected)).toEqual([true, false, false, false, false])
  expect(said.transport['ice-ufrag']).not.toMatch(/^old/)
  expect(slim(answer)).not.toContain('ice-ufrag:old')
})

it('a fingerprint that the server does not know is not taken for the one that it does', () => {
  const known = 'a=fingerprint:sha-256 AB:CD'
  const answer = `v=0\r\na=fingerprint:sha-512 12:34\r\n${known}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n`
  expect(slim(answer)).toBe(`v=0\r\n${known}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n`)
})
