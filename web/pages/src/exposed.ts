import type { Room } from 'crescendo-client'
import type Hls from 'hls.js'

/** What the pages hand to whoever debugs or tests them, as `window.crescendo`. */
export type Exposed = {
  /** On the call page, from the moment of joining. */
  room?: Room
  /** On the watch page, while it plays by hls.js. */
  hls?: Hls
  /** On the watch page. */
  video?: HTMLVideoElement
}

declare global {
  interface Window {
    crescendo: Exposed
  }
}
