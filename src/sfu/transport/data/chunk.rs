//! The chunks of a packet (RFC 9260 section 3), as far as they are looked at before the SCTP library reads them.

/// Common header (section 3.1) and chunk header (section 3.2), in bytes.
const HEADER: usize = 12;
pub(super) const CHUNK_HEADER: usize = 4;
/// Header of a DATA chunk (section 3.3.1).
const DATA_HEADER: usize = 16;

pub(super) const DATA: u8 = 0;
pub(super) const INIT: u8 = 1;
pub(super) const INIT_ACK: u8 = 2;
pub(super) const SACK: u8 = 3;
pub(super) const HEARTBEAT: u8 = 4;
const ABORT: u8 = 6;
const ERROR: u8 = 9;
pub(super) const RE_CONFIG: u8 = 130;
pub(super) const FORWARD_TSN: u8 = 192;

/// A DATA chunk.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) tsn: u32,
    pub(super) stream: u16,
    /// None where it is unordered.
    pub(super) sequence: Option<u16>,
    /// It begins a message, ends one.
    pub(super) first: bool,
    pub(super) last: bool,
    /// Of the chunk, in bytes.
    pub(super) length: usize,
}

impl Data {
    /// None without user data, which is a fault (section 6.2).
    pub(super) fn read(chunk: &[u8]) -> Option<Self> {
        let flags = chunk.get(1).filter(|_| chunk.len() > DATA_HEADER)?;
        Some(Self {
            tsn: u32_at(chunk, 4)?,
            stream: u16_at(chunk, 8)?,
            sequence: u16_at(chunk, 10).filter(|_| flags & 4 == 0),
            first: flags & 2 != 0,
            last: flags & 1 != 0,
            length: chunk.len(),
        })
    }
}

/// A SACK chunk (section 3.3.4).
#[derive(Debug)]
pub(super) struct Sack<'a> {
    pub(super) cumulative: u32,
    gaps: &'a [[u8; 4]],
}

impl<'a> Sack<'a> {
    pub(super) fn read(chunk: &'a [u8]) -> Option<Self> {
        let count = usize::from(u16_at(chunk, 12)?);
        let gaps = chunk.get(16..).unwrap_or_default().as_chunks::<4>().0;
        Some(Self { cumulative: u32_at(chunk, 4)?, gaps: gaps.get(..count).unwrap_or(gaps) })
    }

    /// From where to where beyond `cumulative`.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (u16, u16)> {
        self.gaps.iter().map(halves)
    }
}

/// A FORWARD TSN chunk (RFC 3758 section 3.2).
#[derive(Debug)]
pub(super) struct Forward<'a> {
    pub(super) cumulative: u32,
    streams: &'a [[u8; 4]],
}

impl<'a> Forward<'a> {
    pub(super) fn read(chunk: &'a [u8]) -> Option<Self> {
        Some(Self { cumulative: u32_at(chunk, 4)?, streams: chunk.get(8..).unwrap_or_default().as_chunks::<4>().0 })
    }

    /// Each with the last sequence number of it that was given up.
    pub(super) fn streams(&self) -> impl Iterator<Item = (u16, u16)> {
        self.streams.iter().map(halves)
    }
}

fn halves([a, b, c, d]: &[u8; 4]) -> (u16, u16) {
    (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
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
pub(super) fn chunks(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = packet.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 2)?);
        let chunk = rest.get(..length).filter(|chunk| chunk.len() >= CHUNK_HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(chunk)
    })
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
