import { RoomError } from './error.js'
import { bytesOf } from './messages.js'

/** Agreed on by both ends of every connection, so that it is open with it. Nothing is sent again, and nothing waits for what is
 * late. */
const OPTIONS = { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 }
/** With this many bytes waiting to be sent the next are dropped: what is unreliable had better be lost than late. */
const WAITING_BYTES = 256 * 1024

/** A message as channels carry it: kind (0 JSON, 1 bytes), then what follows is the payload. */
export interface Unreliable {
  kind: number
  payload: Uint8Array
}

export function encode(data: unknown): Unreliable {
  const bytes = bytesOf(data)
  if (bytes) return { kind: 1, payload: bytes }
  return { kind: 0, payload: new TextEncoder().encode(JSON.stringify(data ?? null)) }
}

/** Nothing when it is none. */
export function decode(kind: number | undefined, payload: Uint8Array): { data: unknown } | undefined {
  if (kind === 1) return { data: payload.slice() }
  if (kind !== 0) return undefined
  try {
    return { data: JSON.parse(new TextDecoder().decode(payload)) }
  } catch {
    return undefined
  }
}

/** Messages that may get lost, over one connection. */
export class Channel {
  readonly #channel: RTCDataChannel

  constructor(pc: RTCPeerConnection, received: (frame: Uint8Array) => void) {
    this.#channel = pc.createDataChannel('unreliable', OPTIONS)
    this.#channel.binaryType = 'arraybuffer'
    this.#channel.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) received(new Uint8Array(data))
    }
  }

  get isOpen(): boolean {
    return this.#channel.readyState === 'open'
  }

  send(head: number[], payload: Uint8Array): void {
    if (this.#channel.bufferedAmount > WAITING_BYTES) return
    const frame = new Uint8Array(head.length + payload.length)
    frame.set(head)
    frame.set(payload, head.length)
    try {
      this.#channel.send(frame)
    } catch (error) {
      // Closed in the same moment, it may get lost; larger than the connection takes, it cannot be sent.
      if (this.isOpen) throw new RoomError('too-large', String(error))
    }
  }
}
