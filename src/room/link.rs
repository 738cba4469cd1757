//! Mesh links: one between two participants, for both directions of their media.

use super::ids::ParticipantId;
use super::path::Pair;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkReport {
    /// The link carries packets; `relayed` when either end sends through TURN.
    Connected {
        relayed: bool,
    },
    Failed,
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
