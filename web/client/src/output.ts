import type { Platform } from './platform.js'
import type { Speaker } from './sound.js'

/** Where sound goes, and what waits until the browser allows any. */
export class Output implements Speaker {
  device = ''
  readonly #waiting = new Set<() => void>()

  constructor(
    private readonly platform: Platform,
    private readonly onBlocked: () => void,
  ) {}

  blocked(retry: () => void): void {
    this.#waiting.add(retry)
    if (this.#waiting.size > 1) return
    this.platform.onGesture(() => {
      const retries = [...this.#waiting]
      this.#waiting.clear()
      for (const retry of retries) retry()
    })
    this.onBlocked()
  }
}
