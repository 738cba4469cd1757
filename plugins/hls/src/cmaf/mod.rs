//! Samples in, CMAF chunks out (ISO/IEC 23000-19). The boxes are mp4-atom's; cutting and time are ours.

mod boxes;
mod chunker;
#[cfg(test)]
mod tests;

pub(crate) use boxes::{AUDIO_TIMESCALE, Coding, VIDEO_TIMESCALE, init_section};
pub(crate) use chunker::{Boundary, Chunk, Chunker, Cut};

use bytes::Bytes;

/// One access unit or one audio frame.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// In units of the rendition's time scale, on the room's clock.
    pub(crate) time: u64,
    pub(crate) key: bool,
    pub(crate) data: Bytes,
}
