//! What an AV1 temporal unit says of itself (AV1 bitstream specification sections 5.3 and 5.5). It comes from strangers: nothing
//! panics, and what is odd is refused.

use bytes::Bytes;

use crate::Size;
use crate::bits::Bits;

#[cfg(test)]
mod tests;

const SEQUENCE_HEADER: u8 = 1;

/// Most bytes of a sequence header that is kept. Encoders' have 10 to 20.
const SEQUENCE_HEADER_BYTES_MAX: usize = 256;

/// What an AV1 decoder is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    pub size: Size,
    pub profile: u8,
    pub level: u8,
    pub high_tier: bool,
    /// The sequence header OBU with its size.
    pub obu: Bytes,
}

/// The sequence header in a temporal unit of OBUs with sizes. None where there is none, or one that no real-time encoder
/// writes.
pub fn sequence(unit: &Bytes) -> Option<Sequence> {
    let mut at = 0;
    while at < unit.len() {
        let start = at;
        let header = unit[at];
        at += if header & 4 != 0 { 2 } else { 1 };
        let length = leb128(unit, &mut at)?;
        let body = unit.get(at..at.checked_add(length)?)?;
        at += length;
        if header >> 3 & 15 == SEQUENCE_HEADER {
            return parse(body, unit.slice(start..at));
        }
    }
    None
}

/// Section 4.10.5; sizes that fit 28 bits.
fn leb128(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Section 5.5.1, up to the size.
fn parse(body: &[u8], obu: Bytes) -> Option<Sequence> {
    if obu.len() > SEQUENCE_HEADER_BYTES_MAX {
        return None;
    }
    let mut bits = Bits::new(body);
    let profile = bits.u(3)?;
    bits.skip(1)?; // still_picture
    let (mut level, mut high_tier) = (0, false);
    if bits.bit()? {
        level = bits.u(5)?; // reduced_still_picture_header
    } else {
        if bits.bit()? {
            return None; // timing_info_present_flag
        }
        let display_delay = bits.bit()?;
        for point in 0..=bits.u(5)? {
            bits.skip(12)?; // operating_point_idc
            let its_level = bits.u(5)?;
            let its_tier = its_level > 7 && bits.bit()?;
            if display_delay && bits.bit()? {
                bits.skip(4)?;
            }
            if point == 0 {
                (level, high_tier) = (its_level, its_tier);
            }
        }
    }
    let (width_bits, height_bits) = (bits.u(4)? + 1, bits.u(4)? + 1);
    let (width, height) = (bits.u(width_bits)? + 1, bits.u(height_bits)? + 1);
    let size = Size::new(u16::try_from(width).ok()?, u16::try_from(height).ok()?)?;
    Some(Sequence { size, profile: profile as u8, level: level as u8, high_tier, obu })
}
