//! How much a sender may bring: a token bucket of bytes.

use std::time::{Duration, Instant};

/// What may come at once is what may come in this time. Higher: a flood gets further; lower: key frames are cut off.
const BURST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Bucket {
    bytes_per_second: f64,
    /// What may come now.
    bytes: f64,
    filled: Instant,
}

impl Bucket {
    /// Full at first.
    pub fn new(kbps: u32, now: Instant) -> Self {
        let bytes_per_second = f64::from(kbps) * 1_000.0 / 8.0;
        Self { bytes_per_second, bytes: bytes_per_second * BURST.as_secs_f64(), filled: now }
    }

    /// Takes `bytes` if they are there. What is refused costs nothing, so that a flood does not starve what may pass.
    pub fn take(&mut self, bytes: usize, now: Instant) -> bool {
        // Not more than fits, so that a time of silence saves up nothing.
        let passed = now.saturating_duration_since(self.filled).min(BURST);
        self.filled = self.filled.max(now);
        let full = self.bytes_per_second * BURST.as_secs_f64();
        self.bytes = (self.bytes + self.bytes_per_second * passed.as_secs_f64()).min(full);
        let wanted = bytes as f64;
        let there = wanted <= self.bytes;
        if there {
            self.bytes -= wanted;
        }
        there
    }
}
