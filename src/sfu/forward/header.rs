//! RTP headers (RFC 3550 section 5.1) with extensions (RFC 8285), read and written with no copy of the payload.

use std::ops::Range;

/// Length of the part that every packet has.
pub const FIXED: usize = 12;

/// Where things are in one RTP packet. Only valid for the bytes that it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    extensions: Extensions,
    /// The payload without RTP padding.
    pub payload: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Extensions {
    None,
    /// RFC 8285 section 4.2.
    OneByte(Range<usize>),
    /// RFC 8285 section 4.3.
    TwoByte(Range<usize>),
}

/// The values of a header that the server writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl From<&Header> for Fixed {
    fn from(header: &Header) -> Self {
        let &Header { marker, payload_type, sequence, timestamp, ssrc, .. } = header;
        Self { marker, payload_type, sequence, timestamp, ssrc }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Length of an RTP header with its CSRCs and extensions; nothing when it is cut short or not version 2.
/// Reads nothing that SRTP encrypts.
pub fn header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut len = FIXED + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        len += 4 + usize::from(u16_at(packet, len + 2)?) * 4;
    }
    (len <= packet.len()).then_some(len)
}

impl Header {
    /// Nothing when the packet is no RTP of version 2, is cut short, or has more padding than payload.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let len = header_len(packet)?;
        let (first, second) = (packet[0], *packet.get(1)?);
        let extensions = if first & 0x10 == 0 {
            Extensions::None
        } else {
            let at = FIXED + usize::from(first & 0x0f) * 4;
            let body = at + 4..len;
            match u16_at(packet, at)? {
                0xbede => Extensions::OneByte(body),
                profile if profile & 0xfff0 == 0x1000 => Extensions::TwoByte(body),
                _ => Extensions::None,
            }
        };
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(*packet.last()?) };
        if first & 0x20 != 0 && padding == 0 {
            return None;
        }
        let end = packet.len().checked_sub(padding).filter(|end| *end >= len)?;
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16_at(packet, 2)?,
            timestamp: u32_at(packet, 4)?,
            ssrc: u32_at(packet, 8)?,
            extensions,
            payload: len..end,
        })
    }

    /// The extensions as (id, value), in the order of the packet; what is malformed ends it.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> ExtensionIter<'a> {
        let (two_byte, body) = match &self.extensions {
            Extensions::None => (false, &[][..]),
            Extensions::OneByte(range) => (false, packet.get(range.clone()).unwrap_or_default()),
            Extensions::TwoByte(range) => (true, packet.get(range.clone()).unwrap_or_default()),
        };
        ExtensionIter { two_byte, body }
    }

    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        self.extensions(packet).find(|(found, _)| *found == id).map(|(_, value)| value)
    }
}

#[derive(Debug)]
pub struct ExtensionIter<'a> {
    two_byte: bool,
    body: &'a [u8],
}

impl<'a> Iterator for ExtensionIter<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let [0, rest @ ..] = self.body {
            self.body = rest;
        }
        let (id, len, rest) = match (self.two_byte, self.body) {
            (true, [id, len, rest @ ..]) => (*id, usize::from(*len), rest),
            (false, [first, rest @ ..]) if first >> 4 != 15 => (first >> 4, usize::from(first & 0x0f) + 1, rest),
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(len)?;
        self.body = rest;
        Some((id, value))
    }
}

