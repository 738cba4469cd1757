//! Numbers of one subscription: what is the sequence number and the timestamp of an incoming packet on the way out?
//!
//! Sequence numbers and timestamps go on without a break when the source changes (its transport was opened anew; later: another
//! simulcast layer) and when packets are left out. The mapping is a short list of ranges: in each, output is input plus a constant.
//! The same list answers a NACK: which input packet was sent with this number? A packet is therefore the same to the byte
//! whenever it is sent, which SRTP needs (RFC 3711 section 9.1: one key stream, one plaintext).

use std::collections::VecDeque;
use std::time::Instant;

use super::nearest;

/// Ranges that are remembered. More: older packets can still be placed after many breaks; each costs 32 bytes.
const MAX_RANGES: usize = 64;

#[derive(Debug, Clone)]
pub struct Rewrite {
    ranges: VecDeque<Range>,
    next: Next,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    /// First input index of the range.
    from: u64,
    /// The index after the last one. What lies between two ranges was left out and is never sent: its number is taken.
    until: u64,
    /// Output index minus input index, modulo 2^64.
    shift: u64,
    /// Output timestamp minus input timestamp, modulo 2^32.
    timestamp_shift: u32,
}

/// What the next packet goes on from.
#[derive(Debug, Clone, Copy)]
enum Next {
    First { index: u64 },
    After { index: u64, input: u64, timestamp: u32, at: Instant },
}

/// Where a packet belongs on the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub index: u64,
    pub timestamp_shift: u32,
}

impl Rewrite {
    /// `first` is the index of the first packet sent.
    pub fn new(first: u64) -> Self {
        Self { ranges: VecDeque::new(), next: Next::First { index: first } }
    }

    /// A source starts with this packet: its numbers go on from the last packet sent, its clock from the time since then.
    /// `input` is above every index of the source before; `clock_rate` is in Hz.
    pub fn start(&mut self, input: u64, timestamp: u32, now: Instant, clock_rate: u32) {
        let (index, timestamp_shift) = match self.next {
            Next::First { index } => (index, 0),
            Next::After { index, input: sent, timestamp: last, at } => {
                self.end_at(sent + 1);
                let elapsed = now.saturating_duration_since(at).as_secs_f64() * f64::from(clock_rate);
                let wanted = last.wrapping_add((elapsed as u32).max(1));
                (index + 1, wanted.wrapping_sub(timestamp))
            }
        };
        self.push(Range { from: input, until: u64::MAX, shift: index.wrapping_sub(input), timestamp_shift });
    }

    /// Where the packet goes. Nothing when its range is forgotten or it came before the source started.
    pub fn place(&mut self, input: u64, timestamp: u32, now: Instant) -> Option<Place> {
        let range = self.ranges.iter().rev().find(|range| range.from <= input).filter(|range| input < range.until)?;
        let place = Place { index: input.wrapping_add(range.shift), timestamp_shift: range.timestamp_shift };
        let newer = match self.next {
            Next::First { .. } => true,
            Next::After { index, .. } => index < place.index,
        };
        if newer {
            let timestamp = timestamp.wrapping_add(place.timestamp_shift);
            self.next = Next::After { index: place.index, input, timestamp, at: now };
        }
        Some(place)
    }

    /// Leaves out a packet that was not sent, so that what follows closes the gap. False when it or a later one was sent
    /// already: the number is then taken, and the packet has to be sent.
    pub fn skip(&mut self, input: u64) -> bool {
        let Some(&range) = self.ranges.back() else { return true };
        let is_taken = match self.next {
            Next::First { .. } => false,
            Next::After { input: last, .. } => last >= input,
        };
        if is_taken || input < range.from {
            return false;
        }
        if range.from == input {
            self.ranges.pop_back();
        } else {
            self.end_at(input);
        }
        self.push(Range { from: input + 1, shift: range.shift.wrapping_sub(1), ..range });
        true
    }

    /// The input packet that was sent with `sequence`, and where it was placed.
    pub fn sent(&self, sequence: u16) -> Option<(u64, Place)> {
        let Next::After { index: highest, .. } = self.next else { return None };
        let index = nearest(highest, sequence);
        if index > highest {
            return None;
        }
        self.ranges.iter().rev().find_map(|range| {
            let input = index.wrapping_sub(range.shift);
            let place = Place { index, timestamp_shift: range.timestamp_shift };
            (range.from..range.until).contains(&input).then_some((input, place))
        })
    }

    /// What is to be added to a timestamp of the source now.
    pub fn timestamp_shift(&self) -> Option<u32> {
        self.ranges.back().map(|range| range.timestamp_shift)
    }

    fn end_at(&mut self, until: u64) {
        if let Some(range) = self.ranges.back_mut() {
            range.until = range.until.min(until);
        }
    }

    fn push(&mut self, range: Range) {
        if self.ranges.len() == MAX_RANGES {
            self.ranges.pop_front();
        }
        self.ranges.push_back(range);
    }
}
