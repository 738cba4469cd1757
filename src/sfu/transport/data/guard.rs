//! What is looked at before the SCTP library sees a packet: everything in it that could take more of the server than it is worth.
//!
//! The library trusts its peer with lengths, with the streams it uses, with how far it moves the window and with messages that
//! never end. Who has joined a room is not trusted with that.

use super::Limits;
use super::chunk::{
    CHUNK_HEADER, DATA, Data, FORWARD_TSN, Forward, HEARTBEAT, INIT, INIT_ACK, RE_CONFIG, SACK, Sack, chunks, u16_at,
    u32_at,
};
use super::held::Held;

/// How far a packet may be ahead of what was acknowledged: many times what can be in flight. The library walks there step by step.
const AHEAD: i32 = 4_096;
/// Associations that a far end may begin: a lost INIT ACK makes it begin another.
const ATTEMPTS: u32 = 16;
/// Stream resets (RFC 6525) in the life of an association. The library keeps those that come too early.
const RESETS: u32 = 256;
/// Chunks of one packet that are answered with a packet each.
const ANSWERED: usize = 2;
/// A request to reset streams that the far end sends on (RFC 6525 section 4.1).
const OUTGOING_RESET: u16 = 13;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Drop,
    /// Too many messages wait to be taken. It will be sent again where that matters.
    Full,
    /// The far end breaks the rules, and whatever it sends would be kept.
    End,
}

#[derive(Debug)]
pub(super) struct Guard {
    streams: u16,
    /// Bytes that may be held of messages that are not complete, and as many of those that are: two windows and a message,
    /// where who keeps to the rules needs one window.
    held_bytes: usize,
    held: Held,
    attempts: u32,
    resets: u32,
}

impl Guard {
    pub(super) fn new(limits: Limits, window: u32) -> Self {
        Self {
            // Each side counts in steps of two, one from 0 and one from 1.
            streams: limits.channels.saturating_mul(2),
            held_bytes: limits.message_bytes + 2 * usize::try_from(window).unwrap_or(usize::MAX / 4),
            held: Held::default(),
            attempts: 0,
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
        let verdicts = chunks(packet).map(|chunk| self.judge(chunk));
        let verdict = verdicts.fold(Verdict::Pass, |worst, verdict| match (worst, verdict) {
            (Verdict::End, _) | (_, Verdict::End) => Verdict::End,
            (Verdict::Drop, _) | (_, Verdict::Drop) => Verdict::Drop,
            (Verdict::Full, _) | (_, Verdict::Full) => Verdict::Full,
            (Verdict::Pass, Verdict::Pass) => Verdict::Pass,
        });
        // What is dropped with others has not come.
        if verdict == Verdict::Pass {
            chunks(packet).for_each(|chunk| self.note(chunk));
        }
        match self.held.piece_bytes() > self.held_bytes {
            true => Verdict::End,
            false => verdict,
        }
    }

    /// A packet of ours: what it acknowledges is where the library is.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        let sacks = chunks(packet).filter(|chunk| chunk[0] == SACK).filter_map(Sack::read);
        sacks.for_each(|sack| self.held.acknowledged(&sack));
    }

    fn judge(&mut self, chunk: &[u8]) -> Verdict {
        let pass_if = |passes| if passes { Verdict::Pass } else { Verdict::Drop };
        match chunk[0] {
            // It would begin anew what has begun.
            INIT => Verdict::Drop,
            // The second one is a repetition.
            INIT_ACK if self.held.has_begun() => Verdict::Drop,
            INIT_ACK => self.begin(chunk),
            DATA => match Data::read(chunk) {
                Some(data) if data.stream >= self.streams || !self.is_near(data.tsn) => Verdict::Drop,
                Some(_) if self.held.untaken_bytes() > self.held_bytes => Verdict::Full,
                Some(_) => Verdict::Pass,
                None => Verdict::Drop,
            },
            SACK => pass_if(Sack::read(chunk).is_some_and(|sack| acknowledged_apart(&sack) <= AHEAD.unsigned_abs())),
            FORWARD_TSN => pass_if(Forward::read(chunk).is_some_and(|forward| self.is_near(forward.cumulative))),
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

    /// The library will have read it.
    fn note(&mut self, chunk: &[u8]) {
        match chunk[0] {
            DATA => Data::read(chunk).into_iter().for_each(|data| self.held.came(&data)),
            FORWARD_TSN => Forward::read(chunk).into_iter().for_each(|forward| self.held.given_up(&forward)),
            _ => {}
        }
    }

    /// All that was sent before a reset has been acknowledged (RFC 6525 section 4.1: the sender's last TSN).
    fn has_come_before(&self, reset: &[u8]) -> bool {
        let mut rest = reset.get(CHUNK_HEADER..).unwrap_or_default();
        while let (Some(kind), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let ahead = u32_at(rest, 12).and_then(|last| self.held.ahead(last));
            if kind == OUTGOING_RESET && ahead.is_none_or(|ahead| ahead > 0) {
                return false;
            }
            rest = rest.get(usize::from(length).max(4).next_multiple_of(4)..).unwrap_or_default();
        }
        self.held.has_begun()
    }

    /// The initial TSN (section 3.3.2) is the first that will come.
    fn begin(&mut self, init: &[u8]) -> Verdict {
        let Some(first) = u32_at(init, 16) else { return Verdict::Drop };
        self.held.begin(first);
        Verdict::Pass
    }

    /// A message of this stream was complete.
    pub(super) fn took(&mut self, stream: u16) {
        self.held.took(stream);
    }

    /// There is no other one now.
    pub(super) fn emptied(&mut self, stream: u16) {
        self.held.emptied(stream);
    }

    pub(super) fn reset(&mut self, stream: u16) {
        self.held.reset(stream);
    }

    /// False when it is further ahead than anything that could be in flight.
    fn is_near(&self, tsn: u32) -> bool {
        self.held.ahead(tsn).is_some_and(|ahead| ahead <= AHEAD)
    }
}

/// How many packets a SACK acknowledges in its gap blocks, each as often as it is in one: the library looks at every one of them.
fn acknowledged_apart(sack: &Sack<'_>) -> u32 {
    sack.gaps().map(|(start, end)| u32::from(end.saturating_sub(start)) + 1).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests;
