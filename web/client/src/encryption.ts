import type { Keys, TransformOptions } from './client-worker.js'
import { RoomError } from './error.js'
import { KeyExchange, type KeyMessage } from './key-exchange.js'
import type { Platform } from './platform.js'
import type { FrameKind } from './sealed-frame.js'
import { Secret } from './secret.js'
import type { Bytes } from './sframe.js'
import type { VideoCodec } from './wire.js'

export interface EncryptionOptions {
  /** What all participants know and the server does not: a password, or 16 random bytes or more. */
  secret: string | Uint8Array<ArrayBuffer>
  /**
   * "sender" (when absent): each seals with a key of its own, and everybody takes a new one when somebody leaves. "shared":
   * all keys come of the secret; who left and still knows it can open what comes after, until the app sets another.
   */
  keys?: 'sender' | 'shared'
  /** Runs `client-worker.js`, for apps that host it themselves; one for each Room. When absent it is loaded from beside this library. */
  worker?: Worker
}

/** The codec of encrypted pictures: every browser has it, and its first bytes are enough for those who only pass it on. */
export const SEALED_CODEC: VideoCodec = 'VP8'

/** How long the worker may take to load, ms. */
const WORKER_MS = 10_000

/** What senders and receivers go through, in the very task in which they came to be: Chromium lets the frames of the others by. */
export interface Protection {
  sender(sender: RTCRtpSender, kind: FrameKind): void
  receiver(receiver: RTCRtpReceiver): void
  /** Both ends of one that may carry media both ways, before its codecs are negotiated. */
  transceiver(transceiver: RTCRtpTransceiver): void
}

/** Nothing is sealed. */
export const unprotected: Protection = { sender() {}, receiver() {}, transceiver() {} }

export interface EncryptionHost {
  readonly platform: Platform
  readonly room: string
  send(to: string, message: KeyMessage): void
}

/** End-to-end encryption: frames are sealed before they are packed and opened after, in mesh and by way of the server. */
export class Encryption implements Protection {
  #worker: Worker | undefined
  #secret: Secret | undefined
  #exchange: KeyExchange | undefined
  #shared: Bytes[] = []
  #closed = false
  readonly #sealed = new WeakSet<RTCRtpSender | RTCRtpReceiver>()

  constructor(
    private readonly options: EncryptionOptions,
    private readonly host: EncryptionHost,
  ) {}

  /** Prepares everything. Rejects where the browser cannot do it: better not to join than to send in the clear. */
  async start(): Promise<void> {
    const { secret, worker } = this.options
    if (typeof RTCRtpScriptTransform === 'undefined' || !crypto.subtle)
      throw new RoomError('encryption-unsupported', 'this browser cannot encrypt media end to end')
    this.#secret = await Secret.of(secret, this.host.room)
    if (this.#closed) return
    this.#worker = worker ?? load()
    await this.#answers(this.#worker)
    if (this.options.keys === 'shared') await this.#share()
  }

  /** We are in as `me`, and `others` were there before. Again after a session that was lost: `me` may be another then. */
  welcomed(me: string, others: Iterable<string>, resumed: boolean): void {
    if (this.options.keys === 'shared' || !this.#secret) return
    if (!resumed || !this.#exchange) {
      this.#exchange?.close()
      const { platform, send } = this.host
      const changed = (own: Bytes, theirs: Bytes[]) => this.#tell({ own, others: theirs })
      this.#exchange = new KeyExchange(this.#secret, me, { platform, send, changed })
    }
    for (const id of others) this.#exchange.joined(id, true)
  }

  joined(id: string): void {
    this.#exchange?.joined(id, false)
  }

  left(id: string): void {
    this.#exchange?.left(id)
  }

  heard(from: string, message: KeyMessage): void {
    this.#exchange?.heard(from, message)
  }

  /** A new key for our frames; with shared keys, of another secret, which everybody has to set. */
  async rotate(secret?: string | Bytes): Promise<void> {
    if (this.options.keys !== 'shared') return this.#exchange?.rotate()
    if (secret === undefined) throw new RoomError('bad-secret', 'shared keys change with the secret only')
    this.#secret = await Secret.of(secret, this.host.room)
    await this.#share()
  }

  close(): void {
    this.#closed = true
    this.#exchange?.close()
    this.#tell({ own: undefined, others: [] })
    if (!this.options.worker) this.#worker?.terminate()
  }

  sender(sender: RTCRtpSender, kind: FrameKind): void {
    this.#attach(sender, { side: 'seal', kind })
  }

  receiver(receiver: RTCRtpReceiver): void {
    this.#attach(receiver, { side: 'open', kind: receiver.track.kind as FrameKind })
  }

  transceiver(transceiver: RTCRtpTransceiver): void {
    const kind = transceiver.receiver.track.kind as FrameKind
    this.receiver(transceiver.receiver)
    // It may be sent on later, and then it is too late.
    this.sender(transceiver.sender, kind)
    if (kind !== 'video') return
    const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? []
    // First, not alone: of codecs that are left out Firefox offers feedback all the same, which Chromium cannot parse.
    const first = codecs.filter(({ mimeType }) => mimeType === `video/${SEALED_CODEC}`)
    transceiver.setCodecPreferences([...first, ...codecs.filter((codec) => !first.includes(codec))])
  }

  #attach(end: RTCRtpSender | RTCRtpReceiver, options: TransformOptions): void {
    if (this.#sealed.has(end) || !this.#worker) return
    this.#sealed.add(end)
    end.transform = new RTCRtpScriptTransform(this.#worker, options)
  }

  /** The secret's own key, and the one before: others change a moment later. */
  async #share(): Promise<void> {
    const key = await this.#secret?.derive('frames')
    if (!key) return
    this.#shared = [key, ...this.#shared].slice(0, 2)
    this.#tell({ own: key, others: this.#shared })
  }

  /** Rejects when the worker does not load: with none nothing would be seen or heard. */
  #answers(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = () =>
        reject(new RoomError('encryption-unsupported', 'the worker that encrypts did not load'))
      const late = this.host.platform.after(WORKER_MS, fail)
      worker.addEventListener('message', () => (late(), resolve()), { once: true })
      worker.addEventListener('error', () => (late(), fail()), { once: true })
      this.#tell({ own: undefined, others: [] })
    })
  }

  #tell(keys: Keys): void {
    this.#worker?.postMessage(keys)
  }
}

/** The worker beside this file. From another origin it cannot be started but by a script of our own that imports it. */
function load(): Worker {
  // Not a literal, which bundlers would take for a file of theirs.
  const name = './client-worker.js'
  const url = new URL(name, import.meta.url)
  if (url.origin === location.origin) return new Worker(url, { type: 'module' })
  const script = new Blob([`import ${JSON.stringify(url.href)}`], { type: 'text/javascript' })
  return new Worker(URL.createObjectURL(script), { type: 'module' })
}
