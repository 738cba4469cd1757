import './exposed'
import { byId, setText } from './dom'
import { drawIcons } from './icons'
import { roomFromPath } from './room-name'
import { BEHIND_S, Controls } from './watch/controls'
import { Backoff } from './watch/pace'
import { type Found, look } from './watch/playlist'
import { type Source, hlsJs, native } from './watch/source'
import { placeOf, startFrom } from './watch/start'
import { followViewers, viewerId, viewersText } from './watch/viewers'

/** `/watch/{room}`: a broadcast, as close to live as it gets; waits for it, and for it to come back. */

type State = 'waiting' | 'playing' | 'error'

/** Nothing new on screen for this long: load afresh; milliseconds. Longer than a reconnect of hls.js takes. */
const STALLED_MS = 8000

const video = byId('video', HTMLVideoElement)
const again = byId('again', HTMLButtonElement)
const room = roomFromPath(location.pathname)
let played = false
/** Where to begin, once. */
let start = startFrom(location.search)
/** One that is over is to be seen all the same. */
let replay = start !== undefined

drawIcons()
window.crescendo = { video }
const controls = new Controls(video)
if (room === undefined) show('error', 'This is not a room', 'The link may be cut off. Ask for it again.')
else {
  setText(byId('room', HTMLElement), room)
  document.title = `${room} · live on Crescendo`
  const playing = () => document.body.dataset['state'] === 'playing'
  followViewers(
    () => room,
    playing,
    (count) => setText(byId('viewers', HTMLElement), viewersText(count)),
  )
  // The answer sets a cookie, which the files behind it are asked for with.
  const token = new URLSearchParams(location.search).get('token')
  const shown = token === null ? '' : `&token=${encodeURIComponent(token)}`
  void run(`/hls/${room}/index.m3u8?viewer=${viewerId()}${shown}`)
}

/** Wait, play, and when it is over wait again, for as long as the page is open. */
async function run(url: string): Promise<void> {
  // Fetched while there is nothing to play yet, so that the start takes no longer than it must.
  void import('hls.js').catch(() => {})
  for (;;) {
    await started(url)
    await playOnce(url)
  }
}

/** Resolves when there is something to play: at first asked for each second, later less often. */
async function started(url: string): Promise<void> {
  const backoff = new Backoff()
  for (;;) {
    const found = await look(url)
    if (found === 'live' || (found === 'ended' && replay)) return
    explain(found)
    await Promise.race([backoff.wait(), replayAsked()])
  }
}

function replayAsked(): Promise<void> {
  return new Promise((resolve) => {
    again.onclick = () => {
      replay = true
      start = undefined
      resolve()
    }
  })
}

function explain(found: Exclude<Found, 'live'>): void {
  again.hidden = found !== 'ended'
  switch (found) {
    case 'nothing':
      if (!played)
        return show(
          'waiting',
          'Waiting for the broadcast to start',
          'Leave this page open. It begins by itself.',
        )
      return show('waiting', 'The broadcast has ended', 'If it starts again, it plays here by itself.')
    case 'ended':
      return show('waiting', 'The broadcast has ended', 'If it starts again, it plays here by itself.')
    case 'refused':
      return show(
        'error',
        'You need an invitation',
        'The link has none that is good for this. Ask for a new one.',
      )
    case 'unreachable':
      return show('error', 'The server cannot be reached', 'Trying again. Check your connection.')
  }
}

/** Plays until the broadcast is over or cannot be mended; whatever is left then is cleared away. */
async function playOnce(url: string): Promise<void> {
  replay = false
  const source = (await hlsJs(video, url)) ?? native(video)?.(url)
  if (source === undefined) {
    show('error', 'This browser cannot play the broadcast', 'Try a current Chrome, Firefox, Edge or Safari.')
    return new Promise(() => {})
  }
  controls.source = source
  if (source.hls !== undefined) window.crescendo.hls = source.hls
  const shown = watchdog()
  beginAtStart(source)
  void controls.startPlaying()
  await Promise.race([source.over, shown.stalled])
  shown.stop()
  if (!video.ended) goOnThere(source)
  source.close()
  controls.source = undefined
  delete window.crescendo.hls
}

/** Who is not live goes on at the same moment when all is loaded afresh. */
function goOnThere(source: Source): void {
  const [date, behind] = [source.dateAt(video.currentTime), source.latency()]
  const live = source.live() && (behind === undefined || behind < BEHIND_S)
  if (live || date === undefined) return
  start = { date }
  replay = true
}

/** Goes where the link leads, as soon as the player knows what there is. */
function beginAtStart(source: Source): void {
  const wanted = start
  start = undefined
  if (wanted === undefined) return
  const ready = () => {
    const range = source.range()
    const place = range && placeOf(wanted, range, source.dateAt)
    if (place === undefined) return
    video.removeEventListener('timeupdate', ready)
    video.removeEventListener('loadeddata', ready)
    video.currentTime = place
  }
  video.addEventListener('loadeddata', ready)
  video.addEventListener('timeupdate', ready)
}

/** Says when pictures come, and when they have stopped for too long although nobody paused. */
function watchdog(): { stalled: Promise<void>; stop: () => void } {
  let last = video.currentTime
  let moved = performance.now()
  let timer = 0
  const stalled = new Promise<void>((resolve) => {
    timer = window.setInterval(() => {
      const now = performance.now()
      if (
        video.currentTime !== last ||
        (video.paused && document.body.dataset['state'] === 'playing') ||
        document.hidden
      )
        moved = now
      if (video.currentTime > last && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) show('playing')
      byId('sound-only', HTMLElement).hidden =
        video.videoWidth > 0 || document.body.dataset['state'] !== 'playing'
      last = video.currentTime
      if (now - moved > STALLED_MS) resolve()
    }, 250)
  })
  return { stalled, stop: () => clearInterval(timer) }
}

function show(state: State, title = '', text = ''): void {
  const { dataset } = document.body
  played ||= state === 'playing'
  if (dataset['state'] !== state)
    setText(byId('spoken', HTMLElement), state === 'playing' ? 'The broadcast is playing.' : title)
  dataset['state'] = state
  controls.show(state === 'playing')
  byId('viewers', HTMLElement).hidden = state !== 'playing'
  if (state === 'playing') return
  setText(byId('title', HTMLElement), title)
  setText(byId('text', HTMLElement), text)
}
