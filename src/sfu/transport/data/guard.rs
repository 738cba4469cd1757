//! What is looked at before the SCTP library sees a packet: everything in it that could take more of the server than it is worth.
//!
//! The library trusts its peer with lengths, with the streams it uses, with how far it moves the window and with messages that
//! never end. Who has joined a room is not trusted with that.

use std::collections::BTreeMap;

use super::Limits;

/// Common header (RFC 9260 section 3.1) and chunk header (section 3.2), in bytes.
const HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
/// Header of a DATA chunk (section 3.3.1).
const DATA_HEADER: usize = 16;
/// How far a packet may be ahead of what was acknowledged: many times what can be in flight. The library walks there step by step.
const AHEAD: u32 = 4_096;
/// Associations that a far end may begin: a lost INIT ACK makes it begin another.
const ATTEMPTS: u32 = 16;
/// Stream resets (RFC 6525) in the life of an association. The library keeps those that come too early.
const RESETS: u32 = 256;
/// Chunks of one packet that are answered with a packet each.
const ANSWERED: usize = 2;
/// A request to reset streams that the far end sends on (RFC 6525 section 4.1).
const OUTGOING_RESET: u16 = 13;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const ABORT: u8 = 6;
const ERROR: u8 = 9;
const RE_CONFIG: u8 = 130;
const FORWARD_TSN: u8 = 192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Drop,
    /// The far end breaks the rules, and whatever it sends would be kept.
    End,
}

#[derive(Debug)]
pub(super) struct Guard {
    streams: u16,
    /// Bytes of a stream that may come without a message being complete: a window's, sent twice, and the message.
    unread_bytes: usize,
    /// Up to where everything has come, as the far end has been told; None before its first number is known.
    acknowledged: Option<u32>,
    attempts: u32,
    /// Bytes since the last message was taken, by stream.
    unread: BTreeMap<u16, usize>,
    resets: u32,
}

impl Guard {
    pub(super) fn new(limits: Limits, window: u32) -> Self {
        Self {
            // Each side counts in steps of two, one from 0 and one from 1.
            streams: limits.channels.saturating_mul(2),
            unread_bytes: limits.message_bytes + 2 * usize::try_from(window).unwrap_or(usize::MAX / 4),
            acknowledged: None,
            attempts: 0,
            unread: BTreeMap::new(),
            resets: 0,
        }
    }

    /// The far end begins an association with this packet.
    pub(super) fn admit_first(&mut self, packet: &[u8]) -> Verdict {
        self.attempts += 1;
        match chunks(packet).next() {
            Some(init) if init[0] == INIT && self.attempts <= ATTEMPTS => self.begin(init),
            Some(_) | None => Verdict::Drop,
        }
    }

    /// A packet of the association there is.
    pub(super) fn admit(&mut self, packet: &[u8]) -> Verdict {
        if chunks(packet).filter(|chunk| matches!(chunk[0], HEARTBEAT | RE_CONFIG)).count() > ANSWERED {
            return Verdict::Drop;
        }
        let verdicts = chunks(packet).map(|chunk| self.admit_chunk(chunk));
        verdicts.fold(Verdict::Pass, |worst, verdict| match (worst, verdict) {
            (Verdict::End, _) | (_, Verdict::End) => Verdict::End,
            (Verdict::Drop, _) | (_, Verdict::Drop) => Verdict::Drop,
            (Verdict::Pass, Verdict::Pass) => Verdict::Pass,
        })
    }

