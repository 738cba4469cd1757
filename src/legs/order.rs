//! Packets of one publication in the order of their sequence numbers. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rtp::Packet;

#[cfg(test)]
mod tests;

/// Packets that may wait behind a missing one: a second of a fast sender. More, and the missing one is given up.
const WAITING_MAX: usize = 512;

/// A sequence number this far off is a sender that began anew, and neither late nor lost.
const RESTART: i64 = 3_000;

#[derive(Debug)]
pub(super) struct Order {
    patience: Duration,
    ssrc: Option<u32>,
    /// The sequence number that is due, counted on beyond 16 bits.
    next: i64,
    waiting: BTreeMap<i64, (Instant, Packet)>,
    /// Something is missing before what comes next.
    gap: bool,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ordered {
    Packet {
        arrival: Instant,
        packet: Packet,
    },
    /// Packets are missing here and are not waited for any more.
    Gap,
}

impl Order {
    /// A missing packet is waited for until what came after it is `patience` old.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, ssrc: None, next: 0, waiting: BTreeMap::new(), gap: false }
    }

    pub(super) fn push(&mut self, arrival: Instant, packet: Packet) {
        // How far from the due one, in -32768..32768.
        let off = i64::from(packet.sequence.wrapping_sub(self.next as u16) as i16);
        if self.ssrc != Some(packet.ssrc) || off.abs() > RESTART {
            self.gap = self.ssrc.is_some();
            self.waiting.clear();
            self.ssrc = Some(packet.ssrc);
            self.next = i64::from(packet.sequence);
            self.waiting.insert(self.next, (arrival, packet));
        } else if off >= 0 {
            self.waiting.entry(self.next + off).or_insert((arrival, packet));
        }
    }

    /// Call until None.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Ordered> {
        if std::mem::take(&mut self.gap) {
            return Some(Ordered::Gap);
        }
        let first = self.waiting.first_entry()?;
        if *first.key() == self.next {
            self.next += 1;
            let (arrival, packet) = first.remove();
            return Some(Ordered::Packet { arrival, packet });
        }
        let given_up = now.saturating_duration_since(first.get().0) >= self.patience;
        let number = *first.key();
        if !given_up && self.waiting.len() <= WAITING_MAX {
            return None;
        }
        self.next = number;
        Some(Ordered::Gap)
    }
}
