import type { Size } from './layers.js'
import type { VideoCodec } from './wire.js'

/** Ends what was begun: a timer, a listener, a wait. Calling it twice is harmless. */
export type Cancel = () => void

/** Everything that the library asks of the browser, so that a test can be one. */
export interface Platform {
  /** Where the page came from, as "https://host:port". */
  origin(): string
  socket(url: string): WebSocket
  peer(config: RTCConfiguration): RTCPeerConnection
  stream(tracks: MediaStreamTrack[]): MediaStream
  video(): HTMLVideoElement
  audio(): HTMLAudioElement
  /** Nothing of the page is painted: no animation frames, no video frame callbacks, slow timers. */
  hidden(): boolean
  onVisibility(f: () => void): Cancel
  /** Calls `f` with the size of `element` in pixels of the screen, now and whenever it changes; 0 by 0 while it is out of view. A
   * hidden page says nothing. */
  onView(element: HTMLElement, f: (size: Size) => void): Cancel
  /** Calls `f` at the next click, touch or key press. */
  onGesture(f: () => void): Cancel
  /** Calls `f` when the machine is back on a network. */
  onOnline(f: () => void): Cancel
  /** Calls `f` when the page goes away for good. */
  onUnload(f: () => void): Cancel
  /** Calls `f` once `count` animation frames were painted; in a hidden page after a short while. */
  frames(count: number, f: () => void): void
  /** Calls `f` after `ms` milliseconds. */
  after(ms: number, f: () => void): Cancel
  /** Milliseconds on a clock that never steps back. */
  now(): number
  /** From 0 up to 1. */
  random(): number
  /** Video codecs that the browser can receive. */
  decodes(): VideoCodec[]
}

/** Animation frames do not come in a hidden page; after this many milliseconds one is no longer waited for. */
const FRAME_MS = 250

function after(ms: number, f: () => void): Cancel {
  const timer = setTimeout(f, ms)
  return () => clearTimeout(timer)
}

function listen(target: EventTarget, names: string[], f: () => void): Cancel {
  for (const name of names) target.addEventListener(name, f, { passive: true })
  return () => {
    for (const name of names) target.removeEventListener(name, f)
  }
}

function frames(count: number, f: () => void): void {
  if (count === 0) return f()
  let over = false
  const next = () => {
    if (over) return
    over = true
    cancel()
    frames(count - 1, f)
  }
  const cancel = after(FRAME_MS, next)
  requestAnimationFrame(next)
}

/** Pictures this near to what is seen count as seen, so that they are there when they are scrolled to. */
const NEAR = '200px'

function onView(element: HTMLElement, f: (size: Size) => void): Cancel {
  let inView: boolean | undefined
  const look = () => {
    if (inView === undefined) return
    const { width, height } = element.getBoundingClientRect()
    // What floats in a window of its own is seen wherever its element is; Firefox does not say.
    const floats = element.contains(document.pictureInPictureElement ?? null)
    const pixels = (css: number) => (inView || floats ? Math.round(css * devicePixelRatio) : 0)
    f({ width: pixels(width), height: pixels(height) })
  }
  const views = new IntersectionObserver(
    (entries) => {
      inView = entries.at(-1)?.isIntersecting
      look()
    },
    { rootMargin: NEAR },
  )
  const sizes = new ResizeObserver(look)
  views.observe(element)
  sizes.observe(element)
  const floating = listen(element, ['enterpictureinpicture', 'leavepictureinpicture'], look)
  return () => {
    floating()
    views.disconnect()
    sizes.disconnect()
  }
}

function decodes(): VideoCodec[] {
  const known: VideoCodec[] = ['H264', 'VP8', 'VP9', 'AV1']
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? []
  const names = new Set(codecs.map((codec) => codec.mimeType.toLowerCase()))
  return known.filter((codec) => names.has(`video/${codec.toLowerCase()}`))
}

/** The real one. */
export const browser: Platform = {
  origin: () => location.origin,
  socket: (url) => new WebSocket(url),
  peer: (config) => new RTCPeerConnection(config),
  stream: (tracks) => new MediaStream(tracks),
  video: () => document.createElement('video'),
  audio: () => document.createElement('audio'),
  hidden: () => document.visibilityState === 'hidden',
  onVisibility: (f) => listen(document, ['visibilitychange'], f),
  onView,
  onGesture: (f) => {
    const cancel = listen(document, ['pointerup', 'keydown'], () => {
      cancel()
      f()
    })
    return cancel
  },
  onOnline: (f) => listen(window, ['online'], f),
  onUnload: (f) => listen(window, ['pagehide'], f),
  frames,
  after,
  now: () => performance.now(),
  random: Math.random,
  decodes,
}
