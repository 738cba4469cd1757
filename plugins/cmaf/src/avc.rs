//! What has to be known of an H.264 bitstream (ITU-T H.264, ISO/IEC 14496-10) to pass it through: its NAL units, whether a
//! picture stands alone, and what a sequence parameter set says. Everything here reads bytes from strangers: nothing panics,
//! and what is odd is refused.

use bytes::Bytes;

use crate::Size;
use crate::bits::Bits;

#[cfg(test)]
mod tests;

/// NAL unit types (table 7-1).
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

/// Most bytes of a parameter set that is kept. WebRTC senders' have 10 to 40.
const PARAMETER_SET_BYTES_MAX: usize = 1_024;

/// What decoders and playlists are told of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`, the constraint flags and `level_idc`: what follows `avc3.` in CODECS (RFC 6381 section 3.3).
    pub profile: [u8; 3],
    /// In luma samples, after cropping.
    pub width: u16,
    pub height: u16,
}

/// Parameter sets that came last on a track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    pub sps: Bytes,
    pub pps: Bytes,
}

/// One access unit, as far as muxing asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// NAL units, each behind its length in 4 bytes. An IDR picture has its parameter sets in front.
    pub data: Bytes,
    pub key: bool,
}

/// The NAL units of length-prefixed `data` (4 bytes, big endian); stops where a length does not fit.
pub fn nals(data: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length: [u8; 4] = data.get(at..at + 4)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let start = at + 4;
        let end = start.checked_add(length).filter(|&end| end <= data.len())?;
        at = end;
        Some(data.slice(start..end))
    })
    .filter(|nal| !nal.is_empty())
}

impl ParameterSets {
    /// Takes what `data` brings and makes it stand alone where it can: an IDR picture without parameter sets gets the last
    /// ones, since avc3 (ISO/IEC 14496-15 section 5.3.3) has them nowhere else.
    pub fn access_unit(&mut self, data: &Bytes) -> AccessUnit {
        let (mut key, mut brings_sps, mut brings_pps) = (false, false, false);
        for nal in nals(data) {
            match nal[0] & 31 {
                IDR => key = true,
                SPS if nal.len() <= PARAMETER_SET_BYTES_MAX => {
                    brings_sps = true;
                    self.sps = nal;
                }
                PPS if nal.len() <= PARAMETER_SET_BYTES_MAX => {
                    brings_pps = true;
                    self.pps = nal;
                }
                _ => {}
            }
        }
        if !key || (brings_sps && brings_pps) {
            return AccessUnit { data: data.clone(), key };
        }
        if !self.complete() {
            return AccessUnit { data: data.clone(), key };
        }
        let mut whole = Vec::with_capacity(data.len() + self.sps.len() + self.pps.len() + 8);
        for set in [&self.sps, &self.pps] {
            whole.extend_from_slice(&u32::try_from(set.len()).unwrap_or(0).to_be_bytes());
            whole.extend_from_slice(set);
        }
        whole.extend_from_slice(data);
        AccessUnit { data: whole.into(), key }
    }

    /// Both have come.
    pub fn complete(&self) -> bool {
        !self.sps.is_empty() && !self.pps.is_empty()
    }

    /// None before both have come, or when players could not show what they describe.
    pub fn parsed(&self) -> Option<Sps> {
        if self.complete() { parse_sps(&self.sps) } else { None }
    }
}

/// Reads a sequence parameter set NAL unit (section 7.3.2.1.1). None unless it is 4:2:0, 8 bits, of a profile that browsers
/// decode (constrained baseline to high), with sides of 16 to [`Size::SIDE_MAX`].
pub fn parse_sps(nal: &[u8]) -> Option<Sps> {
    let profile: [u8; 3] = nal.get(1..4)?.try_into().ok()?;
    if nal[0] & 31 != SPS || !matches!(profile[0], 66 | 77 | 88 | 100) {
        return None;
    }
    let raw = without_emulation_prevention(nal.get(4..)?);
    let mut bits = Bits::new(&raw);
    bits.ue()?; // seq_parameter_set_id
    if profile[0] == 100 {
        let (chroma_format, luma_extra, chroma_extra) = (bits.ue()?, bits.ue()?, bits.ue()?);
        if (chroma_format, luma_extra, chroma_extra) != (1, 0, 0) {
            return None;
        }
        bits.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.bit()? {
            skip_scaling_lists(&mut bits)?;
        }
    }
    bits.ue()?; // log2_max_frame_num_minus4
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => skip_order_count_cycle(&mut bits)?,
        2 => {}
        _ => return None,
    }
    bits.ue()?; // max_num_ref_frames
    bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
    let (columns, rows) = (bits.ue()?.checked_add(1)?, bits.ue()?.checked_add(1)?);
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.skip(1)?; // mb_adaptive_frame_field_flag
    }
    bits.skip(1)?; // direct_8x8_inference_flag
    let mut crop = [0; 4];
    if bits.bit()? {
        for side in &mut crop {
            *side = bits.ue()?;
        }
    }
    // Fields have half the rows each; 4:2:0 crops in steps of two.
    let field = if frames_only { 1 } else { 2 };
    let side = |blocks: u32, scale: u32, from: u32, to: u32| {
        let cropped = from.checked_add(to)?.checked_mul(2 * scale)?;
        let length = blocks.checked_mul(16 * scale)?.checked_sub(cropped)?;
        u16::try_from(length).ok().filter(|length| (16..=Size::SIDE_MAX).contains(length))
    };
    Some(Sps { profile, width: side(columns, 1, crop[0], crop[1])?, height: side(rows, field, crop[2], crop[3])? })
}

/// Section 7.3.2.1.1.1, for 4:2:0: six lists of 16 and two of 64.
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for length in [16, 16, 16, 16, 16, 16, 64, 64] {
        if !bits.bit()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..length {
            if next != 0 {
                next = (last + bits.se()? + 256).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

fn skip_order_count_cycle(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(1)?; // delta_pic_order_always_zero_flag
    bits.se()?;
    bits.se()?;
    let cycle = bits.ue()?;
    if cycle > 255 {
        return None;
    }
    for _ in 0..cycle {
        bits.se()?;
    }
    Some(())
}

/// Section 7.4.1: a 3 behind two zeros was put in by the encoder.
fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        raw.push(byte);
    }
    raw
}
