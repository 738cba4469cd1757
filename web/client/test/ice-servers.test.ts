import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { bob, joined, offerOf, settle, welcome } from './call.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const servers = (credential: string) => [
  { urls: ['stun:192.0.2.1:3478'] },
  { urls: ['turn:192.0.2.1:3478?transport=tcp'], username: '1:demo/p1', credential },
]

it('renewed servers reach every connection, and those made after', async () => {
  const { platform } = await joined(welcome({ participants: [bob()], iceServers: servers('old') }))
  platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: true, data: true })
  const sdp = offerOf(['0', 'audio', 'recvonly'])
  const offer = { type: 'offer' as const, generation: 1, sdp, slots: [] }
  platform.socket.say({ ...offer, transport: 'up' })
  await settle()
  const credentials = () =>
    platform.peers.map(({ config }) => config.iceServers?.map(({ credential }) => credential))
  expect(credentials()).toEqual([[undefined, 'old'], ['old']])
  platform.socket.say({ type: 'ice-servers', iceServers: servers('new') })
  platform.socket.say({ ...offer, transport: 'down', generation: 2 })
  await settle()
  expect(credentials()).toEqual([[undefined, 'new'], ['new'], ['new']])
  expect(platform.peers.map(({ restarts }) => restarts)).toEqual([0, 0, 0])
})

it('a connection that is closing is left alone', async () => {
  const { platform } = await joined(welcome({ participants: [bob()] }))
  platform.socket.say({ type: 'link-open', peer: 'p2', link: 1, polite: true, data: true })
  platform.socket.say({ type: 'link-close', peer: 'p2', link: 1 })
  await settle(5000)
  platform.socket.say({ type: 'ice-servers', iceServers: servers('new') })
  expect(platform.peers[0]?.config.iceServers).toEqual([])
})
