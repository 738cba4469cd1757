//! The last packets of a publication, as they are sent on: all receivers get them from here, and retransmissions as well.
//! Memory is used again, so that a publication at a steady rate hardly allocates.

use std::time::{Duration, Instant};

/// How long a packet is kept. Longer: receivers farther away are repaired; shorter: less memory, and so more of it that is
/// still in the processor's cache when it is used again. A receiver asks within a round trip or two.
const KEEP: Duration = Duration::from_secs(1);
/// Old packets that make room for one new one, so that memory is given up as fast as it is taken and no packet pays for many.
const RECLAIMED: usize = 2;
/// Bytes of a packet as networks carry them, with RTP padding.
const PACKET: usize = 1_500;

/// Packets by index; of the newest `capacity` indices those of the last second are kept.
#[derive(Debug)]
pub struct History {
    slots: Box<[Slot]>,
    /// The oldest index that may still be kept.
    oldest: u64,
    spare: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    /// Index and time are meaningless while `packet` is empty.
    index: u64,
    at: Option<Instant>,
    packet: Vec<u8>,
}

impl History {
    /// `capacity` is in packets and a power of two.
    pub fn new(capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two());
        Self { slots: vec![Slot::default(); capacity].into_boxed_slice(), oldest: 0, spare: Vec::new() }
    }

    /// In packets.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Keeps the packet that `write` appends to the empty buffer it is given. False when what is in its slot is newer, or the
    /// packet itself: that may have been sent, and must not change.
    pub fn put(&mut self, index: u64, now: Instant, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.reclaim(index, now);
        let at = self.place(index);
        let slot = &mut self.slots[at];
        let kept = slot.packet.is_empty() || slot.index < index;
        if kept {
            if slot.packet.capacity() == 0 {
                slot.packet = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(PACKET));
            }
            (slot.index, slot.at) = (index, Some(now));
            slot.packet.clear();
            write(&mut slot.packet);
        }
        kept
    }

    pub fn get(&self, index: u64) -> Option<&[u8]> {
        let slot = &self.slots[self.place(index)];
        (slot.index == index && !slot.packet.is_empty()).then_some(&slot.packet[..])
    }

    /// For what is done to a packet before it is sent to anybody.
    pub fn get_mut(&mut self, index: u64) -> Option<&mut Vec<u8>> {
        let slot = &mut self.slots[self.place(index)];
        (slot.index == index && !slot.packet.is_empty()).then_some(&mut slot.packet)
    }

    /// Takes back the memory of what is too old to be asked for.
    fn reclaim(&mut self, newest: u64, now: Instant) {
        self.oldest = self.oldest.max(newest.saturating_sub(self.slots.len() as u64));
        for _ in 0..RECLAIMED {
            let at = self.place(self.oldest);
            let slot = &mut self.slots[at];
            let young = slot.at.is_some_and(|at| now.saturating_duration_since(at) < KEEP);
            if self.oldest >= newest || young {
                return;
            }
            slot.at = None;
            let mut packet = std::mem::take(&mut slot.packet);
            if packet.capacity() > 0 {
                packet.clear();
                self.spare.push(packet);
            }
            self.oldest += 1;
        }
    }

    fn place(&self, index: u64) -> usize {
        index as usize & (self.slots.len() - 1)
    }
}
