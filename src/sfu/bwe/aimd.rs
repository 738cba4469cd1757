//! The delay-based estimate: up while no queue grows, down to what got through when one does (draft-ietf-rmcat-gcc-02 section
//! 5.5; the numbers are libwebrtc's).

use std::time::{Duration, Instant};

use super::trend::Usage;
use super::{Limits, Rate};

/// What is left of the rate that got through when a queue grew, so that the queue empties.
const BETA: f64 = 0.85;
/// Growth a second while the capacity is not known.
const GROWTH: f64 = 1.08;
/// No further than this beyond what got through: what was not tried is not known.
const BEYOND: f64 = 1.5;
/// How much a new look at the capacity counts.
const CAPACITY_WEIGHT: f64 = 0.05;
/// Deviations from the capacity within which it is approached with care.
const NEAR: f64 = 3.0;
/// Bits of a packet and frames a second, for how much is more by one packet.
const PACKET_BITS: f64 = 1_200.0 * 8.0;
const FRAMES: f64 = 30.0;
/// Two cuts are at least this far apart, and at most, round trips being between.
const LEAST_BETWEEN: Duration = Duration::from_millis(50);
const MOST_BETWEEN: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Aimd {
    limits: Limits,
    estimate: Rate,
    state: State,
    capacity: Capacity,
    changed: Option<Instant>,
    cut: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// Where queues grew so far.
#[derive(Debug, Default)]
struct Capacity {
    kbps: Option<f64>,
    /// Of the deviation, relative to the capacity.
    variance: f64,
}

impl Aimd {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            estimate: limits.start,
            state: State::Hold,
            capacity: Capacity::default(),
            changed: None,
            cut: None,
        }
    }

    pub(super) fn estimate(&self) -> Rate {
        self.estimate
    }

    /// A queue grew, and it is known where the path ends.
    pub(super) fn is_bounded(&self) -> bool {
        self.capacity.kbps.is_some()
    }

    /// True when the estimate was cut.
    pub(super) fn update(&mut self, usage: Usage, acked: Option<Rate>, rtt: Duration, now: Instant) -> bool {
        let passed = self.changed.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        match (usage, self.state) {
            (Usage::Over, _) => {
                self.state = State::Hold;
                return self.cut(acked, rtt, now);
            }
            (Usage::Under, _) => self.state = State::Hold,
            (Usage::Normal, State::Hold) => self.state = State::Increase,
            (Usage::Normal, State::Increase) => self.grow(acked, rtt, passed),
        }
        // What gets through and makes no queue is there.
        if let (Usage::Normal, Some(acked)) = (usage, acked) {
            self.estimate = self.estimate.max(acked).min(self.limits.most);
        }
        false
    }

    /// What a probe got through.
    pub(super) fn probed(&mut self, result: Rate, now: Instant) {
        self.estimate = result.clamp(self.limits.least, self.limits.most);
        self.changed = Some(now);
        if self.capacity.upper().is_some_and(|upper| result > upper) {
            self.capacity = Capacity::default();
        }
    }

    fn cut(&mut self, acked: Option<Rate>, rtt: Duration, now: Instant) -> bool {
        let Some(acked) = acked else { return false };
        let between = rtt.clamp(LEAST_BETWEEN, MOST_BETWEEN);
        let soon = self.cut.is_some_and(|last| now.saturating_duration_since(last) < between);
        if soon && acked > self.estimate * 0.5 {
            return false;
        }
        if self.capacity.lower().is_some_and(|lower| acked < lower) {
            self.capacity = Capacity::default();
        }
        self.capacity.seen(acked);
        let target = acked * BETA;
        self.cut = Some(now);
        let is_less = target < self.estimate;
        self.estimate = self.estimate.min(target).max(self.limits.least);
        is_less
    }

    fn grow(&mut self, acked: Option<Rate>, rtt: Duration, passed: Duration) {
        let Some(acked) = acked else { return };
        if self.capacity.upper().is_some_and(|upper| acked > upper) {
            self.capacity = Capacity::default();
        }
        let seconds = passed.as_secs_f64().min(1.0);
        let grown = if self.capacity.kbps.is_some() {
            let frame = self.estimate.kbps() * 1_000.0 / FRAMES;
            let packet = frame / (frame / PACKET_BITS).ceil().max(1.0);
            let response = (rtt + Duration::from_millis(100)).as_secs_f64();
            let bits_per_second = (packet / response).max(4_000.0);
            self.estimate + Rate::of((bits_per_second * seconds / 8.0) as u64, Duration::from_secs(1))
        } else {
            self.estimate * GROWTH.powf(seconds)
        };
        // What the sender had nothing to fill with is no evidence; the estimate stays where it is.
        let most = (acked * BEYOND + Rate::from_kbps(10)).max(self.estimate);
        self.estimate = grown.min(most).clamp(self.limits.least, self.limits.most);
    }
}

impl Capacity {
    fn seen(&mut self, acked: Rate) {
        let sample = acked.kbps();
        let known = self.kbps.map_or(sample, |kbps| (1.0 - CAPACITY_WEIGHT) * kbps + CAPACITY_WEIGHT * sample);
        let error = (known - sample).powi(2) / known.max(1.0);
        self.variance = ((1.0 - CAPACITY_WEIGHT) * self.variance + CAPACITY_WEIGHT * error).clamp(0.4, 2.5);
        self.kbps = Some(known);
    }

    fn deviation(&self) -> f64 {
        NEAR * (self.variance * self.kbps.unwrap_or(0.0)).sqrt()
    }

    fn upper(&self) -> Option<Rate> {
        Some(Rate::from_kbps((self.kbps? + self.deviation()) as u32))
    }

    fn lower(&self) -> Option<Rate> {
        Some(Rate::from_kbps((self.kbps? - self.deviation()).max(0.0) as u32))
    }
}
