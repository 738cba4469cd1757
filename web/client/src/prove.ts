import { count, report, type Media } from './media.js'
import type { Motion } from './motion.js'
import type { Cancel, Platform } from './platform.js'

/** Between two looks at what was decoded, ms. Lower: a proof is seen sooner, for more work: each look makes the browser
 * gather the statistics of a whole connection, when it has most to do. */
const LOOK_MS = 100
/** A visible page's frame callbacks are trusted alone for this long, ms; then a decoded frame that the element holds is
 * proof as well, for pages that the browser does not paint without calling them hidden. */
const CALLBACK_MS = 1500
/** Sound is settled when nothing was skipped or made up for this long, ms: no backlog is left that would be heard as a jump. */
const SETTLED_MS = 200
/** Sound that never settles is taken as it is after this long, ms. */
const SETTLE_MAX_MS = 2000

/** A picture moves evenly when none of this many gaps between frames in a row is much longer than the others. Lower: sooner
 * there; higher: a start that stutters is seen less. */
const EVEN_GAPS = 4
/** Much longer: than this many times the lower median, and a refresh of the screen, ms, which gaps are rounded to. */
const EVEN_FACTOR = 1.5
const REFRESH_MS = 17
/** A picture that never comes evenly, or has no second frame, is taken as it is this long after its first one, ms. */
const EVEN_MAX_MS = 800

/** HTMLMediaElement.HAVE_CURRENT_DATA: the element holds a frame. */
const HAVE_CURRENT_DATA = 2

/** Calls `look` again and again, never two at once, until it says true or is cancelled. */
function until(platform: Platform, look: () => Promise<boolean>, done: () => void): Cancel {
  let over = false
  let cancel: Cancel = () => {}
  const again = async () => {
    const found = await look().catch(() => false)
    if (over) return
    if (found) done()
    else cancel = platform.after(LOOK_MS, again)
  }
  void again()
  return () => {
    over = true
    cancel()
  }
}

/** Calls `done` in a task of its own once `video`, which plays `media`, has a frame to show. */
export function firstFrame(
  platform: Platform,
  video: HTMLVideoElement,
  media: Media,
  done: () => void,
): Cancel {
  let over = false
  const ends: Cancel[] = []
  const cancel = () => {
    over = true
    for (const end of ends) end()
  }
  const proven = () => {
    if (over) return
    cancel()
    // By a task: in Firefox, giving another video a new source in the microtask after a frame callback stops the page's
    // animation frames for good.
    platform.after(0, done)
  }
  const begun = platform.now()
  video.requestVideoFrameCallback(proven)
  const holds = () => {
    if (platform.hidden() && video.readyState >= HAVE_CURRENT_DATA) proven()
  }
  video.addEventListener('loadeddata', holds)
  ends.push(() => video.removeEventListener('loadeddata', holds), platform.onVisibility(holds))
  let base: number | undefined
  const decoded = async () => {
    if (!platform.hidden() && platform.now() - begun < CALLBACK_MS) return false
    const frames = count(await report(media.receiver, 'inbound-rtp'), 'framesDecoded')
    base ??= frames
    return frames > base && video.readyState >= HAVE_CURRENT_DATA
  }
  ends.push(until(platform, decoded, proven))
  return cancel
}

/**
 * Calls `done` in a task of its own once `video`, which plays `media`, shows a picture that moves evenly. A path's first
 * frames come with gaps: the decoder starts, the jitter buffer finds its length, and others start at the same time. When
 * `old`, the picture to be replaced, stands still, the first frame is better than any wait.
 */
export function steadyPicture(
  platform: Platform,
  video: HTMLVideoElement,
  media: Media,
  old: Motion,
  done: () => void,
): Cancel {
  let over = false
  let patience: Cancel = () => {}
  const first = firstFrame(platform, video, media, () => {
    if (platform.hidden() || !old.moves) return done()
    const gaps: number[] = []
    let last: number | undefined
    const end = () => {
      if (over) return
      over = true
      patience()
      platform.after(0, done)
    }
    const frame = (now: number) => {
      if (over) return
      if (last !== undefined) gaps.push(now - last)
      last = now
      if (gaps.length > EVEN_GAPS) gaps.shift()
      if (!old.moves || (gaps.length === EVEN_GAPS && isEven(gaps))) return end()
      video.requestVideoFrameCallback(frame)
    }
    patience = platform.after(EVEN_MAX_MS, end)
    video.requestVideoFrameCallback(frame)
  })
  return () => {
    over = true
    patience()
    first()
  }
}

function isEven(gaps: readonly number[]): boolean {
  const sorted = [...gaps].sort((a, b) => a - b)
  const usual = sorted[(sorted.length - 1) >> 1] ?? 0
  return (sorted.at(-1) ?? 0) <= usual * EVEN_FACTOR + REFRESH_MS
}

/**
 * Calls `done` once sound of `media`, which an element plays, arrives, and nothing is skipped or made up any more. Samples
 * that the browser makes up where none came are counted as received, so they are taken off.
 */
export function steadySound(platform: Platform, media: Media, done: () => void): Cancel {
  let base: { real: number; packets: number } | undefined
  let begun: number | undefined
  let unsteady = 0
  let quietSince = 0
  const look = async () => {
    const inbound = await report(media.receiver, 'inbound-rtp')
    const now = platform.now()
    const packets = count(inbound, 'packetsReceived')
    const made = count(inbound, 'concealedSamples')
    const real = count(inbound, 'totalSamplesReceived') - made
    const wrong = made + count(inbound, 'removedSamplesForAcceleration')
    base ??= { real, packets }
    if (begun === undefined) {
      if (packets <= base.packets || real <= base.real) return false
      begun = quietSince = now
      unsteady = wrong
    }
    if (wrong > unsteady) {
      unsteady = wrong
      quietSince = now
    }
    return now - quietSince >= SETTLED_MS || now - begun >= SETTLE_MAX_MS
  }
  return until(platform, look, done)
}

/** Calls `done` once packets of `media` arrive; for sound that nobody listens to, which browsers do not decode. */
export function arriving(platform: Platform, media: Media, done: () => void): Cancel {
  let base: number | undefined
  const look = async () => {
    const packets = count(await report(media.receiver, 'inbound-rtp'), 'packetsReceived')
    base ??= packets
    return packets > base
  }
  return until(platform, look, done)
}
