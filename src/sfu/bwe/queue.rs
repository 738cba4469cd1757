//! Does a queue stand on the way? A machine that stalls lets packets wait as a queue does, and then has them all at once: the last of
//! them are as fast as ever. In a queue every packet waits.

use std::time::Duration;

use super::Rate;

/// How long the least delay of all is remembered, in µs: as long, and up to twice that. Longer: a queue that stays is known for longer;
/// shorter: a way that has become longer is got used to sooner.
const BASE_US: i64 = 5_000_000;
/// The same of the least delay lately. Longer: longer stalls are told from queues; shorter: queues are noticed sooner.
const LATELY_US: i64 = 60_000;
/// A queue of less, in µs, is none. Higher: machines that are slow are told from queues; lower: a path that is a little too full is
/// noticed sooner.
const STANDS_US: i64 = 20_000;
/// How long one has to stand before it is said what the path lets through, in µs. Longer: surer; shorter: sooner.
const DRAINS_US: i64 = 50_000;
/// Of what it let through longer ago than this, in µs, less and less is known.
const DRAINED_US: i64 = 400_000;

#[derive(Debug)]
pub(super) struct Queue {
    base: Least,
    lately: Least,
    drained: Option<Drained>,
}

/// What came while a queue stood, one packet behind the other: as fast as the path lets them through.
#[derive(Debug)]
struct Drained {
    first_us: i64,
    last_us: i64,
    /// Of all but the first.
    bytes: u64,
}

/// The least of what came in a time, in two parts, of which the older one is forgotten.
#[derive(Debug)]
struct Least {
    window_us: i64,
    begun_us: Option<i64>,
    now: i64,
    before: i64,
}

impl Default for Queue {
    fn default() -> Self {
        Self { base: Least::of(BASE_US), lately: Least::of(LATELY_US), drained: None }
    }
}

impl Queue {
    /// The clocks of the two ends have nothing in common but their pace.
    pub(super) fn arrived(&mut self, sent_us: i64, arrived_us: i64, bytes: u16) {
        if arrived_us - sent_us - self.base.least().min(arrived_us - sent_us) <= STANDS_US {
            self.drained = None;
        } else if let Some(drained) = &mut self.drained {
            drained.push(arrived_us, bytes);
        } else {
            self.drained = Some(Drained { first_us: arrived_us, last_us: arrived_us, bytes: 0 });
        }
        self.base.push(arrived_us, arrived_us - sent_us);
        self.lately.push(arrived_us, arrived_us - sent_us);
    }

    pub(super) fn stands(&self) -> bool {
        self.lately.least().saturating_sub(self.base.least()) > STANDS_US
    }
}

impl Queue {
    /// What the path lets through, as far as the queue that stands now has shown it.
    pub(super) fn drains(&self) -> Option<Rate> {
        let drained = self.drained.as_ref()?;
        let span = drained.last_us - drained.first_us;
        (span >= DRAINS_US).then(|| Rate::of(drained.bytes, Duration::from_micros(span as u64)))
    }
}

impl Drained {
    fn push(&mut self, arrived_us: i64, bytes: u16) {
        self.last_us = self.last_us.max(arrived_us);
        self.bytes += u64::from(bytes);
        let span = self.last_us - self.first_us;
        if span > DRAINED_US {
            self.first_us += span / 2;
            self.bytes /= 2;
        }
    }
}

impl Least {
    fn of(window_us: i64) -> Self {
        Self { window_us, begun_us: None, now: i64::MAX, before: i64::MAX }
    }

    fn push(&mut self, at_us: i64, value: i64) {
        let begun = *self.begun_us.get_or_insert(at_us);
        let passed = at_us - begun;
        if passed >= self.window_us {
            self.before = if passed < 2 * self.window_us { self.now } else { i64::MAX };
            (self.begun_us, self.now) = (Some(at_us), i64::MAX);
        }
        self.now = self.now.min(value);
    }

    fn least(&self) -> i64 {
        self.now.min(self.before)
    }
}

#[cfg(test)]
mod tests;
