import { usedPair } from './link.js'
import type { Kind } from './local-track.js'
import { count, report } from './media.js'
import type { Paths } from './paths.js'
import type { RemoteTrack } from './remote-track.js'
import type { Carrier, Layer, Source } from './wire.js'

/** How one remote track does. Rates are since the call before, or since the beginning. */
export interface TrackStats {
  /** Id of the sender. */
  participant: string
  /** Id of the track. */
  track: string
  source: Source
  kind: Kind
  /** What is presented now comes this way; undefined when nothing is. */
  path: Carrier | undefined
  /** The size that comes by way of the server, of those that are sent; undefined where it comes another way. */
  layer: Layer | undefined
  /** What the server takes its path to this client for, for all tracks that come over it together; undefined where it does not know. */
  availableKbps: number | undefined
  /** The path goes through TURN. */
  relayed: boolean
  rttMs: number | undefined
  /** Packets that never came, 0 to 100. */
  lossPercent: number
  bitrateKbps: number
  framesDecoded: number
  frameWidth: number
  frameHeight: number
  /** Frames decoded a second. */
  fps: number
  /** Longest time between two presented frames in the last 5 s; 0 for sound and where nothing is attached. */
  longestGapMs: number
  /** The same since the track came. */
  longestGapEverMs: number
}

interface Sample {
  at: number
  receiver: RTCRtpReceiver
  bytes: number
  received: number
  lost: number
  frames: number
}

/** Makes statistics; remembers the last reading of each track, for rates. */
export class Statistics {
  /** What the server said last. */
  downlinkKbps: number | undefined
  readonly #last = new WeakMap<RemoteTrack, Sample>()

  async read(tracks: Iterable<RemoteTrack>, paths: Paths, now: () => number): Promise<TrackStats[]> {
    return Promise.all([...tracks].map((track) => this.#track(track, paths, now)))
  }

  async #track(track: RemoteTrack, paths: Paths, now: () => number): Promise<TrackStats> {
    const path = track.over
    const media = track.media
    const pc = path === 'mesh' ? paths.links.get(track.participant)?.pc : paths.down?.pc
    const inbound = media && (await report(media.receiver, 'inbound-rtp').catch(() => undefined))
    const pair = path && pc ? await usedPair(pc).catch(() => undefined) : undefined
    const at = now()
    const sample = media && {
      at,
      receiver: media.receiver,
      bytes: count(inbound, 'bytesReceived'),
      received: count(inbound, 'packetsReceived'),
      lost: count(inbound, 'packetsLost'),
      frames: count(inbound, 'framesDecoded'),
    }
    const known = this.#last.get(track)
    const before = known?.receiver === media?.receiver ? known : undefined
    if (sample) this.#last.set(track, sample)
    const since = (name: 'bytes' | 'received' | 'lost' | 'frames') =>
      Math.max(0, (sample?.[name] ?? 0) - (before?.[name] ?? 0))
    const seconds = before ? (at - before.at) / 1000 : 0
    const rate = (amount: number) => (seconds > 0 ? amount / seconds : 0)
    const [lost, received] = [since('lost'), since('received')]
    return {
      participant: track.participant,
      track: track.id,
      source: track.source,
      kind: track.kind,
      path,
      layer: track.layer,
      availableKbps: path === 'sfu' ? this.downlinkKbps : undefined,
      relayed: pair?.relayed ?? false,
      rttMs: pair?.rttMs,
      lossPercent: lost + received > 0 ? (100 * lost) / (lost + received) : 0,
      bitrateKbps: rate((since('bytes') * 8) / 1000),
      framesDecoded: sample?.frames ?? 0,
      frameWidth: count(inbound, 'frameWidth'),
      frameHeight: count(inbound, 'frameHeight'),
      fps: rate(since('frames')),
      longestGapMs: Math.round(track.gaps.recent(at)),
      longestGapEverMs: Math.round(track.gaps.longest(at)),
    }
  }
}
