//! The native protocol: one JSON object per WebSocket text frame, `type` first.
//!
//! These types are the protocol. `web/client/src/wire.ts` is generated from them and `PROTOCOL.md` shows an example of every
//! message that a test parses, so neither can drift. Fields are camelCase, types kebab-case, times in milliseconds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ts_rs::TS;

use crate::room::ids::{LegId, ParticipantId, TrackId};

/// Version of the protocol. A client that speaks another is told so and closed.
pub const VERSION: u32 = 1;

/// An identifier on the wire: text outside, typed inside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id<T>(pub T);

impl<T: fmt::Display> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<T: fmt::Display> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    Mesh,
    Sfu,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Mesh,
    Promoting,
    Sfu,
    Demoting,
}

/// A server transport, named from the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Up,
    Down,
}

/// Names as in SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "UPPERCASE")]
pub enum VideoCodec {
    H264,
    Vp8,
    Vp9,
    Av1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LegKind {
    Hls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LegStatus {
    Starting,
    Running,
    /// It runs but has no input that it can use; `reason` says what is missing.
    Waiting,
    Failed,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Leg {
    #[ts(type = "string")]
    pub id: Id<LegId>,
    pub kind: LegKind,
    pub state: LegStatus,
    /// Why it waits or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<String>,
    /// Where its output is, relative to the server: a playlist for `hls`.
    pub url: String,
    /// Who started it; absent when the API did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string")]
    pub started_by: Option<Id<ParticipantId>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Track {
    #[ts(type = "string")]
    pub id: Id<TrackId>,
    pub source: Source,
    pub muted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Participant {
    #[ts(type = "string")]
    pub id: Id<ParticipantId>,
    pub name: String,
    pub tracks: Vec<Track>,
    /// Its socket is lost and may come back.
    pub away: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTrack {
    pub source: Source,
    #[serde(default)]
    pub muted: bool,
}

/// Proof of who one was before the socket was lost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resume {
    #[ts(type = "string")]
    pub participant: Id<ParticipantId>,
    /// From `welcome`.
    pub secret: String,
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resume({:?})", self.participant)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DescriptionKind {
    Offer,
    Answer,
    Rollback,
}

/// As `RTCSessionDescriptionInit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    #[serde(rename = "type")]
    pub kind: DescriptionKind,
    pub sdp: String,
}

/// As `RTCIceCandidateInit`; an empty `candidate` ends the candidates of its generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    pub candidate: String,
    #[serde(default)]
    pub sdp_mid: Option<String>,
    #[serde(default)]
    pub sdp_m_line_index: Option<u16>,
    #[serde(default)]
    pub username_fragment: Option<String>,
}

/// Which track an m-line of a mesh description carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MidTrack {
    pub mid: String,
    #[ts(type = "string")]
    pub track: Id<TrackId>,
}

/// What an m-line of a server's offer is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slot {
    pub mid: String,
    /// Up: the client sends its track of this source here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub source: Option<Source>,
    /// Down: the server sends this track here. Absent while the slot is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string")]
    pub track: Option<Id<TrackId>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IceServer {
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub credential: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LinkStatus {
    Connected,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveReason {
    Left,
    /// Its socket was lost for longer than the grace time.
    Vanished,
    SfuUnreachable,
}

/// Why something did not work. The message beside it says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// Not JSON, not a message of this protocol, or a field is out of its range.
    BadMessage,
    /// The frame is larger than `signal.max_message_bytes`.
    TooLarge,
    /// More messages than `signal.messages_per_second` allows.
    TooFast,
    BadVersion,
    BadRoomName,
    /// Something other than `join` came first.
    NotJoined,
    /// `join` came twice.
    AlreadyJoined,
    /// The session to resume is gone; join anew.
    ResumeRefused,
    RoomFull,
    /// The server holds as many rooms as `limits.rooms` allows.
    ServerFull,
    /// A track of this source is published already.
    SourceTaken,
    TooManyTracks,
    UnknownTrack,
    UnknownParticipant,
    UnknownLeg,
    BadSdp,
    TooManyLegs,
    LegUnsupported,
    /// The room is larger than a mesh may be and the media port could not be reached. Fatal.
    SfuUnreachable,
    /// A new socket took over this session. Fatal.
    Replaced,
    /// No message and no answer to a ping in time. Fatal.
    Timeout,
    /// The server is shutting down. Fatal; connect again.
    ShuttingDown,
    Internal,
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
        /// The chosen candidate pair goes through TURN.
        #[serde(default)]
        relayed: bool,
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
    /// Every unmuted track of `peer` has been decoded over `carrier` and is what is shown and heard now.
    Shown {
        #[ts(type = "string")]
        peer: Id<ParticipantId>,
        carrier: Carrier,
        epoch: u32,
    },
    /// To one participant, or to everybody else.
    Message {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional, type = "string")]
        to: Option<Id<ParticipantId>>,
        #[ts(type = "unknown")]
        data: serde_json::Value,
    },
    StartLeg {
        request: u32,
        kind: LegKind,
        /// Whose picture to show; the first who sends H.264 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional, type = "string")]
        of: Option<Id<ParticipantId>>,
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
    /// A leg has begun, changed or ended. `request` on the copy for the one who asked.
    Leg {
        leg: Leg,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        request: Option<u32>,
    },
    Message {
        #[ts(type = "string")]
        from: Id<ParticipantId>,
        #[ts(type = "unknown")]
        data: serde_json::Value,
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
