import type { Media } from './media.js'

/** A place where a track is presented. */
export interface Sink {
  /**
   * Brings `media` up behind what is presented now, swaps to it when it has proven itself, then calls `done`. A newer call
   * takes the place of one that has not come so far; asking for what is presented already takes it back.
   */
  show(media: Media, done: () => void): void
  /** Presents nothing any more and leaves the element as it was. */
  close(): void
}

/** Told of each frame that a sink presents, at this time in ms. */
export type OnFrame = (now: number) => void
