//! The session manager: who is in a room and which way each pair's media takes.
//!
//! Pure: no I/O, no clock, no async. The host calls [`Room::handle`] with what happened and carries out what comes back;
//! time is an argument. After each input drain every output, then read [`Room::poll_timeout`].

pub mod ids;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};

/// What a room may decide by. Every value comes from configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most participants that talk peer to peer; one more and the room moves to the SFU.
    pub mesh_limit: usize,
    /// From this many participants on each holds an idle transport to the server.
    pub warm_at: usize,
    /// How long the room must have stayed at or below `mesh_limit` before it moves back to mesh.
    pub demote_after: Duration,
    /// How long a switch may take before the pairs that are not there yet are reported as stuck, and how long a newcomer
    /// who needs the server may take to reach it before being refused.
    pub switch_deadline: Duration,
    /// How long a participant whose socket was lost keeps the place.
    pub resume_grace: Duration,
    /// Most participants in the room.
    pub capacity: usize,
    /// Most tracks of one participant.
    pub tracks_per_participant: usize,
    /// Most legs of the room.
    pub max_legs: usize,
    /// Video codecs, the most wanted first; participants send the first one that everybody can decode.
    pub video_codecs: Vec<VideoCodec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VideoCodec {
    H264,
    Vp8,
    Vp9,
    Av1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Audio,
    Video,
}

/// Where a track comes from. A participant has at most one track of each source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

impl Source {
    pub fn kind(self) -> Kind {
        match self {
            Source::Microphone | Source::ScreenAudio => Kind::Audio,
            Source::Camera | Source::Screen => Kind::Video,
        }
    }
}

/// The way that the media of one ordered pair (receiver, sender) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    Mesh,
    Sfu,
}

/// The room's mode: the carrier it aims for, and whether every pair is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    Mesh,
    Promoting,
    Sfu,
    Demoting,
}

