//! What tells a packet that has come before from one that is late (RFC 3711 section 3.3.2).

/// Packets that may come late. Larger than the history of senders, or repaired packets would be taken for replays.
pub const REPLAY_WINDOW: usize = 1024;

/// Which of the last indices have been received.
#[derive(Debug)]
pub struct Window {
    highest: u64,
    /// Bit `index % REPLAY_WINDOW`.
    seen: [u64; REPLAY_WINDOW / 64],
    empty: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self { highest: 0, seen: [0; REPLAY_WINDOW / 64], empty: true }
    }
}

impl Window {
    /// The highest index that was admitted; 0 before the first.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// It was admitted before, or is too old to tell.
    pub fn seen(&self, index: u64) -> bool {
        let bit = index as usize % REPLAY_WINDOW;
        !self.empty
            && index <= self.highest
            && (self.highest - index >= REPLAY_WINDOW as u64 || self.seen[bit / 64] >> (bit % 64) & 1 == 1)
    }

    /// Takes an index that was not seen.
    pub fn admit(&mut self, index: u64) {
        if self.empty {
            (self.empty, self.highest) = (false, index);
        }
        let steps = index.saturating_sub(self.highest).min(REPLAY_WINDOW as u64);
        for passed in (index + 1).saturating_sub(steps)..=index {
            let bit = passed as usize % REPLAY_WINDOW;
            self.seen[bit / 64] &= !(1 << (bit % 64));
        }
        let bit = index as usize % REPLAY_WINDOW;
        self.seen[bit / 64] |= 1 << (bit % 64);
        self.highest = self.highest.max(index);
    }
}
