import { slim } from './answer.js'
import { Channel } from './channel.js'
import { contact } from './contact.js'
import type { Protection } from './encryption.js'
import { layersOf, scaleOf, type Size } from './layers.js'
import { kindOf, type LocalTrack } from './local-track.js'
import { count, mediaOf, report, type Media } from './media.js'
import type { Cancel, Platform } from './platform.js'
import type { ClientMessage, Direction, Slot } from './wire.js'

/** A replaced or closed transport's connection is kept this long, ms, so that its last picture stays until there is another. */
const KEEP_MS = 1000

/** A transport that the browser calls disconnected for this long, ms, although ICE has begun anew, is taken for dead. Chromium says
 * so 5 to 8 seconds after the last packet, and much later that it failed; the server, one hop away, offers another at once.
 * Lower: a dead one is noticed sooner; higher: outages heal by themselves. */
const LOST_MS = 3000

/** Sound that was told to stop and has sent this many packets more after so many ms does not heed it. It is 15 at 20 ms. */
const HUSH_MS = 300
const HUSH_PACKETS = 5

/** When a picture of unknown size is looked at again, ms. */
const LOOK_MS = 1000

export interface TransportHost {
  readonly platform: Platform
  readonly iceServers: RTCIceServer[]
  readonly protection: Protection
  /** The server can be told something now. */
  readonly reachable: boolean
  send(message: ClientMessage): void
  /** Contact was lost: with the server itself, perhaps. */
  doubt(): void
  /** What arrives by it, or whether it stands, has changed. */
  changed(): void
  /** A message of the app has come. */
  data(frame: Uint8Array): void
  /** It had been up and is dead. The server is told and offers another. */
  lost(direction: Direction): void
}

/** A connection to the server's media port. The server offers, we answer; one direction of media each. */
export abstract class Transport {
  readonly pc: RTCPeerConnection
  /** For unreliable messages. */
  readonly channel: Channel
  protected closed = false
  /** Offers are answered one after the other. */
  #queue = Promise.resolve()
  #stood = false
  #failed = false
  /** ICE has begun anew since it was connected last. */
  #restarted = false
  #patience: Cancel = () => {}
  #listening: Cancel = () => {}

  constructor(
    protected readonly host: TransportHost,
    readonly direction: Direction,
    readonly generation: number,
  ) {
    this.pc = host.platform.peer(configuration(host.iceServers))
    this.pc.onconnectionstatechange = () => this.#watch()
    this.channel = new Channel(this.pc, (frame) => host.data(frame))
  }

  get stands(): boolean {
    return !this.closed && !this.#failed && this.pc.connectionState === 'connected'
  }

  /** It was up at some time. */
  get stood(): boolean {
    return this.#stood
  }

  setIceServers(servers: RTCIceServer[]): void {
    if (!this.closed) this.pc.setConfiguration(configuration(servers))
  }

