//! What the SCTP library holds of what has come: pieces of messages that are not complete, and messages that nobody has taken.
//!
//! The library does not say. It follows from the packets of both ends: what came, what was acknowledged, and what the far end
//! gave up (RFC 3758).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::chunk::{Data, Forward, Sack};

/// What the library keeps beside the bytes of each chunk, roughly; a packet's other bytes are kept with the last of its chunks.
const CHUNK_BYTES: usize = 256;

/// Numbers (TSN) that do not turn over.
type Number = u64;

#[derive(Debug, Default)]
pub(super) struct Held {
    /// Up to where everything has come or was given up, for sure. None before the far end's first number is known.
    base: Option<Number>,
    /// Pieces of messages that are not known to be complete.
    pieces: BTreeMap<Number, Piece>,
    piece_bytes: usize,
    /// What else has come beyond `base`: it may come again, and is not held twice.
    seen: BTreeSet<Number>,
    /// Complete messages by stream.
    untaken: BTreeMap<u16, Untaken>,
    untaken_bytes: usize,
}

/// Complete messages of one stream, each in bytes.
#[derive(Debug, Default)]
struct Untaken {
    /// Of those that keep order, the number of the next one.
    next: u16,
    in_order: BTreeMap<u16, usize>,
    /// Those that can be taken whatever is missing.
    others: VecDeque<usize>,
}

#[derive(Debug)]
struct Piece {
    stream: u16,
    /// None where it is unordered.
    sequence: Option<u16>,
    first: bool,
    last: bool,
    bytes: usize,
}

impl Held {
    /// `first`: the number of the first chunk that will come.
    pub(super) fn begin(&mut self, first: u32) {
        // Far enough from 0 for what is behind.
        *self = Self { base: Some((1 << 33) + u64::from(first) - 1), ..Self::default() };
    }

    pub(super) fn has_begun(&self) -> bool {
        self.base.is_some()
    }

    /// How far a number is beyond what was acknowledged; negative when it is behind.
    pub(super) fn ahead(&self, tsn: u32) -> Option<i32> {
        let low = u32::try_from(self.base? & u64::from(u32::MAX)).expect("32 bits were kept");
        // Serial numbers (RFC 1982).
        Some(tsn.wrapping_sub(low).cast_signed())
    }

    fn number(&self, tsn: u32) -> Option<Number> {
        self.base?.checked_add_signed(self.ahead(tsn)?.into())
    }

    /// Of messages that are not complete.
    pub(super) fn piece_bytes(&self) -> usize {
        self.piece_bytes
    }

    /// Of messages that wait for being taken.
    pub(super) fn untaken_bytes(&self) -> usize {
        self.untaken_bytes
    }

    pub(super) fn came(&mut self, data: &Data) {
        let (Some(base), Some(number)) = (self.base, self.number(data.tsn)) else { return };
        if number <= base || self.seen.contains(&number) || self.pieces.contains_key(&number) {
            return;
        }
        let &Data { stream, sequence, first, last, length, .. } = data;
        let bytes = length + CHUNK_BYTES;
        if first && last {
            self.seen.insert(number);
            self.complete(stream, sequence, bytes);
        } else {
            self.piece_bytes += bytes;
            self.pieces.insert(number, Piece { stream, sequence, first, last, bytes });
        }
    }

    fn complete(&mut self, stream: u16, sequence: Option<u16>, bytes: usize) {
        self.untaken_bytes += bytes;
        let untaken = self.untaken.entry(stream).or_default();
        match sequence.filter(|sequence| !is_before(*sequence, untaken.next)) {
            Some(sequence) => {
                let repeated = untaken.in_order.insert(sequence, bytes);
                self.untaken_bytes -= repeated.unwrap_or(0);
            }
            None => untaken.others.push_back(bytes),
        }
    }

    /// The library has told the far end what it has. What it did not say it has refused.
    pub(super) fn acknowledged(&mut self, sack: &Sack<'_>) {
        let (Some(base), Some(new)) = (self.base, self.number(sack.cumulative)) else { return };
        let gaps: Vec<_> = sack.gaps().map(|(start, end)| new + u64::from(start)..=new + u64::from(end)).collect();
        // They ascend, and a far end may make thousands of them.
        let in_gap = |number: &Number| {
            let at = gaps.partition_point(|gap| gap.end() < number);
            gaps.get(at).is_some_and(|gap| gap.contains(number))
        };
        let has = |number: Number| number <= base.max(new) || in_gap(&number);
        self.seen.retain(|number| has(*number));
        self.keep_pieces(|number, _| has(number));
        self.advance(new);
        self.join();
    }

