//! The last packets of a publication, for retransmission. A slot's memory is used again, so a full ring allocates nothing.

/// Packets by index; the newest `capacity` indices are kept.
#[derive(Debug)]
pub struct History {
    slots: Box<[Slot]>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    /// Meaningless while `packet` is empty.
    index: u64,
    packet: Vec<u8>,
}

impl History {
    /// `capacity` is in packets and a power of two.
    pub fn new(capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two());
        Self { slots: vec![Slot::default(); capacity].into_boxed_slice() }
    }

    /// Keeps a copy, unless what is in its slot is newer.
    pub fn put(&mut self, index: u64, packet: &[u8]) {
        let at = self.slot(index);
        let slot = &mut self.slots[at];
        if slot.packet.is_empty() || slot.index <= index {
            slot.index = index;
            slot.packet.clear();
            slot.packet.extend_from_slice(packet);
        }
    }

    pub fn get(&self, index: u64) -> Option<&[u8]> {
        let slot = &self.slots[self.slot(index)];
        (slot.index == index && !slot.packet.is_empty()).then_some(&slot.packet[..])
    }

    fn slot(&self, index: u64) -> usize {
        index as usize & (self.slots.len() - 1)
    }
}
