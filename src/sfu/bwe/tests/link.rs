//! A path with one bottleneck, and the receiver behind it, which tells when packets came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::{Estimator, Limits, Rate};
use crate::sfu::forward::twcc::Recorder;
use crate::sfu::rtcp::{self, Report};

const STEP: Duration = Duration::from_millis(1);
const FEEDBACK: Duration = Duration::from_millis(100);
/// Sound: how often, and bytes of a packet.
const SOUND: (Duration, usize) = (Duration::from_millis(20), 110);
/// What IP and UDP and the link itself put around a packet.
const AROUND: usize = 42;
const PACKET: usize = 1_100;
const PADDING: usize = 290;

#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) kbps: u32,
    /// Longest that a packet waits; beyond, it is dropped.
    pub(super) queue: Duration,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) loss: f64,
    /// How often the receiver's machine does nothing, and for how long at most.
    pub(super) stalls: Option<(Duration, Duration)>,
}

impl Path {
    pub(super) fn wide() -> Self {
        let (queue, delay) = (Duration::from_millis(400), Duration::from_millis(20));
        Self { kbps: 20_000, queue, delay, jitter: Duration::ZERO, loss: 0.0, stalls: None }
    }
}

pub(super) struct Link {
    pub(super) path: Path,
    pub(super) estimator: Estimator,
    /// Probes that have begun.
    pub(super) probes: u32,
    /// There is something that padding can go beside.
    pub(super) pads: bool,
    now: Instant,
    /// Between two pictures.
    pub(super) frame: Duration,
    /// How much larger or smaller than their mean pictures are, in percent.
    pub(super) spread: std::ops::Range<usize>,
    next_frame: Instant,
    /// When there is sound next, if at all.
    pub(super) next_sound: Option<Instant>,
    next_feedback: Instant,
    /// When the bottleneck is free again.
    free: Instant,
    last_arrival: Instant,
    /// The receiver's machine does something again.
    awake: Instant,
    next_stall: Instant,
    on_the_way: VecDeque<(Instant, u16)>,
    recorder: Recorder,
    /// Feedback on its way back.
    told: VecDeque<(Instant, Vec<u8>)>,
    heard: Vec<Vec<u8>>,
    dice: fastrand::Rng,
    /// What the encoder's next frame has left over, in bytes.
    left: usize,
    /// Packets of a frame leave one a step, as senders pace them.
    paced: VecDeque<usize>,
}

impl Link {
    pub(super) fn new(path: Path, limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            path,
            estimator: Estimator::new(limits, now),
            probes: 0,
            pads: true,
            now,
            frame: Duration::from_millis(33),
            spread: 70..130,
            next_frame: now,
            next_sound: None,
            next_feedback: now + FEEDBACK,
            free: now,
            last_arrival: now,
            awake: now,
            next_stall: now,
            on_the_way: VecDeque::new(),
            recorder: Recorder::new(now),
            told: VecDeque::new(),
            heard: Vec::new(),
            dice: fastrand::Rng::with_seed(42),
            left: 0,
            paced: VecDeque::new(),
        }
    }

    pub(super) fn estimate(&self) -> Rate {
        self.estimator.estimate().expect("the far end has spoken")
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Packets that the pace holds up.
    pub(super) fn waiting(&self) -> usize {
        self.paced.len()
    }

    pub(super) fn queue(&self) -> Duration {
        self.free.saturating_duration_since(self.now)
    }

    pub(super) fn last_feedbacks(&self) -> Vec<Vec<u8>> {
        self.heard.iter().rev().take(5).cloned().collect()
    }

    /// Sends pictures of the rate that `rate` makes of the estimate, while `wanted` is wanted.
    pub(super) fn run(&mut self, time: Duration, rate: impl Fn(Rate) -> Rate, wanted: Rate) {
        let until = self.now + time;
        while self.now < until {
            self.now += STEP;
            if self.now >= self.next_frame {
                self.next_frame += self.frame;
                let estimate = self.estimator.estimate().unwrap_or(Rate::from_kbps(1_500));
                let size = rate(estimate).bytes_in(self.frame) * self.dice.usize(self.spread.clone()) / 100;
                self.left += size;
                while self.left > 0 {
                    let packet = self.left.min(PACKET);
                    self.left -= packet;
                    self.paced.push_back(packet);
                }
            }
            if let Some(at) = self.next_sound.filter(|at| *at <= self.now) {
                self.next_sound = Some(at + SOUND.0);
                self.send(SOUND.1);
            }
            if let Some(packet) = self.paced.pop_front_if(|_| self.estimator.has_room(self.now)) {
                self.send(packet);
            }
            self.probes += u32::from(self.estimator.want(wanted, self.now));
            while self.pads && self.estimator.padding(self.now) > 0 {
                self.send(PADDING);
            }
            if let Some((every, most)) = self.path.stalls
                && self.now >= self.next_stall
            {
                self.next_stall = self.now + every;
                self.awake = self.now + most.mul_f64(self.dice.f64());
            }
            let is_awake = self.now >= self.awake;
            while is_awake && let Some((_, sequence)) = self.on_the_way.pop_front_if(|(at, _)| *at <= self.now) {
                self.recorder.arrived(sequence, self.now);
            }
            if is_awake && self.now >= self.next_feedback {
                self.next_feedback += FEEDBACK;
                let mut information = Vec::new();
                while self.recorder.feedback(&mut information) {
                    self.told.push_back((self.now + self.path.delay, std::mem::take(&mut information)));
                }
            }
            while let Some((_, information)) = self.told.pop_front_if(|(at, _)| *at <= self.now) {
                self.hear(&information);
                self.heard.push(information);
            }
        }
    }

    pub(super) fn hear(&mut self, information: &[u8]) {
        let mut compound = Vec::new();
        rtcp::write_twcc(&mut compound, 1, information);
        rtcp::read(&compound, |report| {
            if let Report::Arrivals(arrivals) = report {
                self.estimator.feedback(&arrivals, self.now);
            }
        });
    }

    fn send(&mut self, bytes: usize) {
        let sequence = self.estimator.number();
        self.estimator.sent(bytes, self.now);
        if self.dice.f64() < self.path.loss || self.queue() > self.path.queue {
            return;
        }
        let takes = Duration::from_secs_f64((bytes + AROUND) as f64 * 8.0 / (f64::from(self.path.kbps) * 1_000.0));
        self.free = self.free.max(self.now) + takes;
        let jitter = self.path.jitter.mul_f64(self.dice.f64());
        // In order: jitter holds up what is behind.
        self.last_arrival = self.last_arrival.max(self.free + self.path.delay + jitter);
        self.on_the_way.push_back((self.last_arrival, sequence));
    }
}
