//! What happened: the one way into a room.

use std::collections::BTreeSet;

use super::ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};
use super::{Carrier, Direction, LegPlan, LegState, LinkReport, Reach, Source, TransportReport, VideoCodec};

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
        /// Its media is encrypted end to end.
        encrypted: bool,
        reach: Reach,
    },
    /// It takes part in another way from now on.
    Reach {
        participant: ParticipantId,
        reach: Reach,
    },
    Leave {
        participant: ParticipantId,
    },
    /// Whoever runs the room puts it out.
    Remove {
        participant: ParticipantId,
    },
    /// Whoever runs the room sends it to another one.
    Move {
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
        plan: LegPlan,
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
