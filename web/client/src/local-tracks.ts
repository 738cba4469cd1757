import { RoomError } from './error.js'
import { LocalTrack } from './local-track.js'
import type { Platform } from './platform.js'
import type { PublishOptions } from './room.js'
import type { ClientMessage, NewTrack, Source, Track } from './wire.js'

/** One of our tracks: by source, by what `publish` gave, or by what was published. */
export type Which = Source | LocalTrack | MediaStreamTrack

export interface LocalTracksHost {
  send(message: ClientMessage): void
  /** A number for the next request. */
  request(): number
  /** What is to be sent has changed. */
  changed(): void
  /** A shared screen was stopped by the user. */
  ended(track: LocalTrack): void
}

interface Pending {
  request: number
  track: LocalTrack
  resolve(track: LocalTrack): void
  reject(error: RoomError): void
}

/** What we publish. A track has an id, and is sent, once the server knows of it. */
export class LocalTracks {
  readonly all = new Map<Source, LocalTrack>()
  readonly #pending = new Map<Source, Pending>()
  /** Camera and microphone belong together in time, and so do a screen and its sound. */
  readonly #person: MediaStream
  readonly #screen: MediaStream

  constructor(
    platform: Platform,
    private readonly host: LocalTracksHost,
  ) {
    this.#person = platform.stream([])
    this.#screen = platform.stream([])
  }

  /** Those that the server knows. */
  get published(): LocalTrack[] {
    return [...this.all.values()].filter(({ id }) => id !== '')
  }

  get(source: Source): LocalTrack | undefined {
    return this.all.get(source)
  }

  /** For `join`: everything that is to be published from the start. */
  wanted(): NewTrack[] {
    return [...this.all.values()].map(({ source, muted }) => ({ source, muted }))
  }

  /** To be published with the join. */
  add(track: MediaStreamTrack, { source, muted }: PublishOptions): LocalTrack {
    const from = source ?? (track.kind === 'audio' ? 'microphone' : 'camera')
    const isScreen = from === 'screen' || from === 'screen-audio'
    const local = new LocalTrack(
      '',
      from,
      track,
      isScreen ? this.#screen : this.#person,
      muted ?? !track.enabled,
    )
    this.all.set(from, local)
    this.#prepare(local)
    return local
  }

  publish(track: MediaStreamTrack, options: PublishOptions): Promise<LocalTrack> {
    const source = options.source ?? (track.kind === 'audio' ? 'microphone' : 'camera')
    if (this.all.has(source)) {
      const error = new RoomError('source-taken', `a ${source} is published already; use replaceTrack`)
      return Promise.reject(error)
    }
    const local = this.add(track, { ...options, source })
    const request = this.host.request()
    return new Promise((resolve, reject) => {
      this.#pending.set(source, { request, track: local, resolve, reject })
      this.host.send({ type: 'publish', request, source, muted: local.muted })
    })
  }

  unpublish(which: Which): void {
    const local = this.#find(which)
    this.all.delete(local.source)
    this.#settle(local.source)?.reject(
      new RoomError('not-published', 'unpublished before the server answered'),
    )
    if (local.id) this.host.send({ type: 'unpublish', track: local.id })
    this.host.changed()
  }

  mute(which: Which, muted: boolean): void {
    const local = this.#find(which)
    if (local.muted !== muted) {
      local.muted = muted
      if (local.id) this.host.send({ type: 'mute', track: local.id, muted })
      // A picture is taken off before it goes black, or the black would be sent.
      this.host.changed()
    }
    local.track.enabled = !muted
  }

  /** The server says how a track of ours is: as we said, or as whoever runs the room has ordered. */
  muted(id: string, muted: boolean): void {
    const local = [...this.all.values()].find((local) => local.id === id)
    if (!local || local.muted === muted) return
    local.muted = muted
    local.track.enabled = !muted
    this.host.changed()
  }

  replace(which: Which, track: MediaStreamTrack): LocalTrack {
    const local = this.#find(which)
    if (track.kind !== local.kind) throw new TypeError(`a ${local.source} cannot be ${track.kind}`)
    local.track = track
    this.#prepare(local)
    this.host.changed()
    return local
  }

  /** The server has published a track of ours. */
  acknowledged(track: Track): void {
    const local = this.all.get(track.source)
    if (!local) return this.host.send({ type: 'unpublish', track: track.id })
    local.id = track.id
    if (local.muted !== track.muted) this.host.send({ type: 'mute', track: track.id, muted: local.muted })
    this.#settle(track.source)?.resolve(local)
    this.host.changed()
  }

  /** What the server knows of us at the begin of a session, or when it goes on. */
  welcomed(tracks: Track[]): void {
    for (const local of this.all.values()) {
      const known = tracks.find(({ source }) => source === local.source)
      if (known) this.acknowledged(known)
    }
  }

  /** False when no publication has this number. */
  refused(request: number, error: RoomError): boolean {
    for (const [source, pending] of this.#pending) {
      if (pending.request !== request) continue
      this.#pending.delete(source)
      this.all.delete(source)
      pending.reject(error)
      return true
    }
    return false
  }

  /** The session is gone; what is published will be published by the next one, under new ids. */
  interrupted(error: RoomError): void {
    for (const local of this.all.values()) local.id = ''
    for (const [source, pending] of this.#pending) {
      this.#pending.delete(source)
      this.all.delete(source)
      pending.reject(error)
    }
  }

  #settle(source: Source): Pending | undefined {
    const pending = this.#pending.get(source)
    this.#pending.delete(source)
    return pending
  }

  #find(which: Which): LocalTrack {
    for (const local of this.all.values()) {
      if (local === which || local.source === which || local.track === which) return local
    }
    throw new RoomError('not-published', 'no such track is published')
  }

  #prepare(local: LocalTrack): void {
    local.track.enabled = !local.muted
    if (local.source !== 'screen') return
    // Text has to be readable: when bandwidth is short, fewer frames rather than a blurred picture.
    if (!local.track.contentHint) local.track.contentHint = 'detail'
    const { track } = local
    track.addEventListener(
      'ended',
      () => this.all.get('screen') === local && local.track === track && this.host.ended(local),
    )
  }
}
