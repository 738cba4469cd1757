//! Whose turn it is: a lane a room, in which events go one after the other. Pure; time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::store::Waiting;

#[cfg(test)]
mod tests;

/// The longest wait between two attempts. Higher: a dead receiver costs less; lower: one that is back is told sooner.
const WAIT_MOST: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub(super) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    /// Lanes of which nothing is under way, by when they may go on.
    due: BTreeSet<(Instant, String)>,
    /// After the first failure.
    retry: Duration,
    events: usize,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    /// Attempts that failed since one did not.
    failures: u32,
}

impl Lanes {
    pub(super) fn new(retry: Duration) -> Self {
        Self { lanes: BTreeMap::new(), due: BTreeSet::new(), retry, events: 0, bytes: 0 }
    }

    /// Events that wait, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.events, self.bytes)
    }

    pub(super) fn add(&mut self, now: Instant, event: Waiting) {
        self.events += 1;
        self.bytes += event.bytes;
        let lane = self.lanes.entry(event.room.clone()).or_default();
        if lane.waiting.is_empty() {
            self.due.insert((now, event.room.clone()));
        }
        lane.waiting.push_back(event);
    }

    /// When [`Lanes::take`] will have something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// An event that is to be sent now. Its lane rests until it is said what became of it.
    pub(super) fn take(&mut self, now: Instant) -> Option<Waiting> {
        if self.due()? > now {
            return None;
        }
        let (_, room) = self.due.pop_first()?;
        self.lanes.get(&room)?.waiting.front().cloned()
    }

    /// The event that was taken from this room's lane is dealt with; the next one may go.
    pub(super) fn done(&mut self, now: Instant, room: &str) {
        let Some(lane) = self.lanes.get_mut(room) else { return };
        lane.failures = 0;
        self.go_on(now, room);
    }

    /// It was not taken: it is tried again, after what is returned.
    pub(super) fn failed(&mut self, now: Instant, room: &str) -> Duration {
        let Some(lane) = self.lanes.get_mut(room) else { return Duration::ZERO };
        let wait = self.retry.saturating_mul(1 << lane.failures.min(20)).min(WAIT_MOST);
        lane.failures += 1;
        self.due.insert((now + wait, room.to_owned()));
        wait
    }

    /// It was not taken and is not tried again; the next one is no sooner for that.
    pub(super) fn given_up(&mut self, now: Instant, room: &str) {
        let Some(lane) = self.lanes.get(room) else { return };
        let wait = self.retry.saturating_mul(1 << lane.failures.min(20)).min(WAIT_MOST);
        self.go_on(now + wait, room);
    }

    fn go_on(&mut self, at: Instant, room: &str) {
        let Some(lane) = self.lanes.get_mut(room) else { return };
        if let Some(gone) = lane.waiting.pop_front() {
            self.events -= 1;
            self.bytes -= gone.bytes;
        }
        if lane.waiting.is_empty() {
            self.lanes.remove(room);
        } else {
            self.due.insert((at, room.to_owned()));
        }
    }
}
