//! What a payload says of itself, so that whoever gets it can tell whether it is the right one, the first time, and how long it
//! took.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// VP8 (RFC 7741): the descriptor of a frame's first packet; of any other it is 0.
const FIRST: u8 = 0x10;
/// First byte of a VP8 frame: the bit that is clear in a key frame.
const KEY: u8 = 0;
const DELTA: u8 = 1;
/// Descriptor, first byte of the frame, stream, number, time sent.
const LENGTH: usize = 2 + 4 + 8 + 8;
/// Numbers of a stream that are waited for. More: what comes very late is still told from what comes twice, for memory.
const MOST_MISSING: usize = 100_000;

/// Where a packet stands in its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Delta,
    Rest,
}

/// Time that both ends of a measurement and the kernel go by.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes packet `number` of `stream` over the whole payload, as sent now.
pub(crate) fn write(payload: &mut [u8], part: Part, stream: u32, number: u64) {
    payload[0] = if part == Part::Rest { 0 } else { FIRST };
    payload[1] = if part == Part::Key { KEY } else { DELTA };
    payload[2..6].copy_from_slice(&stream.to_be_bytes());
    payload[6..14].copy_from_slice(&number.to_be_bytes());
    payload[14..22].copy_from_slice(&(now().as_nanos() as u64).to_be_bytes());
    payload[LENGTH..].fill(number as u8);
}

/// What a receiver has found.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) packets: u64,
    /// Never came, of those between the first and the last.
    pub(crate) lost: u64,
    /// Came after a later one, once.
    pub(crate) late: u64,
    /// Came again.
    pub(crate) doubled: u64,
    /// Not what was sent, or numbered as if it were another.
    pub(crate) wrong: u64,
    /// Key frames that began to come, and requests for one that were sent.
    pub(crate) key_frames: u64,
    pub(crate) asked: u64,
    /// Least bytes of a packet that are neither header nor payload: 16 for AES-GCM, 10 for AES-CM with HMAC-SHA1-80.
    pub(crate) tag_bytes: Option<usize>,
    /// From the sender's call to the arrival at the receiver's socket.
    #[serde(skip)]
    pub(crate) delays: Vec<Duration>,
}

impl Found {
    pub(crate) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.late += other.late;
        self.doubled += other.doubled;
        self.wrong += other.wrong;
        self.key_frames += other.key_frames;
        self.asked += other.asked;
        self.tag_bytes = self.tag_bytes.into_iter().chain(other.tag_bytes).min();
        self.delays.extend(other.delays);
    }
}

/// Checks what one receiver gets.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    found: Found,
    streams: BTreeMap<u32, Stream>,
}

#[derive(Debug)]
struct Stream {
    /// The highest so far, and its sequence number.
    number: u64,
    sequence: u16,
    missing: BTreeSet<u64>,
}

impl Checker {
    /// A payload without its padding, the sequence number that it came with, and when it came, where that is of interest.
    pub(crate) fn take(&mut self, payload: &[u8], sequence: u16, at: Option<Duration>) {
        self.found.packets += 1;
        let Some((stream, number, sent)) = read(payload) else {
            self.found.wrong += 1;
            return;
        };
        self.found.key_frames += u64::from(payload[..2] == [FIRST, KEY]);
        self.found.delays.extend(at.map(|at| at.saturating_sub(sent)));
        let Some(before) = self.streams.get_mut(&stream) else {
            self.streams.insert(stream, Stream { number, sequence, missing: BTreeSet::new() });
            return;
        };
        if number <= before.number {
            let awaited = before.missing.remove(&number);
            self.found.late += u64::from(awaited);
            self.found.doubled += u64::from(!awaited);
            return;
        }
        let between = before.number + 1..number;
        let room = MOST_MISSING - before.missing.len();
        self.found.lost += (between.end - between.start).saturating_sub(room as u64);
        self.found.wrong += u64::from(sequence.wrapping_sub(before.sequence) != (number - before.number) as u16);
        before.missing.extend(between.take(room));
        (before.number, before.sequence) = (number, sequence);
    }

    /// Packets so far.
    pub(crate) fn packets(&self) -> u64 {
        self.found.packets
    }

    pub(crate) fn finish(self) -> Found {
        let missing: usize = self.streams.values().map(|stream| stream.missing.len()).sum();
        Found { lost: self.found.lost + missing as u64, ..self.found }
    }
}

/// Stream, number, time sent; nothing when the rest is not what was sent with them.
fn read(payload: &[u8]) -> Option<(u32, u64, Duration)> {
    let (head, rest) = payload.split_at_checked(LENGTH)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let (stream, sent) = (number(&head[2..6]) as u32, Duration::from_nanos(number(&head[14..22])));
    let number = number(&head[6..14]);
    rest.iter().all(|byte| *byte == number as u8).then_some((stream, number, sent))
}
