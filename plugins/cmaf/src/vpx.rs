//! What a VP8 or VP9 key frame says of itself. It comes from strangers: nothing panics, and what is odd is refused.

use crate::Size;
use crate::bits::Bits;

#[cfg(test)]
mod tests;

/// What a VP9 decoder is told (VP9 bitstream specification section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9 {
    pub size: Size,
    pub profile: u8,
    /// Bits of a sample.
    pub depth: u8,
}

/// The size in a VP8 key frame (RFC 6386 section 9.1). None unless it is one.
pub fn vp8_key(frame: &[u8]) -> Option<Size> {
    let header: &[u8; 10] = frame.first_chunk()?;
    if header[0] & 1 != 0 || header[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    // Beside 14 bits of each side stand 2 of a scale that nobody uses.
    let side = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]) & 0x3fff;
    Size::new(side(6), side(8))
}

/// The beginning of a VP9 key frame's uncompressed header (VP9 bitstream specification section 6.2). None unless it is one.
pub fn vp9_key(frame: &[u8]) -> Option<Vp9> {
    let mut bits = Bits::new(frame);
    if bits.u(2)? != 2 {
        return None;
    }
    let profile = bits.u(1)? | bits.u(1)? << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    let (shows_existing, inter) = (bits.bit()?, bits.bit()?);
    bits.skip(2)?; // show_frame, error_resilient_mode
    if shows_existing || inter || bits.u(24)? != 0x49_83_42 {
        return None;
    }
    let depth = match profile {
        0 | 1 => 8,
        _ if bits.bit()? => 12,
        _ => 10,
    };
    const RGB: u32 = 7;
    if bits.u(3)? == RGB {
        return None;
    }
    bits.skip(1)?; // color_range
    if profile & 1 == 1 {
        bits.skip(3)?; // subsampling
    }
    let (width, height) = (bits.u(16)? + 1, bits.u(16)? + 1);
    let size = Size::new(u16::try_from(width).ok()?, u16::try_from(height).ok()?)?;
    Some(Vp9 { size, profile: profile as u8, depth })
}
