//! How pictures of several participants are made, for broadcasts and recordings alike.

use serde::{Deserialize, Serialize};

/// `[composite]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Composite {
    /// In pixels.
    pub width: usize,
    pub height: usize,
    /// Pictures a second.
    pub fps: u32,
    pub kbps: u32,
    /// Most participants in it.
    pub tiles: usize,
}

impl Default for Composite {
    fn default() -> Self {
        Self { width: 1_280, height: 720, fps: 25, kbps: 2_500, tiles: 16 }
    }
}
