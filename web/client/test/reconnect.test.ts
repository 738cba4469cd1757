import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { bob, joined, settle, welcome } from './call.js'
import { microphone, streamOf } from './fake-platform.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('a lost socket is replaced and the session goes on with its connections', async () => {
  const { platform, events, room } = await joined(welcome({ participants: [bob()] }))
  platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: false, data: true })
  await settle()
  platform.socket.drop()
  expect(events.at(-1)).toBe('reconnecting')
  await settle(250)
  expect(platform.sockets).toHaveLength(2)
  platform.socket.accept()
  expect(platform.socket.of('join')).toMatchObject([{ resume: { participant: 'p1', secret: 'secret' } }])
  platform.socket.say(welcome({ resumed: true, participants: [bob()] }))
  platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: false, data: true })
  await settle()
  expect(events).toEqual(['participant-joined p2', 'track-added t9', 'reconnecting', 'reconnected'])
  expect(platform.peers).toHaveLength(1)
  expect(platform.peers[0]?.signalingState).not.toBe('closed')
  await room.leave()
})

it('what was said while the socket was lost is said after', async () => {
  const { platform, room } = await joined()
  platform.socket.drop()
  void room.send('hello')
  await settle(250)
  platform.socket.accept()
  platform.socket.say(welcome({ resumed: true }))
  expect(platform.socket.of('message')).toEqual([{ type: 'message', request: 1, data: 'hello' }])
})

it('what changed meanwhile is told', async () => {
  const { platform, events } = await joined(welcome({ participants: [bob()] }))
  platform.socket.drop()
  await settle(250)
  platform.socket.accept()
  const carol = { ...bob([]), id: 'p3' }
  platform.socket.say(welcome({ resumed: true, participants: [carol], mode: 'sfu', epoch: 1 }))
  expect(events.slice(3)).toEqual([
    'mode-changed',
    'track-removed t9',
    'participant-left p2',
    'participant-joined p3',
    'reconnected',
  ])
})

it('pauses grow, and the session is joined anew when its grace time is over', async () => {
  const { platform, events } = await joined(welcome({ participants: [bob()] }))
  platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: false, data: true })
  platform.socket.drop()
  const times: number[] = []
  const begun = performance.now()
  for (let attempt = 0; attempt < 6; attempt++) {
    const before = platform.sockets.length
    while (platform.sockets.length === before) await settle(10)
    times.push(performance.now() - begun)
    platform.socket.accept()
    if (attempt < 5) platform.socket.drop()
  }
  const gaps = times.map((time, n) => time - (times[n - 1] ?? 0))
  for (const [n, ms] of [200, 500, 1000, 2000, 4000, 5000].entries()) {
    expect(gaps[n]).toBeGreaterThanOrEqual(ms)
    expect(gaps[n]).toBeLessThanOrEqual(ms * 1.3 + 10)
  }
  expect(platform.sockets[5]?.of('join')[0]?.resume).toBeDefined()
  expect(platform.socket.of('join')[0]?.resume).toBeUndefined()
  platform.socket.say(
    welcome({ you: { id: 'p7', name: 'Ann', tracks: [], away: false }, participants: [bob()] }),
  )
  await settle(1500)
  expect(events.slice(2)).toEqual([
    'reconnecting',
    'track-removed t9',
    'participant-left p2',
    'participant-joined p2',
    'track-added t9',
    'reconnected',
  ])
  expect(platform.peers[0]?.signalingState).toBe('closed')
})

it('a refused resumption is a join at once, with the same tracks under new ids', async () => {
  const you = (id: string) => ({
    id: 'p1',
    name: 'Ann',
    away: false,
    tracks: [{ id, source: 'microphone' as const, muted: false }],
  })
  const { platform, room } = await joined(welcome({ you: you('t1') }), streamOf(microphone()))
  platform.socket.drop()
  await settle(250)
  platform.socket.accept()
  platform.socket.say({ type: 'error', code: 'resume-refused', message: 'gone', fatal: true })
  expect(platform.sockets).toHaveLength(3)
  platform.socket.accept()
  expect(platform.socket.of('join')).toMatchObject([{ tracks: [{ source: 'microphone', muted: false }] }])
  expect(platform.socket.of('join')[0]?.resume).toBeUndefined()
  platform.socket.say(welcome({ you: you('t5') }))
  expect(room.localTracks.get('microphone')?.id).toBe('t5')
})

