/** How often to ask, and how to say how far behind one is. */

const FIRST_MS = 1000
const FACTOR = 1.3
/** Longest wait. Higher: fewer requests of those who wait; lower: the start is seen sooner. */
const LONGEST_MS = 2000

/** Waits that grow from one second to two. */
export class Backoff {
  #next = FIRST_MS

  next(): number {
    const now = this.#next
    this.#next = Math.min(LONGEST_MS, now * FACTOR)
    return now
  }

  wait(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.next()))
  }
}

/** “1.4 s behind”; nothing while it is unknown or makes no sense because the clocks differ. */
export function latencyText(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds < 0 || seconds > 600) return ''
  return `${seconds.toFixed(1)} s behind`
}
