//! Probes: for a moment more is sent than there is to send, to see whether the path takes it.

use std::time::{Duration, Instant};

use super::Rate;

/// How long a probe lasts. Longer: the result is surer; shorter: a path that does not take it has less to queue.
const LASTS: Duration = Duration::from_millis(60);
/// One that could not be sent in this time has ended: what its padding went beside is gone. Longer: stalls of this machine cost no
/// probe; shorter: the next one is sooner.
const ENDS: Duration = Duration::from_millis(300);
/// How often padding is due, and what waits for its pace. Shorter: it is more even; longer: fewer wake-ups.
pub const STEP: Duration = Duration::from_millis(5);
/// How much above what is known a probe goes. Higher: there sooner; lower: less queue where there is no more.
const TIMES: f64 = 3.0;
/// And above what is wanted, so that it fits with room.
const ROOM: f64 = 1.2;
/// Share of a probe's rate that has to have been sent for the next one to follow at once.
const ENOUGH: f64 = 0.7;
/// Share of what was sent in a time that has to arrive in the same time. Less: the path is full.
const THROUGH: f64 = 0.9;
/// What is left of what a full path let through, so that its queue empties.
const FULL: f64 = 0.95;
/// Time to the next probe after one that did not get through, or a cut: at first, and at most; doubled each time.
const PAUSE: Duration = Duration::from_millis(1_500);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Feedback on all of a probe has this long.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// Packets of a probe that are looked at, at least and at most.
const LEAST_PACKETS: usize = 5;
const MAX_PACKETS: usize = 512;
/// Differences in time that are too short to divide by, in µs.
const LEAST_US: i64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProbeId(u8);

#[derive(Debug)]
pub(super) struct Prober {
    state: State,
    /// Before that none begins.
    next: Option<Instant>,
    pause: Duration,
    /// Of the last one.
    id: u8,
}

#[derive(Debug)]
enum State {
    Idle,
    Sending(Probe),
    /// All is sent, and the result comes until then.
    Waiting {
        probe: Probe,
        until: Instant,
    },
}

#[derive(Debug)]
struct Probe {
    id: ProbeId,
    rate: Rate,
    started: Instant,
    bytes: usize,
    packets: usize,
    lost: usize,
    arrived: Vec<Arrived>,
}

#[derive(Debug, Clone, Copy)]
struct Arrived {
    sent_us: i64,
    arrived_us: i64,
    bytes: u16,
}

impl Default for Prober {
    fn default() -> Self {
        Self { state: State::Idle, next: None, pause: PAUSE, id: 0 }
    }
}

impl Prober {
    /// Its packets are on the way, or may be.
    pub(super) fn is_out(&self) -> bool {
        match self.state {
            State::Idle => false,
            State::Sending(_) | State::Waiting { .. } => true,
        }
    }

    pub(super) fn is_sending(&self) -> bool {
        match self.state {
            State::Sending(_) => true,
            State::Idle | State::Waiting { .. } => false,
        }
    }

    /// Begins a probe, if more is wanted than is known and it may be. True when it did.
    pub(super) fn want(&mut self, wanted: Rate, estimate: Rate, now: Instant) -> bool {
        self.end(now);
        let may = self.next.is_none_or(|next| next <= now) && !self.is_out();
        if !may || wanted <= estimate {
            return false;
        }
        let rate = (estimate * TIMES).min(wanted * ROOM);
        self.id = self.id.wrapping_add(1);
        let (id, arrived) = (ProbeId(self.id), Vec::new());
        self.state = State::Sending(Probe { id, rate, started: now, bytes: 0, packets: 0, lost: 0, arrived });
        true
    }

    /// Ends a probe of which all is sent, or will never be.
    fn end(&mut self, now: Instant) {
        let State::Sending(probe) = &self.state else { return };
        let passed = now.saturating_duration_since(probe.started);
        let is_sent = passed >= LASTS && probe.packets >= LEAST_PACKETS || probe.packets >= MAX_PACKETS;
        if (is_sent || passed >= ENDS)
            && let State::Sending(probe) = std::mem::replace(&mut self.state, State::Idle)
        {
            self.state = State::Waiting { probe, until: now + PATIENCE };
        }
    }

