// Generated from src/signal/message.rs by `make wire`. Do not edit.

export const VERSION = 1;

export type Source = "microphone" | "camera" | "screen" | "screen-audio";

export type Carrier = "mesh" | "sfu";

export type Mode = "mesh" | "promoting" | "sfu" | "demoting";

export type Direction = "up" | "down";

export type VideoCodec = "H264" | "VP8" | "VP9" | "AV1";

export type Layer = "low" | "medium" | "high";

export type Layout = "single" | "grid" | "speaker";

export type Format = "mp4" | "webm";

export type LegKind = "hls" | "record" | "other";

export type LegStatus = "starting" | "running" | "waiting" | "failed" | "stopped";

export type Leg = { id: string, kind: LegKind, state: LegStatus, 
/**
 * Why it waits or failed.
 */
reason?: string, 
/**
 * Where its output is, relative to the server: a playlist for `hls`, the API's list of recordings for `record`, the API's view of
 * the leg for `other`.
 */
url: string, 
/**
 * Who started it; absent when the API did.
 */
startedBy?: string, 
/**
 * Of a broadcast; absent where it is of one participant.
 */
layout?: Layout, 
/**
 * Of a broadcast that is transcoded to several sizes: their heights in pixels, the largest first.
 */
ladder?: Array<number>, 
/**
 * Of a recording; absent where that is `mp4`.
 */
format?: Format, };

export type Track = { id: string, source: Source, muted: boolean, };

export type Participant = { id: string, name: string, tracks: Array<Track>, 
/**
 * Its socket is lost and may come back.
 */
away: boolean, };

export type NewTrack = { source: Source, muted: boolean, };

export type Resume = { participant: string, 
/**
 * From `welcome`.
 */
secret: string, 
/**
 * Number of the last `message` that came; what came after it is sent again.
 */
received?: number, };

export type DescriptionKind = "offer" | "answer" | "rollback";

export type Description = { type: DescriptionKind, sdp: string, };

export type Candidate = { candidate: string, sdpMid: string | null, sdpMLineIndex: number | null, usernameFragment: string | null, };

export type MidTrack = { mid: string, track: string, };

export type Slot = { mid: string, 
/**
 * Up: the client sends its track of this source here.
 */
source?: Source, 
/**
 * Down: the server sends this track here. Absent while the slot is free.
 */
track?: string, };

export type IceServer = { urls: Array<string>, username?: string, credential?: string, };

export type LinkStatus = "connected" | "failed";

export type LeaveReason = "left" | "removed" | "moved" | "vanished" | "sfu-unreachable";

export type ErrorCode = "bad-message" | "too-large" | "too-fast" | "bad-version" | "bad-room-name" | "not-joined" | "already-joined" | "token-refused" | "not-granted" | "resume-refused" | "room-full" | "server-full" | "messages-missed" | "too-many-publishers" | "source-taken" | "too-many-tracks" | "unknown-track" | "unknown-participant" | "unknown-leg" | "bad-sdp" | "too-many-legs" | "leg-unsupported" | "encryption-differs" | "room-encrypted" | "sfu-unreachable" | "replaced" | "removed" | "timeout" | "shutting-down" | "internal";