it('who is sent to another room joins it anew with the same tracks, and leaves nothing of the first', async () => {
  const you = (id: string) => ({
    id: 'p1',
    name: 'Ann',
    away: false,
    tracks: [{ id, source: 'microphone' as const, muted: false }],
  })
  const first = welcome({ you: you('t1'), participants: [bob()] })
  const { platform, room, events } = await joined(first, streamOf(microphone()))
  platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: false, data: true })
  await settle()
  const track = room.localTracks.get('microphone')?.track
  const unanswered = room.send('hello').catch(({ code }: { code: string }) => code)
  platform.socket.say({ type: 'moved', room: 'side', token: 'pass' })
  expect(await unanswered).toBe('interrupted')
  await settle(1500)
  expect(platform.sockets).toHaveLength(2)
  expect(platform.peers[0]?.signalingState).toBe('closed')
  expect(room.participants.size).toBe(0)
  platform.socket.accept()
  expect(platform.socket.of('join')).toMatchObject([
    { room: 'side', token: 'pass', tracks: [{ source: 'microphone', muted: false }] },
  ])
  expect(platform.socket.of('join')[0]?.resume).toBeUndefined()
  platform.socket.say(welcome({ you: you('t3'), participants: [{ ...bob([]), name: 'Cleo' }] }))
  expect(events.slice(2)).toEqual([
    'track-removed t9',
    'participant-left p2',
    'participant-joined p2',
    'moved',
  ])
  expect(room.name).toBe('side')
  expect(room.localTracks.get('microphone')).toMatchObject({ id: 't3', track })

  platform.socket.drop()
  await settle(20_000)
  platform.socket.accept()
  expect(platform.socket.of('join')).toMatchObject([{ room: 'side' }])
  expect(platform.socket.of('join')[0]?.token, 'it was good once').toBeUndefined()
})

it('who finds the other room full is out', async () => {
  const { platform, events } = await joined()
  platform.socket.say({ type: 'moved', room: 'side' })
  platform.socket.accept()
  platform.socket.say({ type: 'error', code: 'room-full', message: 'full', fatal: true })
  expect(events).toEqual(['error room-full', 'closed room-full'])
})

it('a server that does not come back closes the room', async () => {
  const { platform, events } = await joined()
  platform.socket.drop()
  for (let ms = 0; ms < 70_000; ms += 100) {
    await settle(100)
    if (!platform.socket.closed) platform.socket.drop()
  }
  expect(events).toEqual(['reconnecting', 'error unreachable', 'closed unreachable'])
})

it('a server that shuts down is waited for, one that throws us out is not', async () => {
  const first = await joined()
  first.platform.socket.say({ type: 'error', code: 'shutting-down', message: 'bye', fatal: true })
  expect(first.events).toEqual(['reconnecting'])
  const second = await joined()
  second.platform.socket.say({ type: 'error', code: 'replaced', message: 'taken over', fatal: true })
  expect(second.events).toEqual(['error replaced', 'closed replaced'])
})

it('pings at each beat whatever else is sent, and stays with a socket that answers', async () => {
  const { platform, room, events } = await joined()
  platform.socket.answers = true
  for (let second = 0; second < 30; second++) {
    void room.send('x', { reliable: false })
    await settle(1000)
  }
  expect(platform.socket.of('ping')).toHaveLength(6)
  expect(events).toEqual([])
})

it('takes a silent socket for lost, however much it is told', async () => {
  const { platform, room, events } = await joined()
  for (let second = 0; second < 12; second++) {
    void room.send('x', { reliable: false })
    await settle(1000)
  }
  expect(events).toEqual([])
  await settle(1000)
  expect(events).toEqual(['reconnecting'])
  expect(platform.sockets[0]?.closed).toBe(true)
})

it('an attempt that hangs is given up', async () => {
  const { platform } = await joined()
  platform.socket.drop()
  await settle(300)
  expect(platform.sockets).toHaveLength(2)
  await settle(12_000)
  expect(platform.sockets).toHaveLength(3)
})

it('leaving says so and ends everything', async () => {
  const { platform, room, events } = await joined(welcome({ participants: [bob()] }))
  await room.leave()
  expect(platform.socket.of('leave')).toHaveLength(1)
  expect(events.slice(2)).toEqual(['track-removed t9', 'participant-left p2', 'closed'])
  await settle(60_000)
  expect(platform.sockets).toHaveLength(1)
})
