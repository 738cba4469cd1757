import { byId, h, setText } from '../dom'
import { setIcon, type IconName } from '../icons'
import { clockText, latencyText } from './pace'
import type { Source } from './source'
import { startQuery } from './start'

/** What one may do with a broadcast that plays: the bar below, the sign that it is live, keys. */

/** Farther behind than this, the button offers to jump; seconds. */
export const BEHIND_S = 4
/** With less to go back to, there is nothing to drag; seconds. */
const SCRUB_LEAST_S = 20
/** By how much the arrows go; seconds. */
const STEP_S = 10
/** Controls hide after this; milliseconds. */
const IDLE_MS = 3000
/** How often what changes by itself is drawn; milliseconds. */
const DRAW_MS = 500

const AUTO = 'auto'

export class Controls {
  source: Source | undefined
  readonly #bar = byId('controls', HTMLElement)
  readonly #play = byId('play', HTMLButtonElement)
  readonly #mute = byId('mute', HTMLButtonElement)
  readonly #volume = byId('volume', HTMLInputElement)
  readonly #fullscreen = byId('fullscreen', HTMLButtonElement)
  readonly #captions = byId('captions', HTMLButtonElement)
  readonly #link = byId('link', HTMLButtonElement)
  readonly #quality = byId('quality', HTMLSelectElement)
  readonly #live = byId('live', HTMLButtonElement)
  readonly #sound = byId('sound', HTMLButtonElement)
  readonly #latency = byId('latency', HTMLElement)
  readonly #scrub = byId('scrub', HTMLElement)
  readonly #seek = byId('seek', HTMLInputElement)
  readonly #position = byId('position', HTMLElement)
  readonly #spoken = byId('spoken', HTMLElement)
  #dragging = false

  constructor(private readonly video: HTMLVideoElement) {
    this.#bind()
    this.#bindKeys()
    this.#hideWhenIdle()
    setInterval(() => this.draw(), DRAW_MS)
  }

  /** Shown while something plays. */
  show(on: boolean): void {
    this.#bar.hidden = this.#live.hidden = this.#latency.hidden = !on
    if (!on) this.#sound.hidden = this.#scrub.hidden = true
  }

  /** Sound is only allowed after a click on many browsers: silent pictures beat none. */
  async startPlaying(): Promise<void> {
    try {
      await this.video.play()
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return
      this.video.muted = true
      this.#sound.hidden = false
      await this.video.play().catch(() => {})
    }
  }

  draw(): void {
    const { video, source } = this
    label(this.#play, video.paused ? 'Play (k)' : 'Pause (k)', video.paused ? 'play' : 'pause')
    label(this.#mute, video.muted ? 'Sound on (m)' : 'Sound off (m)', video.muted ? 'speaker-off' : 'speaker')
    const full = document.fullscreenElement !== null
    const fullText = full ? 'Leave full screen (f)' : 'Full screen (f)'
    label(this.#fullscreen, fullText, full ? 'fullscreen-off' : 'fullscreen')
    this.#volume.value = String(video.muted ? 0 : video.volume)

    const behind = source?.latency()
    const comes = source?.live() ?? true
    const atEdge = comes && !video.paused && (behind === undefined || behind < BEHIND_S)
    this.#live.dataset['live'] = String(atEdge)
    this.#live.disabled = !comes
    this.#live.title = !comes ? 'This was live before' : atEdge ? 'This is live' : 'Jump to live (l)'
    setText(byId('live-text', HTMLElement), comes ? 'Live' : 'Recorded')
    setText(this.#latency, latencyText(behind))
    this.#drawScrubber(comes)
    this.#drawChoices()
  }

  #drawScrubber(comes: boolean): void {
    const range = this.source?.range()
    const long = range !== undefined && range.end - range.start >= SCRUB_LEAST_S
    this.#scrub.hidden = !long || this.#bar.hidden
    if (!long) return
    const end = this.source?.edge() ?? range.end
    const [min, max] = [String(range.start), String(end)]
    if (this.#seek.min !== min) this.#seek.min = min
    if (this.#seek.max !== max) this.#seek.max = max
    if (!this.#dragging) this.#seek.value = String(this.video.currentTime)
    const at = Number(this.#seek.value)
    this.#seek.style.setProperty('--at', `${(100 * (at - range.start)) / Math.max(1, end - range.start)}%`)
    const behind = end - at
    const text = !comes
      ? `${clockText(at - range.start)} / ${clockText(range.end - range.start)}`
      : behind < BEHIND_S
        ? 'Live'
        : `−${clockText(behind)}`
    setText(this.#position, text)
    this.#seek.setAttribute(
      'aria-valuetext',
      comes && behind >= BEHIND_S ? `${clockText(behind)} behind live` : text,
    )
  }

  #drawChoices(): void {
    const { captions, quality } = this.source ?? {}
    this.#captions.hidden = captions?.there() !== true
    this.#captions.setAttribute('aria-pressed', String(captions?.on() === true))
    this.#link.hidden = navigator.clipboard === undefined
    const names = quality?.names() ?? []
    this.#quality.hidden = names.length < 2
    if (names.length < 2 || quality === undefined) return
    const playing = quality.playing()
    const auto = playing === undefined ? 'Auto' : `Auto (${names[playing]})`
    const options = [auto, ...names]
    if (this.#quality.options.length !== options.length)
      this.#quality.replaceChildren(
        ...options.map((_, index) => h('option', { value: index === 0 ? AUTO : String(index - 1) })),
      )
    options.forEach((text, index) => setText(this.#quality.options[index] as HTMLOptionElement, text))
    if (document.activeElement !== this.#quality) this.#quality.value = String(quality.chosen() ?? AUTO)
  }

  #bind(): void {
    const { video } = this
    this.#play.addEventListener('click', () => this.#togglePlay())
    this.#mute.addEventListener('click', () => this.#withSound(video.muted))
    this.#sound.addEventListener('click', () => this.#withSound(true))
    this.#live.addEventListener('click', () => this.#toLive())
    this.#fullscreen.addEventListener('click', toggleFullscreen)
    this.#link.addEventListener('click', () => void this.#copyLink())
    this.#captions.addEventListener('click', () => {
      const captions = this.source?.captions
      captions?.show(!captions.on())
      this.draw()
    })
    this.#quality.addEventListener('change', () => {
      const { value } = this.#quality
      this.source?.quality?.choose(value === AUTO ? undefined : Number(value))
      this.draw()
    })
    this.#seek.addEventListener('input', () => {
      this.#dragging = true
      this.draw()
    })
    this.#seek.addEventListener('change', () => {
      this.#dragging = false
      this.#goTo(Number(this.#seek.value))
    })
    video.addEventListener('click', () => this.#togglePlay())
    video.addEventListener('dblclick', toggleFullscreen)
    this.#volume.addEventListener('input', () => {
      video.volume = Number(this.#volume.value)
      video.muted = video.volume === 0
      this.draw()
    })
    for (const event of ['play', 'pause', 'volumechange', 'playing', 'seeked'] as const)
      video.addEventListener(event, () => this.draw())
    document.addEventListener('fullscreenchange', () => this.draw())
  }

