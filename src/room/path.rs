//! Pairs and their paths: which way the media of one ordered pair (receiver, sender) takes.
//!
//! A path moves make before break. While an order is under way nobody but the receiver knows what is on its screen, so
//! both carriers are kept until it says what it shows. Calling an order back is therefore an order the other way.

use std::time::Instant;

use super::Carrier;
use super::ids::{Epoch, ParticipantId};
use super::link::Couple;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) receiver: ParticipantId,
    pub(super) sender: ParticipantId,
}

impl Pair {
    pub(super) fn has(self, participant: ParticipantId) -> bool {
        self.receiver == participant || self.sender == participant
    }

    pub(super) fn couple(self) -> Couple {
        Couple::new(self.receiver, self.sender)
    }
}

/// "Receive over `to` from now on", as it was told to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) to: Carrier,
    pub(super) epoch: Epoch,
    pub(super) since: Instant,
    pub(super) progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    InTime,
    /// The deadline passed and the receiver was told. It may still get there.
    Stuck,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// Nothing is shown and no carrier is there to be tried.
    Nothing { since: Instant },
    /// Nothing is shown yet.
    Arriving { order: Order },
    /// The receiver has said so.
    Settled { on: Carrier },
    /// The other carrier than the order's was there before; both are kept.
    Moving { order: Order },
}

/// Where a pair is and where it aims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) path: Path,
    pub(super) aim: Aim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// For the room's target.
    Target,
    /// For the other carrier: the target's failed this pair.
    Detour,
}

impl Way {
    pub(super) fn new(now: Instant) -> Self {
        Self { path: Path::Nothing { since: now }, aim: Aim::Target }
    }

    pub(super) fn aims_for(&self, target: Carrier) -> Carrier {
        match self.aim {
            Aim::Target => target,
            Aim::Detour => target.other(),
        }
    }

    /// It is shown over the carrier that it aims for.
    pub(super) fn is_there(&self, target: Carrier) -> bool {
        self.path == Path::Settled { on: self.aims_for(target) }
    }
}

impl Path {
    /// `carrier` has to be kept for it.
    pub(super) fn uses(&self, carrier: Carrier) -> bool {
        match self {
            Path::Nothing { .. } => false,
            Path::Arriving { order } => order.to == carrier,
            Path::Settled { on } => *on == carrier,
            Path::Moving { .. } => true,
        }
    }

    pub(super) fn order(&self) -> Option<&Order> {
        match self {
            Path::Arriving { order } | Path::Moving { order } => Some(order),
            Path::Nothing { .. } | Path::Settled { .. } => None,
        }
    }

    /// Marks the order as stuck. Its carrier, the first time that it is past `deadline`.
    pub(super) fn find_stuck(&mut self, is_due: impl Fn(Instant) -> bool) -> Option<Carrier> {
        match self {
            Path::Arriving { order } | Path::Moving { order }
                if order.progress == Progress::InTime && is_due(order.since) =>
            {
                order.progress = Progress::Stuck;
                Some(order.to)
            }
            Path::Arriving { .. } | Path::Moving { .. } | Path::Nothing { .. } | Path::Settled { .. } => None,
        }
    }

    /// Sends the pair to the order's carrier. True when the receiver has to be told: it is not there, and was not sent
    /// there since epoch `turned`.
    pub(super) fn send(&mut self, order: Order, turned: Epoch) -> bool {
        let was_sent = |old: Order| old.to == order.to && old.epoch >= turned;
        *self = match *self {
            Path::Arriving { order: old } | Path::Moving { order: old } if was_sent(old) => return false,
            Path::Settled { on } if on == order.to => return false,
            Path::Nothing { .. } => Path::Arriving { order },
            Path::Arriving { order: old } if old.to == order.to => Path::Arriving { order },
            Path::Arriving { .. } | Path::Moving { .. } | Path::Settled { .. } => Path::Moving { order },
        };
        true
    }

    /// There is a link, if for the sake of the other direction: until something comes by the SFU, what comes by it may be shown.
    pub(super) fn find_link(&mut self) {
        if let Path::Arriving { order } = *self
            && order.to == Carrier::Sfu
        {
            *self = Path::Moving { order };
        }
    }

    /// The receiver shows it over `carrier`. False when that was neither the order nor known.
    pub(super) fn shown(&mut self, carrier: Carrier, epoch: Epoch) -> bool {
        if self.order().is_some_and(|order| order.to == carrier && order.epoch == epoch) {
            *self = Path::Settled { on: carrier };
        }
        *self == Path::Settled { on: carrier }
    }

    /// `carrier` is dead. True when the receiver has to be told to go back to the other one.
    pub(super) fn lose(&mut self, carrier: Carrier, now: Instant) -> bool {
        let (after, go_back) = match *self {
            Path::Nothing { since } => (Path::Nothing { since }, false),
            Path::Arriving { order } if order.to == carrier => (Path::Nothing { since: now }, false),
            Path::Settled { on } if on == carrier => (Path::Nothing { since: now }, false),
            Path::Moving { order } if order.to == carrier => (Path::Settled { on: carrier.other() }, true),
            Path::Arriving { order } | Path::Moving { order } => (Path::Arriving { order }, false),
            Path::Settled { on } => (Path::Settled { on }, false),
        };
        *self = after;
        go_back
    }
}

/// The path of a pair as the outside sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathInfo {
    /// There is no such pair, or no carrier for it yet.
    None,
    /// Ordered for the first time, not shown yet.
    Arriving(Carrier),
    /// Shown.
    On(Carrier),
    /// Shown over the other carrier, or over this one and not yet reported.
    MovingTo(Carrier),
}

impl From<&Path> for PathInfo {
    fn from(path: &Path) -> Self {
        match path {
            Path::Nothing { .. } => PathInfo::None,
            Path::Arriving { order } => PathInfo::Arriving(order.to),
            Path::Settled { on } => PathInfo::On(*on),
            Path::Moving { order } => PathInfo::MovingTo(order.to),
        }
    }
}
