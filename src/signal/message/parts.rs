//! What messages are made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ts_rs::TS;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

use crate::room;
use crate::room::ids::{LegId, ParticipantId, TrackId};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    Mesh,
    Sfu,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
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

/// One of the sizes in which a camera is sent at once. What is sent in one alone is `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    Low,
    Medium,
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LegKind {
    Hls,
    Record,
    /// What the server was built with besides.
    Other,
}

/// What a broadcast or a recording shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One participant; of a recording each, in a file of their own.
    #[default]
    Single,
    /// Everybody, in tiles of one size.
    Grid,
    /// Who speaks, large, and the others in a row.
    Speaker,
}

impl Layout {
    pub(crate) fn is_single(&self) -> bool {
        *self == Self::Single
    }
}

/// What the files of a recording are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Mp4,
    /// VP8, VP9 and AV1; a picture in H.264 is left out.
    WebM,
}

impl Format {
    pub(crate) fn is_mp4(&self) -> bool {
        *self == Self::Mp4
    }
}

/// Heights of the pictures that a broadcast is transcoded to, in pixels, at most three. Those that are larger than the picture are left
/// out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<u16>")]
pub struct Ladder(pub room::Ladder);

impl Ladder {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn schema() -> Array {
        let (least, most) = room::Ladder::HEIGHTS.into_inner();
        let height = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most));
        let heights = ArrayBuilder::new().items(height.multiple_of(Some(2)));
        let text = "Heights of the pictures that it is transcoded to, in pixels, in any order. Those that are larger than the \
                    picture are left out";
        heights
            .max_items(Some(room::Ladder::MOST))
            .description(Some(text))
            .examples([serde_json::json!([720, 360, 180])])
            .build()
    }
}

impl TryFrom<Vec<f64>> for Ladder {
    type Error = room::NoLadder;

    /// Of numbers as JSON has them: 720.0 is an integer.
    fn try_from(heights: Vec<f64>) -> Result<Self, Self::Error> {
        let whole = |height: f64| (f64::from(height as u16) == height).then_some(height as u16);
        let heights: Option<Vec<u16>> = heights.into_iter().map(whole).collect();
        heights.ok_or(room::NoLadder)?.try_into().map(Self)
    }
}

impl From<Ladder> for Vec<u16> {
    fn from(ladder: Ladder) -> Self {
        ladder.0.heights().collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LegStatus {
    Starting,
    Running,
    /// It runs but has no input that it can use; `reason` says what is missing.
    Waiting,
    Failed,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    #[ts(type = "string")]
    #[schema(value_type = String, example = "l1")]
    pub id: Id<LegId>,
    pub kind: LegKind,
    pub state: LegStatus,
    /// Why it waits or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<String>,
    /// Where its output is, relative to the server: a playlist for `hls`, the API's list of recordings for `record`, the API's view of
    /// the leg for `other`.
    pub url: String,
    /// Who started it; absent when the API did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string")]
    #[schema(value_type = Option<String>, example = "p1")]
    pub started_by: Option<Id<ParticipantId>>,
    /// Of a broadcast; absent where it is of one participant.
    #[serde(default, skip_serializing_if = "Layout::is_single")]
    #[ts(optional, as = "Option<Layout>")]
    pub layout: Layout,
    /// Of a broadcast that is transcoded to several sizes: their heights in pixels, the largest first.
    #[serde(default, skip_serializing_if = "Ladder::is_empty")]
    #[ts(optional, as = "Option<Vec<u16>>")]
    #[schema(schema_with = Ladder::schema)]
    pub ladder: Ladder,
    /// Of a recording; absent where that is `mp4`.
    #[serde(default, skip_serializing_if = "Format::is_mp4")]
    #[ts(optional, as = "Option<Format>")]
    pub format: Format,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Track {
    #[ts(type = "string")]
    #[schema(value_type = String, example = "t1")]
    pub id: Id<TrackId>,
    pub source: Source,
    pub muted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Participant {
    #[ts(type = "string")]
    #[schema(value_type = String, example = "p1")]
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
    /// Number of the last `message` that came; what came after it is sent again.
    #[serde(default)]
    #[ts(optional, as = "Option<u32>")]
    pub received: u32,
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

/// The path of one ordered pair, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathView {
    #[schema(value_type = String, example = "p1")]
    pub receiver: Id<ParticipantId>,
    #[schema(value_type = String, example = "p1")]
    pub sender: Id<ParticipantId>,
    pub state: PathStatus,
    /// Where the pair is or was sent to; absent when there is nothing to be sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Carrier>,
    /// The mesh link of the two goes through TURN. Absent when there is none, or its ends have not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relayed: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PathStatus {
    None,
    /// Ordered for the first time, not shown yet.
    Arriving,
    Shown,
    /// Ordered while another one is shown.
    Moving,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
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

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceServer({:?}, {:?})", self.urls, self.username)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LinkStatus {
    Connected,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveReason {
    Left,
    /// Whoever runs the room has put it out.
    Removed,
    /// Whoever runs the room has sent it to another one.
    Moved,
    /// Its socket was lost for longer than the grace time.
    Vanished,
    SfuUnreachable,
}

/// Why something did not work. The message beside it says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, TS)]
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
    /// A token is needed, and there was none that this server takes.
    TokenRefused,
    /// The token is good, and does not grant this.
    NotGranted,
    /// The session to resume is gone; join anew.
    ResumeRefused,
    RoomFull,
    /// The server holds as many rooms or participants, or is as busy, as `[limits]` allows.
    ServerFull,
    /// Messages came while the socket was lost that are no longer kept.
    MessagesMissed,
    /// As many publish as `room.publishers` allows; join without tracks.
    TooManyPublishers,
    /// A track of this source is published already.
    SourceTaken,
    TooManyTracks,
    UnknownTrack,
    UnknownParticipant,
    UnknownLeg,
    BadSdp,
    TooManyLegs,
    LegUnsupported,
    /// The room is encrypted end to end and the newcomer is not, or the other way round.
    EncryptionDiffers,
    /// The server cannot read what is sent in this room, so it has no leg.
    RoomEncrypted,
    /// The room is larger than a mesh may be and the media port could not be reached. Fatal.
    SfuUnreachable,
    /// A new socket took over this session. Fatal.
    Replaced,
    /// Whoever runs the room has put this one out, or has closed the room. Fatal.
    Removed,
    /// No message and no answer to a ping in time. Fatal.
    Timeout,
    /// The server is shutting down. Fatal; connect again.
    ShuttingDown,
    Internal,
}
