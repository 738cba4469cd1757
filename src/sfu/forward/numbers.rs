//! Payload types and header-extension ids of a client that offered: made into those of the server's tables as a packet comes
//! in, and the server's into the client's as one goes out, so that nothing between has to know whose they are.

use super::header::{FIXED, header_len};

/// What each number of one side is on the other. `theirs` are those that a packet comes with, `ours` those that it goes on with.
#[derive(Clone, PartialEq, Eq)]
pub struct Numbers {
    /// By their payload type.
    payloads: [Option<u8>; 128],
    /// By their id.
    extensions: [Option<u8>; 256],
}

impl std::fmt::Debug for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = |all: &[Option<u8>]| {
            all.iter().enumerate().filter_map(|(theirs, ours)| Some((theirs, (*ours)?))).collect::<Vec<_>>()
        };
        write!(f, "Numbers({:?}, {:?})", known(&self.payloads), known(&self.extensions))
    }
}

impl Numbers {
    /// Pairs of (theirs, ours): the client's and the server's on the way in, the server's and the client's on the way out. Payload types above 127 are none (RFC 3550 section 5.1).
    pub fn new(payloads: impl IntoIterator<Item = (u8, u8)>, extensions: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let mut numbers = Self { payloads: [None; 128], extensions: [None; 256] };
        for (theirs, ours) in payloads {
            if let Some(known) = numbers.payloads.get_mut(usize::from(theirs)) {
                *known = Some(ours);
            }
        }
        for (theirs, ours) in extensions {
            numbers.extensions[usize::from(theirs)] = Some(ours);
        }
        numbers
    }

    /// What their payload type is on our side.
    pub fn payload(&self, theirs: u8) -> Option<u8> {
        *self.payloads.get(usize::from(theirs))?
    }

    /// Gives a packet in the clear our numbers, in place. Extensions that have none become padding.
    /// False when the packet is cut short or its payload type was not agreed on: it is of no use then.
    pub fn apply(&self, packet: &mut [u8]) -> bool {
        let Some(len) = header_len(packet) else { return false };
        let Some(payload) = packet.get(1).and_then(|second| self.payloads[usize::from(second & 0x7f)]) else {
            return false;
        };
        packet[1] = packet[1] & 0x80 | payload;
        if packet[0] & 0x10 != 0 {
            let at = FIXED + usize::from(packet[0] & 0x0f) * 4;
            if let [high, low, _, _, body @ ..] = &mut packet[at..len] {
                match u16::from_be_bytes([*high, *low]) {
                    0xbede => self.one_byte(body),
                    profile if profile & 0xfff0 == 0x1000 => self.two_byte(body),
                    _ => {}
                }
            }
        }
        true
    }

    /// RFC 8285 section 4.2.
    fn one_byte(&self, mut body: &mut [u8]) {
        while let [first, ..] = body {
            let first = *first;
            let len = match (first, first >> 4) {
                (0, _) => 1,
                // Ends what can be read.
                (_, 15) => return body.fill(0),
                (_, _) => usize::from(first & 0x0f) + 2,
            };
            if len > body.len() {
                return body.fill(0);
            }
            let (element, rest) = body.split_at_mut(len);
            match self.extensions[usize::from(first >> 4)].filter(|ours| (1..=14).contains(ours) && first != 0) {
                Some(ours) => element[0] = ours << 4 | first & 0x0f,
                None => element.fill(0),
            }
            body = rest;
        }
    }

    /// RFC 8285 section 4.3.
    fn two_byte(&self, mut body: &mut [u8]) {
        while let [id, ..] = body {
            let id = *id;
            let len = match (id, body.get(1)) {
                (0, _) => 1,
                (_, Some(len)) => usize::from(*len) + 2,
                (_, None) => 1,
            };
            if len > body.len() {
                return body.fill(0);
            }
            let (element, rest) = body.split_at_mut(len);
            match self.extensions[usize::from(id)].filter(|_| id != 0 && element.len() > 1) {
                Some(ours) => element[0] = ours,
                None => element.fill(0),
            }
            body = rest;
        }
    }
}

#[cfg(test)]
mod tests;