  /** The network may have changed: ICE begins anew when nothing arrives any more. */
  revive(): void {
    if (!this.#stood || this.#failed) return
    this.#listening()
    this.#listening = contact(this.host.platform, this.pc, () => {
      // What was asked for may have been lost with the socket.
      this.#restarted = false
      this.#restart()
    })
    if (!this.stands) this.#wait()
  }

  /** Answers an offer. `slots` says what each of its m-lines is for. */
  offer(sdp: string, slots: Slot[]): void {
    this.queue(async () => {
      await this.pc.setRemoteDescription({ type: 'offer', sdp })
      await this.place(slots)
      await this.pc.setLocalDescription()
      const answer = this.pc.localDescription
      if (this.closed || !answer) return
      this.#restarted = false
      this.host.send({
        type: 'answer',
        transport: this.direction,
        generation: this.generation,
        sdp: slim(answer.sdp),
      })
      this.host.changed()
    })
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.#patience()
    this.#listening()
    this.host.platform.after(KEEP_MS, () => this.pc.close())
  }

  protected abstract place(slots: Slot[]): Promise<void>

  protected queue(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work).catch((error: unknown) => {
      if (this.closed) return
      console.warn(`crescendo: ${this.direction} transport`, error)
      this.#fail()
    })
  }

  protected transceivers(): Map<string | null, RTCRtpTransceiver> {
    return new Map(this.pc.getTransceivers().map((transceiver) => [transceiver.mid, transceiver]))
  }

  #watch(): void {
    if (this.closed) return
    const state = this.pc.connectionState
    if (state === 'connected') {
      this.#patience()
      this.#stood = true
      this.#restarted = false
    }
    if (state === 'disconnected') {
      this.host.doubt()
      this.#restart()
      this.#wait()
    }
    if (state === 'failed') this.#fail()
    this.host.changed()
  }

  /** It is dead unless it is back in time; who cannot tell the server waits for another time. */
  #wait(): void {
    this.#patience()
    this.#patience = this.host.platform.after(LOST_MS, () =>
      this.host.reachable ? this.#fail() : this.#wait(),
    )
  }

  /** Asks the server for ICE to begin anew. */
  #restart(): void {
    if (!this.#stood || this.#restarted || this.closed || this.#failed) return
    this.#restarted = true
    this.host.send({ type: 'restart-ice', transport: this.direction, generation: this.generation })
  }

  #fail(): void {
    if (this.closed || this.#failed) return
    this.#failed = true
    this.host.send({ type: 'transport-failed', transport: this.direction, generation: this.generation })
    if (this.#stood) this.host.lost(this.direction)
  }
}

/** The server needs no help to be reached but a relay, where UDP does not get through to it. */
function configuration(servers: RTCIceServer[]): RTCConfiguration {
  const isRelay = (url: string) => url.startsWith('turn')
  const iceServers = servers.filter(({ urls }) => [urls].flat().some(isRelay))
  return { iceServers, bundlePolicy: 'max-bundle' }
}

/** Sends our tracks to the server. Every source has an m-line from the start, so that publishing needs no new offer. */
export class Up extends Transport {
  #slots: Slot[] = []
  #tracks: LocalTrack[]
  #active = false
  #hasSent = false
  /** Somebody receives by way of the server who may want a smaller picture. */
  #spread = false
  /** The browser stops sound when its encoding is made inactive. */
  #heeds = true
  #looking: Cancel = () => {}

  constructor(host: TransportHost, generation: number, tracks: Iterable<LocalTrack>) {
    super(host, 'up', generation)
    this.#tracks = [...tracks]
  }

  setTracks(tracks: Iterable<LocalTrack>): void {
    this.#tracks = [...tracks]
    this.queue(async () => {
      await this.#fill()
      await this.#switch()
    })
  }

