//! What payload descriptors and key frames say of a picture: its number, which receivers expect to count on without a break
//! when they get another layer, and its size.

use crate::sfu::{Codec, VideoCodec};

/// In pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    pub fn pixels(self) -> f32 {
        self.width as f32 * self.height as f32
    }
}

/// Numbers of a picture: PictureID (15 bits) and TL0PICIDX of VP8 (RFC 7741 section 4.2) and VP9 (RFC 9628 section 4.2). Also
/// what is added to them, modulo their width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Picture {
    pub id: u16,
    pub tl0: u8,
}

impl Picture {
    const ID_MASK: u16 = 0x7fff;

    pub fn plus(self, shift: Self) -> Self {
        Self { id: self.id.wrapping_add(shift.id) & Self::ID_MASK, tl0: self.tl0.wrapping_add(shift.tl0) }
    }

    /// What has to be added to `self` to get `to`.
    pub fn until(self, to: Self) -> Self {
        Self { id: to.id.wrapping_sub(self.id) & Self::ID_MASK, tl0: to.tl0.wrapping_sub(self.tl0) }
    }

    pub fn next(self) -> Self {
        self.plus(Self { id: 1, tl0: 1 })
    }
}

/// Where the numbers are in a payload.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    id: Option<usize>,
    tl0: Option<usize>,
    /// What follows the descriptor; for VP9 its scalability structure.
    rest: usize,
}

fn places(codec: Codec, payload: &[u8]) -> Option<Places> {
    match codec {
        Codec::Video(VideoCodec::Vp8) => vp8(payload),
        Codec::Video(VideoCodec::Vp9) => vp9(payload),
        Codec::Opus | Codec::Video(VideoCodec::H264 | VideoCodec::Av1) => None,
    }
}

/// RFC 7741 section 4.2: X, then I, L, T and K.
fn vp8(payload: &[u8]) -> Option<Places> {
    let mut places = Places { rest: 1, ..Places::default() };
    if payload.first()? & 0x80 == 0 {
        return Some(places);
    }
    let extended = *payload.get(1)?;
    places.rest = 2;
    if extended & 0x80 != 0 {
        places.id = Some(places.rest);
        places.rest += id_bytes(payload, places.rest)?;
    }
    if extended & 0x40 != 0 {
        places.tl0 = Some(places.rest);
        places.rest += 1;
    }
    places.rest += usize::from(extended & 0x30 != 0);
    (places.rest <= payload.len()).then_some(places)
}

/// Where a payload of VP8 goes on behind its descriptor.
pub(super) fn vp8_rest(payload: &[u8]) -> Option<usize> {
    vp8(payload).map(|places| places.rest)
}

/// RFC 9628 section 4.2: I, L and F. With flexible mode there is no TL0PICIDX.
fn vp9(payload: &[u8]) -> Option<Places> {
    let first = *payload.first()?;
    let mut places = Places { rest: 1, ..Places::default() };
    if first & 0x80 != 0 {
        places.id = Some(places.rest);
        places.rest += id_bytes(payload, places.rest)?;
    }
    if first & 0x20 != 0 {
        places.rest += 1;
        if first & 0x10 == 0 {
            places.tl0 = Some(places.rest);
            places.rest += 1;
        }
    }
    (places.rest <= payload.len()).then_some(places)
}

/// 7 or 15 bits, as the first one says.
fn id_bytes(payload: &[u8], at: usize) -> Option<usize> {
    payload.get(at).map(|first| if first & 0x80 != 0 { 2 } else { 1 })
}

/// The numbers of the picture that a payload is of; nothing when it has none.
pub fn read(codec: Codec, payload: &[u8]) -> Option<Picture> {
    let places = places(codec, payload)?;
    let id = match (places.id.map(|at| &payload[at..])?, places.tl0) {
        ([high, low, ..], _) if high & 0x80 != 0 => u16::from_be_bytes([high & 0x7f, *low]),
        ([id, ..], _) => u16::from(*id),
        ([], _) => return None,
    };
    Some(Picture { id, tl0: places.tl0.and_then(|at| payload.get(at)).copied().unwrap_or(0) })
}

/// Adds to the numbers of a payload, in place, each in the width that it has.
pub fn shift(codec: Codec, payload: &mut [u8], shift: Picture) {
    if shift == Picture::default() {
        return;
    }
    let Some(places) = places(codec, payload) else { return };
    match places.id.and_then(|at| payload.get_mut(at..)) {
        Some([high, low, ..]) if *high & 0x80 != 0 => {
            let id = u16::from_be_bytes([*high, *low]).wrapping_add(shift.id) | 0x8000;
            [*high, *low] = id.to_be_bytes();
        }
        Some([id, ..]) if *id & 0x80 == 0 => *id = id.wrapping_add(shift.id as u8) & 0x7f,
        Some(_) | None => {}
    }
    if let Some(tl0) = places.tl0.and_then(|at| payload.get_mut(at)) {
        *tl0 = tl0.wrapping_add(shift.tl0);
    }
}

