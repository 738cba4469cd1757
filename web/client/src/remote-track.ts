import { Gaps } from './gaps.js'
import { kindOf, type Kind } from './local-track.js'
import type { Media } from './media.js'
import { OwnVideo } from './own-video.js'
import { choose, type Progress } from './pair.js'
import type { Cancel, Platform } from './platform.js'
import { arriving, firstFrame } from './prove.js'
import type { Sink } from './sink.js'
import { isMedia, Sound, type Speaker } from './sound.js'
import { release, silentVideo, Stage } from './stage.js'
import { View } from './view.js'
import type { Carrier, ClientMessage, Layer, Source, Track } from './wire.js'

/** What a remote track needs of its room. @internal */
export interface TrackHost {
  readonly platform: Platform
  readonly speaker: Speaker
  send(message: ClientMessage): void
  /** It is presented over another carrier now, or muted, or not: look at the pair again. */
  moved(): void
}

/** A way that is being brought up. */
interface Rising {
  media: Media
  /** The sinks that have not come so far; the object itself stands for a proof without a sink. */
  waiting: Set<unknown>
  /** Ends the proof without a sink. */
  cancel: Cancel
}

/**
 * A track of somebody else. It may arrive by two ways for a moment; what is presented is exactly one of them.
 */
export class RemoteTrack implements Progress {
  readonly id: string
  readonly source: Source
  readonly #host: TrackHost
  readonly #ways = new Map<Carrier, Media>()
  readonly #sinks = new Map<HTMLElement, Sink>()
  readonly #gaps = new Gaps()
  readonly #view: View
  #layer: Layer | undefined
  readonly #ends: Cancel[] = []
  #muted: boolean
  #target: Carrier | undefined
  #presented: Media | undefined
  #rising: Rising | undefined

