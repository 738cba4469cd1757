import type { Protection } from './encryption.js'
import { Channel, decode, type Unreliable } from './channel.js'
import { contact } from './contact.js'
import type { LocalTrack } from './local-track.js'
import { count, mediaOf, type Media } from './media.js'
import { Negotiation } from './negotiation.js'
import type { Cancel, Platform } from './platform.js'
import type { Candidate, ClientMessage, Description, LinkStatus, MidTrack } from './wire.js'

/** A link that lost contact for this long restarts ICE, ms. Lower: sooner back; higher: short outages heal by themselves. */
const RESTART_AFTER_MS = 2500
/** A failed link may take this long to come back before it is reported, ms. */
const RECOVER_MS = 5000
/** Pictures of fewer pixels keep their size while both paths are sent: encoding them costs little, and another size costs a
 * key frame on each link, just when there is most to do. */
const HALVE_FROM_PIXELS = 320 * 240
/** A closed link's connection is kept this long, ms, so that what is presented of it does not vanish in the same moment. */
const KEEP_MS = 1000
/** How often a link is asked whether it goes through a relay, ms: browsers do not all tell. Lower: the room knows sooner;
 * higher: less work for statistics. */
const LOOK_MS = 2000

export interface LinkHost {
  readonly platform: Platform
  readonly protection: Protection
  send(message: ClientMessage): void
  /** Contact was lost: with the server as well, perhaps. */
  doubt(): void
  /** What arrives by it, or whether it stands, has changed. */
  changed(): void
  /** A message of the app has come, unless it was none. */
  data(from: string, message: { data: unknown } | undefined): void
}

export interface LinkOptions {
  peer: string
  link: number
  polite: boolean
  /** The other end has the channel for unreliable messages. */
  data: boolean
  iceServers: RTCIceServer[]
  /** How many audio and video tracks the other end publishes: room is offered for them at once. */
  expects: { audio: number; video: number }
}

/** A connection straight to another participant. */
export class Link {
  readonly peer: string
  readonly number: number
  /** What arrives by it, by track id. */
  readonly media = new Map<string, Media>()
  readonly pc: RTCPeerConnection
  readonly #negotiation: Negotiation
  readonly #channel: Channel
  readonly #senders = new Map<LocalTrack, RTCRtpSender>()
  #tracks: LocalTrack[] = []
  #ready: boolean
  #closed = false
  #restarted = false
  #scale = 1
  #restarting: Cancel = () => {}
  #listening: Cancel = () => {}
  #failing: Cancel | undefined
  #looking: Cancel = () => {}
  /** What was reported last while the link stood. */
  #relayed: boolean | undefined

