//! Who is in the room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::ids::{ParticipantId, TrackId};
use super::transport::Transport;
use super::{Direction, Output, Source, TrackInfo, TransportReport, VideoCodec};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantInfo {
    pub id: ParticipantId,
    pub name: String,
    pub tracks: Vec<TrackInfo>,
    /// Its socket is lost and its grace time runs.
    pub away: bool,
    /// Others do not know that it is there.
    pub hidden: bool,
}

/// How a participant takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Directly with others, and by way of the server where that is needed. `warm`: it can hold transports to the server
    /// that carry nothing yet.
    Mesh { warm: bool },
    /// By way of the server alone; its room is an SFU room.
    Server { sends: bool, receives: bool },
    /// As one who only receives by way of the server, and the others are not told that it is there.
    Hidden,
}

impl Reach {
    pub(super) fn can_mesh(self) -> bool {
        match self {
            Reach::Mesh { .. } => true,
            Reach::Server { .. } | Reach::Hidden => false,
        }
    }

    pub(super) fn is_hidden(self) -> bool {
        match self {
            Reach::Hidden => true,
            Reach::Mesh { .. } | Reach::Server { .. } => false,
        }
    }

    /// Others may receive from it.
    pub(super) fn sends(self) -> bool {
        match self {
            Reach::Mesh { .. } => true,
            Reach::Server { sends, .. } => sends,
            Reach::Hidden => false,
        }
    }

    pub(super) fn receives(self) -> bool {
        match self {
            Reach::Mesh { .. } => true,
            Reach::Server { receives, .. } => receives,
            Reach::Hidden => true,
        }
    }
}

/// Whether there is a socket to talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// The socket was lost.
    Away {
        since: Instant,
    },
}

/// Whether it has ever been part of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// None of its pairs has had a path yet.
    Newcomer,
    Established,
}

#[derive(Debug)]
pub(super) struct Participant {
    pub(super) name: String,
    pub(super) tracks: BTreeMap<TrackId, Track>,
    pub(super) decodes: BTreeSet<VideoCodec>,
    /// End to end.
    pub(super) encrypted: bool,
    pub(super) reach: Reach,
    pub(super) presence: Presence,
    pub(super) standing: Standing,
    /// Carries media when true.
    pub(super) up: Transport<bool>,
    /// Carries the tracks that were subscribed.
    pub(super) down: Transport<BTreeSet<TrackId>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    pub(super) source: Source,
    pub(super) muted: bool,
}

impl Participant {
    pub(super) fn new(name: String, decodes: BTreeSet<VideoCodec>, encrypted: bool, reach: Reach) -> Self {
        Self {
            name,
            tracks: BTreeMap::new(),
            decodes,
            encrypted,
            reach,
            presence: Presence::Here,
            standing: Standing::Newcomer,
            up: Transport::Closed,
            down: Transport::Closed,
        }
    }

    pub(super) fn is_here(&self) -> bool {
        match self.presence {
            Presence::Here => true,
            Presence::Away { .. } => false,
        }
    }

    pub(super) fn publishes(&self, source: Source) -> bool {
        self.tracks.values().any(|track| track.source == source)
    }

    pub(super) fn info(&self, id: ParticipantId) -> ParticipantInfo {
        let tracks = self.tracks.iter().map(|(&id, track)| track.info(id)).collect();
        ParticipantInfo { id, name: self.name.clone(), tracks, away: !self.is_here(), hidden: self.reach.is_hidden() }
    }

    /// True when the media plane has to close the transport.
    pub(super) fn report(&mut self, now: Instant, direction: Direction, report: TransportReport) -> bool {
        match direction {
            Direction::Up => self.up.report(now, report),
            Direction::Down => self.down.report(now, report),
        }
    }

    /// Opens what is wanted and may be opened now.
    pub(super) fn open(&mut self, now: Instant, id: ParticipantId, up: bool, down: bool, out: &mut Vec<Output>) {
        if up && self.up.open(now) {
            out.push(Output::OpenTransport { participant: id, direction: Direction::Up });
        }
        if down && self.down.open(now) {
            out.push(Output::OpenTransport { participant: id, direction: Direction::Down });
        }
    }

    /// Closes what is not wanted.
    pub(super) fn close(&mut self, id: ParticipantId, up: bool, down: bool, out: &mut Vec<Output>) {
        if !up && self.up.close() {
            out.push(Output::CloseTransport { participant: id, direction: Direction::Up });
        }
        if !down && self.down.close() {
            out.push(Output::CloseTransport { participant: id, direction: Direction::Down });
        }
    }
}

impl Track {
    pub(super) fn info(self, id: TrackId) -> TrackInfo {
        TrackInfo { id, source: self.source, muted: self.muted }
    }
}
