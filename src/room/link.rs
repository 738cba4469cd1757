//! Mesh links: one between two participants, for both directions of their media.

use super::ids::{LinkId, ParticipantId};
use super::path::Pair;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkReport {
    /// The link carries packets; `relayed` when either end sends through TURN.
    Connected {
        relayed: bool,
    },
    Failed,
}

/// A mesh link that is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// Whether it is relayed, as the lower and the higher end of its couple have said last.
    said: [Option<bool>; 2],
}

impl Link {
    pub(super) fn new(id: LinkId) -> Self {
        Self { id, said: [None; 2] }
    }

    pub(super) fn note(&mut self, couple: Couple, end: ParticipantId, relayed: bool) {
        self.said[usize::from(end == couple.high)] = Some(relayed);
    }

    /// It is relayed when either end says so: the other may not have heard yet what kind of address it sends to (RFC 8445,
    /// section 7.3.1.3). None while neither has said anything.
    pub(super) fn relayed(&self) -> Option<bool> {
        self.said.into_iter().flatten().reduce(|one, other| one || other)
    }
}

/// Two participants in no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Couple {
    low: ParticipantId,
    high: ParticipantId,
}

impl Couple {
    pub(super) fn new(a: ParticipantId, b: ParticipantId) -> Self {
        Self { low: a.min(b), high: a.max(b) }
    }

    pub(super) fn has(self, participant: ParticipantId) -> bool {
        self.low == participant || self.high == participant
    }

    /// Both ends, each with its peer and whether it is the polite one. The one who came later is polite, so that who was
    /// there first makes the first offer: a newcomer is busy enough.
    pub(super) fn ends(self) -> [(ParticipantId, ParticipantId, bool); 2] {
        [(self.low, self.high, false), (self.high, self.low, true)]
    }

    pub(super) fn pairs(self) -> [Pair; 2] {
        self.ends().map(|(receiver, sender, _)| Pair { receiver, sender })
    }
}