    /// A packet was sent; the probe that it is part of.
    pub(super) fn sent(&mut self, bytes: usize) -> Option<ProbeId> {
        let State::Sending(probe) = &mut self.state else { return None };
        probe.bytes += bytes;
        probe.packets += 1;
        Some(probe.id)
    }

    pub(super) fn padding(&mut self, now: Instant) -> usize {
        self.end(now);
        let State::Sending(probe) = &self.state else { return 0 };
        let due = (now.saturating_duration_since(probe.started) + STEP).min(LASTS);
        // What was late to be sent is not made up for, or the rate would be higher than the probe's.
        probe.rate.bytes_in(due).saturating_sub(probe.bytes).min(probe.rate.bytes_in(STEP * 2))
    }

    pub(super) fn arrived(&mut self, id: ProbeId, sent_us: i64, arrived_us: i64, bytes: u16) {
        let (State::Sending(probe) | State::Waiting { probe, .. }) = &mut self.state else { return };
        if probe.id == id && probe.arrived.len() < MAX_PACKETS {
            probe.arrived.push(Arrived { sent_us, arrived_us, bytes });
        }
    }

    pub(super) fn lost(&mut self, id: ProbeId) {
        let (State::Sending(probe) | State::Waiting { probe, .. }) = &mut self.state else { return };
        if probe.id == id {
            probe.lost += 1;
        }
    }

    /// What a probe has shown, once that can be said.
    pub(super) fn result(&mut self, now: Instant) -> Option<Rate> {
        self.end(now);
        let State::Waiting { probe, until } = &self.state else { return None };
        if probe.arrived.len() + probe.lost < probe.packets.min(MAX_PACKETS) && now < *until {
            return None;
        }
        let (rate, result) = (probe.rate, probe.result());
        self.state = State::Idle;
        match result {
            Some(Shown::Open(shown)) => {
                // Too little was sent to show more: this machine is busy, and is left alone for a moment.
                self.next = (shown < rate * ENOUGH).then_some(now + PAUSE);
                self.pause = PAUSE;
            }
            Some(Shown::Full(_)) | None => {
                self.next = Some(now + self.pause);
                self.pause = (self.pause * 2).min(MAX_PAUSE);
            }
        }
        result.map(Shown::rate)
    }

    /// There is less than before: nobody asks for more at once.
    pub(super) fn cut(&mut self, now: Instant) {
        self.next = Some(self.next.map_or(now + PAUSE, |next| next.max(now + PAUSE)));
    }
}

/// What a probe says of the path.
#[derive(Debug, Clone, Copy)]
enum Shown {
    /// All that was sent got through in time, and more may.
    Open(Rate),
    /// This much, and no more.
    Full(Rate),
}

impl Shown {
    fn rate(self) -> Rate {
        match self {
            Self::Open(rate) | Self::Full(rate) => rate,
        }
    }
}

impl Probe {
    /// By the lesser of the rates that it was sent and received with. What was sent first only says when it began.
    fn result(&self) -> Option<Shown> {
        if self.arrived.len() < LEAST_PACKETS.max(self.packets / 2) {
            return None;
        }
        let first = self.arrived.iter().map(|packet| packet.sent_us).min()?;
        let last = self.arrived.iter().map(|packet| packet.sent_us).max()?;
        let is_first = |packet: &&Arrived| packet.sent_us < first + 1_000;
        let begun = self.arrived.iter().filter(is_first).map(|packet| packet.arrived_us).max()?;
        let ended = self.arrived.iter().map(|packet| packet.arrived_us).max()?;
        let bytes = self.arrived.iter().filter(|packet| !is_first(packet)).map(|packet| u64::from(packet.bytes)).sum();
        let (sending, receiving) = (last - first, ended - begun);
        if sending < LEAST_US || receiving < LEAST_US {
            return None;
        }
        let over = |us: i64| Rate::of(bytes, Duration::from_micros(us as u64));
        let (sent, received) = (over(sending), over(receiving));
        let is_full = received < sent * THROUGH;
        Some(if is_full { Shown::Full(received * FULL) } else { Shown::Open(received.min(sent)) })
    }
}
