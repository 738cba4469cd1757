import { h, setAttribute, setText } from '../dom'
import { icon, setIcon } from '../icons'
import { PATHS, type Path } from './path'
import { displayName, hue, initials } from './person'
import type { Quality } from './quality'

/** One picture of the call: somebody's camera or screen, with a name and how they are connected. */

export type TileSource = 'camera' | 'screen'

export type TileState = {
  name: string
  /** The picture is on its way or on. */
  picture: boolean
  /** No sound comes from them. */
  muted: boolean
  speaking: boolean
  /** Their connection to the room is lost for now. */
  away: boolean
  /** Nothing while there is no media, and for one's own. */
  path?: Path
  quality?: Quality
}

export class Tile {
  readonly element: HTMLElement
  /** Where the picture goes: remote tracks are attached to it, one's own plays in it. */
  readonly media = h('div', { class: 'tile-media', 'aria-hidden': 'true' })
  #own: { video: HTMLVideoElement; track: MediaStreamTrack } | undefined
  readonly #avatar = h('span', { class: 'avatar', 'aria-hidden': 'true' })
  readonly #name = h('span', { class: 'tile-name' })
  readonly #muted = h(
    'span',
    { class: 'tile-muted' },
    icon('microphone-off'),
    h('span', { class: 'visually-hidden' }, 'Muted'),
  )
  readonly #pathText = h('span', {})
  readonly #path = h('span', { class: 'tile-path' }, this.#pathText)
  readonly #bars = h('span', { class: 'bars', role: 'img' }, h('i'), h('i'), h('i'))
  readonly #pin = h('button', { class: 'tile-pin', type: 'button' })
  readonly #away = h('div', { class: 'tile-away' }, h('span', { class: 'spinner' }), 'Reconnecting…')

  constructor(
    readonly participant: string,
    readonly source: TileSource,
    readonly self: boolean,
    onPin: (tile: Tile) => void,
  ) {
    this.element = h(
      'article',
      {
        class: 'tile',
        tabindex: '0',
        'data-participant': participant,
        'data-source': source,
        'data-self': String(self),
      },
      h('div', { class: 'tile-empty' }, this.#avatar),
      this.media,
      this.#away,
      h('div', { class: 'tile-top' }, this.#path, this.#bars, this.#pin),
      h('div', { class: 'tile-bottom' }, this.#muted, this.#name),
    )
    if (self && source === 'camera') this.media.classList.add('mirrored')
    this.#pin.addEventListener('click', () => onPin(this))
    this.element.addEventListener('dblclick', (event) => {
      if (!(event.target instanceof Element && event.target.closest('button'))) onPin(this)
    })
    this.pinned = false
  }

  /** Shows a track of one's own, silently. */
  showOwn(track: MediaStreamTrack | undefined): void {
    if (this.#own?.track === track) return
    this.#own?.video.remove()
    this.#own = undefined
    if (track === undefined) return
    const video = h('video', { playsinline: true, autoplay: true, disablepictureinpicture: true })
    video.muted = true
    video.srcObject = new MediaStream([track])
    this.media.append(video)
    this.#own = { video, track }
  }

  set pinned(pinned: boolean) {
    const label = pinned ? 'Unpin' : 'Pin'
    this.#pin.title = label
    this.#pin.setAttribute('aria-label', label)
    this.#pin.setAttribute('aria-pressed', String(pinned))
    setIcon(this.#pin, 'pin')
  }

  show(state: TileState): void {
    const { element } = this
    const name = displayName(state.name)
    const whose = this.self ? `${name} (you)` : name
    const label = this.source === 'screen' ? (this.self ? 'Your screen' : `${name}’s screen`) : whose
    setText(this.#name, label)
    setText(this.#avatar, initials(name))
    this.#avatar.style.setProperty('--hue', String(hue(name)))
    this.#muted.hidden = !state.muted || this.source === 'screen'
    this.#away.hidden = !state.away
    element.dataset['picture'] = String(state.picture)
    setAttribute(element, 'data-speaking', String(state.speaking))
    const path = state.path && PATHS[state.path]
    this.#path.hidden = path === undefined
    if (path !== undefined && element.dataset['path'] !== state.path) {
      setIcon(this.#path, path.icon)
      setText(this.#pathText, path.text)
      this.#path.title = `${name} is ${path.words}`
    }
    setAttribute(element, 'data-path', state.path)
    this.#bars.hidden = state.quality === undefined
    if (state.quality !== undefined) {
      this.#bars.dataset['bars'] = String(state.quality.bars)
      setAttribute(this.#bars, 'aria-label', state.quality.words)
      this.#bars.title = state.quality.words
    }
    const said = [
      label,
      this.source === 'camera' && state.muted ? 'muted' : undefined,
      state.picture ? undefined : 'camera off',
      path?.words,
    ]
    if (state.away) said.push('reconnecting')
    setAttribute(element, 'aria-label', said.filter(Boolean).join(', '))
  }
}