/// A server transport of a participant, named from the participant's side: `Up` sends to the server, `Down` receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportReport {
    /// ICE and DTLS are up and the fingerprint was checked.
    Connected,
    /// It could not be set up, or what was up is dead.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkReport {
    /// The link carries packets; `relayed` when either end sends through TURN.
    Connected {
        relayed: bool,
    },
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegKind {
    Hls,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegState {
    /// Wanted, and its media is on the way.
    Starting,
    /// It has output that somebody can watch.
    Running,
    /// It runs but has no input it can use; the text says what is missing.
    Waiting(String),
    /// It has ended for a reason other than being stopped.
    Failed(String),
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegInfo {
    pub id: LegId,
    pub kind: LegKind,
    pub state: LegState,
    /// Who asked for it; nobody in the room when the API did.
    pub started_by: Option<ParticipantId>,
    /// Whose picture it shows, when one was named.
    pub of: Option<ParticipantId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    pub id: TrackId,
    pub source: Source,
    pub muted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantInfo {
    pub id: ParticipantId,
    pub name: String,
    pub tracks: Vec<TrackInfo>,
    /// Its socket is lost and its grace time runs.
    pub away: bool,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// Somebody wants in. When it works the first output is `Tell` with [`Event::Welcome`] for the new participant.
    Join {
        name: String,
        /// What it publishes from the start: (source, muted).
        tracks: Vec<(Source, bool)>,
        /// Video codecs it can decode.
        decodes: BTreeSet<VideoCodec>,
        /// False for one that cannot take part in a mesh (a WHIP publisher): its room is an SFU room.
        can_mesh: bool,
    },
    Leave {
        participant: ParticipantId,
    },
    /// The socket was lost; the place is kept for the grace time.
    Vanish {
        participant: ParticipantId,
    },
    /// A new socket took the place of a lost one. The first output is `Tell` with [`Event::Welcome`].
    Return {
        participant: ParticipantId,
    },
    Publish {
        participant: ParticipantId,
        source: Source,
        muted: bool,
    },
    Unpublish {
        participant: ParticipantId,
        track: TrackId,
    },
    Mute {
        participant: ParticipantId,
        track: TrackId,
        muted: bool,
    },
    /// From the media plane, or from the client when it sees the failure first.
    Transport {
        participant: ParticipantId,
        direction: Direction,
        report: TransportReport,
    },
    /// From one end of a mesh link.
    Link {
        participant: ParticipantId,
        peer: ParticipantId,
        link: LinkId,
        report: LinkReport,
    },
    /// The receiver has decoded what the sender shows over `carrier`, and has put it on screen.
    Shown {
        receiver: ParticipantId,
        sender: ParticipantId,
        carrier: Carrier,
        epoch: Epoch,
    },
    StartLeg {
        kind: LegKind,
        of: Option<ParticipantId>,
        by: Option<ParticipantId>,
    },
    StopLeg {
        leg: LegId,
    },
    /// From the host of legs.
    LegChanged {
        leg: LegId,
        state: LegState,
    },
    /// The time that `poll_timeout` named has come.
    Timeout,
}

/// What the host has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Tell {
        to: ParticipantId,
        event: Event,
    },
    OpenTransport {
        participant: ParticipantId,
        direction: Direction,
    },
    CloseTransport {
        participant: ParticipantId,
        direction: Direction,
    },
    /// Forward `track` to `receiver` over the receiver's down transport.
    Subscribe {
        receiver: ParticipantId,
        track: TrackId,
    },
    Unsubscribe {
        receiver: ParticipantId,
        track: TrackId,
    },
    /// The codec that up transports are to ask for has changed.
    PreferCodec {
        codec: VideoCodec,
    },
    StartLeg {
        leg: LegId,
        kind: LegKind,
        of: Option<ParticipantId>,
    },
    /// Hand a copy of `track` to `leg`.
    Tap {
        leg: LegId,
        track: TrackId,
    },
    Untap {
        leg: LegId,
        track: TrackId,
    },
    StopLeg {
        leg: LegId,
    },
    /// The participant is out; close its socket after what was told to it has been written.
    Removed {
        participant: ParticipantId,
        reason: Departure,
    },
    /// A switch is over: from mode, to mode, how long it took.
    Switched {
        to: Carrier,
        took: Duration,
    },
    /// Nobody is left: drop the room.
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    Left,
    /// The grace time after a lost socket ran out.
    Vanished,
    /// It needed the server's media port and could not reach it.
    SfuUnreachable,
}

/// What a participant is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Welcome {
        you: ParticipantInfo,
        participants: Vec<ParticipantInfo>,
        mode: Mode,
        epoch: Epoch,
        legs: Vec<LegInfo>,
    },
    ParticipantJoined(ParticipantInfo),
    ParticipantLeft {
        participant: ParticipantId,
        reason: Departure,
    },
    ParticipantAway {
        participant: ParticipantId,
        away: bool,
    },
    /// To everybody, the publisher included.
    TrackPublished {
        participant: ParticipantId,
        track: TrackInfo,
    },
    TrackUnpublished {
        participant: ParticipantId,
        track: TrackId,
    },
    TrackMuted {
        participant: ParticipantId,
        track: TrackId,
        muted: bool,
    },
    Mode {
        mode: Mode,
        epoch: Epoch,
    },
    /// Set up a mesh link to `peer`. The impolite end makes the first offer.
    OpenLink {
        peer: ParticipantId,
        link: LinkId,
        polite: bool,
    },
    CloseLink {
        peer: ParticipantId,
        link: LinkId,
    },
    /// Start or stop sending on the up transport (`active` of its encodings).
    SendUp {
        active: bool,
    },
    /// Receive `peer` over `carrier` from now on: prove it, show it, then say so with this epoch.
    Path {
        peer: ParticipantId,
        carrier: Carrier,
        epoch: Epoch,
    },
    /// The deadline passed and `peer` has not been shown over `carrier`; it stays where it was.
    PathStuck {
        peer: ParticipantId,
        carrier: Carrier,
    },
    Leg(LegInfo),
    /// Told to one who is about to be removed.
    SfuUnreachable,
}
