//! When something is to be measured, and when it really is.

use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval};

/// A measurement every so often. One that comes late, as the process was held up, covers the longer time, and the next is a whole
/// time after it: a stall is no reason to refuse anybody.
#[derive(Debug)]
pub(super) struct Beat(Interval);

impl Beat {
    pub(super) fn new(every: Duration) -> Self {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(ticks)
    }

    /// Now, when it is time. (A tick itself says when it was meant to be.)
    pub(super) async fn next(&mut self) -> Instant {
        self.0.tick().await;
        Instant::now()
    }
}
