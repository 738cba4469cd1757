//! What is recorded, where, and for how long it is kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[record]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// Where they are written; nothing is recorded when it is empty.
    pub directory: PathBuf,
    /// Template of their directories and files.
    pub files: String,
    pub fragment_ms: u32,
    pub key_frame_ms: u32,
    pub sync: SyncPolicy,
    /// What may wait for the disk, for each recording.
    pub queue_mib: usize,
    /// URL of where they are uploaded to; they stay here when it is empty.
    pub upload_to: String,
    pub upload_moves: bool,
    /// 0: for ever.
    pub keep_hours: u32,
    /// All recordings together; 0: no limit.
    pub keep_mib: u64,
}

/// When recordings are brought to the disk itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncPolicy {
    Fragment,
    Finish,
}

impl Record {
    pub fn is_on(&self) -> bool {
        !self.directory.as_os_str().is_empty()
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            directory: "recordings".into(),
            files: "{room}/{time}-{leg}/{name}-{participant}-{source}".into(),
            fragment_ms: 500,
            key_frame_ms: 10_000,
            sync: SyncPolicy::Fragment,
            queue_mib: 32,
            upload_to: String::new(),
            upload_moves: true,
            keep_hours: 0,
            keep_mib: 0,
        }
    }
}
