//! How many paths change at once. A pair on the move is received twice and, as its link comes or goes, sent twice; a room that
//! moved all its pairs in one moment would ask the most of everybody just when nobody should notice anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::ids::ParticipantId;
use super::{Couple, Pair, Path, Room};

/// The couples that are on the move. Both directions of a couple go together, because one link carries both.
#[derive(Debug)]
pub(super) struct Pace {
    /// Most couples of one participant at once.
    most: usize,
    moving: BTreeSet<Couple>,
    busy: BTreeMap<ParticipantId, usize>,
}

impl Pace {
    /// The pair may go now; if so, its couple counts as being on the move.
    pub(super) fn lets_go(&mut self, pair: Pair) -> bool {
        let couple = pair.couple();
        if self.moving.contains(&couple) {
            return true;
        }
        let ends = [pair.receiver, pair.sender];
        let is_free = ends.iter().all(|end| self.busy.get(end).is_none_or(|&count| count < self.most));
        if is_free {
            self.add(couple);
        }
        is_free
    }

    fn add(&mut self, couple: Couple) {
        if self.moving.insert(couple) {
            for (end, _, _) in couple.ends() {
                *self.busy.entry(end).or_default() += 1;
            }
        }
    }
}

impl Room {
    /// The pace of the switch that is under way. `None` when there is none, or when half its time is over: those who are still
    /// held back then go together, so that one who never gets there delays nobody for good.
    pub(super) fn pace(&self, now: Instant) -> Option<Pace> {
        if self.pace_ends()? <= now {
            return None;
        }
        let mut pace = Pace { most: self.settings.moves_at_once, moving: BTreeSet::new(), busy: BTreeMap::new() };
        for (pair, way) in &self.ways {
            if matches!(way.path, Path::Moving { .. }) {
                pace.add(pair.couple());
            }
        }
        Some(pace)
    }

    /// When those who are held back go together.
    pub(super) fn pace_ends(&self) -> Option<Instant> {
        self.target.switching_since().map(|since| since + self.settings.switch_deadline / 2)
    }
}
