//! What legs that write MP4 share (ISO/IEC 14496-12, 23000-19): what a bitstream says of itself, and the boxes of init sections
//! and fragments. The boxes are mp4-atom's; where to cut, and time, are the legs'.

pub mod av1;
pub mod avc;
mod bits;
mod boxes;
mod coding;
pub mod opus;
pub mod vpx;

pub use boxes::{chunk, fragment, init_section, recording_head};
pub use coding::{AUDIO_TIMESCALE, Coding, VIDEO_TIMESCALE};
pub use mp4_atom::Error;

use bytes::Bytes;

/// One access unit or one audio frame.
#[derive(Debug, Clone)]
pub struct Sample {
    /// In units of the track's time scale.
    pub time: u64,
    pub key: bool,
    pub data: Bytes,
}

/// Of a picture, in luma samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

impl Size {
    /// Longest side of a picture that is passed on.
    pub const SIDE_MAX: u16 = 8_192;

    /// None where a side is 0 or longer than [`Size::SIDE_MAX`].
    pub fn new(width: u16, height: u16) -> Option<Self> {
        let sane = |side| (1..=Self::SIDE_MAX).contains(&side);
        (sane(width) && sane(height)).then_some(Self { width, height })
    }
}
