//! The native protocol: one JSON object per WebSocket text frame, `type` first.
//!
//! These types are the protocol. `web/client/src/wire.ts` is generated from them and `PROTOCOL.md` shows an example of every
//! message that a test parses, so neither can drift. Fields are camelCase, types kebab-case, times in milliseconds.

mod json;
mod parts;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use json::Json;
pub use parts::{
    Candidate, Carrier, Description, DescriptionKind, Direction, ErrorCode, Format, IceServer, Id, Ladder, Layer,
    Layout, LeaveReason, Leg, LegKind, LegStatus, LinkStatus, MidTrack, Mode, NewTrack, Participant, PathStatus,
    PathView, Resume, Slot, Source, Track, VideoCodec,
};

use crate::room::ids::{LegId, ParticipantId, TrackId};

/// Version of the protocol. A client that speaks another is told so and closed.
pub const VERSION: u32 = 1;

fn is_false(value: &bool) -> bool {
    !value
}

/// From the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ClientMessage {
    /// The first message on a socket.
    Join {
        version: u32,
        room: String,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        token: Option<String>,
        /// Takes the place of a lost socket; everything else but `version` and `room` is then ignored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        resume: Option<Resume>,
        /// What is published from the start.
        #[serde(default)]
        tracks: Vec<NewTrack>,
        /// Video codecs that can be decoded.
        decodes: Vec<VideoCodec>,
        /// Media is sealed before it is sent, with keys that the server does not know. All of a room do so, or none.
        #[serde(default)]
        encrypted: bool,
    },
    Leave {},
    /// Answered by `track-published` to everybody, or by `error` with the same `request`.
    Publish {
        request: u32,
        source: Source,
        #[serde(default)]
        muted: bool,
    },
    Unpublish {
        #[ts(type = "string")]
        track: Id<TrackId>,
    },
    Mute {
        #[ts(type = "string")]
        track: Id<TrackId>,
        muted: bool,
    },
    /// To the other end of a mesh link. `tracks` says which track each sending m-line carries.
    LinkDescription {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
        description: Description,
        #[serde(default)]
        tracks: Vec<MidTrack>,
    },
    LinkCandidate {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
        candidate: Candidate,
    },
    LinkState {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
        state: LinkStatus,
        /// The chosen candidate pair goes through TURN. Said again when that changes.
        #[serde(default)]
        relayed: bool,
    },
    /// What has come over a mesh link since it was set up, which nobody but its ends can know: for those who run the server.
    LinkTraffic {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
        #[ts(type = "number")]
        bytes: u64,
        #[ts(type = "number")]
        packets: u64,
        /// Packets that never came.
        #[ts(type = "number")]
        lost: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        rtt_ms: Option<u32>,
    },
    /// Answers `offer`.
    Answer {
        transport: Direction,
        generation: u32,
        sdp: String,
    },
    /// The client sees that a server transport is dead or cannot be set up.
    TransportFailed {
        transport: Direction,
        generation: u32,
    },
    /// Nothing comes by a server transport any more, as after a change of networks: ICE is to begin anew (RFC 8839 section 4.4.1.1.1),
    /// which the server offers; media and keys go on.
    RestartIce {
        transport: Direction,
        generation: u32,
    },
    /// Every unmuted track of `peer` has been decoded over `carrier` and is what is shown and heard now.
    Shown {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        carrier: Carrier,
        epoch: u32,
    },
    /// How large a picture is shown, in pixels of the screen: what comes by way of the server is chosen after it. 0 by 0: it
    /// is not seen, and need not come.
    View {
        #[ts(type = "string")]
        track: Id<TrackId>,
        width: u32,
        height: u32,
        /// Nothing larger than this, however large it is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        layer: Option<Layer>,
    },
    /// To one participant, or to everybody else. With `request` it is answered by `message-taken` or `error`, and one whose
    /// `request` is not higher than the last one's is taken for a repetition.
    Message {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        request: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional, type = "string")]
        to: Option<Id<ParticipantId>>,
        #[ts(type = "unknown")]
        data: Json,
        /// `data` is bytes in base64.
        #[serde(default, skip_serializing_if = "is_false")]
        #[ts(optional, as = "Option<bool>")]
        binary: bool,
        /// It may get lost: it has no number, is not kept or answered, and waits for no socket that is slow.
        #[serde(default, skip_serializing_if = "is_false")]
        #[ts(optional, as = "Option<bool>")]
        unreliable: bool,
    },
    /// What two participants of an encrypted room tell each other about keys. The server passes it on as it is.
    Keys {
        #[ts(type = "string")]
        to: Id<ParticipantId>,
        #[ts(type = "unknown")]
        data: Json,
    },
    StartLeg {
        request: u32,
        kind: LegKind,
        /// Whose picture to show; who speaks when absent. Of a picture of several, who comes first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional, type = "string")]
        of: Option<Id<ParticipantId>>,
        /// Of a recording, `single` is a file of each participant.
        #[serde(default, skip_serializing_if = "Layout::is_single")]
        #[ts(optional, as = "Option<Layout>")]
        layout: Layout,
        /// Of a broadcast: heights that its picture is transcoded to, in pixels, at most three, even and from 90 to 2160, in any order.
        #[serde(default, skip_serializing_if = "Ladder::is_empty")]
        #[ts(optional, as = "Option<Vec<u16>>")]
        ladder: Ladder,
        /// Of a recording.
        #[serde(default, skip_serializing_if = "Format::is_mp4")]
        #[ts(optional, as = "Option<Format>")]
        format: Format,
    },
    StopLeg {
        request: u32,
        #[ts(type = "string")]
        leg: Id<LegId>,
    },
    /// Answered by `pong` with the same `at`.
    Ping {
        #[ts(type = "number")]
        at: f64,
    },
}

