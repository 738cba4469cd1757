import type { Protection } from './encryption.js'
import { decode, type Unreliable } from './channel.js'
import { Link } from './link.js'
import { kindOf, type LocalTrack } from './local-track.js'
import { Pair } from './pair.js'
import type { Participant } from './participant.js'
import type { Platform } from './platform.js'
import { Down, Up, type TransportHost } from './transport.js'
import type { Carrier, ClientMessage, Direction, IceServer, Mode, ServerMessage } from './wire.js'

export interface PathsHost {
  readonly platform: Platform
  readonly protection: Protection
  readonly participants: ReadonlyMap<string, Participant>
  readonly tracks: readonly LocalTrack[]
  readonly mode: Mode
  /** Somebody watches the room who is not in it: there are receivers of pictures in several sizes, whatever the mode. */
  readonly broadcast: boolean
  /** The server can be told something now. */
  readonly reachable: boolean
  send(message: ClientMessage): void
  /** Contact was lost with somebody, perhaps with the server. */
  doubt(): void
  /** An unreliable message has come. */
  data(from: string, data: unknown): void
  /** The server's media port is lost. Told once, until all that was lost with it is back. */
  lost(): void
}

type PathsMessage = Extract<
  ServerMessage,
  {
    type:
      | 'link-open'
      | 'link-close'
      | 'link-description'
      | 'link-candidate'
      | 'offer'
      | 'slots'
      | 'transport-close'
      | 'send-up'
      | 'path'
  }
>

/** Receivers that one frame to the server can name. */
const RECEIVERS_MAX = 255

/** Every way that media takes: mesh links, the two server transports, and for each participant the path that is ordered. */
export class Paths {
  readonly #links = new Map<string, Link>()
  readonly #pairs = new Map<string, Pair>()
  #up: Up | undefined
  #down: Down | undefined
  #sending = false
  /** Directions whose transport died after it had been up, until the next one is. */
  readonly #lost = new Set<Direction>()
  #iceServers: RTCIceServer[] = []

  constructor(private readonly host: PathsHost) {}

  get links(): ReadonlyMap<string, Link> {
    return this.#links
  }

  get up(): Up | undefined {
    return this.#up
  }

  get down(): Down | undefined {
    return this.#down
  }

