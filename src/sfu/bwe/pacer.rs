//! When the next packet may leave, so that what is sent comes no faster than a path that is known to be thin lets it through: a
//! bucket that leaks (libwebrtc's pacer, and draft-ietf-rmcat-gcc-02 section 4, do the same).

use std::time::{Duration, Instant};

use super::Rate;

/// What may be ahead of the pace: what was sent and would at that pace still be on its way. Higher: whole pictures leave as one
/// train; lower: shorter queues at the thin end.
const AHEAD: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Pacer {
    /// Bytes that were sent ahead of the pace.
    level: f64,
    at: Instant,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self { level: 0.0, at: now }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.level += bytes as f64;
    }

    /// Whether a packet may leave now, at that pace.
    pub(super) fn has_room(&mut self, pace: Rate, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at);
        self.at = now.max(self.at);
        let bytes = |time: Duration| pace.kbps() * 125.0 * time.as_secs_f64();
        self.level = (self.level - bytes(passed)).max(0.0);
        self.level <= bytes(AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_keeps_to_the_pace_and_rests_are_not_made_up_for() {
        let begun = Instant::now();
        let (mut pacer, pace) = (Pacer::new(begun), Rate::from_kbps(800));
        let mut sent = 0;
        for ms in 0..1_000 {
            while pacer.has_room(pace, begun + Duration::from_millis(ms)) {
                pacer.sent(1_000);
                sent += 1;
            }
        }
        // 100 kB a second, one packet and what may be ahead more.
        assert!((100..=103).contains(&sent), "{sent}");
        let later = begun + Duration::from_secs(60);
        let mut at_once = 0;
        while pacer.has_room(pace, later) {
            pacer.sent(1_000);
            at_once += 1;
        }
        assert_eq!(at_once, 2, "10 ms are one packet, and one begins");
    }
}