/// Appends a packet: header, extensions in the one-byte form, payload.
///
/// Extension ids are 1 to 14 and values 1 to 16 bytes; what does not fit that form is left out.
pub fn write<'a>(out: &mut Vec<u8>, fixed: Fixed, extensions: impl Iterator<Item = (u8, &'a [u8])>, payload: &[u8]) {
    let start = out.len();
    out.push(0x80);
    out.push(fixed.payload_type & 0x7f | if fixed.marker { 0x80 } else { 0 });
    out.extend_from_slice(&fixed.sequence.to_be_bytes());
    out.extend_from_slice(&fixed.timestamp.to_be_bytes());
    out.extend_from_slice(&fixed.ssrc.to_be_bytes());
    let length_at = out.len() + 2;
    for (id, value) in extensions.filter(|(id, v)| (1..=14).contains(id) && (1..=16).contains(&v.len())) {
        if out[start] & 0x10 == 0 {
            out[start] |= 0x10;
            out.extend_from_slice(&[0xbe, 0xde, 0, 0]);
        }
        out.push(id << 4 | (value.len() - 1) as u8);
        out.extend_from_slice(value);
    }
    if out[start] & 0x10 != 0 {
        while !(out.len() - start).is_multiple_of(4) {
            out.push(0);
        }
        let words = ((out.len() - length_at - 2) / 4) as u16;
        out[length_at..length_at + 2].copy_from_slice(&words.to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// What [`write`] is given for a first extension in which packets get their transport-wide number.
pub const NO_NUMBER: [u8; 2] = [0; 2];
/// Where that extension is: behind the fixed part and the word that begins the extensions.
const NUMBER_AT: usize = FIXED + 4;

/// Writes the transport-wide number, whose extension has this `id`, into a packet that has room for it ([`NO_NUMBER`] in its first
/// extension), and leaves others as they are; without a number the room becomes padding
/// (RFC 8285 section 4.1.2), so that packets have one length whoever gets them.
pub fn set_number(packet: &mut [u8], id: u8, number: Option<u16>) {
    let has_extensions = packet.first().is_some_and(|first| first & 0x10 != 0);
    // The id, and the length less one (RFC 8285 section 4.2).
    let begins = id << 4 | (NO_NUMBER.len() as u8 - 1);
    if let Some([element, high, low]) = packet.get_mut(NUMBER_AT..NUMBER_AT + 3)
        && has_extensions
        && *element == begins
    {
        match number {
            Some(number) => [*high, *low] = number.to_be_bytes(),
            None => (*element, *high, *low) = (0, 0, 0),
        }
    }
}

/// Appends RTP padding (RFC 3550 section 5.1) to a packet that has none.
pub fn pad(packet: &mut Vec<u8>, bytes: u8) {
    if let Some(before) = bytes.checked_sub(1) {
        packet[0] |= 0x20;
        packet.extend(std::iter::repeat_n(0, usize::from(before)));
        packet.push(bytes);
    }
}

/// What a retransmission goes by (RFC 4588).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    pub payload_type: u8,
    pub sequence: u16,
    pub ssrc: u32,
}

/// Appends the retransmission of a whole packet that was sent as `original` (RFC 4588 section 4): its header with other
/// numbers, its sequence number, its payload. Nothing is appended when it is none.
pub fn write_repair(out: &mut Vec<u8>, packet: &[u8], repair: Repair, original: u16, timestamp_shift: u32) {
    let Some((head, payload)) = header_len(packet).and_then(|len| packet.split_at_checked(len)) else { return };
    let start = out.len();
    out.extend_from_slice(head);
    out[start + 1] = out[start + 1] & 0x80 | repair.payload_type & 0x7f;
    renumber(&mut out[start..], repair.sequence, timestamp_shift, repair.ssrc);
    out.extend_from_slice(&original.to_be_bytes());
    out.extend_from_slice(payload);
}

/// The sequence number that a retransmission carries; nothing when it is only padding (RFC 4588 section 4).
pub fn original(packet: &[u8], header: &Header) -> Option<u16> {
    u16_at(packet.get(header.payload.clone())?, 0)
}

/// Makes a retransmission without RTP padding into the packet that it repairs, in place.
pub fn restore<'a>(packet: &'a mut [u8], header: &Header, payload_type: u8, ssrc: u32) -> Option<&'a mut [u8]> {
    let original = original(packet, header)?;
    // The header moves up to where the payload begins; its extensions stay.
    packet.copy_within(..header.payload.start, 2);
    let packet = &mut packet[2..];
    packet[1] = packet[1] & 0x80 | payload_type & 0x7f;
    renumber(packet, original, 0, ssrc);
    Some(packet)
}

/// Gives a whole packet other numbers; `timestamp_shift` is added to its timestamp, modulo 2^32.
pub fn renumber(packet: &mut [u8], sequence: u16, timestamp_shift: u32, ssrc: u32) {
    if let Some(([_, _, s0, s1, t0, t1, t2, t3, source @ ..], _)) = packet.split_first_chunk_mut::<FIXED>() {
        [*s0, *s1] = sequence.to_be_bytes();
        [*t0, *t1, *t2, *t3] = u32::from_be_bytes([*t0, *t1, *t2, *t3]).wrapping_add(timestamp_shift).to_be_bytes();
        source.copy_from_slice(&ssrc.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
