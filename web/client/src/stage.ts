import type { Media } from './media.js'
import { Motion } from './motion.js'
import type { Cancel, Platform } from './platform.js'
import { firstFrame, steadyPicture } from './prove.js'
import type { OnFrame, Sink } from './sink.js'

/** Class of the container while a picture is attached. */
const STAGE = 'crescendo-stage'
/** Class of every video in it. */
const VIDEO = 'crescendo-video'
/** Class of the one that is seen. */
const SHOWN = 'crescendo-shown'
/** The old video stays painted below the new one for this many frames. */
const FRAMES_BELOW = 2

interface Layer {
  media: Media
  video: HTMLVideoElement
}

interface Shown extends Layer {
  motion: Motion
}

/** A muted video that plays `media`: sound is presented apart from the picture. */
export function silentVideo(platform: Platform, media: Media): HTMLVideoElement {
  const video = platform.video()
  video.muted = true
  video.playsInline = true
  video.disablePictureInPicture = true
  video.srcObject = platform.stream([media.track])
  play(video)
  return video
}

/** Starts a muted element. Where even that is not allowed (data saver), the next call or the user's gesture does it. */
export function play(element: HTMLMediaElement, refused: () => void = () => {}): void {
  element.play().catch((error: Error) => {
    if (error.name === 'NotAllowedError') refused()
  })
}

/**
 * Shows a video track in a container. A new path's video is stacked invisibly beneath the present one and raised when its
 * own first frame is there, so there is no moment without a picture.
 */
export class Stage implements Sink {
  #shown: Shown | undefined
  #rising: Layer | undefined
  #proof: Cancel = () => {}

  constructor(
    private readonly platform: Platform,
    private readonly box: HTMLElement,
    private readonly onFrame: OnFrame,
  ) {
    box.classList.add(STAGE)
    if (getComputedStyle(box).position === 'static') box.style.position = 'relative'
    box.style.overflow = 'hidden'
    box.style.isolation = 'isolate'
  }

  show(media: Media, done: () => void): void {
    this.#drop()
    if (this.#shown?.media === media) return done()
    const video = silentVideo(this.platform, media)
    const rising = { media, video }
    this.#rising = rising
    video.className = VIDEO
    Object.assign(video.style, {
      position: 'absolute',
      inset: '0',
      width: '100%',
      height: '100%',
      objectFit: this.#fit(),
      opacity: '0',
      zIndex: '0',
    })
    this.box.append(video)
    // What replaces a picture has to move as well as it does; the first of all is shown as soon as it is there.
    const raise = () => this.#raise(rising, done)
    this.#proof = this.#shown
      ? steadyPicture(this.platform, video, media, this.#shown.motion, raise)
      : firstFrame(this.platform, video, media, raise)
  }

  close(): void {
    this.#drop()
    this.#shown?.motion.stop()
    if (this.#shown) release(this.#shown.video)
    this.#shown = undefined
    this.box.classList.remove(STAGE)
  }

  #raise(next: Layer, done: () => void): void {
    const old = this.#shown
    this.#rising = undefined
    this.onFrame(this.platform.now())
    this.#shown = { ...next, motion: new Motion(this.platform, next.video, this.onFrame) }
    next.video.style.opacity = ''
    next.video.style.zIndex = '1'
    next.video.classList.add(SHOWN)
    if (old) {
      old.motion.stop()
      old.video.style.zIndex = '0'
      old.video.classList.remove(SHOWN)
      this.platform.frames(FRAMES_BELOW, () => release(old.video))
    }
    done()
  }

  #drop(): void {
    this.#proof()
    if (this.#rising) release(this.#rising.video)
    this.#rising = undefined
  }

  /** The container's own object-fit where it has one, else a custom property. */
  #fit(): string {
    const own = getComputedStyle(this.box).objectFit
    return own && own !== 'fill' ? 'inherit' : 'var(--crescendo-object-fit, contain)'
  }
}

export function release(video: HTMLVideoElement): void {
  video.remove()
  video.srcObject = null
}