/// From the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// Answers `join`.
    Welcome {
        version: u32,
        you: Participant,
        /// For `resume`.
        secret: String,
        /// A lost socket's session goes on; peer connections may be kept.
        resumed: bool,
        /// The others.
        participants: Vec<Participant>,
        mode: Mode,
        epoch: u32,
        legs: Vec<Leg>,
        ice_servers: Vec<IceServer>,
        /// Send a `ping` when nothing else was sent for this long.
        heartbeat_ms: u32,
        /// How long a lost socket keeps its place.
        grace_ms: u32,
        /// Largest message of the socket.
        max_message_bytes: usize,
        /// What the socket may send on average.
        messages_per_second: u32,
    },
    /// Take these in place of those of `welcome`, before their credentials run out. Connections that stand stay as they are.
    IceServers {
        ice_servers: Vec<IceServer>,
    },
    ParticipantJoined {
        participant: Participant,
    },
    ParticipantLeft {
        #[ts(type = "string")]
        participant: Id<ParticipantId>,
        reason: LeaveReason,
    },
    ParticipantAway {
        #[ts(type = "string")]
        participant: Id<ParticipantId>,
        away: bool,
    },
    /// To everybody, the publisher included.
    TrackPublished {
        #[ts(type = "string")]
        participant: Id<ParticipantId>,
        track: Track,
    },
    TrackUnpublished {
        #[ts(type = "string")]
        participant: Id<ParticipantId>,
        #[ts(type = "string")]
        track: Id<TrackId>,
    },
    TrackMuted {
        #[ts(type = "string")]
        participant: Id<ParticipantId>,
        #[ts(type = "string")]
        track: Id<TrackId>,
        muted: bool,
    },
    Mode {
        mode: Mode,
        epoch: u32,
    },
    /// Set up a mesh link. The impolite end offers first.
    LinkOpen {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
        polite: bool,
        /// The other end has the data channel of native clients.
        data: bool,
    },
    LinkClose {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
    },
    LinkDescription {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
        description: Description,
        tracks: Vec<MidTrack>,
    },
    LinkCandidate {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        link: u32,
        candidate: Candidate,
    },
    /// A server transport's offer. A new `generation` is a new peer connection; the same one is renegotiated.
    Offer {
        transport: Direction,
        generation: u32,
        sdp: String,
        /// All slots of the transport.
        slots: Vec<Slot>,
    },
    /// What the slots of a down transport carry has changed with no need for a new offer.
    Slots {
        generation: u32,
        slots: Vec<Slot>,
    },
    TransportClose {
        transport: Direction,
        generation: u32,
    },
    /// Send on the up transport, or keep its encodings inactive.
    SendUp {
        active: bool,
    },
    /// Receive `peer` over `carrier` from now on: decode it, show it, then say `shown` with this epoch.
    Path {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        carrier: Carrier,
        epoch: u32,
    },
    /// The deadline passed before `peer` was shown over `carrier`; it stays where it was.
    PathStuck {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        carrier: Carrier,
    },
    /// The server sends this layer of a picture from now on.
    Layer {
        #[ts(type = "string")]
        track: Id<TrackId>,
        layer: Layer,
    },
    /// What the path from the server to this client is estimated to take.
    Downlink {
        kbps: u32,
    },
    /// A leg has begun, changed or ended. `request` on the copy for the one who asked.
    Leg {
        leg: Leg,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        request: Option<u32>,
    },
    Message {
        /// Counts up; a client that resumes says which was the last it has. Absent where the message was sent as unreliable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        number: Option<u32>,
        #[ts(type = "string")]
        from: Id<ParticipantId>,
        #[ts(type = "unknown")]
        data: Json,
        #[serde(default, skip_serializing_if = "is_false")]
        #[ts(optional, as = "Option<bool>")]
        binary: bool,
    },
    /// The server has the client's message, and nobody in the room will miss it.
    MessageTaken {
        request: u32,
    },
    Keys {
        #[ts(type = "string")]
        from: Id<ParticipantId>,
        #[ts(type = "unknown")]
        data: Json,
    },
    /// Whoever runs the room has sent this one to another room: join that. The socket closes after this.
    Moved {
        room: String,
        /// Lets its bearer in there once, within a minute. Absent where tokens are not asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        token: Option<String>,
    },
    Pong {
        #[ts(type = "number")]
        at: f64,
    },
    Error {
        code: ErrorCode,
        message: String,
        /// The socket closes after this.
        fatal: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        request: Option<u32>,
    },
}
