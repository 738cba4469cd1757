import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bob, call, joined, offerOf, settle, welcome } from './call.js'
import type { Mode } from '../src/wire.js'
import { sectionsOf } from './fake-peer.js'
import { camera, microphone, streamOf } from './fake-platform.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const mine = (...tracks: { id: string; source: 'camera' | 'microphone' | 'screen'; muted?: boolean }[]) => ({
  id: 'p1',
  name: 'Ann',
  away: false,
  tracks: tracks.map((track) => ({ muted: false, ...track })),
})

describe('joining', () => {
  it('asks for the room at the page own server with what is published from the start', async () => {
    const { platform, room } = call({ token: 'x' })
    const muted = microphone()
    muted.enabled = false
    void room.join({ stream: streamOf(camera(), muted) })
    platform.socket.accept()
    expect(platform.socket.url).toBe('wss://call.example/signal')
    expect(platform.socket.sent).toEqual([
      {
        type: 'join',
        version: 1,
        room: 'demo',
        name: 'Ann',
        token: 'x',
        tracks: [
          { source: 'microphone', muted: true },
          { source: 'camera', muted: false },
        ],
        decodes: ['H264', 'VP8'],
        encrypted: false,
      },
    ])
  })

  it.each([
    ['ws://host:8080', 'ws://host:8080/signal'],
    ['wss://host/', 'wss://host/signal'],
    ['http://host:8080', 'ws://host:8080/signal'],
    ['https://host', 'wss://host/signal'],
  ])('takes %s as the address of a server', (url, expected) => {
    const { platform, room } = call({ url })
    void room.join()
    expect(platform.socket.url).toBe(expected)
  })

  it('tells who is there before it resolves', async () => {
    const { events, room } = await joined(welcome({ participants: [bob()], mode: 'sfu', epoch: 3 }))
    expect(events).toEqual(['participant-joined p2', 'track-added t9'])
    expect([room.mode, room.epoch, room.id]).toEqual(['sfu', 3, 'p1'])
    expect(room.participants.get('p2')?.tracks.get('t9')).toMatchObject({ kind: 'video', source: 'camera' })
  })

  it('rejects with the code of the server and is closed', async () => {
    const { platform, room, events } = call()
    const done = room.join()
    platform.socket.accept()
    platform.socket.say({ type: 'error', code: 'room-full', message: 'full', fatal: true })
    await expect(done).rejects.toMatchObject({ code: 'room-full', message: 'full' })
    expect(events).toEqual(['closed room-full'])
  })

  it('rejects when no server answers', async () => {
    const { platform, room } = call()
    const done = room.join()
    platform.socket.drop()
    await expect(done).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('a message of a kind that is not known is ignored', async () => {
    const { platform, events } = await joined()
    platform.socket.say({ type: 'from-the-future' } as never)
    expect(events).toEqual([])
  })

  it('a handler that throws disturbs nobody', async () => {
    const { platform, room, events } = await joined()
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    room.on('participant-joined', () => {
      throw new Error('in the app')
    })
    platform.socket.say({ type: 'participant-joined', participant: bob() })
    expect(log).toHaveBeenCalledOnce()
    expect(events).toEqual(['participant-joined p2', 'track-added t9'])
    log.mockRestore()
  })
})

describe('publishing', () => {
  it('resolves when the server has told everybody', async () => {
    const { platform, room } = await joined()
    const screen = camera()
    const done = room.publish(screen, { source: 'screen' })
    const [ask] = platform.socket.of('publish')
    expect(ask).toEqual({ type: 'publish', request: 1, source: 'screen', muted: false })
    platform.socket.say({
      type: 'track-published',
      participant: 'p1',
      track: { id: 't4', source: 'screen', muted: false },
    })
    await expect(done).resolves.toMatchObject({ id: 't4', source: 'screen', track: screen })
    expect(screen.contentHint).toBe('detail')
  })

  it('rejects with the answer to its own request', async () => {
    const { platform, room, events } = await joined()
    const done = room.publish(camera())
    platform.socket.say({ type: 'error', code: 'too-many-tracks', message: 'no', fatal: false, request: 1 })
    await expect(done).rejects.toMatchObject({ code: 'too-many-tracks' })
    expect(room.localTracks.size).toBe(0)
    expect(events).toEqual([])
  })

  it('muting tells the server and disables the track', async () => {
    const track = microphone()
    const you = mine({ id: 't1', source: 'microphone' })
    const { platform, room } = await joined(welcome({ you }), streamOf(track))
    await room.mute('microphone', true)
    expect(track.enabled).toBe(false)
    expect(platform.socket.of('mute')).toEqual([{ type: 'mute', track: 't1', muted: true }])
    await expect(room.mute('camera', true)).rejects.toMatchObject({ code: 'not-published' })
  })

  it('a shared screen that the user stops is unpublished', async () => {
    const { platform, room } = await joined()
    const screen = camera()
    void room.publish(screen, { source: 'screen' })
    platform.socket.say({
      type: 'track-published',
      participant: 'p1',
      track: { id: 't4', source: 'screen', muted: false },
    })
    screen.dispatchEvent(new Event('ended'))
    expect(platform.socket.of('unpublish')).toEqual([{ type: 'unpublish', track: 't4' }])
    expect(room.localTracks.size).toBe(0)
  })
})

describe('the up transport', () => {
  const slots = [
    { mid: '0', source: 'microphone' as const },
    { mid: '1', source: 'camera' as const },
  ]
  const offer = {
    type: 'offer' as const,
    transport: 'up' as const,
    generation: 1,
    sdp: offerOf(['0', 'audio', 'recvonly'], ['1', 'video', 'recvonly']),
    slots,
  }

  it('answers every slot as sending, and holds still until told to send', async () => {
    const [picture, sound] = [camera(), microphone()]
    const you = mine({ id: 't1', source: 'camera' }, { id: 't2', source: 'microphone' })
    const { platform } = await joined(welcome({ you }), streamOf(picture, sound))
    platform.socket.say(offer)
    await settle()
    const [answer] = platform.socket.of('answer')
    expect(answer).toMatchObject({ transport: 'up', generation: 1 })
    expect(sectionsOf(answer?.sdp ?? '')).toMatchObject([
      { direction: 'sendonly' },
      { direction: 'sendonly' },
    ])
    const senders = platform.peers[0]?.getSenders() ?? []
    const sent = () => senders.map(({ track, encodings }) => encodings[0]?.active && track)
    expect(sent()).toEqual([false, false])
    expect(senders.map(({ track }) => track)).toEqual([null, picture])
    platform.socket.say({ type: 'send-up', active: true })
    await settle()
    expect(sent()).toEqual([sound, picture])
    platform.socket.say({ type: 'send-up', active: false })
    await settle()
    expect(sent()).toEqual([false, false])
    expect(senders[0]?.track).toBe(sound)
  })

  it('a track that comes later takes its slot with no new answer', async () => {
    const { platform, room } = await joined()
    platform.socket.say(offer)
    await settle()
    const track = camera()
    void room.publish(track)
    platform.socket.say({
      type: 'track-published',
      participant: 'p1',
      track: { id: 't1', source: 'camera', muted: false },
    })
    await settle()
    expect(platform.peers[0]?.getSenders()[1]?.track).toBe(track)
    expect(platform.socket.of('answer')).toHaveLength(1)
  })

  it('a new generation replaces the connection, the same one keeps it', async () => {
    const { platform } = await joined()
    platform.socket.say(offer)
    platform.socket.say(offer)
    await settle()
    expect(platform.peers).toHaveLength(1)
    platform.socket.say({ ...offer, generation: 2 })
    await settle(1500)
    expect(platform.peers.map(({ signalingState }) => signalingState)).toEqual(['closed', 'stable'])
  })

  it('one that fails is reported to the server', async () => {
    const { platform, events } = await joined(welcome({ mode: 'sfu' }))
    platform.socket.say(offer)
    await settle()
    platform.peers[0]?.become('failed')
    expect(platform.socket.of('transport-failed')).toEqual([
      { type: 'transport-failed', transport: 'up', generation: 1 },
    ])
    // It never was up: nothing is lost.
    expect(events).toEqual([])
  })

  it('one without contact for seconds is dead, a short outage heals', async () => {
    const { platform } = await joined()
    platform.socket.answers = true
    platform.socket.say(offer)
    await settle()
    platform.peers[0]?.become('disconnected')
    await settle(2000)
    platform.peers[0]?.become('connected')
    await settle(5000)
    expect(platform.socket.of('transport-failed')).toHaveLength(0)
    platform.peers[0]?.become('disconnected')
    await settle(3100)
    expect(platform.socket.of('transport-failed')).toHaveLength(1)
  })

  it('one that loses contact asks for ICE to begin anew, once for each outage', async () => {
    const { platform } = await joined(welcome({ heartbeatMs: 60_000 }))
    platform.socket.say(offer)
    await settle()
    const asked = { type: 'restart-ice', transport: 'up', generation: 1 }
    platform.peers[0]?.become('disconnected')
    expect(platform.socket.of('restart-ice')).toEqual([])
    for (const outage of [1, 2]) {
      platform.peers[0]?.become('connected')
      platform.peers[0]?.become('disconnected')
      platform.peers[0]?.become('disconnected')
      expect(platform.socket.of('restart-ice')).toHaveLength(outage)
    }
    expect(platform.socket.of('restart-ice')).toContainEqual(asked)
    // The server may be out of reach as well.
    expect(platform.socket.of('ping')).not.toHaveLength(0)
  })

  it('a new one holds still although the one before was sending', async () => {
    const you = mine({ id: 't1', source: 'camera' })
    const { platform } = await joined(welcome({ you }), streamOf(camera()))
    platform.socket.say(offer)
    platform.socket.say({ type: 'send-up', active: true })
    platform.socket.say({ ...offer, generation: 2 })
    await settle()
    expect(platform.peers[1]?.getSenders()[1]?.encodings[0]?.active).toBe(false)
  })

  it('an offer that cannot be applied is a failure too', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const { platform } = await joined()
    platform.socket.say({ ...offer, sdp: 'garbage' })
    await settle()
    expect(platform.socket.of('transport-failed')).toHaveLength(1)
    warn.mockRestore()
  })
})

describe('the media server is lost', () => {
  const section = { up: ['0', 'audio', 'recvonly'], down: ['0', 'audio', 'sendonly'] } as const
  type Direction = keyof typeof section

  /** In a call with both transports up. `open` offers one and gives its connection. */
  async function talking(mode: Mode = 'sfu') {
    const { platform, events } = await joined(welcome({ mode, heartbeatMs: 60_000 }))
    platform.socket.answers = true
    const open = async (transport: Direction, generation: number) => {
      const sdp = offerOf([...section[transport]])
      platform.socket.say({ type: 'offer', transport, generation, sdp, slots: [] })
      await settle()
      return platform.peers.at(-1)
    }
    const close = (transport: Direction, generation: number) =>
      platform.socket.say({ type: 'transport-close', transport, generation })
    const [up, down] = [await open('up', 1), await open('down', 2)]
    for (const peer of [up, down]) peer?.become('connected')
    return { platform, events, up, down, open, close }
  }

  it('is told once for both transports, by whoever notices', async () => {
    const { platform, events, up, down, close } = await talking()
    up?.become('disconnected')
    await settle(2000)
    down?.become('disconnected')
    await settle(1100)
    expect(events).toEqual(['error sfu-lost'])
    expect(platform.socket.of('transport-failed')).toHaveLength(1)
    close('up', 1)
    close('down', 2)
    await settle(60_000)
    expect(events).toEqual(['error sfu-lost'])
  })

  it('is told when the server gives up its transports first', async () => {
    const { events, close } = await talking()
    close('down', 2)
    close('up', 1)
    expect(events).toEqual(['error sfu-lost'])
  })

  it('is not told again while new transports fail, but in the next outage', async () => {
    const { events, open, close } = await talking()
    close('up', 1)
    close('down', 2)
    const first = await open('up', 3)
    await settle(15_000)
    first?.become('failed')
    close('up', 3)
    const [up, down] = [await open('up', 5), await open('down', 6)]
    up?.become('connected')
    up?.become('disconnected')
    await settle(5000)
    expect(events).toEqual(['error sfu-lost'])
    const again = await open('up', 7)
    for (const peer of [again, down]) peer?.become('connected')
    close('down', 6)
    expect(events).toEqual(['error sfu-lost', 'error sfu-lost'])
  })

  it('is not told when the transports are let go, or were not in use', async () => {
    const demoting = await talking('demoting')
    demoting.close('up', 1)
    expect(demoting.events).toEqual([])
    const mesh = await talking('mesh')
    mesh.up?.become('failed')
    mesh.close('down', 2)
    expect(mesh.events).toEqual([])
  })

  it('a room that goes back to mesh has got over it', async () => {
    const { platform, events, open, close } = await talking()
    close('up', 1)
    platform.socket.say({ type: 'mode', mode: 'mesh', epoch: 2 })
    platform.socket.say({ type: 'mode', mode: 'sfu', epoch: 3 })
    const up = await open('up', 3)
    up?.become('connected')
    close('up', 3)
    expect(events.filter((event) => event === 'error sfu-lost')).toHaveLength(2)
  })
})

describe('the path of a participant', () => {
  const down = (generation = 1) => ({
    type: 'offer' as const,
    transport: 'down' as const,
    generation,
    sdp: offerOf(['0', 'video', 'sendonly']),
    slots: [{ mid: '0', track: 't9' }],
  })
  const order = { type: 'path' as const, peer: 'p2', carrier: 'sfu' as const, epoch: 1 }

  it('is answered once a frame of every picture was presented over the new carrier', async () => {
    const { platform } = await joined(welcome({ participants: [bob()] }))
    platform.socket.say(down())
    await settle()
    platform.peers[0]?.become('connected')
    platform.socket.say(order)
    await settle(200)
    expect(platform.socket.of('shown')).toEqual([])
    platform.playing[0]?.present()
    await settle()
    expect(platform.socket.of('shown')).toEqual([{ type: 'shown', peer: 'p2', carrier: 'sfu', epoch: 1 }])
  })

  it('in a hidden page a frame that the element holds is proof', async () => {
    const { platform } = await joined(welcome({ participants: [bob()] }))
    platform.isHidden = true
    platform.socket.say(down())
    await settle()
    platform.peers[0]?.become('connected')
    platform.socket.say(order)
    const [video] = platform.playing
    if (video) video.readyState = 2
    video?.dispatchEvent(new Event('loadeddata'))
    await settle()
    expect(platform.socket.of('shown')).toHaveLength(1)
  })

  it('with nothing to show is answered when the carrier stands', async () => {
    const muted = bob([{ id: 't9', source: 'camera', muted: true }])
    const { platform } = await joined(welcome({ participants: [muted] }))
    platform.socket.say(order)
    platform.socket.say(down())
    await settle()
    expect(platform.socket.of('shown')).toEqual([])
    platform.peers[0]?.become('connected')
    expect(platform.socket.of('shown')).toHaveLength(1)
  })

  it('muting what was waited for answers it', async () => {
    const { platform } = await joined(welcome({ participants: [bob()] }))
    platform.socket.say(down())
    await settle()
    platform.peers[0]?.become('connected')
    platform.socket.say(order)
    platform.socket.say({ type: 'track-muted', participant: 'p2', track: 't9', muted: true })
    expect(platform.socket.of('shown')).toHaveLength(1)
  })

  it('a new generation of the transport is proven again while the old picture stays', async () => {
    const { platform, room } = await joined(welcome({ participants: [bob()] }))
    platform.socket.say(order)
    platform.socket.say(down())
    await settle()
    platform.playing[0]?.present()
    await settle()
    const track = room.participants.get('p2')?.tracks.get('t9')
    expect(track?.over).toBe('sfu')
    platform.socket.say(down(2))
    await settle()
    expect(track?.over).toBeUndefined()
    platform.playing.at(-1)?.present()
    await settle()
    expect(track?.over).toBe('sfu')
  })

  it('slots move a line to another track with no new answer', async () => {
    const two = bob([
      { id: 't9', source: 'camera', muted: true },
      { id: 't10', source: 'screen', muted: true },
    ])
    const { platform, room } = await joined(welcome({ participants: [two] }))
    platform.socket.say(down())
    await settle()
    const over = (id: string) => room.participants.get('p2')?.tracks.get(id)?.over
    expect([over('t9'), over('t10')]).toEqual(['sfu', undefined])
    platform.socket.say({ type: 'slots', generation: 1, slots: [{ mid: '0', track: 't10' }] })
    await settle()
    expect([over('t9'), over('t10')]).toEqual([undefined, 'sfu'])
    expect(platform.socket.of('answer')).toHaveLength(1)
  })
})

describe('legs', () => {
  const leg = { id: 'l1', kind: 'hls' as const, state: 'starting' as const, url: '/hls/demo/index.m3u8' }

  it('startLeg gives the leg with an address that a player can open', async () => {
    const { platform, room } = await joined()
    const done = room.startLeg({ kind: 'hls' })
    expect(platform.socket.of('start-leg')).toEqual([{ type: 'start-leg', request: 1, kind: 'hls' }])
    platform.socket.say({ type: 'leg', leg, request: 1 })
    await expect(done).resolves.toEqual({ ...leg, url: 'https://call.example/hls/demo/index.m3u8' })
    platform.socket.say({ type: 'leg', leg: { ...leg, state: 'stopped' } })
    expect(room.legs.size).toBe(0)
  })

  it('rejects what the server refuses', async () => {
    const { platform, room } = await joined()
    const done = room.startLeg({ kind: 'hls' })
    platform.socket.say({ type: 'error', code: 'too-many-legs', message: 'no', fatal: false, request: 1 })
    await expect(done).rejects.toMatchObject({ code: 'too-many-legs' })
  })
})
