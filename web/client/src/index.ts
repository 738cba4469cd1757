export type { EncryptionOptions } from './encryption.js'
export { RoomError, type RoomErrorCode } from './error.js'
export type { LocalTrack, Kind } from './local-track.js'
export type { Which } from './local-tracks.js'
export type { Participant } from './participant.js'
export type { RemoteTrack } from './remote-track.js'
export {
  Room,
  type LegOptions,
  type PublishOptions,
  type RoomEvents,
  type RoomOptions,
  type SendOptions,
} from './room.js'
export type { TrackStats } from './stats.js'
export type { Carrier, Layer, Layout, Leg, LegStatus, Mode, Source } from './wire.js'
