import type { Platform } from './platform.js'
import type { OnFrame } from './sink.js'

/** A picture without a new frame for this long, ms, stands still. */
const STILL_MS = 300

/** Watches the frames that a video presents. */
export class Motion {
  #last = Number.NEGATIVE_INFINITY
  #over = false

  constructor(
    private readonly platform: Platform,
    video: HTMLVideoElement,
    onFrame: OnFrame,
  ) {
    const frame = (now: number) => {
      if (this.#over) return
      this.#last = now
      onFrame(now)
      video.requestVideoFrameCallback(frame)
    }
    video.requestVideoFrameCallback(frame)
  }

  /** A frame was presented just now. */
  get moves(): boolean {
    return this.platform.now() - this.#last < STILL_MS
  }

  stop(): void {
    this.#over = true
  }
}
