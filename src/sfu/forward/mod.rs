//! What is done to one packet: pure, no clock, no I/O. Times are arguments.
//!
//! Sequence numbers are unwrapped once, where a packet comes in ([`Unwrap`]), and are `u64` indices from there on; the low
//! 16 bits of an index are the sequence number on the wire.

pub mod bucket;
pub mod header;
pub mod history;
pub mod keyframe;
pub mod layer;
pub mod nack;
pub mod numbers;
pub mod picture;
pub mod reception;
pub mod red;
pub mod rewrite;
pub mod train;
pub mod twcc;
pub mod voices;
pub mod window;

/// Makes 16-bit sequence numbers into indices that never wrap (RFC 3711 section 3.3.1).
///
/// The first number gets an index above 2^16, so that packets that were sent before it and arrive after it have one as well.
#[derive(Debug, Clone, Default)]
pub struct Unwrap {
    highest: Option<u64>,
}

impl Unwrap {
    /// The index nearest to the highest one so far.
    pub fn index(&mut self, sequence: u16) -> u64 {
        let index = match self.highest {
            None => (1 << 16) | u64::from(sequence),
            Some(highest) => nearest(highest, sequence),
        };
        self.highest = Some(self.highest.map_or(index, |highest| highest.max(index)));
        index
    }
}

/// The index with these low 16 bits that is nearest to `reference`; never below 0.
pub fn nearest(reference: u64, sequence: u16) -> u64 {
    let step = sequence.wrapping_sub(reference as u16) as i16;
    let index = reference.wrapping_add_signed(i64::from(step));
    if step < 0 && index > reference { u64::from(sequence) } else { index }
}

#[cfg(test)]
mod tests;
