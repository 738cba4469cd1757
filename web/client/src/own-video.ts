import type { Media } from './media.js'
import { Motion } from './motion.js'
import type { Cancel, Platform } from './platform.js'
import { firstFrame, steadyPicture } from './prove.js'
import type { OnFrame, Sink } from './sink.js'
import { play, release, silentVideo } from './stage.js'

/** The helper goes on for this many frames after the swap, so that its decoder's frame is there while the shown one asks. */
const FRAMES_AFTER = 2

/**
 * Shows a video track in a video element of the app. A helper that nobody sees proves the new path; then the track is
 * exchanged within the element's own stream, in one task.
 */
export class OwnVideo implements Sink {
  readonly #stream: MediaStream
  #shown: Media | undefined
  #helper: HTMLVideoElement | undefined
  #proof: Cancel = () => {}
  readonly #motion: Motion

  constructor(
    private readonly platform: Platform,
    private readonly video: HTMLVideoElement,
    onFrame: OnFrame,
  ) {
    this.#stream = platform.stream([])
    this.#motion = new Motion(platform, video, onFrame)
  }

  show(media: Media, done: () => void): void {
    this.#drop()
    if (this.#shown === media) return done()
    if (!this.#shown) {
      this.#exchange(media)
      this.#proof = firstFrame(this.platform, this.video, media, done)
      return
    }
    const helper = silentVideo(this.platform, media)
    this.#helper = helper
    this.#proof = steadyPicture(this.platform, helper, media, this.#motion, () => {
      this.#helper = undefined
      this.#exchange(media)
      this.platform.frames(FRAMES_AFTER, () => release(helper))
      done()
    })
  }

  close(): void {
    this.#drop()
    this.#motion.stop()
    this.#shown = undefined
    if (this.video.srcObject === this.#stream) this.video.srcObject = null
  }

  /** The old track goes before the new one comes: in Chromium both have one id, and adding a known id does nothing. */
  #exchange(media: Media): void {
    if (this.#shown) this.#stream.removeTrack(this.#shown.track)
    this.#stream.addTrack(media.track)
    this.#shown = media
    if (this.video.srcObject !== this.#stream) this.video.srcObject = this.#stream
    play(this.video)
  }

  #drop(): void {
    this.#proof()
    if (this.#helper) release(this.#helper)
    this.#helper = undefined
  }
}
