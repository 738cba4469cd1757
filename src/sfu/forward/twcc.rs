//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): when each packet of a
//! sender arrived, from which it estimates its bandwidth.

use std::time::Instant;

use super::Unwrap;

/// Packets that wait to be told of. More makes no sense: feedback leaves every 100 ms; what is beyond is dropped and counts as
/// lost.
const MAX_PACKETS: usize = 1_000;
/// Packets that one feedback tells of: at worst 16 bits each and 16 bits for seven of them, so that it fits a datagram.
const MAX_STATUSES: u64 = 500;
/// 250 µs, the unit of deltas.
const TICK_US: u64 = 250;
/// 64 ms, the unit of the reference time.
const REFERENCE_US: u64 = 64_000;

#[derive(Debug)]
pub struct Recorder {
    epoch: Instant,
    unwrap: Unwrap,
    /// (index, microseconds since `epoch`)
    arrived: Vec<(u64, u64)>,
    /// The first index that no feedback has told of.
    next: Option<u64>,
    count: u8,
}

impl Recorder {
    /// Arrival times are told relative to `epoch`.
    pub fn new(epoch: Instant) -> Self {
        Self { epoch, unwrap: Unwrap::default(), arrived: Vec::new(), next: None, count: 0 }
    }

    pub fn arrived(&mut self, sequence: u16, now: Instant) {
        let index = self.unwrap.index(sequence);
        if self.arrived.len() < MAX_PACKETS {
            self.arrived.push((index, now.saturating_duration_since(self.epoch).as_micros() as u64));
        }
    }

    /// Appends the feedback control information, from the base sequence number on, padded to 32 bits. False, and nothing is
    /// written, when nothing new has arrived. To be called again until then: one tells of so many packets and no more.
    pub fn feedback(&mut self, out: &mut Vec<u8>) -> bool {
        let nothing = self.arrived.is_empty();
        self.arrived.sort_unstable_by_key(|(index, _)| *index);
        self.arrived.dedup_by_key(|(index, _)| *index);
        if let Some(next) = self.next {
            self.arrived.retain(|(index, _)| *index >= next);
        }
        let Some(&(first, _)) = self.arrived.first() else {
            // Nothing, or only numbers from before: a sender that began anew is told of from the next ones on.
            self.next = self.next.filter(|_| nothing);
            return false;
        };
        // Of a gap that fills a feedback there is nothing to tell.
        let base = self.next.filter(|next| first - next < MAX_STATUSES).unwrap_or(first);
        let told = self.arrived.partition_point(|(index, _)| *index < base + MAX_STATUSES);
        let last = self.arrived[..told].last().map_or(first, |(last, _)| *last);
        self.next = Some(last + 1);
        self.write(out, base, last, &self.arrived[..told]);
        self.arrived.drain(..told);
        self.count = self.count.wrapping_add(1);
        true
    }

    fn write(&self, out: &mut Vec<u8>, base: u64, last: u64, arrived: &[(u64, u64)]) {
        let earliest = arrived.iter().map(|(_, at)| *at).min().unwrap_or(0);
        let reference = earliest / REFERENCE_US;
        out.extend_from_slice(&(base as u16).to_be_bytes());
        out.extend_from_slice(&((last - base + 1) as u16).to_be_bytes());
        out.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.count);

        let mut symbols = [0u16; MAX_STATUSES as usize];
        let symbols = &mut symbols[..(last - base + 1) as usize];
        let mut deltas = [0; 2 * MAX_STATUSES as usize];
        let mut filled = 0;
        let mut previous = (reference * REFERENCE_US / TICK_US) as i64;
        for (index, at) in arrived {
            let ticks = (at / TICK_US) as i64;
            let symbol = &mut symbols[(index - base) as usize];
            match ticks - previous {
                delta @ 0..=255 => {
                    *symbol = 1;
                    deltas[filled] = delta as u8;
                    filled += 1;
                }
                delta if i16::try_from(delta).is_ok() => {
                    *symbol = 2;
                    deltas[filled..filled + 2].copy_from_slice(&(delta as i16).to_be_bytes());
                    filled += 2;
                }
                _ => continue, // more than 8 s: told as lost
            }
            previous = ticks;
        }
        // Status vectors of seven two-bit symbols.
        for seven in symbols.chunks(7) {
            let chunk = seven.iter().enumerate().fold(0xc000, |chunk, (n, symbol)| chunk | symbol << (12 - 2 * n));
            out.extend_from_slice(&chunk.to_be_bytes());
        }
        out.extend_from_slice(&deltas[..filled]);
        // A feedback packet has 8 bytes of fixed fields before this part, so padding it alone aligns the whole.
        let written = 8 + 2 * symbols.len().div_ceil(7) + filled;
        out.extend(std::iter::repeat_n(0, written.next_multiple_of(4) - written));
    }
}
