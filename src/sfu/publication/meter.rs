//! What a stream takes.

use std::time::{Duration, Instant};

use super::super::bwe::Rate;

/// What is counted together. Longer: key frames stand out less; shorter: a change is known sooner.
const STEP: Duration = Duration::from_millis(500);
/// After this long without anything it is measured anew.
const PAUSED: Duration = Duration::from_secs(2);
/// How much a step counts against those before.
const WEIGHT: f64 = 0.5;

/// Bytes of a stream as a rate.
#[derive(Debug, Default)]
pub(super) struct Meter {
    since: Option<Instant>,
    bytes: u64,
    rate: Option<Rate>,
}

impl Meter {
    pub(super) fn add(&mut self, bytes: usize, now: Instant) {
        let passed = self.since.map(|since| now.saturating_duration_since(since));
        match passed {
            Some(passed) if passed < STEP => {}
            Some(passed) if passed < PAUSED => {
                let step = Rate::of(self.bytes, passed);
                self.rate = Some(self.rate.map_or(step, |rate| rate * (1.0 - WEIGHT) + step * WEIGHT));
                (self.since, self.bytes) = (Some(now), 0);
            }
            Some(_) | None => *self = Self { since: Some(now), ..Self::default() },
        }
        self.bytes += bytes as u64;
    }

    /// Nothing before enough has come.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.rate
    }
}
