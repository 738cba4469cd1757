import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bob, joined, settle, welcome } from './call.js'
import type { FakePeer } from './fake-peer.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Joined = Awaited<ReturnType<typeof joined>>

const heard = ({ room }: Joined) => {
  const messages: { from: string; data: unknown }[] = []
  room.on('message', (message) => messages.push(message))
  return messages
}

/** The socket is lost and another one takes its place. */
async function again({ platform }: Joined, resumed = true) {
  platform.socket.drop()
  await settle(250)
  platform.socket.accept()
  platform.socket.say(welcome({ resumed, participants: [bob()] }))
}

describe('reliable', () => {
  it('a message is sent once the server has it', async () => {
    const { platform, room } = await joined(welcome({ participants: [bob()] }))
    let done = false
    void room.send({ chat: 'hello' }, { to: 'p2' }).then(() => (done = true))
    expect(platform.socket.of('message')).toEqual([
      { type: 'message', request: 1, to: 'p2', data: { chat: 'hello' } },
    ])
    await settle()
    expect(done).toBe(false)
    platform.socket.say({ type: 'message-taken', request: 1 })
    await settle()
    expect(done).toBe(true)
  })

  it('bytes arrive as bytes', async () => {
    const made = await joined(welcome({ participants: [bob()] }))
    const messages = heard(made)
    void made.room.send(new Uint8Array([0, 255, 7]))
    const [sent] = made.platform.socket.of('message')
    expect(sent).toMatchObject({ data: 'AP8H', binary: true })
    made.platform.socket.say({ type: 'message', number: 1, from: 'p2', data: 'AP8H', binary: true })
    expect(messages).toEqual([{ from: 'p2', data: new Uint8Array([0, 255, 7]) }])
  })

  it('what was not answered is said again in order to the socket that takes the place of a lost one', async () => {
    const made = await joined()
    const done: number[] = []
    for (const n of [1, 2, 3]) void made.room.send(n).then(() => done.push(n))
    made.platform.socket.say({ type: 'message-taken', request: 1 })
    await again(made)
    void made.room.send(4)
    expect(made.platform.socket.of('message').map(({ data }) => data)).toEqual([2, 3, 4])
    made.platform.socket.say({ type: 'message-taken', request: 2 })
    made.platform.socket.say({ type: 'message-taken', request: 3 })
    await settle()
    expect(done).toEqual([1, 2, 3])
  })

  it('a session that is over says of what was not answered that it may be lost', async () => {
    const made = await joined()
    const sent = made.room.send('x')
    const lost = expect(sent).rejects.toMatchObject({ code: 'interrupted' })
    await again(made, false)
    await lost
    expect(made.platform.socket.of('message')).toEqual([])
  })

  it('what comes twice is told once, and the server hears what was the last', async () => {
    const made = await joined()
    const messages = heard(made)
    for (const number of [5, 6, 6, 5, 7])
      made.platform.socket.say({ type: 'message', number, from: 'p2', data: number })
    expect(messages.map(({ data }) => data)).toEqual([5, 6, 7])
    await again(made)
    expect(made.platform.socket.of('join')).toMatchObject([{ resume: { received: 7 } }])
  })

  it('a flood is sent no faster than the server takes it', async () => {
    const { platform, room } = await joined(welcome({ messagesPerSecond: 10 }))
    const sent = () => platform.socket.of('message').length
    for (let n = 0; n < 40; n++) void room.send(n)
    expect(sent()).toBe(10)
    await settle(2000)
    expect(sent()).toBeGreaterThan(20)
    expect(sent()).toBeLessThan(26)
  })

  it('one that is too large and one to nobody are refused', async () => {
    const { platform, room } = await joined()
    await expect(room.send('x'.repeat(65_536))).rejects.toMatchObject({ code: 'too-large' })
    const gone = expect(room.send('x', { to: 'p9' })).rejects.toMatchObject({ code: 'unknown-participant' })
    const [{ request } = { request: 0 }] = platform.socket.of('message')
    platform.socket.say({ type: 'error', code: 'unknown-participant', message: '', fatal: false, request })
    await gone
  })
})

