//! The last packets of a publication, as they are sent on: all receivers get them from here, and retransmissions as well.
//! A slot's memory is used again, so a full ring allocates nothing.

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

    /// Keeps the packet that `write` appends to the empty buffer it is given, unless what is in its slot is newer.
    pub fn put(&mut self, index: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.slot(index);
        let slot = &mut self.slots[at];
        if slot.packet.is_empty() || slot.index <= index {
            slot.index = index;
            slot.packet.clear();
            write(&mut slot.packet);
        }
    }

    pub fn get(&self, index: u64) -> Option<&[u8]> {
        let slot = &self.slots[self.slot(index)];
        (slot.index == index && !slot.packet.is_empty()).then_some(&slot.packet[..])
    }

    /// For what is done to a packet before it is sent to anybody.
    pub fn get_mut(&mut self, index: u64) -> Option<&mut Vec<u8>> {
        let slot = &mut self.slots[index as usize & (self.slots.len() - 1)];
        (slot.index == index && !slot.packet.is_empty()).then_some(&mut slot.packet)
    }

    fn slot(&self, index: u64) -> usize {
        index as usize & (self.slots.len() - 1)
    }
}
