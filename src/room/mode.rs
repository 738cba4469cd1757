//! The target: which carrier the room aims for, since when, and when it may go back to mesh.

use std::time::Instant;

use super::ids::Epoch;

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

impl Carrier {
    pub(super) fn other(self) -> Self {
        match self {
            Carrier::Mesh => Carrier::Sfu,
            Carrier::Sfu => Carrier::Mesh,
        }
    }
}

/// How far the room is on its way to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Every pair is there, or was given up on.
    Settled,
    /// `from` is where the room was settled last: a switch that was called back has `from` as its target again.
    Switching { since: Instant, from: Carrier },
}

/// Whether a room on the SFU is to go back to mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demotion {
    /// The room is too large, or in mesh already.
    Unwanted,
    /// The room has been small enough since then.
    Waiting { since: Instant },
    /// It was tried and a pair could not connect. Not tried again by the same people.
    CalledOff,
    /// A mesh works, but by relays. Not tried again by the same people, unless the SFU fails them.
    Relayed,
}

#[derive(Debug)]
pub(super) struct Target {
    pub(super) carrier: Carrier,
    pub(super) epoch: Epoch,
    /// The epoch that began when `carrier` became the target.
    pub(super) turned: Epoch,
    pub(super) phase: Phase,
    pub(super) demotion: Demotion,
    /// Since when most links of a mesh have been relayed while the SFU could have taken over.
    pub(super) relayed_since: Option<Instant>,
}

impl Target {
    pub(super) fn new() -> Self {
        Self {
            carrier: Carrier::Mesh,
            epoch: Epoch::default(),
            turned: Epoch::default(),
            phase: Phase::Settled,
            demotion: Demotion::Unwanted,
            relayed_since: None,
        }
    }

    pub(super) fn mode(&self) -> Mode {
        match (self.carrier, self.phase) {
            (Carrier::Mesh, Phase::Settled) => Mode::Mesh,
            (Carrier::Sfu, Phase::Settled) => Mode::Sfu,
            (Carrier::Sfu, Phase::Switching { .. }) => Mode::Promoting,
            (Carrier::Mesh, Phase::Switching { .. }) => Mode::Demoting,
        }
    }

    /// The room turns to the other carrier, in the middle of a switch or not.
    pub(super) fn turn(&mut self, now: Instant) {
        let from = match self.phase {
            Phase::Settled => self.carrier,
            Phase::Switching { from, .. } => from,
        };
        self.carrier = self.carrier.other();
        self.phase = Phase::Switching { since: now, from };
        self.next_epoch();
        self.turned = self.epoch;
        self.relayed_since = None;
    }

    pub(super) fn next_epoch(&mut self) {
        self.epoch.0 += 1;
    }

    /// When the switch that is under way began.
    pub(super) fn switching_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Settled => None,
            Phase::Switching { since, .. } => Some(since),
        }
    }

    /// The room leaves a settled SFU for a mesh that has yet to prove itself.
    pub(super) fn is_demoting(&self) -> bool {
        match (self.carrier, self.phase) {
            (Carrier::Mesh, Phase::Switching { from, .. }) => from == Carrier::Sfu,
            (Carrier::Mesh | Carrier::Sfu, Phase::Settled) | (Carrier::Sfu, Phase::Switching { .. }) => false,
        }
    }

    /// The room leaves a settled mesh for an SFU that has yet to prove itself.
    pub(super) fn is_promoting(&self) -> bool {
        match (self.carrier, self.phase) {
            (Carrier::Sfu, Phase::Switching { from, .. }) => from == Carrier::Mesh,
            (Carrier::Mesh | Carrier::Sfu, Phase::Settled) | (Carrier::Mesh, Phase::Switching { .. }) => false,
        }
    }

    /// Somebody came or went: what was called off may be tried again by those who are here now.
    pub(super) fn members_changed(&mut self) {
        match self.demotion {
            Demotion::CalledOff | Demotion::Relayed => self.demotion = Demotion::Unwanted,
            Demotion::Unwanted | Demotion::Waiting { .. } => {}
        }
    }
}
