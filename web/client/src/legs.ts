import type { RoomError } from './error.js'
import type { ClientMessage, Leg } from './wire.js'

export interface LegsHost {
  send(message: ClientMessage): void
  /** A number for the next request. */
  request(): number
  changed(leg: Leg): void
}

interface Waiting {
  resolve(leg: Leg): void
  reject(error: RoomError): void
}

/** The room's broadcasts, and what we have asked about them. */
export class Legs {
  readonly all = new Map<string, Leg>()
  readonly #waiting = new Map<number, Waiting>()

  constructor(
    private readonly base: string,
    private readonly host: LegsHost,
  ) {}

  /** Resolves with the leg that the server names in its answer. */
  ask(message: (request: number) => ClientMessage): Promise<Leg> {
    const request = this.host.request()
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject })
      this.host.send(message(request))
    })
  }

  /** The server tells of a leg; `request` when we asked. Its address is made absolute. */
  told(wire: Leg, request?: number): void {
    const leg = { ...wire, url: new URL(wire.url, this.base).href }
    if (leg.state === 'stopped') this.all.delete(leg.id)
    else this.all.set(leg.id, leg)
    this.host.changed(leg)
    if (request !== undefined) this.#take(request)?.resolve(leg)
  }

  /** The room is broadcast, in as many sizes as its pictures are sent in. */
  get broadcast(): boolean {
    return [...this.all.values()].some(({ kind }) => kind === 'hls')
  }

  /** False when this was not our request. */
  refused(request: number, error: RoomError): boolean {
    const waiting = this.#take(request)
    waiting?.reject(error)
    return waiting !== undefined
  }

  /** The session is gone. */
  interrupted(error: RoomError): void {
    this.all.clear()
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  #take(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request)
    this.#waiting.delete(request)
    return waiting
  }
}