    fn advance(&mut self, to: Number) {
        self.base = self.base.max(Some(to));
        self.seen = self.seen.split_off(&(to + 1));
    }

    fn keep_pieces(&mut self, is_kept: impl Fn(Number, &Piece) -> bool) {
        let bytes = &mut self.piece_bytes;
        self.pieces.retain(|number, piece| {
            let is_kept = is_kept(*number, piece);
            if !is_kept {
                *bytes -= piece.bytes;
            }
            is_kept
        });
    }

    /// Pieces from a first to a last one without a gap are a message.
    fn join(&mut self) {
        let mut messages = Vec::new();
        let mut begun: Option<(Number, Number, u16)> = None;
        for (&number, piece) in &self.pieces {
            begun = match begun {
                _ if piece.first => Some((number, number, piece.stream)),
                Some((first, last, stream)) if last + 1 == number && stream == piece.stream => {
                    Some((first, number, stream))
                }
                Some(_) | None => None,
            };
            if let Some((first, last, stream)) = begun.filter(|_| piece.last) {
                messages.push((first..=last, stream, piece.sequence));
                begun = None;
            }
        }
        let base = self.base.unwrap_or_default();
        for (numbers, stream, sequence) in messages {
            let pieces = numbers.clone().filter_map(|number| self.pieces.remove(&number));
            let bytes = pieces.map(|piece| piece.bytes).sum();
            self.piece_bytes -= bytes;
            self.complete(stream, sequence, bytes);
            self.seen.extend(numbers.filter(|number| *number > base));
        }
    }

    /// The far end has given up everything up to a number that has not come (RFC 3758 section 3.6). The library throws away what
    /// is not complete of it: what is unordered by its number, what is ordered by the stream's sequence.
    pub(super) fn given_up(&mut self, forward: &Forward<'_>) {
        let Some(new) = self.number(forward.cumulative).filter(|new| *new > self.come_at_most()) else { return };
        let streams: BTreeMap<u16, u16> = forward.streams().collect();
        self.keep_pieces(|number, piece| match piece.sequence {
            None => number > new,
            Some(sequence) => streams.get(&piece.stream).is_none_or(|last| is_before(*last, sequence)),
        });
        for (stream, last) in streams {
            let Some(untaken) = self.untaken.get_mut(&stream) else { continue };
            if !is_before(last, untaken.next) {
                untaken.next = last.wrapping_add(1);
                let passed = untaken.in_order.extract_if(.., |sequence, _| !is_before(last, *sequence));
                untaken.others.extend(passed.map(|(_, bytes)| bytes));
            }
        }
        self.advance(new);
    }

    /// The library has everything up to here, or less.
    fn come_at_most(&self) -> Number {
        let base = self.base.unwrap_or_default();
        let has = |number: &Number| self.seen.contains(number) || self.pieces.contains_key(number);
        (base + 1..).take_while(has).last().unwrap_or(base)
    }

    /// A message of this stream was taken.
    pub(super) fn took(&mut self, stream: u16) {
        let Some(untaken) = self.untaken.get_mut(&stream) else { return };
        let taken = untaken.take_in_order().or_else(|| untaken.others.pop_front());
        self.untaken_bytes -= taken.unwrap_or(0);
    }

    /// There is no other message of this stream but those that wait for one that is missing.
    pub(super) fn emptied(&mut self, stream: u16) {
        let Some(untaken) = self.untaken.get_mut(&stream) else { return };
        self.untaken_bytes -= untaken.others.drain(..).sum::<usize>();
        self.untaken_bytes -= std::iter::from_fn(|| untaken.take_in_order()).sum::<usize>();
    }

    /// The stream was reset, and nothing of it is held.
    pub(super) fn reset(&mut self, stream: u16) {
        self.keep_pieces(|_, piece| piece.stream != stream);
        let untaken = self.untaken.remove(&stream).unwrap_or_default();
        self.untaken_bytes -= untaken.others.into_iter().chain(untaken.in_order.into_values()).sum::<usize>();
    }
}

impl Untaken {
    fn take_in_order(&mut self) -> Option<usize> {
        let bytes = self.in_order.remove(&self.next)?;
        self.next = self.next.wrapping_add(1);
        Some(bytes)
    }
}

/// Serial numbers (RFC 1982).
fn is_before(a: u16, b: u16) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}
