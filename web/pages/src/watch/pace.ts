/** How often to ask, and how to say how far behind one is. */

const FIRST_MS = 1000
const FACTOR = 1.3
/** Longest wait. Higher: fewer requests of those who wait; lower: the start is seen sooner. */
const LONGEST_MS = 2000
/** Farther behind than this there must be something wrong with a clock; seconds. */
const BEHIND_MOST_S = 86_400

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

/** “1.4 s behind”, “12:30 behind”; nothing while it is unknown or makes no sense because the clocks differ. */
export function latencyText(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds < 0 || seconds > BEHIND_MOST_S) return ''
  return seconds < 60 ? `${seconds.toFixed(1)} s behind` : `${clockText(seconds)} behind`
}

/** “0:07”, “12:30”, “1:02:03”. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (number: number) => String(number).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}
