//! Is a queue growing on the way? A line through the last delays, held against a threshold that adapts to how much they vary
//! anyway (draft-ietf-rmcat-gcc-02 sections 5.3 and 5.4; the numbers are libwebrtc's).

use std::collections::VecDeque;

use super::groups::Delta;

/// Groups that the line is drawn through. More: less noise; fewer: a queue is noticed sooner.
const WINDOW: usize = 20;
/// How much of the delay so far a new one leaves standing.
const SMOOTHING: f64 = 0.9;
/// The slope is multiplied by this, and by as many groups as are known, up to [`MAX_GROUPS`].
const GAIN: f64 = 4.0;
const MAX_GROUPS: f64 = 60.0;
/// The threshold, in ms: at first, and its bounds.
const THRESHOLD_MS: f64 = 12.5;
const THRESHOLDS_MS: std::ops::RangeInclusive<f64> = 6.0..=600.0;
/// How fast it follows, for each ms: up when it is exceeded, down when not. Up slowly, or another flow's queue would be taken
/// for noise.
const FOLLOWS_UP: f64 = 0.0087;
const FOLLOWS_DOWN: f64 = 0.039;
/// What exceeds it by more than this is no noise, and leaves it where it is, in ms.
const NO_NOISE_MS: f64 = 15.0;
/// How long it has to be exceeded, in ms.
const OVER_MS: f64 = 10.0;
/// A pause counts no more than this for the threshold, in ms.
const MAX_STEP_MS: f64 = 100.0;

/// How the path is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// A queue grows.
    Over,
    Normal,
    /// A queue shrinks.
    Under,
}

#[derive(Debug)]
pub(super) struct Trend {
    groups: f64,
    first_us: Option<i64>,
    accumulated_ms: f64,
    smoothed_ms: f64,
    /// (when, smoothed delay), both in ms.
    delays: VecDeque<(f64, f64)>,
    slope: f64,
    threshold_ms: f64,
    adapted_us: Option<i64>,
    /// How long, and how often in a row, the threshold has been exceeded.
    exceeded: Option<(f64, u32)>,
    usage: Usage,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            groups: 0.0,
            first_us: None,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            delays: VecDeque::with_capacity(WINDOW + 1),
            slope: 0.0,
            threshold_ms: THRESHOLD_MS,
            adapted_us: None,
            exceeded: None,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn update(&mut self, delta: Delta) -> Usage {
        let first = *self.first_us.get_or_insert(delta.at_us);
        self.groups = (self.groups + 1.0).min(MAX_GROUPS);
        self.accumulated_ms += (delta.arrived_us - delta.sent_us) as f64 / 1_000.0;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        self.delays.push_back(((delta.at_us - first) as f64 / 1_000.0, self.smoothed_ms));
        if self.delays.len() > WINDOW {
            self.delays.pop_front();
        }
        let before = self.slope;
        if self.delays.len() == WINDOW {
            self.slope = slope(&self.delays).unwrap_or(self.slope);
        }
        let rises = self.slope >= before;
        self.judge(delta, rises);
        self.usage
    }

    fn judge(&mut self, delta: Delta, rises: bool) {
        let offset_ms = self.groups * self.slope * GAIN;
        if offset_ms > self.threshold_ms {
            let passed = delta.sent_us as f64 / 1_000.0;
            let (time, count) = self.exceeded.map_or((passed / 2.0, 1), |(time, count)| (time + passed, count + 1));
            if time > OVER_MS && count > 1 && rises {
                self.exceeded = Some((0.0, 0));
                self.usage = Usage::Over;
            } else {
                self.exceeded = Some((time, count));
            }
        } else {
            self.exceeded = None;
            self.usage = if offset_ms < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.adapt(offset_ms.abs(), delta.at_us);
    }

    fn adapt(&mut self, offset_ms: f64, at_us: i64) {
        let last = self.adapted_us.replace(at_us).unwrap_or(at_us);
        if offset_ms > self.threshold_ms + NO_NOISE_MS {
            return;
        }
        let follows = if offset_ms < self.threshold_ms { FOLLOWS_DOWN } else { FOLLOWS_UP };
        let step = ((at_us - last) as f64 / 1_000.0).clamp(0.0, MAX_STEP_MS);
        self.threshold_ms += follows * (offset_ms - self.threshold_ms) * step;
        self.threshold_ms = self.threshold_ms.clamp(*THRESHOLDS_MS.start(), *THRESHOLDS_MS.end());
    }
}

/// Of the line through these points by least squares.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let n = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (sum_x / n, sum_y / n);
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (below > 0.0).then_some(above / below)
}
