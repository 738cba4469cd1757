//! What losses say (draft-ietf-rmcat-gcc-02 section 6): much of it is a queue that is full, a little is the air.

use std::time::{Duration, Instant};

use super::Rate;

/// Shares of packets lost: below the first there is room, above the second there is not.
const LITTLE: f64 = 0.02;
const MUCH: f64 = 0.10;
/// Growth a second while little is lost.
const GROWTH: f64 = 1.25;
/// Packets that a share is taken of, at least.
const LEAST: u32 = 20;
/// And the time that they were told of in, at least.
const LEAST_TIME: Duration = Duration::from_millis(100);
/// Two cuts are this far apart, and a round trip.
const BETWEEN: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub(super) struct Losses {
    arrived: u32,
    lost: u32,
    since: Option<Instant>,
    cut: Option<Instant>,
    /// Nothing as long as the delay says more.
    bound: Option<Rate>,
}

impl Losses {
    /// The estimate by delay, bounded.
    pub(super) fn bound(&self, estimate: Rate) -> Rate {
        self.bound.map_or(estimate, |bound| bound.min(estimate))
    }

    /// A packet that counted as lost has come.
    pub(super) fn found(&mut self) {
        self.lost = self.lost.saturating_sub(1);
        self.arrived += 1;
    }

    /// A probe got this through.
    pub(super) fn probed(&mut self, result: Rate) {
        self.bound = self.bound.filter(|bound| *bound > result);
    }

    pub(super) fn told(
        &mut self,
        arrived: u32,
        lost: u32,
        acked: Option<Rate>,
        estimate: Rate,
        rtt: Duration,
        now: Instant,
    ) {
        self.arrived += arrived;
        self.lost += lost;
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        let all = self.arrived + self.lost;
        if all < LEAST || passed < LEAST_TIME {
            return;
        }
        let share = f64::from(self.lost) / f64::from(all);
        (self.arrived, self.lost, self.since) = (0, 0, Some(now));
        if share > MUCH {
            if self.cut.is_some_and(|cut| now.saturating_duration_since(cut) < BETWEEN + rtt) {
                return;
            }
            self.cut = Some(now);
            // What got through, the path takes.
            let floor = acked.map_or(Rate::ZERO, |acked| acked * 0.85);
            self.bound = Some((self.bound(estimate) * (1.0 - 0.5 * share)).max(floor.min(estimate)));
        } else if share < LITTLE {
            let grown = self.bound.map(|bound| bound * GROWTH.powf(passed.as_secs_f64().min(1.0)));
            self.bound = grown.filter(|bound| *bound < estimate);
        }
    }
}
