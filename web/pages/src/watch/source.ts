import type Hls from 'hls.js'

/** Something that feeds a video element with a broadcast. */
export type Source = {
  /** Settles when the broadcast has been seen to its end, or when loading it again is the only hope. */
  over: Promise<void>
  /** More is to come. */
  live: () => boolean
  /** Where live is, in seconds of the video's time; nothing where all is of the past. */
  edge: () => number | undefined
  /** What can be played, likewise. */
  range: () => { start: number; end: number } | undefined
  /** When a second of the video's time was captured; nothing while unknown. */
  dateAt: (time: number) => Date | undefined
  /** Seconds behind the moment of capture; nothing while unknown. */
  latency: () => number | undefined
  quality?: Quality
  captions?: Captions
  hls?: Hls
  close: () => void
}

/** The renditions that one may choose from; by itself the player takes what the network carries. */
export type Quality = {
  /** What there is, the best first. */
  names: () => string[]
  /** Index of the one that was chosen; nothing where the player chooses. */
  chosen: () => number | undefined
  choose: (index: number | undefined) => void
  /** Index of the one that is playing. */
  playing: () => number | undefined
}

export type Captions = {
  there: () => boolean
  on: () => boolean
  show: (on: boolean) => void
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
  const live = () => hls.latestLevelDetails?.live ?? true
  const dateAt = (time: number) => capturedAt(hls.latestLevelDetails?.fragments ?? [], time)
  return {
    over,
    hls,
    live,
    edge: () => (live() ? (hls.liveSyncPosition ?? undefined) : undefined),
    range: () => seekable(video),
    dateAt,
    latency: () =>
      live() ? (since(dateAt(video.currentTime)) ?? (hls.latency > 0 ? hls.latency : undefined)) : undefined,
    quality: qualityOf(hls),
    captions: {
      there: () => hls.subtitleTracks.length > 0,
      on: () => hls.subtitleTrack >= 0 && hls.subtitleDisplay,
      show: (on) => {
        hls.subtitleDisplay = on
        hls.subtitleTrack = on ? 0 : -1
      },
    },
    close: () => hls.destroy(),
  }
}

/** When a second of the video's time was captured, by the last of these that begins before it; they are in order. Nothing where
 * none tells. (`hls.playingDate` is no help: it knows nothing while the player seeks.) */
export function capturedAt(
  fragments: readonly { start: number; programDateTime: number | null }[],
  time: number,
): Date | undefined {
  const dated = fragments.flatMap(({ start, programDateTime: date }) =>
    date === null ? [] : [{ start, date }],
  )
  const at = dated.findLast(({ start }) => start <= time) ?? dated[0]
  return at && new Date(at.date + (time - at.start) * 1000)
}

function qualityOf(hls: Hls): Quality {
  // hls.js has the worst first.
  const flipped = (index: number) => hls.levels.length - 1 - index
  const known = (index: number) => (index < 0 ? undefined : flipped(index))
  return {
    names: () => hls.levels.map(({ height, bitrate }) => levelName(height, bitrate)).reverse(),
    chosen: () => (hls.autoLevelEnabled ? undefined : known(hls.nextLevel)),
    choose: (index) => {
      hls.nextLevel = index === undefined ? -1 : flipped(index)
    },
    playing: () => known(hls.currentLevel),
  }
}

/** “720p”, or what it takes where there is no picture. */
export const levelName = (height: number, bitrate: number): string =>
  height > 0 ? `${height}p` : `${Math.round(bitrate / 1000)} kbit/s`

/** By the browser itself (Safari on iPhones), or nothing where it cannot. */
export function native(video: HTMLVideoElement): ((url: string) => Source) | undefined {
  if (video.canPlayType('application/vnd.apple.mpegurl') === '') return undefined
  return (url) => {
    const over = new Promise<void>((resolve) => {
      video.addEventListener('ended', () => resolve(), { once: true })
      video.addEventListener('error', () => resolve(), { once: true })
    })
    video.src = url
    const live = () => video.duration === Infinity
    const tracks = () =>
      [...video.textTracks].filter(({ kind }) => kind === 'subtitles' || kind === 'captions')
    return {
      over,
      live,
      edge: () => (live() ? seekable(video)?.end : undefined),
      range: () => seekable(video),
      dateAt: (time) => startDate(video, time),
      latency: () => (live() ? since(startDate(video, video.currentTime)) : undefined),
      captions: {
        there: () => tracks().length > 0,
        on: () => tracks().some(({ mode }) => mode === 'showing'),
        show: (on) => {
          tracks().forEach((track, index) => (track.mode = on && index === 0 ? 'showing' : 'disabled'))
        },
      },
      close: () => {
        video.removeAttribute('src')
        video.load()
      },
    }
  }
}

function seekable({ seekable }: HTMLVideoElement): { start: number; end: number } | undefined {
  return seekable.length > 0
    ? { start: seekable.start(0), end: seekable.end(seekable.length - 1) }
    : undefined
}

function since(captured: Date | undefined): number | undefined {
  return captured === undefined ? undefined : (Date.now() - captured.getTime()) / 1000
}

/** Safari tells which wall-clock time the video's zero is, from the playlist's program date time. */
function startDate(video: HTMLVideoElement, time: number): Date | undefined {
  const zero = (video as { getStartDate?: () => Date }).getStartDate?.()
  return zero === undefined || Number.isNaN(zero.getTime())
    ? undefined
    : new Date(zero.getTime() + time * 1000)
}
