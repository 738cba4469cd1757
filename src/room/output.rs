//! What the host has to do, and what participants are told: the one way out of a room.

use std::time::Duration;

use super::ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};
use super::{Carrier, Direction, LegInfo, LegPlan, Mode, ParticipantInfo, TrackInfo, VideoCodec};

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
        plan: LegPlan,
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
    /// Whoever runs the room has put it out.
    Removed,
    /// Whoever runs the room has sent it to another one.
    Moved,
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