describe('unreliable', () => {
  const open = (peer: FakePeer | undefined) => {
    peer?.become('connected')
    if (peer) peer.channel.readyState = 'open'
    return peer
  }
  const three = () => welcome({ participants: [bob(), { ...bob([]), id: 'p3', name: 'Cleo' }] })
  const json = (value: unknown) => [...new TextEncoder().encode(JSON.stringify(value))]

  it('takes the link where there is one, the server for the others, and the socket where there is neither', async () => {
    const { platform, room } = await joined(three())
    await room.send('a', { reliable: false })
    expect(platform.socket.of('message').map(({ to }) => to)).toEqual(['p2', 'p3'])

    platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: false, data: true })
    const link = open(platform.peers[0])
    await room.send('b', { reliable: false })
    expect(link?.channel.sent).toEqual([[0, ...json('b')]])
    expect(platform.socket.of('message').map(({ to }) => to)).toEqual(['p2', 'p3', 'p3'])

    platform.socket.say({ type: 'offer', transport: 'up', generation: 1, sdp: 'v=0\r\n', slots: [] })
    const up = open(platform.peers[1])
    await room.send(new Uint8Array([9]), { reliable: false })
    expect(link?.channel.sent.at(-1)).toEqual([1, 9])
    expect(up?.channel.sent).toEqual([[1, 1, 0, 0, 0, 3, 9]])

    platform.socket.say({ type: 'link-close', peer: 'p2', link: 1 })
    await room.send('c', { reliable: false })
    expect(up?.channel.sent.at(-1)).toEqual([0, 0, ...json('c')])
    expect(platform.socket.of('message')).toHaveLength(3)
  })

  it('over the socket waits for nothing and holds up nothing that is reliable', async () => {
    const { platform, room } = await joined(welcome({ participants: [bob()], messagesPerSecond: 10 }))
    for (let n = 0; n < 20; n++) await room.send({ n }, { reliable: false })
    const lost = platform.socket.of('message')
    expect(lost.length).toBeLessThan(7)
    expect(lost[0]).toEqual({ type: 'message', to: 'p2', data: { n: 0 }, unreliable: true })
    for (let n = 0; n < 4; n++) void room.send({ n })
    expect(platform.socket.of('message').slice(lost.length)).toMatchObject(
      [0, 1, 2, 3].map((n) => ({ request: expect.any(Number), data: { n } })),
    )
    await settle(3000)
    expect(platform.socket.of('message')).toHaveLength(lost.length + 4)
  })

  it('over the socket is lost while there is none', async () => {
    const made = await joined(welcome({ participants: [bob()] }))
    made.platform.socket.drop()
    await made.room.send('x', { reliable: false })
    await settle(250)
    made.platform.socket.accept()
    made.platform.socket.say(welcome({ resumed: true, participants: [bob()] }))
    expect(made.platform.socket.of('message')).toEqual([])
  })

  it('does not take a link whose other end has no such channel', async () => {
    const { platform, room } = await joined(welcome({ participants: [bob()] }))
    platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: false, data: false })
    const link = open(platform.peers[0])
    await room.send('a', { reliable: false })
    expect(link?.channel.sent).toEqual([])
    expect(platform.socket.of('message')).toMatchObject([{ to: 'p2', data: 'a' }])
  })

  it('arrives from links and from the server, and nonsense does not', async () => {
    const made = await joined(three())
    const messages = heard(made)
    made.platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: false, data: true })
    made.platform.peers[0]?.channel.receive(0, ...json({ x: 1 }))
    made.platform.socket.say({ type: 'offer', transport: 'down', generation: 1, sdp: 'v=0\r\n', slots: [] })
    const down = made.platform.peers[1]?.channel
    down?.receive(1, 0, 0, 0, 3, 255)
    for (const nonsense of [[], [0], [1, 2, 3], [0, 0, 0, 0, 3, 1], [7, 0, 0, 0, 3, 49]])
      down?.receive(...nonsense)
    expect(messages).toEqual([
      { from: 'p2', data: { x: 1 } },
      { from: 'p3', data: new Uint8Array([255]) },
    ])
  })
})
