import { count, report, type Media } from './media.js'
import type { Cancel, Platform } from './platform.js'

/** Between two looks at what was decoded, ms. Lower: a proof is seen sooner, for more work. */
const LOOK_MS = 50
/** A visible page's frame callbacks are trusted alone for this long, ms; then a decoded frame that the element holds is
 * proof as well, for pages that the browser does not paint without calling them hidden. */
const CALLBACK_MS = 1500
/** Sound is settled when nothing was skipped or made up for this long, ms: no backlog is left that would be heard as a jump. */
const SETTLED_MS = 200
/** Sound that never settles is taken as it is after this long, ms. */
const SETTLE_MAX_MS = 2000

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