export type ClientMessage = { "type": "join", version: number, room: string, name: string, token?: string, 
/**
 * Takes the place of a lost socket; everything else but `version` and `room` is then ignored.
 */
resume?: Resume, 
/**
 * What is published from the start.
 */
tracks: Array<NewTrack>, 
/**
 * Video codecs that can be decoded.
 */
decodes: Array<VideoCodec>, 
/**
 * Media is sealed before it is sent, with keys that the server does not know. All of a room do so, or none.
 */
encrypted: boolean, } | { "type": "leave", } | { "type": "publish", request: number, source: Source, muted: boolean, } | { "type": "unpublish", track: string, } | { "type": "mute", track: string, muted: boolean, } | { "type": "link-description", peer: string, link: number, description: Description, tracks: Array<MidTrack>, } | { "type": "link-candidate", peer: string, link: number, candidate: Candidate, } | { "type": "link-state", peer: string, link: number, state: LinkStatus, 
/**
 * The chosen candidate pair goes through TURN. Said again when that changes.
 */
relayed: boolean, } | { "type": "link-traffic", peer: string, link: number, bytes: number, packets: number, 
/**
 * Packets that never came.
 */
lost: number, rttMs?: number, } | { "type": "answer", transport: Direction, generation: number, sdp: string, } | { "type": "transport-failed", transport: Direction, generation: number, } | { "type": "restart-ice", transport: Direction, generation: number, } | { "type": "shown", peer: string, carrier: Carrier, epoch: number, } | { "type": "view", track: string, width: number, height: number, 
/**
 * Nothing larger than this, however large it is shown.
 */
layer?: Layer, } | { "type": "message", request?: number, to?: string, data: unknown, 
/**
 * `data` is bytes in base64.
 */
binary?: boolean, 
/**
 * It may get lost: it has no number, is not kept or answered, and waits for no socket that is slow.
 */
unreliable?: boolean, } | { "type": "keys", to: string, data: unknown, } | { "type": "start-leg", request: number, kind: LegKind, 
/**
 * Whose picture to show; who speaks when absent. Of a picture of several, who comes first.
 */
of?: string, 
/**
 * Of a recording, `single` is a file of each participant.
 */
layout?: Layout, 
/**
 * Of a broadcast: heights that its picture is transcoded to, in pixels, at most three, even and from 90 to 2160, in any order.
 */
ladder?: Array<number>, 
/**
 * Of a recording.
 */
format?: Format, } | { "type": "stop-leg", request: number, leg: string, } | { "type": "ping", at: number, };

export type ServerMessage = { "type": "welcome", version: number, you: Participant, 
/**
 * For `resume`.
 */
secret: string, 
/**
 * A lost socket's session goes on; peer connections may be kept.
 */
resumed: boolean, 
/**
 * The others.
 */
participants: Array<Participant>, mode: Mode, epoch: number, legs: Array<Leg>, iceServers: Array<IceServer>, 
/**
 * Send a `ping` when nothing else was sent for this long.
 */
heartbeatMs: number, 
/**
 * How long a lost socket keeps its place.
 */
graceMs: number, 
/**
 * Largest message of the socket.
 */
maxMessageBytes: number, 
/**
 * What the socket may send on average.
 */
messagesPerSecond: number, } | { "type": "ice-servers", iceServers: Array<IceServer>, } | { "type": "participant-joined", participant: Participant, } | { "type": "participant-left", participant: string, reason: LeaveReason, } | { "type": "participant-away", participant: string, away: boolean, } | { "type": "track-published", participant: string, track: Track, } | { "type": "track-unpublished", participant: string, track: string, } | { "type": "track-muted", participant: string, track: string, muted: boolean, } | { "type": "mode", mode: Mode, epoch: number, } | { "type": "link-open", peer: string, link: number, polite: boolean, 
/**
 * The other end has the data channel of native clients.
 */
data: boolean, } | { "type": "link-close", peer: string, link: number, } | { "type": "link-description", peer: string, link: number, description: Description, tracks: Array<MidTrack>, } | { "type": "link-candidate", peer: string, link: number, candidate: Candidate, } | { "type": "offer", transport: Direction, generation: number, sdp: string, 
/**
 * All slots of the transport.
 */
slots: Array<Slot>, } | { "type": "slots", generation: number, slots: Array<Slot>, } | { "type": "transport-close", transport: Direction, generation: number, } | { "type": "send-up", active: boolean, } | { "type": "path", peer: string, carrier: Carrier, epoch: number, } | { "type": "path-stuck", peer: string, carrier: Carrier, } | { "type": "layer", track: string, layer: Layer, } | { "type": "downlink", kbps: number, } | { "type": "leg", leg: Leg, request?: number, } | { "type": "message", 
/**
 * Counts up; a client that resumes says which was the last it has. Absent where the message was sent as unreliable.
 */
number?: number, from: string, data: unknown, binary?: boolean, } | { "type": "message-taken", request: number, } | { "type": "keys", from: string, data: unknown, } | { "type": "moved", room: string, 
/**
 * Lets its bearer in there once, within a minute. Absent where tokens are not asked for.
 */
token?: string, } | { "type": "pong", at: number, } | { "type": "error", code: ErrorCode, message: string, 
/**
 * The socket closes after this.
 */
fatal: boolean, request?: number, };
