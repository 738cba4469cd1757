/** Counters of a key below its highest that are told apart; what is older is refused. More: frames that come later than that still
 * count, for memory. Three sizes of a picture take 90 a second. */
const WINDOW = 1024n
/** Keys that are remembered: each sender has one a connection. */
const KIDS_MAX = 64

interface Came {
  highest: bigint
  readonly counters: Set<bigint>
}

/** Which frames have come by one way, so that none is shown twice (RFC 9605, section 9.4). */
export class Replays {
  readonly #keys = new Map<bigint, Came>()

  /** Not before, as far as can be told. */
  isNew(kid: bigint, counter: bigint): boolean {
    const came = this.#keys.get(kid)
    return !came || (counter > came.highest - WINDOW && !came.counters.has(counter))
  }

  /** It was opened: its sender has made it. */
  note(kid: bigint, counter: bigint): void {
    const came = this.#keys.get(kid) ?? { highest: counter, counters: new Set() }
    // The last that was noted is the last to be forgotten.
    this.#keys.delete(kid)
    this.#keys.set(kid, came)
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > KIDS_MAX && oldest !== undefined) this.#keys.delete(oldest)
    came.counters.add(counter)
    if (counter > came.highest) came.highest = counter
    if (came.counters.size <= 2 * Number(WINDOW)) return
    for (const old of came.counters) if (old <= came.highest - WINDOW) came.counters.delete(old)
  }
}