/// The size that the start of a key frame tells, where it does.
pub fn size(codec: Codec, payload: &[u8]) -> Option<Size> {
    let size = match codec {
        Codec::Opus | Codec::Video(VideoCodec::Av1) => None,
        Codec::Video(VideoCodec::Vp8) => vp8_size(payload),
        Codec::Video(VideoCodec::Vp9) => vp9_size(payload),
        Codec::Video(VideoCodec::H264) => h264_size(payload),
    };
    size.filter(|size| size.width > 0 && size.height > 0)
}

/// RFC 6386 section 9.1: after the frame tag and the start code, 14 bits each.
fn vp8_size(payload: &[u8]) -> Option<Size> {
    let frame = payload.get(vp8_rest(payload)?..)?;
    let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = frame else { return None };
    let of = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some(Size { width: of(w0, w1), height: of(h0, h1) })
}

/// RFC 9628 section 4.2.1: the scalability structure has one for each spatial layer, the largest last.
fn vp9_size(payload: &[u8]) -> Option<Size> {
    // V, and not both P and F, which would have references before it.
    if payload.first()? & 0x52 != 0x02 {
        return None;
    }
    let structure = payload.get(vp9(payload)?.rest..)?;
    let first = *structure.first()?;
    if first & 0x10 == 0 {
        return None;
    }
    let at = 1 + 4 * usize::from(first >> 5);
    let &[w1, w0, h1, h0] = structure.get(at..at + 4)? else { return None };
    Some(Size { width: u16::from_be_bytes([w1, w0]).into(), height: u16::from_be_bytes([h1, h0]).into() })
}

/// The SPS alone, or in a STAP-A (RFC 6184 sections 5.6 and 5.7.1).
fn h264_size(payload: &[u8]) -> Option<Size> {
    if payload.first()? & 0x1f == 7 {
        return sps(&payload[1..]);
    }
    let mut rest = payload.get(1..).filter(|_| payload[0] & 0x1f == 24)?;
    while let [high, low, after @ ..] = rest {
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        if unit.first()? & 0x1f == 7 {
            return sps(&unit[1..]);
        }
        rest = after;
    }
    None
}

/// Sequence parameter set (ITU-T H.264 section 7.3.2.1.1) of the baseline and main profiles, after its header byte. Emulation
/// prevention is not undone: what comes before the size is too short to need it.
fn sps(sps: &[u8]) -> Option<Size> {
    if !matches!(sps.first()?, 66 | 77 | 88) {
        return None;
    }
    let mut bits = Bits { bytes: sps.get(3..)?, at: 0 };
    bits.golomb()?; // seq_parameter_set_id
    bits.golomb()?; // log2_max_frame_num_minus4
    match bits.golomb()? {
        0 => drop(bits.golomb()?), // log2_max_pic_order_cnt_lsb_minus4
        1 => return None,          // nobody sends these
        _ => {}
    }
    bits.golomb()?; // max_num_ref_frames
    bits.bit()?; // gaps_in_frame_num_value_allowed_flag
    let (columns, rows) = (bits.golomb()? + 1, bits.golomb()? + 1);
    let fields = if bits.bit()? == 1 { 1 } else { 1 + bits.bit().map(|_| 1)? };
    bits.bit()?; // direct_8x8_inference_flag
    let mut cropped = [0; 4];
    if bits.bit()? == 1 {
        for side in &mut cropped {
            *side = bits.golomb()?;
        }
    }
    let [left, right, top, bottom] = cropped;
    let across = |macroblocks: u32, one: u32, other: u32, unit: u32| {
        macroblocks.checked_mul(16)?.checked_sub(one.checked_add(other)?.checked_mul(unit)?)
    };
    Some(Size {
        width: across(columns, left, right, 2)?,
        height: across(rows.checked_mul(fields)?, top, bottom, 2 * fields)?,
    })
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit.into())
    }

    /// Exp-Golomb, unsigned (section 9.1), of at most 16 bits.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 16 {
                return None;
            }
        }
        let mut value = 1;
        for _ in 0..zeros {
            value = value << 1 | self.bit()?;
        }
        Some(value - 1)
    }
}

#[cfg(test)]
mod tests;
