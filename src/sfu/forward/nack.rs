//! Finds what is missing from a sender, and says when to ask for it and for how long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time between two requests for a packet. Shorter: faster repair on short paths, for duplicates on long ones.
pub const REPEAT: Duration = Duration::from_millis(30);
/// Requests for one packet before it is given up. More: survives longer bursts; a browser's history is about a second.
pub const TRIES: u8 = 6;
/// Missing packets that are followed at once; what is missing beyond that is a break, not a loss.
pub const MAX_MISSING: usize = 512;

#[derive(Debug, Default)]
pub struct Losses {
    highest: Option<u64>,
    missing: BTreeMap<u64, Asked>,
    broken: bool,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Never,
    Times { tries: u8, last: Instant },
}

impl Losses {
    /// A packet has arrived; false when it did before, or is so old that nobody waits for it.
    pub fn arrived(&mut self, index: u64) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(index);
            return true;
        };
        if index <= highest {
            return self.missing.remove(&index).is_some();
        }
        self.highest = Some(index);
        if (index - highest) as usize > MAX_MISSING {
            self.missing.clear();
            self.broken = true;
            return true;
        }
        self.missing.extend((highest + 1..index).map(|lost| (lost, Asked::Never)));
        while self.missing.len() > MAX_MISSING {
            self.missing.pop_first();
            self.broken = true;
        }
        true
    }

    /// Fills `out` with the sequence numbers to ask for now.
    pub fn due(&mut self, now: Instant, out: &mut Vec<u16>) {
        let broken = &mut self.broken;
        self.missing.retain(|index, asked| {
            let tries = match *asked {
                Asked::Never => 0,
                Asked::Times { last, .. } if now.saturating_duration_since(last) < REPEAT => return true,
                Asked::Times { tries, .. } => tries,
            };
            if tries == TRIES {
                *broken = true;
                return false;
            }
            *asked = Asked::Times { tries: tries + 1, last: now };
            out.push(*index as u16);
            true
        });
    }

    /// True once after something was given up for good: only a key frame repairs the picture then.
    pub fn take_broken(&mut self) -> bool {
        std::mem::take(&mut self.broken)
    }
}
