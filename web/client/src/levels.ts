import type { LocalTrack } from './local-track.js'
import { count, report } from './media.js'
import type { Participant } from './participant.js'
import type { Paths } from './paths.js'
import type { Cancel, Platform } from './platform.js'
import { Speakers } from './speakers.js'

/** Between two looks at who is speaking, ms. */
const LOOK_MS = 200

/** Watches how loud everybody is, ourselves included. */
export class Levels {
  readonly #speakers = new Speakers()
  /** Media time of the packet that was played last, by receiver: a level that belongs to the same packet is stale. */
  readonly #played = new WeakMap<RTCRtpReceiver, number>()
  #cancel: Cancel = () => {}

  constructor(
    private readonly platform: Platform,
    private readonly paths: Paths,
    private readonly participants: ReadonlyMap<string, Participant>,
    private readonly self: () => { id: string; microphone: LocalTrack | undefined },
    private readonly changed: (ids: string[]) => void,
  ) {}

  start(): void {
    this.#cancel()
    this.#cancel = this.platform.after(LOOK_MS, () => void this.#look())
  }

  stop(): void {
    this.#cancel()
    this.#cancel = () => {}
  }

  async #look(): Promise<void> {
    const stopped = this.#cancel
    const levels = new Map<string, number>()
    for (const participant of this.participants.values()) levels.set(participant.id, this.#heard(participant))
    const { id, microphone } = this.self()
    levels.set(id, await this.#own(microphone).catch(() => 0))
    if (this.#cancel !== stopped) return
    const active = this.#speakers.update(this.platform.now(), levels)
    if (active) this.changed(active)
    this.start()
  }

  #heard(participant: Participant): number {
    let level = 0
    for (const { kind, muted, media } of participant.tracks.values()) {
      if (kind !== 'audio' || muted || !media) continue
      const [source] = media.receiver.getSynchronizationSources()
      if (!source || this.#played.get(media.receiver) === source.rtpTimestamp) continue
      this.#played.set(media.receiver, source.rtpTimestamp)
      level = Math.max(level, source.audioLevel ?? 0)
    }
    return level
  }

  async #own(microphone: LocalTrack | undefined): Promise<number> {
    if (!microphone || microphone.muted) return 0
    const connections = [...this.paths.links.values(), this.paths.up]
    for (const connection of connections) {
      const sender = connection?.pc.getSenders().find(({ track }) => track === microphone.track)
      if (sender) return count(await report(sender, 'media-source'), 'audioLevel')
    }
    return 0
  }
}
