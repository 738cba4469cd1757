/** The last this many milliseconds are "just now". */
const WINDOW_MS = 5000

/** Measures the longest time between two presented frames. */
export class Gaps {
  #last: number | undefined
  #longest = 0
  /** Gaps that ended within the window; only those that no later one exceeds, so the list stays short. */
  #recent: { at: number; ms: number }[] = []

  frame(now: number): void {
    if (this.#last !== undefined) this.#add(now, now - this.#last)
    this.#last = now
  }

  /** No frames are expected: the picture is muted, or the page is not painted. */
  pause(): void {
    this.#last = undefined
  }

  /** The longest gap of the last five seconds, the one that goes on included, in ms. */
  recent(now: number): number {
    const kept = this.#recent.filter((gap) => gap.at > now - WINDOW_MS)
    const open = this.#last === undefined ? 0 : now - this.#last
    return Math.max(open, ...kept.map((gap) => gap.ms))
  }

  /** The longest gap ever, in ms. */
  longest(now: number): number {
    return Math.max(this.#longest, this.recent(now))
  }

  #add(at: number, ms: number): void {
    this.#longest = Math.max(this.#longest, ms)
    this.#recent = this.#recent.filter((gap) => gap.at > at - WINDOW_MS && gap.ms > ms)
    this.#recent.push({ at, ms })
  }
}
