import './exposed'
import { byId, setText } from './dom'
import { drawIcons, setIcon } from './icons'
import { roomFromPath } from './room-name'
import { Backoff, latencyText } from './watch/pace'
import { type Found, look } from './watch/playlist'
import { type Source, hlsJs, native } from './watch/source'

/** `/watch/{room}`: a broadcast, as close to live as it gets; waits for it, and for it to come back. */

type State = 'waiting' | 'playing' | 'error'

/** Farther behind than this, the button offers to jump; seconds. */
const BEHIND_S = 4
/** Nothing new on screen for this long: load afresh; milliseconds. Longer than a reconnect of hls.js takes. */
const STALLED_MS = 8000
/** Controls hide after this; milliseconds. */
const IDLE_MS = 3000

const video = byId('video', HTMLVideoElement)
const controls = byId('controls', HTMLElement)
const buttons = {
  play: byId('play', HTMLButtonElement),
  mute: byId('mute', HTMLButtonElement),
  fullscreen: byId('fullscreen', HTMLButtonElement),
  live: byId('live', HTMLButtonElement),
  sound: byId('sound', HTMLButtonElement),
}
const volume = byId('volume', HTMLInputElement)
const room = roomFromPath(location.pathname)
let source: Source | undefined
let played = false

drawIcons()
window.crescendo = { video }
if (room === undefined) show('error', 'This is not a room', 'The link may be cut off. Ask for it again.')
else {
  setText(byId('room', HTMLElement), room)
  document.title = `${room} · live on Crescendo`
  bindControls()
  setInterval(draw, 500)
  void run(`/hls/${room}/index.m3u8`)
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
    if (found === 'live') return
    explain(found)
    await backoff.wait()
  }
}

function explain(found: Exclude<Found, 'live'>): void {
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
    case 'unreachable':
      return show('error', 'The server cannot be reached', 'Trying again. Check your connection.')
  }
}

/** Plays until the broadcast is over or cannot be mended; whatever is left then is cleared away. */
async function playOnce(url: string): Promise<void> {
  source = (await hlsJs(video, url)) ?? native(video)?.(url)
  if (source === undefined) {
    show('error', 'This browser cannot play the broadcast', 'Try a current Chrome, Firefox, Edge or Safari.')
    return new Promise(() => {})
  }
  if (source.hls !== undefined) window.crescendo.hls = source.hls
  const shown = watchdog()
  void startPlaying()
  await Promise.race([source.over, shown.stalled])
  shown.stop()
  source.close()
  source = undefined
  delete window.crescendo.hls
}

/** Sound is only allowed after a click on many browsers: silent pictures beat none. */
async function startPlaying(): Promise<void> {
  try {
    await video.play()
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return
    video.muted = true
    buttons.sound.hidden = false
    await video.play().catch(() => {})
  }
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
  controls.hidden = state !== 'playing'
  buttons.live.hidden = state !== 'playing'
  byId('latency', HTMLElement).hidden = state !== 'playing'
  if (state === 'playing') return
  buttons.sound.hidden = true
  setText(byId('title', HTMLElement), title)
  setText(byId('text', HTMLElement), text)
}

function bindControls(): void {
  buttons.play.addEventListener('click', togglePlay)
  buttons.mute.addEventListener('click', () => withSound(video.muted))
  buttons.sound.addEventListener('click', () => withSound(true))
  buttons.live.addEventListener('click', toLive)
  buttons.fullscreen.addEventListener('click', toggleFullscreen)
  video.addEventListener('click', togglePlay)
  video.addEventListener('dblclick', toggleFullscreen)
  volume.addEventListener('input', () => {
    video.volume = Number(volume.value)
    video.muted = video.volume === 0
    draw()
  })
  for (const event of ['play', 'pause', 'volumechange', 'playing'] as const)
    video.addEventListener(event, draw)
  document.addEventListener('fullscreenchange', draw)
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return
    const onButton = event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement
    if (event.key === 'k' || (event.key === ' ' && !onButton)) togglePlay()
    else if (event.key === 'm') withSound(video.muted)
    else if (event.key === 'f') toggleFullscreen()
    else return
    event.preventDefault()
  })
  let idle = 0
  const awake = () => {
    clearTimeout(idle)
    document.body.dataset['idle'] = 'false'
    idle = window.setTimeout(() => (document.body.dataset['idle'] = String(!video.paused)), IDLE_MS)
  }
  for (const event of ['pointermove', 'pointerdown', 'keydown']) document.addEventListener(event, awake)
  awake()
}

function togglePlay(): void {
  if (document.body.dataset['state'] !== 'playing') return
  if (video.paused) {
    // What was missed is gone for somebody who watches live.
    toLive()
    void startPlaying()
  } else video.pause()
}

function withSound(on: boolean): void {
  video.muted = !on
  if (on && video.volume === 0) video.volume = 1
  buttons.sound.hidden = true
  if (on) void video.play().catch(() => {})
  draw()
}

function toLive(): void {
  const edge = source?.edge()
  if (edge !== undefined) video.currentTime = edge
}

function toggleFullscreen(): void {
  if (document.fullscreenElement !== null) void document.exitFullscreen()
  else if (typeof byId('player', HTMLElement).requestFullscreen === 'function')
    void byId('player', HTMLElement).requestFullscreen()
  // iPhones let only a video fill the screen.
  else (video as { webkitEnterFullscreen?: () => void }).webkitEnterFullscreen?.()
}

function draw(): void {
  label(buttons.play, video.paused ? 'Play (k)' : 'Pause (k)', video.paused ? 'play' : 'pause')
  label(buttons.mute, video.muted ? 'Sound on (m)' : 'Sound off (m)', video.muted ? 'speaker-off' : 'speaker')
  const full = document.fullscreenElement !== null
  label(
    buttons.fullscreen,
    full ? 'Leave full screen (f)' : 'Full screen (f)',
    full ? 'fullscreen-off' : 'fullscreen',
  )
  volume.value = String(video.muted ? 0 : video.volume)
  const behind = source?.latency()
  const live = !video.paused && (behind === undefined || behind < BEHIND_S)
  buttons.live.dataset['live'] = String(live)
  buttons.live.title = live ? 'This is live' : 'Jump to live'
  setText(byId('latency', HTMLElement), latencyText(behind))
}

function label(button: HTMLButtonElement, text: string, name: Parameters<typeof setIcon>[1]): void {
  button.title = text
  button.setAttribute('aria-label', text)
  setIcon(button, name)
}