    /// A packet of ours: what it acknowledges is where the library is.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        for chunk in chunks(packet).filter(|chunk| chunk[0] == SACK) {
            self.acknowledged = u32_at(chunk, 4).or(self.acknowledged);
        }
    }

    fn admit_chunk(&mut self, chunk: &[u8]) -> Verdict {
        match chunk[0] {
            // It would begin anew what has begun.
            INIT => Verdict::Drop,
            // The second one is a repetition.
            INIT_ACK if self.acknowledged.is_some() => Verdict::Drop,
            INIT_ACK => self.begin(chunk),
            DATA => self.admit_data(chunk),
            SACK if acknowledged_apart(chunk) > AHEAD => Verdict::Drop,
            FORWARD_TSN => match u32_at(chunk, 4) {
                Some(tsn) if self.is_near(tsn) => Verdict::Pass,
                Some(_) | None => Verdict::Drop,
            },
            RE_CONFIG => {
                self.resets += 1;
                match self.resets {
                    0..=RESETS if self.has_come_before(chunk) => Verdict::Pass,
                    // The library would keep it, and look at it with all that comes. It is said again.
                    0..=RESETS => Verdict::Drop,
                    _ => Verdict::End,
                }
            }
            _ => Verdict::Pass,
        }
    }

    /// All that was sent before a reset has been acknowledged (RFC 6525 section 4.1: the sender's last TSN).
    fn has_come_before(&self, reset: &[u8]) -> bool {
        let Some(acknowledged) = self.acknowledged else { return false };
        let mut rest = reset.get(CHUNK_HEADER..).unwrap_or_default();
        while let (Some(kind), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let ahead = u32_at(rest, 12).map(|last| last.wrapping_sub(acknowledged));
            if kind == OUTGOING_RESET && ahead.is_none_or(|ahead| ahead > 0 && ahead <= u32::MAX / 2) {
                return false;
            }
            rest = rest.get(usize::from(length).max(4).next_multiple_of(4)..).unwrap_or_default();
        }
        true
    }

    /// The initial TSN (section 3.3.2) is the first that will come.
    fn begin(&mut self, init: &[u8]) -> Verdict {
        let Some(first) = u32_at(init, 16) else { return Verdict::Drop };
        self.acknowledged = Some(first.wrapping_sub(1));
        Verdict::Pass
    }

    fn admit_data(&mut self, chunk: &[u8]) -> Verdict {
        let (Some(tsn), Some(stream)) = (u32_at(chunk, 4), u16_at(chunk, 8)) else { return Verdict::Drop };
        // Section 6.2: a chunk without user data is a fault.
        if chunk.len() <= DATA_HEADER || stream >= self.streams || !self.is_near(tsn) {
            return Verdict::Drop;
        }
        let unread = self.unread.entry(stream).or_default();
        // The header is kept as well as the bytes.
        *unread += chunk.len();
        if *unread > self.unread_bytes { Verdict::End } else { Verdict::Pass }
    }

    /// A message of this stream was complete.
    pub(super) fn took(&mut self, stream: u16) {
        self.unread.remove(&stream);
    }

    /// False when it is further ahead than anything that could be in flight.
    fn is_near(&self, tsn: u32) -> bool {
        let Some(acknowledged) = self.acknowledged else { return false };
        // Serial numbers (RFC 1982): what is more than half the circle ahead is behind.
        let ahead = tsn.wrapping_sub(acknowledged);
        ahead <= AHEAD || ahead > u32::MAX / 2
    }
}

/// How many packets a SACK acknowledges in its gap blocks (section 3.3.4), each as often as it is in one: the library looks at
/// every one of them.
fn acknowledged_apart(sack: &[u8]) -> u32 {
    let count = usize::from(u16_at(sack, 12).unwrap_or(0));
    let blocks = sack.get(16..).unwrap_or_default().as_chunks::<4>().0.iter().take(count);
    let lengths = blocks.map(|[a, b, c, d]| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
    lengths.map(|(start, end)| u32::from(end.saturating_sub(start)) + 1).fold(0, u32::saturating_add)
}

/// It begins an association.
pub(super) fn begins(packet: &[u8]) -> bool {
    chunks(packet).next().is_some_and(|chunk| chunk[0] == INIT)
}

/// It is made of whole chunks.
pub(super) fn is_well_formed(packet: &[u8]) -> bool {
    let lengths: usize = chunks(packet).map(|chunk| chunk.len().next_multiple_of(4)).sum();
    // The last one may come without its padding.
    lengths > 0 && HEADER + lengths >= packet.len() && chunks(packet).all(has_whole_parameters)
}

/// What follows in a chunk as a list of parameters or causes (section 3.2.1) is whole, if it has any.
fn has_whole_parameters(chunk: &[u8]) -> bool {
    let begin = match chunk[0] {
        HEARTBEAT | ABORT | ERROR | RE_CONFIG => CHUNK_HEADER,
        INIT | INIT_ACK => 20,
        _ => return true,
    };
    let mut rest = chunk.get(begin..).unwrap_or_default();
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 2).unwrap_or(0));
        if !(4..=rest.len()).contains(&length) {
            return false;
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    true
}

/// The chunks of a packet, without padding, up to the first that is none.
fn chunks(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = packet.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 2)?);
        let chunk = rest.get(..length).filter(|chunk| chunk.len() >= CHUNK_HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(chunk)
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
