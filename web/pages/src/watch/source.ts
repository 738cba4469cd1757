import type Hls from 'hls.js'

/** Something that feeds a video element with a broadcast. */
export type Source = {
  /** Settles when the broadcast has ended, or when loading it again is the only hope. */
  over: Promise<void>
  /** Where live is, in seconds of the video's time. */
  edge: () => number | undefined
  /** Seconds behind the moment of capture; nothing while unknown. */
  latency: () => number | undefined
  hls?: Hls
  close: () => void
}

/** Times that hls.js may mend the decoder of one broadcast before it is loaded afresh. */
const MAX_REPAIRS = 3
/** Seconds of the past that stay in memory. */
const BACK_BUFFER_S = 30

/** By hls.js, wherever the browser has Media Source Extensions; nothing where it has none. */
export async function hlsJs(video: HTMLVideoElement, url: string): Promise<Source | undefined> {
  const { default: Hls, Events, ErrorTypes } = await import('hls.js')
  if (!Hls.isSupported()) return undefined
  // The worker would be a blob: script, which the page's policy does not allow.
  const hls = new Hls({
    lowLatencyMode: true,
    enableWorker: false,
    backBufferLength: BACK_BUFFER_S,
    maxLiveSyncPlaybackRate: 1.1,
  })
  let repairs = 0
  const over = new Promise<void>((resolve) => {
    hls.on(Events.ERROR, (_, error) => {
      if (!error.fatal) return
      if (error.type === ErrorTypes.MEDIA_ERROR && repairs < MAX_REPAIRS) {
        repairs += 1
        hls.recoverMediaError()
      } else resolve()
    })
    video.addEventListener('ended', () => resolve(), { once: true })
  })
  hls.loadSource(url)
  hls.attachMedia(video)
  return {
    over,
    hls,
    edge: () => hls.liveSyncPosition ?? undefined,
    latency: () => sinceCapture(hls.playingDate) ?? (hls.latency > 0 ? hls.latency : undefined),
    close: () => hls.destroy(),
  }
}

/** By the browser itself (Safari on iPhones), or nothing where it cannot. */
export function native(video: HTMLVideoElement): ((url: string) => Source) | undefined {
  if (video.canPlayType('application/vnd.apple.mpegurl') === '') return undefined
  return (url) => {
    const over = new Promise<void>((resolve) => {
      video.addEventListener('ended', () => resolve(), { once: true })
      video.addEventListener('error', () => resolve(), { once: true })
    })
    video.src = url
    const edge = () => (video.seekable.length > 0 ? video.seekable.end(video.seekable.length - 1) : undefined)
    return {
      over,
      edge,
      latency: () => sinceCapture(startDate(video)),
      close: () => {
        video.removeAttribute('src')
        video.load()
      },
    }
  }
}

function sinceCapture(playing: Date | null | undefined): number | undefined {
  return playing == null ? undefined : (Date.now() - playing.getTime()) / 1000
}

/** Safari tells which wall-clock time the video's zero is, from the playlist's program date time. */
function startDate(video: HTMLVideoElement): Date | undefined {
  const zero = (video as { getStartDate?: () => Date }).getStartDate?.()
  return zero === undefined || Number.isNaN(zero.getTime())
    ? undefined
    : new Date(zero.getTime() + video.currentTime * 1000)
}
