import { Output } from './output.js'
import { Encryption, SEALED_CODEC, unprotected, type EncryptionOptions } from './encryption.js'
import { RoomError } from './error.js'
import { Emitter } from './events.js'
import type { KeyMessage } from './key-exchange.js'
import { Legs } from './legs.js'
import { encode } from './channel.js'
import { Levels } from './levels.js'
import { LocalTracks, type Which } from './local-tracks.js'
import type { LocalTrack } from './local-track.js'
import { Messages, contentOf } from './messages.js'
import type { Participant } from './participant.js'
import { Paths } from './paths.js'
import { browser, type Cancel, type Platform } from './platform.js'
import type { RemoteTrack } from './remote-track.js'
import { Roster } from './roster.js'
import { Socket, type Welcome } from './socket.js'
import { Statistics, type TrackStats } from './stats.js'
import {
  VERSION,
  type ClientMessage,
  type Format,
  type Layout,
  type Leg,
  type Mode,
  type Resume,
  type ServerMessage,
  type Source,
} from './wire.js'

export interface RoomOptions {
  /** The server: "ws://host:8080" or "https://host"; the page's own when absent. */
  url?: string
  /** 1 to 64 of A-Z a-z 0-9 . _ - */
  room: string
  /** Shown to the others. */
  name?: string
  /** Where the server asks for one. A function is asked for each connection, with the room's name, so that a new one may be given. */
  token?: string | ((room: string) => string)
  /** How long a lost server is looked for before the room is closed, ms; 60,000 when absent. */
  maxReconnectMs?: number
  /** Media is encrypted end to end: all participants have to ask for it, with the same secret. */
  encryption?: EncryptionOptions
}

export interface PublishOptions {
  /** "microphone" or "camera" when absent, after the track's kind. One track of each source. */
  source?: Source
  /** Begin muted; when absent: whether the track is disabled. */
  muted?: boolean
}

export interface SendOptions {
  /** One participant; everybody else when absent. */
  to?: string
  /** When absent, true: it arrives once and in order. False: at once or never, by the way that media takes. */
  reliable?: boolean
}

export interface LegOptions {
  kind: 'hls' | 'record' | 'other'
  /** Id of the one whose picture is broadcast, or who alone is recorded; who speaks, or everybody, when absent. */
  of?: string
  /**
   * Everybody in tiles of one size, or who speaks, large, and the others in a row. When absent: of a broadcast who speaks, of a
   * recording a file of each.
   */
  layout?: Layout
  /**
   * Of a broadcast: heights that its picture is transcoded to, in pixels, at most three, even and from 90 to 2160, in any order.
   * Players change between them as their network allows. Those that are larger than the picture are left out.
   */
  ladder?: number[]
  /** Of a recording: what its files are. When absent: `mp4`. In `webm` there are VP8, VP9 and AV1; a picture in H.264 is left out. */
  format?: Format
}

export interface RoomEvents {
  'participant-joined': [participant: Participant]
  'participant-left': [participant: Participant]
  'participant-away': [participant: Participant]
  'track-added': [track: RemoteTrack, participant: Participant]
  'track-removed': [track: RemoteTrack, participant: Participant]
  'track-muted': [track: RemoteTrack, participant: Participant]
  /** A track of ours ended by itself and was unpublished: the user stopped sharing a screen. */
  'local-track-ended': [track: LocalTrack]
  'mode-changed': [mode: Mode, epoch: number]
  'leg-changed': [leg: Leg]
  /** Ids of those who speak, the loudest first; our own may be among them. */
  'active-speakers': [ids: string[]]
  message: [message: { from: string; data: unknown }]
  /** Whoever runs the room has sent us to another one, and we are there, with our tracks. */
  moved: [room: string]
  reconnecting: []
  reconnected: []
  error: [error: RoomError]
  /** Over for good; without an error when we left. */
  closed: [error: RoomError | undefined]
}

const MAX_RECONNECT_MS = 60_000

/** A call. Nothing happens before `join`. */
export class Room extends Emitter<RoomEvents> {
  readonly #options: RoomOptions
  readonly #platform: Platform
  readonly #base: string
  readonly #socket: Socket
  readonly #roster: Roster
  readonly #paths: Paths
  readonly #locals: LocalTracks
  readonly #output: Output
  readonly #levels: Levels
  readonly #statistics = new Statistics()
  readonly #legs: Legs
  readonly #encryption: Encryption | undefined
  readonly #messages: Messages
  #state: 'idle' | 'joining' | 'joined' | 'closed' = 'idle'
  #joining: { resolve(): void; reject(error: RoomError): void } | undefined
  #name: string
  /** On the way to another room, with what lets us in there once. */
  #move: { token: string | undefined } | undefined
  #id = ''
  #mode: Mode = 'mesh'
  #epoch = 0
  #request = 0
  #unload: Cancel = () => {}
  readonly #online: Cancel