  /** @internal */
  constructor(
    info: Track,
    /** Id of the participant who sends it. */
    readonly participant: string,
    host: TrackHost,
  ) {
    this.id = info.id
    this.source = info.source
    this.#muted = info.muted
    this.#host = host
    this.#ends.push(host.platform.onVisibility(() => this.#gaps.pause()))
    this.#view = new View({
      platform: host.platform,
      say: ({ width, height }, layer) => {
        // What pauses or comes back stands still for a moment, which is no gap.
        this.#gaps.pause()
        host.send({ type: 'view', track: info.id, width, height, ...(layer === undefined ? {} : { layer }) })
      },
      mayPause: () => this.over === 'sfu' && this.#target !== 'mesh' && !this.#rising,
    })
  }

  get kind(): Kind {
    return kindOf(this.source)
  }

  /** The sender has muted it. */
  get muted(): boolean {
    return this.#muted
  }

  /** The path that is presented now. */
  get over(): Carrier | undefined {
    for (const [carrier, media] of this.#ways) if (media === this.#presented) return carrier
    return undefined
  }

  /** The size that the server sends of it, where it comes that way. */
  get layer(): Layer | undefined {
    return this.over === 'sfu' ? this.#layer : undefined
  }

  /**
   * Receives nothing larger than this by way of the server, however large it is shown; undefined: what its largest element
   * needs. Without elements, that is all there is.
   */
  setPreferredLayer(layer: Layer | undefined): void {
    this.#view.prefer(layer)
  }

  /**
   * Keeps `element` presenting this track across every switch: a container (recommended), a `<video>` or an `<audio>` of
   * the app. Sound that is attached nowhere is not heard. A track may be attached to several elements.
   */
  attach(element: HTMLElement): void {
    if (this.#sinks.has(element)) return
    const sink = this.#sink(element)
    this.#sinks.set(element, sink)
    if (this.kind === 'video') this.#view.watch(element)
    if (this.#presented) sink.show(this.#presented, () => {})
    if (this.#rising) this.#raise(this.#rising, sink)
    else this.#update()
  }

  /** Takes it off `element`, or off every element. */
  detach(element?: HTMLElement): void {
    for (const [attached, sink] of [...this.#sinks]) {
      if (element && attached !== element) continue
      this.#sinks.delete(attached)
      this.#view.unwatch(attached)
      sink.close()
      this.#came(sink)
    }
    const rising = this.#rising
    if (this.#sinks.size === 0 && rising) this.#proveUnseen(rising)
  }

  /** @internal */
  setLayer(layer: Layer): void {
    this.#layer = layer
  }

  /** It arrives by `carrier` as `media`, or does not any more. @internal */
  setWay(carrier: Carrier, media: Media | undefined): void {
    if (this.#ways.get(carrier) === media) return
    if (media) this.#ways.set(carrier, media)
    else this.#ways.delete(carrier)
    this.#update()
  }

  /** @internal */
  aim(target: Carrier | undefined): void {
    this.#target = target
    this.#update()
  }

  /** @internal */
  mute(muted: boolean): void {
    this.#muted = muted
    this.#gaps.pause()
    if (muted && this.#rising) this.#adopt(this.#rising.media)
    this.#host.moved()
  }

  /** What is presented now, for statistics and levels. @internal */
  get media(): Media | undefined {
    return this.#presented
  }

  /** @internal */
  get gaps(): Gaps {
    return this.#gaps
  }

  /** Sound goes to another device. @internal */
  route(): void {
    for (const sink of this.#sinks.values()) if (sink instanceof Sound) sink.route()
  }

  /** @internal */
  close(): void {
    this.#rising?.cancel()
    this.#rising = undefined
    this.#presented = undefined
    this.#ways.clear()
    this.detach()
    this.#view.close()
    for (const end of this.#ends) end()
  }

  #update(): void {
    this.#choose()
    this.#view.settle()
  }

  #choose(): void {
    const next = choose(this.#target, this.#presented, this.#ways)
    if (next === this.#rising?.media && next) return
    this.#rising?.cancel()
    this.#rising = undefined
    if (!next) {
      // The last picture stays until there is another.
      this.#presented = undefined
    } else if (next === this.#presented || this.#muted) {
      this.#adopt(next)
    } else {
      const rising: Rising = {
        media: next,
        waiting: new Set<unknown>(this.#sinks.values()),
        cancel: () => {},
      }
      this.#rising = rising
      if (this.#sinks.size === 0) this.#proveUnseen(rising)
      for (const sink of [...this.#sinks.values()]) this.#raise(rising, sink)
    }
  }

  #raise(rising: Rising, sink: Sink): void {
    rising.waiting.add(sink)
    sink.show(rising.media, () => this.#rising === rising && this.#came(sink))
  }

  #came(who: unknown): void {
    const rising = this.#rising
    if (!rising || !rising.waiting.delete(who) || rising.waiting.size > 0) return
    if (this.#sinks.size === 0 && who !== rising) return
    this.#presented = rising.media
    rising.cancel()
    this.#rising = undefined
    this.#view.settle()
    this.#host.moved()
  }

  /** Nothing to prove: muted, or presented already. */
  #adopt(media: Media): void {
    this.#rising?.cancel()
    this.#rising = undefined
    this.#presented = media
    for (const sink of this.#sinks.values()) sink.show(media, () => {})
    this.#host.moved()
  }

  /** Nobody looks or listens; still the path is to be proven before the old one goes. */
  #proveUnseen(rising: Rising): void {
    const { platform } = this.#host
    const came = () => this.#came(rising)
    rising.waiting.add(rising)
    if (this.kind === 'audio') {
      rising.cancel = arriving(platform, rising.media, came)
      return
    }
    const helper = silentVideo(platform, rising.media)
    const cancel = firstFrame(platform, helper, rising.media, came)
    rising.cancel = () => {
      cancel()
      release(helper)
    }
  }

  #sink(element: HTMLElement): Sink {
    const { platform, speaker } = this.#host
    if (this.kind === 'audio') return new Sound(platform, speaker, element)
    const onFrame = (now: number) => this.#gaps.frame(now)
    return isMedia(element)
      ? new OwnVideo(platform, element as HTMLVideoElement, onFrame)
      : new Stage(platform, element, onFrame)
  }
}