  /** What connections are made with from now on; those that stand take it at their next ICE restart. */
  setIceServers(servers: IceServer[]): void {
    this.#iceServers = servers
    for (const link of this.#links.values()) link.setIceServers(servers)
    this.#up?.setIceServers(servers)
    this.#down?.setIceServers(servers)
  }

  handle(message: PathsMessage): void {
    switch (message.type) {
      case 'link-open':
        return this.#openLink(message)
      case 'link-close':
        return this.#closeLink(this.#link(message))
      case 'link-description':
        return void this.#link(message)?.description(message.description, message.tracks)
      case 'link-candidate':
        return this.#link(message)?.candidate(message.candidate)
      case 'offer':
        return message.transport === 'up' ? this.#offerUp(message) : this.#offerDown(message)
      case 'slots':
        if (this.#down?.generation === message.generation) this.#down.setSlots(message.slots)
        return
      case 'transport-close':
        return this.#closeTransport(message.transport, message.generation)
      case 'send-up':
        this.#sending = message.active
        this.#up?.activate(message.active)
        return this.settle()
      case 'path':
        return this.#order(message.peer, message.carrier, message.epoch)
    }
  }

  /** The network may be another one: what has lost contact looks for a new way. */
  revive(): void {
    for (const link of this.#links.values()) link.revive()
    this.#up?.revive()
    this.#down?.revive()
  }

  /** Our tracks have changed. */
  publish(): void {
    for (const link of this.#links.values()) link.setTracks(this.host.tracks)
    this.#up?.setTracks(this.host.tracks)
  }

  /** `participant` left, or its tracks changed: carry over what is known of them. */
  settle(): void {
    if (this.#up?.stands) this.#lost.delete('up')
    if (this.#down?.stands) this.#lost.delete('down')
    if (this.host.mode === 'mesh') this.#lost.clear()
    const overlap = this.host.mode === 'promoting' && this.#sending
    for (const link of this.#links.values()) link.halve(overlap)
    // A switch that is called back half-way finds them as they were: who gets a smaller one goes on with it.
    const { mode, broadcast } = this.host
    if (mode !== 'promoting') this.#up?.spread(mode !== 'mesh' || broadcast)
    for (const [id, link] of this.#links) if (!this.host.participants.has(id)) this.#drop(link)
    for (const id of this.#pairs.keys()) if (!this.host.participants.has(id)) this.#pairs.delete(id)
    for (const participant of this.host.participants.values()) this.#route(participant)
  }

  /** Answers the order about `participant` if it is fulfilled now. */
  check(participant: string): void {
    const tracks = this.host.participants.get(participant)?.tracks.values() ?? []
    const stands = (carrier: Carrier) =>
      (carrier === 'mesh' ? this.#links.get(participant)?.stands : this.#down?.stands) ?? false
    const order = this.#pairs.get(participant)?.fulfilled(tracks, stands)
    if (order) this.host.send({ type: 'shown', peer: participant, ...order })
  }

  /**
   * Sends an unreliable message by the best way to each: straight where there is a link, else by way of the server. Gives those
   * to whom there is none so far.
   */
  sendData(message: Unreliable, to: string | undefined): string[] {
    const wanted = to === undefined ? [...this.host.participants.keys()] : [to]
    const rest = wanted.filter((id) => !this.#links.get(id)?.sendData(message))
    const server = [this.#up, this.#down].find((transport) => transport?.stands && transport.channel.isOpen)
    if (rest.length === 0 || !server) return rest
    const head = (ids: string[]) => [message.kind, ids.length, ...ids.flatMap(numberOf)]
    if (to === undefined && rest.length === wanted.length) {
      server.channel.send(head([]), message.payload)
    } else {
      for (let at = 0; at < rest.length; at += RECEIVERS_MAX)
        server.channel.send(head(rest.slice(at, at + RECEIVERS_MAX)), message.payload)
    }
    return []
  }

  /** By way of the server: kind, number of the sender, payload. */
  #received(frame: Uint8Array): void {
    if (frame.length < 5) return
    const from = `p${new DataView(frame.buffer, frame.byteOffset).getUint32(1)}`
    const message = decode(frame[0], frame.subarray(5))
    if (message) this.host.data(from, message.data)
  }

  /** The session is over: every connection goes. */
  clear(): void {
    for (const link of [...this.#links.values()]) this.#drop(link)
    this.#pairs.clear()
    this.#up?.close()
    this.#down?.close()
    this.#up = this.#down = undefined
    this.#sending = false
    this.#lost.clear()
  }

  /** Hands each track of `participant` what arrives for it, aims it, and looks whether the order is fulfilled. */
  #route(participant: Participant): void {
    const target = this.#pairs.get(participant.id)?.target
    for (const track of participant.tracks.values()) {
      track.aim(target)
      track.setWay('mesh', this.#links.get(participant.id)?.media.get(track.id))
      track.setWay('sfu', this.#down?.media.get(track.id))
    }
    this.check(participant.id)
  }

  #order(peer: string, carrier: Carrier, epoch: number): void {
    const participant = this.host.participants.get(peer)
    if (!participant) return
    let pair = this.#pairs.get(peer)
    if (!pair) this.#pairs.set(peer, (pair = new Pair()))
    if (pair.order({ carrier, epoch })) this.#route(participant)
  }

  /** The link that a message is about, unless it is about an older one. */
  #link({ peer, link }: { peer: string; link: number }): Link | undefined {
    const known = this.#links.get(peer)
    return known?.number === link ? known : undefined
  }

  #openLink({ peer, link, polite, data }: Extract<ServerMessage, { type: 'link-open' }>): void {
    const known = this.#links.get(peer)
    if (known?.number === link) return known.reopen()
    if (known && known.number > link) return
    const theirs = [...(this.host.participants.get(peer)?.tracks.values() ?? [])].map(({ source }) =>
      kindOf(source),
    )
    const count = (kind: string) => theirs.filter((other) => other === kind).length
    const expects = { audio: count('audio'), video: count('video') }
    const { platform, protection } = this.host
    const host = {
      platform,
      protection,
      send: (m: ClientMessage) => this.host.send(m),
      doubt: () => this.host.doubt(),
      changed: () => this.settle(),
      data: (from: string, message: { data: unknown } | undefined) =>
        message && this.host.data(from, message.data),
    }
    const options = { peer, link, polite, data, iceServers: this.#iceServers, expects }
    known?.close()
    this.#links.set(peer, new Link(host, options, this.host.tracks))
    this.settle()
  }

  #closeLink(link: Link | undefined): void {
    if (!link) return
    this.#drop(link)
    this.settle()
  }

  #drop(link: Link): void {
    this.#links.delete(link.peer)
    link.close()
  }

  #offerUp({ generation, sdp, slots }: Extract<ServerMessage, { type: 'offer' }>): void {
    if (this.#up && this.#up.generation > generation) return
    if (this.#up?.generation !== generation) {
      this.#up?.close()
      // A new transport holds still until it is told to send.
      this.#sending = false
      this.#up = new Up(this.#transportHost(), generation, this.host.tracks)
    }
    this.#up.offer(sdp, slots)
  }

  #offerDown({ generation, sdp, slots }: Extract<ServerMessage, { type: 'offer' }>): void {
    if (this.#down && this.#down.generation > generation) return
    if (this.#down?.generation !== generation) {
      this.#down?.close()
      this.#down = new Down(this.#transportHost(), generation)
    }
    this.#down.offer(sdp, slots)
  }

  #closeTransport(direction: Direction, generation: number): void {
    const transport = direction === 'up' ? this.#up : this.#down
    if (transport?.generation !== generation) return
    // While the room demotes, each one's transports go as soon as they have served.
    if (transport.stood && this.host.mode !== 'demoting') this.#lose(direction)
    transport.close()
    if (direction === 'up') {
      this.#up = undefined
      this.#sending = false
    }
    if (direction === 'down') this.#down = undefined
    this.settle()
  }

  #lose(direction: Direction): void {
    if (this.host.mode === 'mesh') return
    const isFirst = this.#lost.size === 0
    this.#lost.add(direction)
    if (isFirst) this.host.lost()
  }

  #transportHost(): TransportHost {
    const { host } = this
    return {
      get reachable() {
        return host.reachable
      },
      doubt: () => host.doubt(),
      platform: this.host.platform,
      protection: this.host.protection,
      iceServers: this.#iceServers,
      send: (message) => this.host.send(message),
      changed: () => this.settle(),
      data: (frame) => this.#received(frame),
      lost: (direction) => this.#lose(direction),
    }
  }
}

/** The number of a participant, in network byte order. */
function numberOf(id: string): number[] {
  const number = Number(id.slice(1))
  return [24, 16, 8, 0].map((bits) => (number >>> bits) & 255)
}
