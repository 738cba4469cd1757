//! Send-side bandwidth estimation: what the path to one receiver takes, from when its packets arrived.
//!
//! Pure: no I/O, no clock; times are arguments. Google congestion control (draft-ietf-rmcat-gcc-02, with the numbers of
//! libwebrtc): a delay-based estimate ([`trend`], [`queue`], [`aimd`]) bounded by what losses say ([`loss`]). What an SFU sends is
//! limited by what there is to send, so that growing takes probes ([`probe`]): padding at a higher rate for a moment, and only when
//! somebody has a use for more.

mod acked;
mod aimd;
pub mod allocate;
mod groups;
mod loss;
mod pacer;
mod probe;
mod queue;
mod rate;
mod sent;
mod trend;

use std::time::{Duration, Instant};

use acked::Acked;
use aimd::Aimd;
use groups::Groups;
use loss::Losses;
use pacer::Pacer;
use probe::Prober;
pub use probe::STEP;
use queue::Queue;
pub use rate::Rate;
use sent::{Fate, Sent};
use trend::{Trend, Usage};

use super::rtcp::Arrivals;

/// Of packets that were answered so late nothing is said of the round trip.
const MAX_RTT: Duration = Duration::from_secs(3);

/// Times the estimate that may leave at once, once it is known where the path ends. Higher: large pictures are there sooner; lower:
/// what is left of a queue is not filled again, and key frames lose no packet to it.
const PACE: f64 = 1.5;

/// What an estimate goes by; from configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub start: Rate,
    pub least: Rate,
    pub most: Rate,
}

/// What is known of the path to one receiver.
#[derive(Debug)]
pub struct Estimator {
    limits: Limits,
    sent: Sent,
    /// The far end's clock at the last reference time, which wraps, and the same as it goes on.
    reference: Option<(i64, i64)>,
    groups: Groups,
    queue: Queue,
    trend: Trend,
    acked: Acked,
    aimd: Aimd,
    losses: Losses,
    prober: Prober,
    pacer: Pacer,
    rtt: Duration,
    /// When a packet was said to have been lost last.
    lost: Option<Instant>,
}

/// What a feedback has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Nothing to speak of.
    Little,
    /// There is less than before: what is sent should become less at once.
    Less,
    /// A probe has shown that there is more.
    More,
}

