//! `[room]`: how rooms behave, and how large they may become.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Room {
    pub mesh_limit: usize,
    pub warm_at: usize,
    pub demote_after_ms: u32,
    pub relayed_to_sfu: f64,
    pub switch_deadline_ms: u32,
    pub moves_at_once: usize,
    pub resume_grace_ms: u32,
    pub capacity: usize,
    /// Participants who publish anything.
    pub publishers: usize,
    /// Media of all of them together, up and down; 0: however much.
    pub kbps: u64,
    pub tracks_per_participant: usize,
    pub max_legs: usize,
    /// How long a room that the API made is kept while nobody is there.
    pub empty_ms: u32,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            mesh_limit: 4,
            warm_at: 3,
            demote_after_ms: 10_000,
            relayed_to_sfu: 0.5,
            switch_deadline_ms: 10_000,
            moves_at_once: 1,
            resume_grace_ms: 10_000,
            capacity: 100,
            publishers: 100,
            kbps: 0,
            tracks_per_participant: 4,
            max_legs: 4,
            empty_ms: 300_000,
        }
    }
}
