//! What legs that write MP4 share (ISO/IEC 14496-12, 23000-19): what a bitstream says of itself, and the boxes of init sections
//! and fragments. The boxes are mp4-atom's; where to cut, and time, are the legs'.

pub mod avc;
mod boxes;

pub use boxes::{AUDIO_TIMESCALE, Coding, VIDEO_TIMESCALE, chunk, init_section};
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
