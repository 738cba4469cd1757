//! What was sent with which transport-wide number, until the far end has told of it.

use std::time::{Duration, Instant};

use super::probe::ProbeId;
use crate::sfu::forward::nearest;

/// Packets that are remembered, a power of two. More: feedback that is late still counts at high rates; each costs 24 bytes of
/// every receiver. 1,024 are half a second at 20 Mbit/s.
const KEPT: usize = 1_024;

#[derive(Debug)]
pub(super) struct Sent {
    epoch: Instant,
    slots: Box<[Slot]>,
    /// Of the next packet.
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    packet: Packet,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// Microseconds on a clock of its own.
    pub(super) sent_us: i64,
    pub(super) bytes: u16,
    /// The probe that it was part of.
    pub(super) probe: Option<ProbeId>,
}

/// What is known of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Unknown,
    Lost,
    Arrived,
}

impl Sent {
    pub(super) fn new(epoch: Instant) -> Self {
        let none = Slot { packet: Packet { sent_us: 0, bytes: 0, probe: None }, fate: Fate::Arrived };
        // Above 2^16, so that numbers from before the first one are told from it.
        Self { epoch, slots: vec![none; KEPT].into_boxed_slice(), next: 1 << 16 }
    }

    pub(super) fn number(&self) -> u16 {
        self.next as u16
    }

    pub(super) fn push(&mut self, bytes: usize, probe: Option<ProbeId>, now: Instant) {
        let sent_us = now.saturating_duration_since(self.epoch).as_micros() as i64;
        let packet = Packet { sent_us, bytes: bytes.min(usize::from(u16::MAX)) as u16, probe };
        self.slots[self.next as usize % KEPT] = Slot { packet, fate: Fate::Unknown };
        self.next += 1;
    }

    /// The packet, and what was known of it before. Nothing when it was never sent, is forgotten, or this is no news.
    pub(super) fn tell(&mut self, sequence: u16, fate: Fate) -> Option<(Packet, Fate)> {
        let index = nearest(self.next - 1, sequence);
        if index >= self.next || self.next - index > KEPT as u64 {
            return None;
        }
        let slot = &mut self.slots[index as usize % KEPT];
        let before = slot.fate;
        let is_news = match (before, fate) {
            (Fate::Unknown, Fate::Arrived | Fate::Lost) | (Fate::Lost, Fate::Arrived) => true,
            (Fate::Lost | Fate::Arrived, _) | (Fate::Unknown, Fate::Unknown) => false,
        };
        if is_news {
            slot.fate = fate;
        }
        is_news.then_some((slot.packet, before))
    }

    /// How long ago a packet was sent.
    pub(super) fn since(&self, sent_us: i64, now: Instant) -> Duration {
        let sent = self.epoch + Duration::from_micros(sent_us.max(0) as u64);
        now.saturating_duration_since(sent)
    }
}