impl Estimator {
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            sent: Sent::new(now),
            reference: None,
            groups: Groups::default(),
            queue: Queue::default(),
            trend: Trend::default(),
            acked: Acked::default(),
            aimd: Aimd::new(limits),
            losses: Losses::default(),
            prober: Prober::default(),
            pacer: Pacer::new(now),
            rtt: Duration::from_millis(100),
            lost: None,
        }
    }

    /// The transport-wide number of the next packet.
    pub fn number(&self) -> u16 {
        self.sent.number()
    }

    /// The packet with that number has been sent. `bytes`: its length on the wire.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        let probe = self.prober.sent(bytes);
        // A probe is to be faster than the path is known to be.
        if probe.is_none() && self.aimd.is_bounded() {
            self.pacer.sent(bytes);
        }
        self.sent.push(bytes, probe, now);
    }

    /// Whether a packet that can wait may leave now. A path on which no queue ever grew takes all at once.
    pub fn has_room(&mut self, now: Instant) -> bool {
        let pace = self.estimate().filter(|_| self.aimd.is_bounded()).map(|estimate| estimate * PACE);
        pace.is_none_or(|pace| self.pacer.has_room(pace, now))
    }

    /// What the path takes. Nothing as long as the far end has said too little: it may never say anything.
    pub fn estimate(&self) -> Option<Rate> {
        self.acked.rate()?;
        Some(self.losses.bound(self.aimd.estimate()).clamp(self.limits.least, self.limits.most))
    }

    /// A packet was said to have been lost no longer ago than this.
    pub fn has_lost(&self, within: Duration, now: Instant) -> bool {
        self.lost.is_some_and(|lost| now.saturating_duration_since(lost) < within)
    }

    /// The far end says when packets arrived.
    pub fn feedback(&mut self, arrivals: &Arrivals<'_>, now: Instant) -> Changed {
        let before = self.estimate();
        let reference = self.unwrap(arrivals.reference_us());
        let (mut usage, mut arrived, mut lost) = (None, 0, 0);
        let mut rtt = None;
        for told in arrivals.packets() {
            let fate = if told.arrived_us.is_some() { Fate::Arrived } else { Fate::Lost };
            let Some((packet, before)) = self.sent.tell(told.sequence, fate) else { continue };
            let Some(at) = told.arrived_us else {
                lost += 1;
                packet.probe.into_iter().for_each(|probe| self.prober.lost(probe));
                continue;
            };
            match before {
                Fate::Unknown => arrived += 1,
                // It was late.
                Fate::Lost => self.losses.found(),
                Fate::Arrived => continue,
            }
            let arrived_us = reference + at;
            rtt = Some(self.sent.since(packet.sent_us, now));
            self.acked.arrived(arrived_us, packet.bytes);
            if let Some(probe) = packet.probe {
                self.prober.arrived(probe, packet.sent_us, arrived_us, packet.bytes);
            }
            self.queue.arrived(packet.sent_us, arrived_us, packet.bytes);
            if let Some(delta) = self.groups.push(packet.sent_us, arrived_us, packet.bytes) {
                let now_usage = self.trend.update(delta);
                // Of what the packets of one feedback say, too much outweighs everything.
                usage = usage.filter(|usage| *usage == Usage::Over).or(Some(now_usage));
            }
        }
        if let Some(rtt) = rtt.filter(|rtt| *rtt < MAX_RTT) {
            self.rtt = (self.rtt * 7 + rtt) / 8;
        }
        if lost > 0 {
            self.lost = Some(now);
        }
        let acked = self.acked.rate();
        // What there was to send may be less than what the path takes, or have been more before it became thin.
        let (drains, stretched) = (self.queue.drains(), self.groups.stretched());
        let takes = drains.or(stretched).or(acked);
        self.losses.told(arrived, lost, takes, self.aimd.estimate(), self.rtt, now);
        let result = self.prober.result(now);
        if let Some(result) = result {
            self.aimd.probed(result, now);
            self.losses.probed(result);
        }
        let mut usage = usage.unwrap_or(self.trend.usage());
        // Neither a queue nor a reason to send more.
        if usage == Usage::Over && !self.queue.stands() {
            usage = Usage::Under;
        }
        if stretched.is_some() {
            usage = Usage::Over;
        }
        // The queue that a probe makes is its own doing, and its result says all there is to say.
        if usage == Usage::Over && self.prober.is_out() {
            usage = Usage::Normal;
        }
        let known = if usage == Usage::Over { takes } else { acked };
        if self.aimd.update(usage, known, self.rtt, now) {
            self.prober.cut(now);
        }
        match (before, self.estimate()) {
            (Some(before), Some(after)) if after < before * 0.98 => Changed::Less,
            (Some(before), Some(after)) if result.is_some() && after > before => Changed::More,
            (None, Some(_)) => Changed::More,
            (Some(_) | None, _) => Changed::Little,
        }
    }

    /// Somebody has a use for this much: when it is more than the path is known to take, a probe begins as soon as it may. True
    /// when it did.
    pub fn want(&mut self, wanted: Rate, now: Instant) -> bool {
        let Some(estimate) = self.estimate() else { return false };
        self.prober.want(wanted.min(self.limits.most), estimate, now)
    }

    /// Bytes of padding that are to be sent now, for a probe that is under way.
    pub fn padding(&mut self, now: Instant) -> usize {
        self.prober.padding(now)
    }

    /// A probe is under way, and [`Self::padding`] is to be asked again soon.
    pub fn is_probing(&self) -> bool {
        self.prober.is_sending()
    }

    /// The far end's clock without its wraps.
    fn unwrap(&mut self, reference_us: i64) -> i64 {
        let (raw, unwrapped) = self.reference.unwrap_or((reference_us, 0));
        let half = Arrivals::WRAPS_US / 2;
        let step = (reference_us - raw + half).rem_euclid(Arrivals::WRAPS_US) - half;
        self.reference = Some((reference_us, unwrapped + step));
        unwrapped + step
    }
}

#[cfg(test)]
mod tests;