  constructor(
    private readonly host: LinkHost,
    private readonly options: LinkOptions,
    tracks: Iterable<LocalTrack>,
  ) {
    this.peer = options.peer
    this.number = options.link
    this.#ready = !options.polite
    const pc = (this.pc = host.platform.peer(configuration(options.iceServers)))
    this.#negotiation = new Negotiation(pc, options.polite, {
      describe: (description) => this.#describe(description),
      prepare: () => this.#prepare(),
    })
    pc.onicecandidate = ({ candidate }) => candidate && this.#candidate(candidate)
    pc.onconnectionstatechange = () => void this.#watch()
    pc.ontrack = ({ transceiver }) => host.protection.transceiver(transceiver)
    // Without tracks there would be nothing else to connect for.
    this.#channel = new Channel(pc, (frame) => host.data(this.peer, decode(frame[0], frame.subarray(1))))
    // Clients of another kind open their own.
    pc.ondatachannel = ({ channel }) => {
      channel.onmessage = ({ data }) => typeof data === 'string' && host.data(this.peer, { data })
    }
    this.setTracks(tracks)
    if (!options.polite) this.#expect()
  }

  get stands(): boolean {
    return !this.#closed && this.pc.connectionState === 'connected'
  }

  /** Sends an unreliable message. False when that has to take another way. */
  sendData({ kind, payload }: Unreliable): boolean {
    if (!this.options.data || !this.stands || !this.#channel.isOpen) return false
    this.#channel.send([kind], payload)
    return true
  }

  /** Sends these tracks from now on. */
  setTracks(tracks: Iterable<LocalTrack>): void {
    this.#tracks = [...tracks]
    if (!this.#ready || this.#closed) return
    for (const [track, sender] of this.#senders) {
      if (this.#tracks.includes(track)) continue
      this.#senders.delete(track)
      this.pc.removeTrack(sender)
    }
    for (const track of this.#tracks) {
      const sender = this.#senders.get(track) ?? this.#add(track)
      if (sender.track !== track.sent) sender.replaceTrack(track.sent).catch(() => {})
    }
  }

  /** Half the width and height while two paths are sent at once; lowering the frame rate instead would be seen. */
  halve(halved: boolean): void {
    const scale = halved ? 2 : 1
    if (scale === this.#scale) return
    this.#scale = scale
    for (const [track, sender] of this.#senders) this.#resize(track, sender)
  }

  setIceServers(servers: RTCIceServer[]): void {
    if (!this.#closed) this.pc.setConfiguration(configuration(servers))
  }

  async description(description: Description, tracks: MidTrack[]): Promise<void> {
    try {
      const applied = await this.#negotiation.description(description)
      if (applied && !this.#closed) this.#receive(tracks)
    } catch (error) {
      if (!this.#closed) console.warn('crescendo: a description did not apply', error)
    }
  }

  candidate(candidate: Candidate): void {
    void this.#negotiation.candidate(candidate)
  }

  /** The server names a link that we know: our socket was lost meanwhile. */
  reopen(): void {
    this.#negotiation.repeat()
    if (this.stands) void this.#watch()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#calm()
    this.media.clear()
    this.host.platform.after(KEEP_MS, () => this.pc.close())
  }

  /** Room for what the other end will send, so that one offer and one answer do for both. */
  #expect(): void {
    for (const kind of ['audio', 'video'] as const) {
      const own = this.#tracks.filter((track) => track.kind === kind).length
      for (let n = own; n < this.options.expects[kind]; n++)
        this.host.protection.transceiver(this.pc.addTransceiver(kind, { direction: 'recvonly' }))
    }
  }

  #add(track: LocalTrack): RTCRtpSender {
    const sender = this.pc.addTrack(track.track, track.stream)
    this.#senders.set(track, sender)
    this.#protect(track, sender)
    if (this.#scale !== 1) this.#resize(track, sender)
    return sender
  }

  #protect(track: LocalTrack, sender: RTCRtpSender): void {
    const { protection } = this.host
    protection.sender(sender, track.kind)
    const transceiver = this.pc.getTransceivers().find((transceiver) => transceiver.sender === sender)
    if (transceiver) protection.transceiver(transceiver)
  }

  #resize(track: LocalTrack, sender: RTCRtpSender): void {
    const { width = 0, height = 0 } = track.track.getSettings()
    if (track.kind !== 'video' || width * height < HALVE_FROM_PIXELS) return
    const parameters = sender.getParameters()
    for (const encoding of parameters.encodings) encoding.scaleResolutionDownBy = this.#scale
    sender.setParameters(parameters).catch(() => {})
  }

  #prepare(): void {
    if (this.#ready) return
    this.#ready = true
    this.setTracks(this.#tracks)
  }

  #describe({ type, sdp }: RTCSessionDescription): void {
    if (this.#closed) return
    const tracks: MidTrack[] = []
    for (const { mid, sender, direction } of this.pc.getTransceivers()) {
      const sends = direction === 'sendrecv' || direction === 'sendonly'
      const track = this.#tracks.find((track) => this.#senders.get(track) === sender)
      if (mid !== null && sends && track) tracks.push({ mid, track: track.id })
    }
    const description = { type: type as Description['type'], sdp }
    this.host.send({ type: 'link-description', peer: this.peer, link: this.number, description, tracks })
  }

  #receive(tracks: MidTrack[]): void {
    const receivers = new Map(this.pc.getTransceivers().map(({ mid, receiver }) => [mid, receiver]))
    this.media.clear()
    for (const { mid, track } of tracks) {
      const receiver = receivers.get(mid)
      if (receiver) this.media.set(track, mediaOf(receiver))
    }
    this.host.changed()
  }

  #candidate({ candidate, sdpMid, sdpMLineIndex, usernameFragment }: RTCIceCandidate): void {
    if (this.#closed) return
    const wire = { candidate, sdpMid, sdpMLineIndex, usernameFragment }
    this.host.send({ type: 'link-candidate', peer: this.peer, link: this.number, candidate: wire })
  }

  async #watch(): Promise<void> {
    if (this.#closed) return
    const { platform } = this.host
    switch (this.pc.connectionState) {
      case 'connected': {
        this.#calm()
        this.#restarted = false
        this.#relayed = undefined
        await this.#look()
        break
      }
      case 'disconnected':
        this.host.doubt()
        this.#restarting()
        this.#restarting = platform.after(RESTART_AFTER_MS, () => this.#restart())
        break
      case 'failed':
        this.#failing ??= platform.after(RECOVER_MS, () => this.#report('failed', false))
        this.#restart()
        break
      case 'new':
      case 'connecting':
      case 'closed':
        break
    }
    this.host.changed()
  }

  /** Reports the way that the link takes, and looks again: ICE goes on to a better one when it finds it. */
  async #look(): Promise<void> {
    this.#looking()
    this.#looking = this.host.platform.after(LOOK_MS, () => void this.#look())
    const reports = await this.pc.getStats().catch(() => undefined)
    if (!reports || !this.stands) return
    const pair = pairOf(reports)
    this.#count(reports, pair?.rttMs)
    const relayed = pair?.relayed ?? false
    if (relayed === this.#relayed) return
    this.#relayed = relayed
    this.#report('connected', relayed)
  }

  /** Tells what has come, for those who run the server. */
  #count(reports: RTCStatsReport, rttMs: number | undefined): void {
    const inbound = [...reports.values()].filter((entry) => entry.type === 'inbound-rtp')
    if (inbound.length === 0) return
    const sum = (name: string) =>
      Math.max(
        0,
        inbound.reduce((sum, entry) => sum + count(entry, name), 0),
      )
    this.host.send({
      type: 'link-traffic',
      peer: this.peer,
      link: this.number,
      bytes: sum('bytesReceived') + sum('headerBytesReceived'),
      packets: sum('packetsReceived'),
      lost: sum('packetsLost'),
      ...(rttMs === undefined ? {} : { rttMs }),
    })
  }

  #calm(): void {
    this.#looking()
    this.#listening()
    this.#restarting()
    this.#failing?.()
    this.#failing = undefined
  }

  #restart(): void {
    if (this.options.polite || this.#restarted) return
    this.#restarted = true
    this.pc.restartIce()
  }

  /** The network may have changed: ICE begins anew when nothing arrives any more. */
  revive(): void {
    if (this.#closed) return
    this.#listening()
    const { connectionState: state } = this.pc
    const stood = this.stands || state === 'disconnected' || state === 'failed'
    // Not at once: browsers learn of new addresses a moment after sockets can be opened from them.
    if (stood)
      this.#listening = contact(this.host.platform, this.pc, () => {
        this.#restarting()
        this.pc.restartIce()
      })
  }

  #report(state: LinkStatus, relayed: boolean): void {
    if (this.#closed) return
    this.host.send({ type: 'link-state', peer: this.peer, link: this.number, state, relayed })
  }
}

/** Browsers refuse to change anything but the servers of a connection that stands. */
function configuration(iceServers: RTCIceServer[]): RTCConfiguration {
  return { iceServers, bundlePolicy: 'max-bundle' }
}

/** The pair of candidates that a connection uses: the transport names it, in Firefox the pair itself says so. */
export async function usedPair(pc: RTCPeerConnection) {
  return pairOf(await pc.getStats())
}

function pairOf(reports: RTCStatsReport) {
  const transport = [...reports.values()].find((entry) => entry.type === 'transport')
  const named = transport?.selectedCandidatePairId
  const pair =
    typeof named === 'string'
      ? reports.get(named)
      : [...reports.values()].find((entry) => entry.type === 'candidate-pair' && entry.selected)
  if (!pair) return undefined
  const types = [reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId)]
  const relayed = types.some((candidate) => candidate?.candidateType === 'relay')
  const seconds = pair.currentRoundTripTime
  return { relayed, rttMs: typeof seconds === 'number' ? Math.round(seconds * 1000) : undefined }
}
