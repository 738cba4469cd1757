//! How broadcasts are cut, how far back they can be played, and for how long they are kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[hls]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hls {
    pub part_ms: u32,
    pub segment_ms: u32,
    /// In memory.
    pub segments: usize,
    /// In playlists, where segments are on disk.
    pub window_s: u32,
    pub audio_kbps: u32,
    /// Pictures that are encoded at once, each size of a ladder one; 0: VP8, VP9 and AV1 are not broadcast.
    pub transcodes: usize,
    pub transcode_kbps: u32,
    /// Where segments are written; nowhere when empty.
    pub directory: PathBuf,
    /// Where what is written there is mirrored to; nowhere when empty.
    pub upload_to: String,
    pub linger_ms: u32,
    /// After the end; 0: not at all.
    pub keep_hours: u32,
    /// All broadcasts that are over together; 0: no limit.
    pub keep_mib: u64,
}

impl Hls {
    pub fn is_stored(&self) -> bool {
        !self.directory.as_os_str().is_empty()
    }
}

impl Default for Hls {
    fn default() -> Self {
        Self {
            part_ms: 200,
            segment_ms: 1_000,
            segments: 10,
            window_s: 7_200,
            audio_kbps: 96,
            transcodes: 2,
            transcode_kbps: 1_500,
            directory: "broadcasts".into(),
            upload_to: String::new(),
            linger_ms: 30_000,
            keep_hours: 24,
            keep_mib: 10_240,
        }
    }
}
