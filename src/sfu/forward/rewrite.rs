//! Numbers of one subscription: what is the sequence number and the timestamp of an incoming packet on the way out?
//!
//! Sequence numbers, timestamps and numbers of pictures go on without a break when the source changes (its transport was opened
//! anew, or the receiver gets another layer) and when packets are left out. The mapping is a short list of ranges: in each,
//! output is input plus a constant.
//! The same list answers a NACK: which input packet was sent with this number? A packet is therefore the same to the byte
//! whenever it is sent, which SRTP needs (RFC 3711 section 9.1: one key stream, one plaintext).

use std::collections::VecDeque;
use std::time::Instant;

use super::layer::Layer;
use super::nearest;
use super::picture::Picture;

/// How far a timestamp by the sender's clock may be from what the last one was for it to be believed, in seconds.
const CREDIBLE: u32 = 10;
/// Ranges that are remembered. More: older packets can still be placed after many breaks; each costs 40 bytes.
const MAX_RANGES: usize = 64;

#[derive(Debug, Clone)]
pub struct Rewrite {
    ranges: VecDeque<Range>,
    next: Next,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    layer: Layer,
    /// First input index of the range.
    from: u64,
    /// The index after the last one. What lies between two ranges was left out and is never sent: its number is taken.
    until: u64,
    /// Output index minus input index, modulo 2^64.
    shift: u64,
    /// Output timestamp minus input timestamp, modulo 2^32.
    timestamp_shift: u32,
    picture_shift: Picture,
}

/// A packet as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    pub layer: Layer,
    /// Of its layer.
    pub index: u64,
    pub timestamp: u32,
    pub picture: Option<Picture>,
}

/// What the next packet goes on from.
#[derive(Debug, Clone, Copy)]
enum Next {
    First { index: u64 },
    After { index: u64, input: u64, timestamp: u32, picture: Option<Picture>, at: Instant },
}

/// Where a packet belongs on the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub index: u64,
    pub timestamp_shift: u32,
    pub picture_shift: Picture,
}

impl Rewrite {
    /// `first` is the index of the first packet sent.
    pub fn new(first: u64) -> Self {
        Self { ranges: VecDeque::new(), next: Next::First { index: first } }
    }

    /// A source starts with this packet: its numbers go on from the last packet sent. Its timestamp becomes `captured`, which
    /// is the same moment on the clock of what was sent before, where that is known and after the last one; else its clock
    /// goes on by the time since then. The index is above every one of this layer before; `clock_rate` is in Hz.
    pub fn start(&mut self, input: Input, now: Instant, clock_rate: u32, captured: Option<u32>) {
        let Input { layer, index: from, timestamp, picture } = input;
        let (index, timestamp_shift, picture_shift) = match self.next {
            Next::First { index } => (index, 0, Picture::default()),
            Next::After { index, input: sent, timestamp: last, picture: shown, at } => {
                self.end_at(sent + 1);
                let elapsed = now.saturating_duration_since(at).as_secs_f64() * f64::from(clock_rate);
                let most = (CREDIBLE * clock_rate) as i32;
                let ahead = captured.map(|captured| captured.wrapping_sub(last) as i32);
                let step =
                    ahead.filter(|ahead| (-most..most).contains(ahead)).map_or(elapsed as u32, |a| a.max(0) as u32);
                let wanted = last.wrapping_add(step.max(1));
                let pictures = shown.zip(picture).map(|(shown, picture)| picture.until(shown.next()));
                (index + 1, wanted.wrapping_sub(timestamp), pictures.unwrap_or_default())
            }
        };
        let shift = index.wrapping_sub(from);
        self.push(Range { layer, from, until: u64::MAX, shift, timestamp_shift, picture_shift });
    }

    /// Where the packet goes. Nothing when its range is forgotten or it came before the source started.
    pub fn place(&mut self, input: Input, now: Instant) -> Option<Place> {
        let Input { layer, index: input, timestamp, picture } = input;
        let range = self.ranges.iter().rev().find(|range| range.layer == layer && range.from <= input)?;
        let &Range { timestamp_shift, picture_shift, .. } = Some(range).filter(|range| input < range.until)?;
        let place = Place { index: input.wrapping_add(range.shift), timestamp_shift, picture_shift };
        let newer = match self.next {
            Next::First { .. } => true,
            Next::After { index, .. } => index < place.index,
        };
        if newer {
            let timestamp = timestamp.wrapping_add(timestamp_shift);
            let picture = picture.map(|picture| picture.plus(picture_shift));
            self.next = Next::After { index: place.index, input, timestamp, picture, at: now };
        }
        Some(place)
    }

    /// Leaves out a packet that was not sent, so that what follows closes the gap. False when it or a later one was sent
    /// already: the number is then taken, and the packet has to be sent.
    pub fn skip(&mut self, layer: Layer, input: u64) -> bool {
        let Some(&range) = self.ranges.back() else { return true };
        if range.layer != layer {
            return false;
        }
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

    /// The input packet that was sent with `sequence`, by layer and index, and where it was placed.
    pub fn sent(&self, sequence: u16) -> Option<(Layer, u64, Place)> {
        let Next::After { index: highest, .. } = self.next else { return None };
        let index = nearest(highest, sequence);
        if index > highest {
            return None;
        }
        self.ranges.iter().rev().find_map(|range| {
            let input = index.wrapping_sub(range.shift);
            let &Range { layer, timestamp_shift, picture_shift, .. } = range;
            let place = Place { index, timestamp_shift, picture_shift };
            (range.from..range.until).contains(&input).then_some((layer, input, place))
        })
    }

    /// The index of the newest packet that was sent.
    pub fn last(&self) -> Option<u64> {
        match self.next {
            Next::First { .. } => None,
            Next::After { index, .. } => Some(index),
        }
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

#[cfg(test)]
mod tests;
