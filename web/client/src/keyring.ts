import { derive, equal, open, type Bytes, type FrameKey, type Header } from './sframe.js'

/** Key ids that are remembered. More than all senders of a room have; a flood of made-up ones is cut here. */
const KIDS_MAX = 1024

/**
 * Every key that a frame may have been sealed with. A frame names its key by a number that its sender drew; whose it is is
 * found by trying, once for each number.
 */
export class Keyring {
  #bases: Bytes[] = []
  readonly #known = new Map<bigint, { base: Bytes; key: FrameKey }>()
  readonly #strangers = new Set<bigint>()

  /** These and no others from now on. */
  set(bases: Bytes[]): void {
    this.#bases = bases
    this.#strangers.clear()
    for (const [kid, { base }] of this.#known) if (!this.#has(base)) this.#known.delete(kid)
  }

  /** The plain frame, or `undefined` when no key opens it. */
  async open(metadata: Bytes, header: Header, frame: Bytes): Promise<Bytes | undefined> {
    if (this.#strangers.has(header.kid)) return undefined
    const known = this.#known.get(header.kid)
    if (known) return open(known.key, header, metadata, frame).catch(() => undefined)
    const bases = this.#bases
    for (const base of bases) {
      const key = await derive(base, header.kid)
      const plain = await open(key, header, metadata, frame).catch(() => undefined)
      if (!plain) continue
      if (this.#known.size >= KIDS_MAX) this.#known.clear()
      if (this.#has(base)) this.#known.set(header.kid, { base, key })
      return plain
    }
    if (this.#strangers.size >= KIDS_MAX) this.#strangers.clear()
    if (this.#bases === bases) this.#strangers.add(header.kid)
    return undefined
  }

  #has(base: Bytes): boolean {
    return this.#bases.some((other) => equal(other, base))
  }
}
