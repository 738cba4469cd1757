import type { RemoteTrack } from './remote-track.js'

/** Somebody else in the room. */
export class Participant {
  readonly tracks = new Map<string, RemoteTrack>()
  /** The connection to the server is lost and may come back. */
  away = false

  /** @internal */
  constructor(
    readonly id: string,
    readonly name: string,
  ) {}
}
