import { fromBase64, toBase64 } from './base64.js'
import { RoomError } from './error.js'
import type { Cancel, Platform } from './platform.js'
import type { ClientMessage } from './wire.js'

/** Messages that the server has not answered yet, at most. What is beyond waits here. Higher: more a round trip; lower: less to
 * say again after a lost socket. */
const UNANSWERED_MAX = 64
/** Messages that may wait; more are refused. */
const WAITING_MAX = 4096
/** Of what the server takes a second, the share that messages use: the rest is for the call itself. */
const SHARE = 0.7
/** Of a second's messages, the share that is left for reliable ones: unreliable ones that find no more are lost. */
const RELIABLE_SHARE = 0.5
/** How deeply a message may be nested; the server's reader has a limit of its own. */
const DEPTH_MAX = 100
/** What wraps the data of a message: braces, type, number and receiver. */
const ENVELOPE_BYTES = 128

type Message = Extract<ClientMessage, { type: 'message' }>

interface Entry {
  message: Message & { request: number }
  resolve(): void
  reject(error: RoomError): void
}

export interface MessagesHost {
  readonly platform: Platform
  write(message: Message): void
  request(): number
}

/**
 * Reliable messages, by way of the socket. Each is kept until the server has answered, and said again, in order, to a socket that
 * takes a lost one's place; the server knows repetitions by their number.
 */
export class Messages {
  /** In order. The first `#written` of them were written to this socket. */
  #entries: Entry[] = []
  #written = 0
  /** Number of the last message that came. */
  #received = 0
  #open = false
  #limits = { bytes: Infinity, perSecond: Infinity }
  #tokens = 0
  #filled = 0
  #timer: Cancel | undefined

  constructor(private readonly host: MessagesHost) {}

  /** For `resume`. */
  get received(): number {
    return this.#received
  }

  /** Resolves when the server has the message. */
  send(data: unknown, to: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const message = { ...this.#message(data, to), request: this.host.request() }
      if (this.#entries.length >= WAITING_MAX) {
        reject(new RoomError('too-fast', `${WAITING_MAX} messages wait for the server already`))
      } else {
        this.#entries.push({ message, resolve, reject })
        this.#write()
      }
    })
  }

  /** To one whom no channel reaches: at once or never. Reliable messages do not wait for it. */
  sendUnreliable(data: unknown, to: string): void {
    const message = this.#message(data, to)
    if (!this.#open || this.#timer) return
    this.#fill()
    if (this.#tokens < this.#limits.perSecond * RELIABLE_SHARE) return
    this.#tokens--
    this.host.write({ ...message, unreliable: true })
  }

  #message(data: unknown, to: string | undefined): Message {
    const bytes = bytesOf(data)
    const json = bytes === undefined ? jsonOf(data) : undefined
    if (bytes === undefined && json === undefined)
      throw new RoomError('bad-message', 'this cannot be said in JSON, or is nested too deeply')
    const content =
      bytes === undefined ? { data: JSON.parse(json ?? 'null') } : { data: toBase64(bytes), binary: true }
    if (utf8Length(JSON.stringify(content.data) ?? '') + ENVELOPE_BYTES > this.#limits.bytes)
      throw new RoomError('too-large', `a message has at most ${this.#limits.bytes} bytes`)
    return { type: 'message', ...(to === undefined ? {} : { to }), ...content }
  }

  /** A socket is there, for the same session as before or for a new one. */
  opened(limits: { bytes: number; perSecond: number }, resumed: boolean): void {
    if (!resumed) this.#received = 0
    this.#limits = limits
    this.#open = true
    this.#written = 0
    this.#tokens = limits.perSecond
    this.#filled = this.host.platform.now()
    this.#write()
  }

  lost(): void {
    this.#open = false
    this.#timer?.()
    this.#timer = undefined
  }

  /** True for one that is new. */
  takes(number: number | undefined): boolean {
    if (number === undefined) return true
    if (number <= this.#received) return false
    this.#received = number
    return true
  }

  taken(request: number): void {
    this.#remove(request)?.resolve()
  }

  refused(request: number, error: RoomError): boolean {
    const entry = this.#remove(request)
    entry?.reject(error)
    return entry !== undefined
  }

  /** The session is over: whether what was not answered has arrived is not known. */
  interrupted(error: RoomError): void {
    this.lost()
    const entries = this.#entries
    this.#entries = []
    this.#written = 0
    for (const entry of entries) entry.reject(error)
  }

  #remove(request: number): Entry | undefined {
    const at = this.#entries.findIndex(({ message }) => message.request === request)
    if (at < 0) return undefined
    const [entry] = this.#entries.splice(at, 1)
    if (at < this.#written) this.#written--
    this.#write()
    return entry
  }

  #write(): void {
    if (!this.#open || this.#timer) return
    const { platform } = this.host
    const rate = this.#fill()
    while (this.#written < Math.min(this.#entries.length, UNANSWERED_MAX)) {
      const entry = this.#entries[this.#written]
      if (!entry) return
      if (this.#tokens < 1) {
        this.#timer = platform.after(((1 - this.#tokens) / rate) * 1000 + 1, () => {
          this.#timer = undefined
          this.#write()
        })
        return
      }
      this.#tokens--
      this.#written++
      this.host.write(entry.message)
    }
  }

  /** Tokens that have come since the last time. Gives how many come in a second. */
  #fill(): number {
    const rate = this.#limits.perSecond * SHARE
    const now = this.host.platform.now()
    this.#tokens = Math.min(this.#limits.perSecond, this.#tokens + ((now - this.#filled) / 1000) * rate)
    this.#filled = now
    return rate
  }
}

/** As the server reads it: halves of characters, which `slice` may leave, become U+FFFD. Nothing where there is none. */
function jsonOf(data: unknown): string | undefined {
  const text = JSON.stringify(data ?? null) as string | undefined
  if (text === undefined || depth(JSON.parse(text)) > DEPTH_MAX) return undefined
  // Of all characters JSON.stringify escapes those halves alone with a d.
  return text.replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, '$1\\ufffd')
}

function depth(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Object.values(value).reduce((most: number, part) => Math.max(most, depth(part)), 0)
}

/** What `data` holds, if it is bytes. */
export function bytesOf(data: unknown): Uint8Array | undefined {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return undefined
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length
}

/** What a message brought: bytes where it was bytes. */
export function contentOf({ data, binary }: { data: unknown; binary?: boolean }): unknown {
  if (!binary) return data
  return fromBase64(String(data))
}