  constructor(options: RoomOptions, platform: Platform = browser) {
    super()
    this.#options = options
    this.#name = options.room
    this.#platform = platform
    this.#base = (options.url ?? platform.origin()).replace(/^ws/, 'http').replace(/\/$/, '')
    const room = this
    const send = (message: ClientMessage) => this.#socket.send(message)
    this.#output = new Output(platform, () =>
      this.#error('autoplay-blocked', 'the browser plays sound after a click or a key press'),
    )
    this.#roster = new Roster({
      joined: (participant) => {
        this.#encryption?.joined(participant.id)
        this.emit('participant-joined', participant)
      },
      left: (participant) => {
        this.#encryption?.left(participant.id)
        this.emit('participant-left', participant)
      },
      away: (participant) => this.emit('participant-away', participant),
      added: (track, participant) => this.emit('track-added', track, participant),
      removed: (track, participant) => this.emit('track-removed', track, participant),
      muted: (track, participant) => this.emit('track-muted', track, participant),
      host: (participant) => ({
        platform,
        speaker: this.#output,
        send,
        moved: () => this.#paths.check(participant),
      }),
    })
    const request = () => ++this.#request
    const changed = (leg: Leg) => {
      this.#paths.settle()
      this.emit('leg-changed', leg)
    }
    this.#legs = new Legs(this.#base, { send, request, changed })
    this.#messages = new Messages({ platform, write: send, request })
    this.#locals = new LocalTracks(platform, {
      send,
      request,
      changed: () => this.#paths.publish(),
      ended: (track) => {
        this.#locals.unpublish(track)
        this.emit('local-track-ended', track)
      },
    })
    if (options.encryption) {
      const host = {
        platform,
        room: options.room,
        send: (to: string, data: KeyMessage) => send({ type: 'keys', to, data }),
      }
      this.#encryption = new Encryption(options.encryption, host)
    }
    this.#paths = new Paths({
      platform,
      protection: this.#encryption ?? unprotected,
      participants: this.#roster.participants,
      send,
      data: (from, data) => this.emit('message', { from, data }),
      lost: () =>
        this.#error(
          'sfu-lost',
          'the connection to the media server is lost; the call goes on as soon as there is another',
        ),
      get tracks() {
        return room.#locals.published
      },
      get broadcast() {
        return room.#legs.broadcast
      },
      get mode() {
        return room.#mode
      },
      get reachable() {
        return room.#socket.stands
      },
      doubt: () => this.#socket.probe(),
    })
    this.#levels = new Levels(
      platform,
      this.#paths,
      this.#roster.participants,
      () => ({ id: this.#id, microphone: this.#locals.get('microphone') }),
      (ids) => this.emit('active-speakers', ids),
    )
    this.#online = platform.onOnline(() => this.#paths.revive())
    const url = `${this.#base.replace(/^http/, 'ws')}/signal`
    this.#socket = new Socket(platform, url, options.maxReconnectMs ?? MAX_RECONNECT_MS, {
      hello: (resume) => this.#hello(resume),
      message: (message) => this.#handle(message),
      lost: () => {
        this.#levels.stop()
        this.#messages.lost()
        this.emit('reconnecting')
      },
      ended: (error) => this.#close(error),
    })
  }

  /** The room's name. It changes when we are sent to another one. */
  get name(): string {
    return this.#name
  }

  /** Our own id, from `join` on. It changes when a lost session could not be resumed. */
  get id(): string {
    return this.#id
  }

  /** The path that media aims for, and whether everybody is there. */
  get mode(): Mode {
    return this.#mode
  }

  /** Counts the room's changes of mode. */
  get epoch(): number {
    return this.#epoch
  }

  /** The others, by id. */
  get participants(): ReadonlyMap<string, Participant> {
    return this.#roster.participants
  }

  /** What we publish, by source. */
  get localTracks(): ReadonlyMap<Source, LocalTrack> {
    return this.#locals.all
  }

  /** Broadcasts of the room, by id. */
  get legs(): ReadonlyMap<string, Leg> {
    return this.#legs.all
  }

  /**
   * Enters the room; publishes the first audio and the first video track of `stream`, or watches only. Those who are there
   * already are told as `participant-joined` and `track-added` before it resolves. Rejects with a RoomError.
   */
  join({ stream }: { stream?: MediaStream | undefined } = {}): Promise<void> {
    if (this.#state !== 'idle')
      return Promise.reject(new RoomError('already-joined', 'a Room joins once; make another'))
    this.#state = 'joining'
    for (const track of [stream?.getAudioTracks()[0], stream?.getVideoTracks()[0]]) {
      if (track) this.#locals.add(track, {})
    }
    this.#unload = this.#platform.onUnload(() => void this.leave())
    return new Promise((resolve, reject) => {
      this.#joining = { resolve, reject }
      if (!this.#encryption) return this.#socket.open()
      const refused = (error: unknown) =>
        this.#close(
          error instanceof RoomError ? error : new RoomError('encryption-unsupported', String(error)),
        )
      this.#encryption.start().then(() => this.#state === 'joining' && this.#socket.open(), refused)
    })
  }

  /** Publishes a track. Resolves when everybody has been told. */
  async publish(track: MediaStreamTrack, options: PublishOptions = {}): Promise<LocalTrack> {
    this.#mustBeJoined()
    return this.#locals.publish(track, options)
  }

  /** Takes a track back. It is not stopped: that is the app's, which may use it elsewhere. */
  async unpublish(which: Which): Promise<void> {
    this.#mustBeJoined()
    this.#locals.unpublish(which)
  }

  /**
   * Mutes or unmutes, and tells the others. Sets `track.enabled`; a muted picture is not sent at all, muted sound goes on as
   * silence. Devices stay open (the camera's light stays on): unpublish and stop the track to close one.
   */
  async mute(which: Which, muted: boolean): Promise<void> {
    this.#mustBeJoined()
    this.#locals.mute(which, muted)
  }

  /** Sends another track, of another device perhaps, in the place of one; nothing is negotiated anew. */
  async replaceTrack(which: Which, track: MediaStreamTrack): Promise<LocalTrack> {
    this.#mustBeJoined()
    return this.#locals.replace(which, track)
  }

  /**
   * Sends bytes, or anything that JSON can say, to everybody else or to one. What is reliable resolves when the server has it; it
   * arrives once and in order, also while the room moves or a socket is lost and comes back. Rejects with a RoomError.
   */
  async send(data: unknown, { to, reliable = true }: SendOptions = {}): Promise<void> {
    this.#mustBeJoined()
    if (reliable) return this.#messages.send(data, to)
    for (const id of this.#paths.sendData(encode(data), to)) this.#messages.sendUnreliable(data, id)
  }

  /**
   * A new key for what we send from now on. It happens by itself when somebody leaves. With shared keys: keys of another
   * secret, which every participant has to be given by the app at about the same time.
   */
  async rotateKeys(secret?: string | Uint8Array<ArrayBuffer>): Promise<void> {
    this.#mustBeJoined()
    await this.#encryption?.rotate(secret)
  }

  /** Starts a broadcast or a recording. Resolves when the server has taken it on; `leg-changed` tells when it runs. */
  async startLeg({ kind, of, layout, ladder, format }: LegOptions): Promise<Leg> {
    this.#mustBeJoined()
    return this.#legs.ask((request) => ({
      type: 'start-leg',
      request,
      kind,
      ...(of === undefined ? {} : { of }),
      ...(layout === undefined ? {} : { layout }),
      ...(ladder === undefined ? {} : { ladder }),
      ...(format === undefined ? {} : { format }),
    }))
  }

  async stopLeg(id: string): Promise<Leg> {
    this.#mustBeJoined()
    return this.#legs.ask((request) => ({ type: 'stop-leg', request, leg: id }))
  }

  /** Plays everybody on another output device. */
  setSpeaker(deviceId: string): void {
    this.#output.device = deviceId
    for (const track of this.#tracks()) track.route()
  }

  /** One entry for each remote track. Rates are since the call before. */
  async stats(): Promise<TrackStats[]> {
    return this.#statistics.read(this.#tracks(), this.#paths, () => this.#platform.now())
  }

  async leave(): Promise<void> {
    if (this.#state === 'closed') return
    this.#socket.close({ type: 'leave' })
    this.#close(undefined)
  }

  *#tracks(): Iterable<RemoteTrack> {
    for (const participant of this.#roster.participants.values()) yield* participant.tracks.values()
  }

  #hello(resume: Resume | undefined): ClientMessage {
    const { name = '', token: given } = this.#options
    const room = this.#name
    const token = this.#move?.token ?? (typeof given === 'function' ? given(room) : given)
    return {
      type: 'join',
      version: VERSION,
      room,
      name,
      ...(token === undefined ? {} : { token }),
      ...(resume === undefined ? {} : { resume: { ...resume, received: this.#messages.received } }),
      tracks: this.#locals.wanted(),
      decodes: this.#encryption ? [SEALED_CODEC] : this.#platform.decodes(),
      encrypted: this.#encryption !== undefined,
    }
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message)
      case 'track-published':
        if (message.participant === this.#id) return this.#locals.acknowledged(message.track)
        this.#roster.handle(message)
        return this.#paths.settle()
      case 'ice-servers':
        return this.#paths.setIceServers(message.iceServers)
      case 'participant-joined':
      case 'participant-left':
      case 'participant-away':
      case 'track-unpublished':
      case 'track-muted':
        if (message.type === 'track-muted' && message.participant === this.#id)
          this.#locals.muted(message.track, message.muted)
        this.#roster.handle(message)
        return this.#paths.settle()
      case 'mode':
        this.#setMode(message.mode, message.epoch)
        return this.#paths.settle()
      case 'link-open':
      case 'link-close':
      case 'link-description':
      case 'link-candidate':
      case 'offer':
      case 'slots':
      case 'transport-close':
      case 'send-up':
      case 'path':
        return this.#paths.handle(message)
      case 'downlink':
        this.#statistics.downlinkKbps = message.kbps
        return
      case 'layer':
        for (const track of this.#tracks()) if (track.id === message.track) track.setLayer(message.layer)
        return
      case 'path-stuck': {
        const name = this.participants.get(message.peer)?.name ?? message.peer
        return this.#error(
          'path-stuck',
          message.carrier === 'sfu'
            ? `${name} cannot be reached through the server yet; the direct connection stays`
            : `${name} cannot be reached directly yet; the connection through the server stays`,
        )
      }
      case 'leg':
        return this.#legs.told(message.leg, message.request)
      case 'keys':
        if (this.participants.has(message.from))
          this.#encryption?.heard(message.from, message.data as KeyMessage)
        return
      case 'message':
        if (this.#messages.takes(message.number))
          this.emit('message', { from: message.from, data: contentOf(message) })
        return
      case 'message-taken':
        return this.#messages.taken(message.request)
      case 'error':
        return this.#refused(message)
      case 'moved':
        return this.#moved(message.room, message.token)
      case 'pong':
        return
    }
  }

  /** Everybody here is gone at once; those over there come with the welcome. What waited for an answer here gets none. */
  #moved(room: string, token: string | undefined): void {
    this.#name = room
    this.#move = { token }
    this.#levels.stop()
    this.#paths.clear()
    this.#roster.clear()
    this.#interrupt()
    this.#socket.renew()
  }

  #welcome(welcome: Welcome): void {
    const again = this.#state === 'joined'
    if (again && !welcome.resumed) {
      this.#paths.clear()
      this.#roster.clear()
      this.#interrupt()
    }
    this.#state = 'joined'
    const { maxMessageBytes: bytes, messagesPerSecond: perSecond } = welcome
    this.#messages.opened({ bytes, perSecond }, welcome.resumed)
    this.#id = welcome.you.id
    this.#paths.setIceServers(welcome.iceServers)
    this.#locals.welcomed(welcome.you.tracks)
    if (again) this.#setMode(welcome.mode, welcome.epoch)
    this.#mode = welcome.mode
    this.#epoch = welcome.epoch
    this.#roster.sync(welcome.participants)
    this.#encryption?.welcomed(this.#id, this.participants.keys(), welcome.resumed)
    for (const leg of welcome.legs) this.#legs.told(leg)
    this.#paths.settle()
    this.#levels.start()
    if (welcome.resumed) this.#paths.revive()
    const moved = this.#move !== undefined
    this.#move = undefined
    if (moved) this.emit('moved', this.#name)
    else if (again) this.emit('reconnected')
    this.#joining?.resolve()
    this.#joining = undefined
  }

  #setMode(mode: Mode, epoch: number): void {
    if (mode === this.#mode && epoch === this.#epoch) return
    this.#mode = mode
    this.#epoch = epoch
    this.emit('mode-changed', mode, epoch)
  }

  #refused({ code, message, request }: Extract<ServerMessage, { type: 'error' }>): void {
    const error = new RoomError(code, message)
    const asked = request !== undefined
    const askers = [this.#legs, this.#locals, this.#messages]
    if (asked && askers.some((asker) => asker.refused(request, error))) return
    this.emit('error', error)
  }

  #error(code: RoomError['code'], message: string): void {
    this.emit('error', new RoomError(code, message))
  }

  /** What waited for an answer of a session that is gone. */
  #interrupt(): void {
    const error = new RoomError('interrupted', 'the session ended before the server answered')
    this.#legs.interrupted(error)
    this.#locals.interrupted(error)
    this.#messages.interrupted(error)
  }

  #close(error: RoomError | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#unload()
    this.#online()
    this.#levels.stop()
    this.#encryption?.close()
    this.#paths.clear()
    this.#roster.clear()
    this.#interrupt()
    const joining = this.#joining
    this.#joining = undefined
    joining?.reject(error ?? new RoomError('interrupted', 'left before the server answered'))
    if (error && !joining) this.emit('error', error)
    this.emit('closed', error)
  }

  #mustBeJoined(): void {
    if (this.#state !== 'joined') throw new RoomError('not-joined', 'join the room first')
  }
}
