// A room with a fake browser, and the server played by the test.
import { vi } from 'vitest'
import { Room, type RoomOptions } from '../src/room.js'
import type { Participant, ServerMessage } from '../src/wire.js'
import { sdpOf, type Direction } from './fake-peer.js'
import { FakePlatform } from './fake-platform.js'

export type Welcome = Extract<ServerMessage, { type: 'welcome' }>

export const welcome = (change: Partial<Welcome> = {}): Welcome => ({
  type: 'welcome',
  version: 1,
  you: { id: 'p1', name: 'Ann', tracks: [], away: false },
  secret: 'secret',
  resumed: false,
  maxMessageBytes: 65536,
  messagesPerSecond: 100,
  participants: [],
  mode: 'mesh',
  epoch: 0,
  legs: [],
  iceServers: [],
  heartbeatMs: 5000,
  graceMs: 10_000,
  ...change,
})

export const bob = (
  tracks: Participant['tracks'] = [{ id: 't9', source: 'camera', muted: false }],
): Participant => ({
  id: 'p2',
  name: 'Bob',
  tracks,
  away: false,
})

/** What m-lines a fake server offers. */
export const offerOf = (...sections: [mid: string, kind: string, direction: Direction][]) =>
  sdpOf(sections.map(([mid, kind, direction]) => ({ mid, kind, direction })))

export const settle = (ms = 20) => vi.advanceTimersByTimeAsync(ms)

const EVENTS = [
  'participant-joined',
  'participant-left',
  'participant-away',
  'track-added',
  'track-removed',
  'track-muted',
  'mode-changed',
  'leg-changed',
  'message',
  'moved',
  'reconnecting',
  'reconnected',
  'error',
  'closed',
] as const

export function call(options: Partial<RoomOptions> = {}) {
  const platform = new FakePlatform()
  const room = new Room({ room: 'demo', name: 'Ann', ...options }, platform.as())
  const events: string[] = []
  for (const name of EVENTS) {
    room.on(name, (...args: unknown[]) => {
      const about = args[0] as { id?: string; code?: string } | undefined
      events.push([name, about?.id ?? about?.code].filter(Boolean).join(' '))
    })
  }
  return { platform, room, events }
}

/** Joined, with `message` as the server's welcome. */
export async function joined(message: Welcome = welcome(), stream?: MediaStream) {
  const made = call()
  const done = made.room.join({ stream })
  made.platform.socket.accept()
  made.platform.socket.say(message)
  await done
  return made
}
