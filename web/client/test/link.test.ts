import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { unprotected } from '../src/encryption.js'
import { Link } from '../src/link.js'
import { LocalTrack } from '../src/local-track.js'
import type { ClientMessage, Source } from '../src/wire.js'
import { FakePeer, FakeTrack } from './fake-peer.js'
import { FakePlatform } from './fake-platform.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const local = (id: string, source: Source) => {
  const kind = source === 'camera' || source === 'screen' ? 'video' : 'audio'
  return new LocalTrack(id, source, new FakeTrack(kind) as never, {} as never, false)
}

/** Two ends, and a server between them that takes `delay` ms for a message. */
function ends(
  own: Record<'impolite' | 'polite', LocalTrack[]>,
  expects = { audio: 0, video: 0 },
  delay = () => 10,
) {
  const platform = new FakePlatform()
  const sent: ClientMessage[] = []
  const end = (polite: boolean): Link => {
    const send = (message: ClientMessage) => {
      sent.push(message)
      // The server keeps the order of each sender's messages.
      const due = (last[+polite] = Math.max(last[+polite] ?? 0, performance.now() + delay()))
      setTimeout(() => deliver(polite ? impolite : other, message), due - performance.now())
    }
    const host = {
      platform: platform.as(),
      protection: unprotected,
      send,
      doubt: () => {},
      changed: () => {},
      data: () => {},
    }
    const options = { peer: polite ? 'p1' : 'p2', link: 1, polite, data: true, iceServers: [], expects }
    return new Link(host, options, polite ? own.polite : own.impolite)
  }
  const last: number[] = []
  const deliver = (to: Link, message: ClientMessage) => {
    if (message.type === 'link-description') void to.description(message.description, message.tracks)
    if (message.type === 'link-candidate') to.candidate(message.candidate)
  }
  const other = end(true)
  const impolite = end(false)
  const peer = (link: Link) => link.pc as unknown as FakePeer
  return { impolite, polite: other, sent, peer, platform }
}

const media = (link: Link) => [...link.media.keys()].sort()
const descriptions = (sent: ClientMessage[]) => sent.filter(({ type }) => type === 'link-description').length

it('one offer and one answer carry both ends tracks when the impolite end knows what to expect', async () => {
  const { impolite, polite, sent } = ends(
    { impolite: [local('t1', 'camera')], polite: [local('t2', 'camera'), local('t3', 'microphone')] },
    { audio: 1, video: 1 },
  )
  await vi.advanceTimersByTimeAsync(500)
  expect(media(impolite)).toEqual(['t2', 't3'])
  expect(media(polite)).toEqual(['t1'])
  expect(descriptions(sent)).toBe(2)
})

