//! What got through lately.

use std::collections::VecDeque;
use std::time::Duration;

use super::Rate;

/// How far back is looked, in µs. Longer: smoother; shorter: what a path takes after a change is known sooner.
const WINDOW_US: i64 = 300_000;
/// Before this much has been seen nothing is said, in µs.
const LEAST_US: i64 = 120_000;
/// What arrives within this time is added up, in µs.
const STEP_US: i64 = 10_000;

#[derive(Debug)]
pub(super) struct Acked {
    /// (step of the far end's clock, bytes), the oldest first; as many as there are steps in the window.
    steps: VecDeque<(i64, u64)>,
    /// When the first packet of all arrived.
    first_us: Option<i64>,
}

impl Default for Acked {
    fn default() -> Self {
        Self { steps: VecDeque::with_capacity((WINDOW_US / STEP_US) as usize + 1), first_us: None }
    }
}

impl Acked {
    pub(super) fn arrived(&mut self, at_us: i64, bytes: u16) {
        self.first_us.get_or_insert(at_us);
        let step = at_us.div_euclid(STEP_US);
        match self.steps.back_mut() {
            // What came out of order is added to the newest.
            Some((last, sum)) if step <= *last => *sum += u64::from(bytes),
            Some(_) | None => self.steps.push_back((step, u64::from(bytes))),
        }
        while self.steps.front().is_some_and(|(first, _)| step - first >= WINDOW_US / STEP_US) {
            self.steps.pop_front();
        }
    }

    pub(super) fn rate(&self) -> Option<Rate> {
        let (last, _) = self.steps.back()?;
        let span = ((last + 1) * STEP_US - self.first_us?).min(WINDOW_US);
        let bytes = self.steps.iter().map(|(_, bytes)| bytes).sum();
        (span >= LEAST_US).then(|| Rate::of(bytes, Duration::from_micros(span as u64)))
    }
}