  /** Sends large pictures in smaller sizes as well, or whole ones alone: during a switch, only what it needs is encoded. */
  spread(spread: boolean): void {
    if (this.#spread === spread) return
    this.#spread = spread
    this.queue(() => this.#switch())
  }

  /** Sends, or keeps everything ready without sending: a proven path that costs nothing. */
  activate(active: boolean): void {
    if (this.#active === active) return
    this.#active = active
    this.#hasSent ||= active
    this.queue(async () => {
      await this.#switch()
      await this.#fill()
      if (!active) await this.#hush()
    })
  }

  protected async place(slots: Slot[]): Promise<void> {
    this.#slots = slots
    const transceivers = this.transceivers()
    for (const { mid, source } of slots) {
      const transceiver = transceivers.get(mid)
      if (!transceiver) continue
      transceiver.direction = 'sendonly'
      if (source) this.host.protection.sender(transceiver.sender, kindOf(source))
    }
    await this.#switch()
    await this.#fill()
  }

  /**
   * Sound that was never sent is held back by sending none: Chromium heeds `active` only after its first packet, and
   * Firefox never.
   */
  async #fill(): Promise<void> {
    const transceivers = this.transceivers()
    for (const { mid, source } of this.#slots) {
      const sender = transceivers.get(mid)?.sender
      const local = this.#tracks.find((track) => track.source === source)
      const ready = local?.kind === 'video' || this.#active || (this.#hasSent && this.#heeds)
      const track = local && ready ? local.sent : null
      if (!sender || sender.track === track) continue
      if (local) sender.setStreams?.(local.stream)
      await sender.replaceTrack(track)
    }
  }

  /**
   * Inactive encodings keep everything ready: a picture's first frame is there at once, and the clock of sound goes on,
   * where a track that was taken off and put back would have its packets pass for late ones.
   */
  async #switch(): Promise<void> {
    const transceivers = this.transceivers()
    for (const { mid } of this.#slots) {
      const sender = transceivers.get(mid)?.sender
      if (!sender) continue
      const parameters = sender.getParameters()
      const { encodings } = parameters
      const count = encodings.length
      const used =
        count > 1 ? layersOf(await this.#size(sender), count, this.#spread && this.#active) : [true]
      let changed = false
      for (const [index, encoding] of encodings.entries()) {
        const active = this.#active && (used[index] ?? true)
        const scale = count > 1 ? scaleOf(index, count) : encoding.scaleResolutionDownBy
        changed ||= encoding.active !== active || encoding.scaleResolutionDownBy !== scale
        encoding.active = active
        if (scale !== undefined) encoding.scaleResolutionDownBy = scale
      }
      if (changed) await sender.setParameters(parameters)
    }
  }

  /** Of the picture that is sent; what its track does not say shows in what was encoded, and is looked for again. */
  async #size(sender: RTCRtpSender): Promise<Size> {
    const { width = 0, height = 0 } = sender.track?.getSettings() ?? {}
    if (width * height > 0 || !sender.track || !this.#spread || !this.#active) return { width, height }
    const sizes = [...(await sender.getStats()).values()].filter(({ type }) => type === 'outbound-rtp')
    const largest = Math.max(0, ...sizes.map((entry) => count(entry, 'frameWidth')))
    const found = sizes.find((entry) => count(entry, 'frameWidth') === largest)
    if (largest === 0) this.#lookAgain()
    return { width: largest, height: count(found, 'frameHeight') }
  }

  #lookAgain(): void {
    this.#looking()
    this.#looking = this.host.platform.after(LOOK_MS, () => this.queue(() => this.#switch()))
  }

  /** Takes sound off where it goes on in spite of its inactive encoding. */
  async #hush(): Promise<void> {
    const before = await this.#packets()
    this.host.platform.after(HUSH_MS, () =>
      this.queue(async () => {
        if (this.closed || this.#active || (await this.#packets()) - before < HUSH_PACKETS) return
        this.#heeds = false
        await this.#fill()
      }),
    )
  }

  /** Packets of sound sent so far. */
  async #packets(): Promise<number> {
    const sounds = this.pc.getSenders().filter(({ track }) => track?.kind === 'audio')
    const reports = await Promise.all(sounds.map((sender) => report(sender, 'outbound-rtp')))
    return reports.reduce((sum, entry) => sum + count(entry, 'packetsSent'), 0)
  }
}

/** Brings the others' tracks from the server. */
export class Down extends Transport {
  /** What arrives by it, by track id. */
  readonly media = new Map<string, Media>()
  #slots: Slot[] = []

  constructor(host: TransportHost, generation: number) {
    super(host, 'down', generation)
    this.pc.ontrack = ({ receiver }) => host.protection.receiver(receiver)
  }

  /** The same m-lines carry other tracks from now on. */
  setSlots(slots: Slot[]): void {
    this.queue(async () => {
      await this.place(slots)
      this.host.changed()
    })
  }

  override close(): void {
    super.close()
    this.media.clear()
  }

  protected async place(slots: Slot[]): Promise<void> {
    this.#slots = slots
    this.media.clear()
    if (this.closed) return
    const transceivers = this.transceivers()
    for (const { mid, track } of this.#slots) {
      const receiver = transceivers.get(mid)?.receiver
      if (track !== undefined && receiver) this.media.set(track, mediaOf(receiver))
    }
  }
}
