import type { Keyring } from './keyring.js'
import { Replays } from './replays.js'
import { concat, derive, equal, readHeader, seal, type Bytes, type FrameKey } from './sframe.js'

export type FrameKind = 'audio' | 'video'

/**
 * How many first bytes of an encoded frame stay readable, because packetisers and the server need them: of Opus the byte that
 * says its length (RFC 6716, section 3.1), of VP8 the frame tag, and the size in a key frame (RFC 6386, section 9.1).
 */
export function clearBytes(kind: FrameKind, frame: Bytes): number {
  const wanted = kind === 'audio' ? 1 : ((frame[0] ?? 1) & 1) === 0 ? 10 : 3
  return Math.min(wanted, frame.length)
}

/** Seals the frames of one sender. */
export class Sealer {
  #base: Bytes | undefined
  #key: FrameKey | undefined
  #kid = 0n
  #counter = 0n

  /** `undefined` without a key: nothing leaves unsealed. */
  async seal(base: Bytes | undefined, kind: FrameKind, frame: Bytes): Promise<Bytes | undefined> {
    if (!base) return undefined
    if (!this.#base || !this.#key || !equal(base, this.#base)) {
      // Of 64 random bits, so that no two senders of a secret ever have the same.
      this.#kid = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n
      this.#counter = 0n
      this.#key = await derive(base, this.#kid)
      this.#base = base
    }
    const clear = frame.subarray(0, clearBytes(kind, frame))
    const plain = frame.subarray(clear.length)
    return concat(clear, await seal(this.#key, this.#kid, this.#counter++, clear, plain))
  }
}

/** Opens the frames of one receiver. */
export class Opener {
  readonly #replays = new Replays()

  constructor(private readonly ring: Keyring) {}

  /** What a `Sealer` sealed; `undefined` when no key fits, or when it has come before. */
  async open(kind: FrameKind, frame: Bytes): Promise<Bytes | undefined> {
    const clear = frame.subarray(0, clearBytes(kind, frame))
    const sealed = frame.subarray(clear.length)
    const header = readHeader(sealed)
    if (!header || !this.#replays.isNew(header.kid, header.counter)) return undefined
    const plain = await this.ring.open(clear, header, sealed)
    if (!plain) return undefined
    this.#replays.note(header.kid, header.counter)
    return concat(clear, plain)
  }
}