  #bindKeys(): void {
    document.addEventListener('keydown', (event) => {
      const { target, key } = event
      // Sliders have arrows of their own and leave letters alone.
      const slides = target instanceof HTMLInputElement && target.type === 'range'
      const typing =
        target instanceof HTMLSelectElement ||
        (target instanceof HTMLInputElement && (!slides || key.startsWith('Arrow')))
      if (event.ctrlKey || event.metaKey || event.altKey || typing || this.#bar.hidden) return
      const onButton = target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement
      if (key === 'k' || (key === ' ' && !onButton)) this.#togglePlay()
      else if (key === 'm') this.#withSound(this.video.muted)
      else if (key === 'f') toggleFullscreen()
      else if (key === 'l') this.#toLive()
      else if (key === 'ArrowLeft') this.#goTo(this.video.currentTime - STEP_S)
      else if (key === 'ArrowRight') this.#goTo(this.video.currentTime + STEP_S)
      else return
      event.preventDefault()
    })
  }

  #hideWhenIdle(): void {
    let idle = 0
    const awake = () => {
      clearTimeout(idle)
      document.body.dataset['idle'] = 'false'
      idle = window.setTimeout(() => (document.body.dataset['idle'] = String(!this.video.paused)), IDLE_MS)
    }
    for (const event of ['pointermove', 'pointerdown', 'keydown']) document.addEventListener(event, awake)
    awake()
  }

  #togglePlay(): void {
    if (this.#bar.hidden) return
    if (!this.video.paused) return this.video.pause()
    // Where nothing of the past is kept, what was missed is gone.
    const range = this.source?.range()
    if (range === undefined || this.video.currentTime < range.start || this.#scrub.hidden) this.#toLive()
    void this.startPlaying()
  }

  #withSound(on: boolean): void {
    const { video } = this
    video.muted = !on
    if (on && video.volume === 0) video.volume = 1
    this.#sound.hidden = true
    if (on) void video.play().catch(() => {})
    this.draw()
  }

  #toLive(): void {
    const edge = this.source?.edge()
    if (edge === undefined) return
    this.video.currentTime = edge
    if (this.video.paused) void this.startPlaying()
  }

  #goTo(time: number): void {
    const range = this.source?.range()
    if (range === undefined) return
    const end = this.source?.edge() ?? range.end
    this.video.currentTime = Math.min(end, Math.max(range.start, time))
    this.draw()
  }

  async #copyLink(): Promise<void> {
    const date = this.source?.dateAt(this.video.currentTime)
    const { origin, pathname } = location
    try {
      await navigator.clipboard.writeText(`${origin}${pathname}${date === undefined ? '' : startQuery(date)}`)
      label(this.#link, 'Copied', 'check')
      setText(this.#spoken, 'The link to this moment is copied.')
    } catch {
      setText(this.#spoken, 'The link could not be copied.')
    }
    setTimeout(() => label(this.#link, 'Copy a link to this moment', 'link'), 2000)
  }
}

function toggleFullscreen(): void {
  const player = byId('player', HTMLElement)
  if (document.fullscreenElement !== null) void document.exitFullscreen()
  else if (typeof player.requestFullscreen === 'function') void player.requestFullscreen()
  // iPhones let only a video fill the screen.
  else (byId('video', HTMLVideoElement) as { webkitEnterFullscreen?: () => void }).webkitEnterFullscreen?.()
}

function label(button: HTMLButtonElement, text: string, name: IconName): void {
  if (button.title === text) return
  button.title = text
  button.setAttribute('aria-label', text)
  setIcon(button, name)
}