it('an end with no tracks still gives a connection to be made', async () => {
  const { sent } = ends({ impolite: [], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  expect(descriptions(sent)).toBe(2)
})

it('what was not expected is negotiated after', async () => {
  const { impolite, polite } = ends({ impolite: [], polite: [local('t2', 'screen')] })
  await vi.advanceTimersByTimeAsync(500)
  expect(media(impolite)).toEqual(['t2'])
  expect(media(polite)).toEqual([])
})

it('when both offer at once the polite end gives way and nothing is lost', async () => {
  const { impolite, polite, peer } = ends({ impolite: [], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  impolite.setTracks([local('t1', 'camera')])
  polite.setTracks([local('t2', 'microphone')])
  await vi.advanceTimersByTimeAsync(500)
  expect(peer(polite).rollbacks).toBe(1)
  expect(peer(impolite).rollbacks).toBe(0)
  expect(media(impolite)).toEqual(['t2'])
  expect(media(polite)).toEqual(['t1'])
})

it('any timing of offers ends in agreement', async () => {
  let seed = 1
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647
  for (let round = 0; round < 60; round++) {
    const { impolite, polite, peer } = ends({ impolite: [], polite: [] }, undefined, () => 1 + 20 * random())
    for (const [link, ids] of [
      [impolite, ['t1', 't2']],
      [polite, ['t3', 't4']],
    ] as const) {
      const [first, second] = ids.map((id, n) => local(id, n === 0 ? 'camera' : 'screen'))
      if (!first || !second) throw new Error('two tracks each')
      setTimeout(() => link.setTracks([first]), 60 * random())
      setTimeout(() => link.setTracks([first, second]), 60 + 60 * random())
      setTimeout(() => link.setTracks([second]), 120 + 60 * random())
    }
    await vi.advanceTimersByTimeAsync(1000)
    expect([media(impolite), media(polite)], `round ${round}`).toEqual([['t4'], ['t2']])
    expect([peer(impolite).signalingState, peer(polite).signalingState]).toEqual(['stable', 'stable'])
  }
})

it('candidates that come before the description wait for it', async () => {
  const { polite, peer } = ends({ impolite: [], polite: [] })
  polite.candidate({ candidate: 'early', sdpMid: '0', sdpMLineIndex: 0, usernameFragment: null })
  expect(peer(polite).candidates).toEqual([])
  await vi.advanceTimersByTimeAsync(500)
  expect(peer(polite).candidates).toMatchObject([{ candidate: 'early' }])
})

it('a failed link restarts ICE once, by the impolite end, and is reported when that does not help', async () => {
  const { impolite, polite, peer, sent } = ends({ impolite: [], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  const states = () => sent.filter(({ type }) => type === 'link-state')
  peer(impolite).become('failed')
  peer(polite).become('failed')
  expect([peer(impolite).restarts, peer(polite).restarts]).toEqual([1, 0])
  expect(states()).toEqual([])
  await vi.advanceTimersByTimeAsync(5000)
  expect(states()).toMatchObject([{ state: 'failed' }, { state: 'failed' }])
})

it('a link that comes back in time is not reported as failed', async () => {
  const { impolite, peer, sent } = ends({ impolite: [], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  peer(impolite).become('failed')
  await vi.advanceTimersByTimeAsync(2000)
  peer(impolite).become('connected')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(sent.filter(({ type }) => type === 'link-state')).toMatchObject([
    { state: 'connected', relayed: false },
  ])
})

it('an offer that was lost with the socket is said again when the link is named again', async () => {
  const { impolite, sent } = ends({ impolite: [], polite: [] }, undefined, () => 1e9)
  await vi.advanceTimersByTimeAsync(50)
  impolite.reopen()
  expect(descriptions(sent)).toBe(2)
})

it('a muted picture is not sent, and is again when unmuted', async () => {
  const camera = local('t1', 'camera')
  const { impolite, peer } = ends({ impolite: [camera], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  camera.muted = true
  impolite.setTracks([camera])
  expect(peer(impolite).getSenders()[0]?.track).toBeNull()
  camera.muted = false
  impolite.setTracks([camera])
  expect(peer(impolite).getSenders()[0]?.track).toBe(camera.track)
})

it('half the size while both paths are sent, the whole again after', async () => {
  const [camera, microphone] = [local('t1', 'camera'), local('t2', 'microphone')]
  const { impolite, peer } = ends({ impolite: [camera, microphone], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  const scales = () =>
    peer(impolite)
      .getSenders()
      .map(({ encodings }) => encodings[0]?.scaleResolutionDownBy)
  impolite.halve(true)
  expect(scales()).toEqual([2, 1])
  impolite.setTracks([camera, microphone, local('t3', 'screen')])
  expect(scales()).toEqual([2, 1, 2])
  impolite.halve(false)
  expect(scales()).toEqual([1, 1, 1])
})

it('a small picture keeps its size', async () => {
  const camera = local('t1', 'camera')
  Object.assign(camera.track, { size: { width: 160, height: 120 } })
  const { impolite, peer } = ends({ impolite: [camera], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  impolite.halve(true)
  expect(peer(impolite).getSenders()[0]?.encodings[0]?.scaleResolutionDownBy ?? 1).toBe(1)
})

it('says whether it goes through a relay, and says so again when that changes', async () => {
  const { impolite, peer, sent } = ends({ impolite: [], polite: [] })
  await vi.advanceTimersByTimeAsync(500)
  const said = () => sent.flatMap((message) => (message.type === 'link-state' ? [message.relayed] : []))
  peer(impolite).uses('host', 'relay')
  peer(impolite).become('connected')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(said()).toEqual([true])
  peer(impolite).uses('srflx', 'prflx')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(said()).toEqual([true, false])
  impolite.close()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
})
