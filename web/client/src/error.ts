import type { ErrorCode } from './wire.js'

/** Why something did not work: the server's codes, and those that only the client can see. */
export type RoomErrorCode =
  | ErrorCode
  /** The server could not be reached. */
  | 'unreachable'
  /** The session ended before the server answered. */
  | 'interrupted'
  /** The media server stopped answering; the call recovers by itself. */
  | 'sfu-lost'
  /** A participant could not be moved to another path in time and stays on the old one. */
  | 'path-stuck'
  /** The browser wants a click or a key press before it plays sound; sound starts with it. */
  | 'autoplay-blocked'
  /** No track of this source, or not this track, is published. */
  | 'not-published'
  /** The browser cannot seal frames; nothing was sent. */
  | 'encryption-unsupported'
  /** The secret for encryption is too short, or missing. */
  | 'bad-secret'

export class RoomError extends Error {
  constructor(
    readonly code: RoomErrorCode,
    message: string,
    /** The room is closed after this. */
    readonly fatal = false,
  ) {
    super(message)
    this.name = 'RoomError'
  }
}
