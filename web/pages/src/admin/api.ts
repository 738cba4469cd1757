/** The REST API as this page uses it; `/api/openapi.json` describes it. */

export type Counts = { bytes: number; packets: number; lost: number }

export type Track = { id: string; source: string; muted: boolean }

export type Participant = { id: string; name: string; tracks: Track[]; away: boolean }

export type Path = {
  receiver: string
  sender: string
  state: 'none' | 'arriving' | 'shown' | 'moving'
  carrier?: 'mesh' | 'sfu'
  relayed?: boolean
}

export type Traffic = {
  participant: string
  up?: Counts
  down?: Counts
  links: (Counts & { from: string; rttMs?: number; ageMs: number })[]
}

export type Leg = {
  id: string
  kind: string
  state: string
  reason?: string
  url: string
  startedBy?: string
  since?: string
  viewers?: number
  health?: { droppedFrames: number; lateParts: number }
}

export type Room = {
  name: string
  mode: string
  epoch: number
  shard: number
  participants: Participant[]
  /** Ids of those of whom the others do not know. */
  hidden: string[]
  paths: Path[]
  traffic: Traffic[]
  viewers: number
  legs: Leg[]
}

export type Node = {
  version: string
  rooms: number
  participants: number
  legs: number
  viewers: number
  draining: boolean
  media: boolean
  shards: { rooms: number; transports: number }[]
  turn?: { allocations: number; mostAllocations: number }
}

/** The server refused; `status` is 0 when there was no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string | undefined,
    message: string,
  ) {
    super(message)
  }

  /** Another credential may help. */
  get isAboutAccess(): boolean {
    return this.status === 401 || this.status === 403
  }
}

const KEY = 'crescendo-admin'
/** Rooms that are asked for at once. More are found by their name. */
const ROOMS = 200

export class Api {
  constructor(private readonly storage: Storage = sessionStorage) {}

  get credential(): string | undefined {
    return this.storage.getItem(KEY) ?? undefined
  }

  set credential(credential: string | undefined) {
    if (credential === undefined) this.storage.removeItem(KEY)
    else this.storage.setItem(KEY, credential)
  }

  /** The one room that the credential is for. */
  get onlyRoom(): string | undefined {
    return this.credential === undefined ? undefined : roomOf(this.credential)
  }

  async node(): Promise<Node> {
    return (await this.fetch('/node')).json()
  }

  /** Rooms by name, and whether there are more. */
  async rooms(): Promise<{ rooms: Room[]; more: boolean }> {
    const { rooms, next } = await (await this.fetch(`/rooms?limit=${ROOMS}`)).json()
    return { rooms, more: next !== undefined }
  }

  /** Nothing when there is no such room. */
  async room(name: string): Promise<Room | undefined> {
    try {
      return await (await this.fetch(`/rooms/${encodeURIComponent(name)}`)).json()
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 400)) return undefined
      throw error
    }
  }

  async close(room: string): Promise<void> {
    await this.fetch(`/rooms/${room}`, { method: 'DELETE' })
  }

  async remove(room: string, participant: string): Promise<void> {
    await this.fetch(`/rooms/${room}/participants/${participant}`, { method: 'DELETE' })
  }

  async mute(room: string, participant: string, track: string, muted: boolean): Promise<void> {
    await this.fetch(`/rooms/${room}/participants/${participant}/tracks/${track}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ muted }),
    })
  }

  async stopLeg(room: string, leg: string): Promise<void> {
    await this.fetch(`/rooms/${room}/legs/${leg}`, { method: 'DELETE' })
  }

  /** Rejects with an ApiError unless the answer is a good one. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.credential !== undefined) headers.set('authorization', `Bearer ${this.credential}`)
    const answer = await fetch(`/api/v1${path}`, { ...init, headers, cache: 'no-store' }).catch((error) => {
      throw init.signal?.aborted === true ? error : new ApiError(0, undefined, 'the server does not answer')
    })
    if (answer.ok) return answer
    const problem: { detail?: string; code?: string } = await answer.json().catch(() => ({}))
    throw new ApiError(answer.status, problem.code, problem.detail ?? `the server answered ${answer.status}`)
  }
}

/** The room of a token (the second part of a JWT says it); nothing of one for every room, and of what is no token. */
export function roomOf(credential: string): string | undefined {
  const parts = credential.split('.')
  if (parts.length !== 3) return undefined
  try {
    const payload = (parts[1] ?? '').replace(/-/g, '+').replace(/_/g, '/')
    const { room } = JSON.parse(atob(payload)) as { room?: unknown }
    return typeof room === 'string' && room !== '*' ? room : undefined
  } catch {
    return undefined
  }
}
