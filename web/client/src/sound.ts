import type { Media } from './media.js'
import type { Cancel, Platform } from './platform.js'
import { arriving, steadySound } from './prove.js'
import type { Sink } from './sink.js'
import { play } from './stage.js'

/** The old path's element is kept this long after the swap, muted, in ms. */
const KEEP_MS = 1000

/** What all sounds of a room share. */
export interface Speaker {
  /** Device id of the output, '' for the default one. */
  readonly device: string
  /** The browser refuses to play before the user has done something; `retry` then. */
  blocked(retry: () => void): void
}

interface Turn {
  audio: HTMLAudioElement
  media: Media | undefined
}

/**
 * Plays an audio track. Two elements take turns: the new path's is attached muted, and when its sound is steady both are
 * flipped in one task. The two live as long as the sink, because some browsers start no new ones in hidden pages.
 *
 * Where the app gave an element of its own, its volume and mute are followed; it plays nothing itself.
 */
export class Sound implements Sink {
  /** The one that sounds first. */
  readonly #turns: Turn[]
  #proof: Cancel = () => {}
  #clear: Cancel = () => {}
  readonly #followed: HTMLMediaElement | undefined
  readonly #follow = () => this.#apply()

  constructor(
    private readonly platform: Platform,
    private readonly speaker: Speaker,
    element: HTMLElement,
  ) {
    this.#turns = [platform.audio(), platform.audio()].map((audio) => ({ audio, media: undefined }))
    for (const { audio } of this.#turns) {
      audio.muted = true
      if (!isMedia(element)) {
        audio.className = 'crescendo-audio'
        audio.hidden = true
        element.append(audio)
      }
    }
    if (isMedia(element)) {
      this.#followed = element
      element.addEventListener('volumechange', this.#follow)
    }
    this.route()
  }

  show(media: Media, done: () => void): void {
    this.#proof()
    this.#clear()
    const [sounding, spare] = this.#pair()
    if (sounding.media === media) {
      this.#empty(spare)
      return done()
    }
    const first = sounding.media === undefined
    const turn = first ? sounding : spare
    turn.media = media
    turn.audio.srcObject = this.platform.stream([media.track])
    if (first) this.#apply()
    const proven = () => {
      this.#proof = () => {}
      if (!first) this.#flip()
      done()
    }
    this.#proof = steadySound(this.platform, media, proven)
    this.#start(turn.audio, () => {
      // An element that may not play pulls no sound: that it arrives has to do.
      if (turn.media !== media) return
      this.#proof()
      this.#proof = arriving(this.platform, media, proven)
    })
  }

  /** Plays on the device that the room's speaker names now. */
  route(): void {
    for (const { audio } of this.#turns) {
      if (this.speaker.device || audio.sinkId) audio.setSinkId?.(this.speaker.device).catch(() => {})
    }
  }

  close(): void {
    this.#proof()
    this.#clear()
    this.#followed?.removeEventListener('volumechange', this.#follow)
    for (const turn of this.#turns) {
      this.#empty(turn)
      turn.audio.remove()
    }
  }

  /** The element that sounds, and the other one. */
  #pair() {
    const [sounding, spare] = this.#turns
    if (!sounding || !spare) throw new Error('a sound has two elements')
    return [sounding, spare] as const
  }

  #flip(): void {
    this.#turns.reverse()
    this.#apply()
    // Where sound is not allowed yet, the browser pauses an element that is no longer muted.
    const [{ audio }] = this.#pair()
    if (audio.paused) this.#start(audio)
    this.#clear = this.platform.after(KEEP_MS, () => this.#empty(this.#pair()[1]))
  }

  /** Both elements in one task: never two sounding, never none. */
  #apply(): void {
    const [sounding, spare] = this.#pair()
    spare.audio.muted = true
    sounding.audio.volume = this.#followed?.volume ?? 1
    sounding.audio.muted = this.#followed?.muted ?? false
  }

  #empty(turn: Turn): void {
    turn.media = undefined
    turn.audio.srcObject = null
  }

  #start(audio: HTMLAudioElement, refused: () => void = () => {}): void {
    play(audio, () => {
      this.speaker.blocked(() => this.#resume())
      refused()
    })
  }

  #resume(): void {
    for (const { audio } of this.#turns) if (audio.srcObject) play(audio)
  }
}

export function isMedia(element: HTMLElement): element is HTMLMediaElement {
  return element.tagName === 'AUDIO' || element.tagName === 'VIDEO'
}
