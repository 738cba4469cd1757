//! How many watch. A viewer is a number that comes with each of its playlist requests, and is forgotten when it stops coming;
//! nothing else is known of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Who has not asked for a playlist for this long has left: longer than a request is ever held. Higher: survives longer holes in
/// a viewer's network; lower: who leaves is missed sooner.
const GONE_AFTER: Duration = Duration::from_secs(15);

/// Counted again after this long at the earliest.
const COUNT_EVERY: Duration = Duration::from_millis(500);

/// Viewers that are told apart. Each takes some 30 bytes. Beyond, nobody new is counted.
const VIEWERS_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(crate) struct Viewers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last_seen: HashMap<u64, Instant>,
    counted: Option<(Instant, usize)>,
}

impl Viewers {
    pub(crate) fn saw(&self, viewer: u64, now: Instant) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let full = inner.last_seen.len() >= VIEWERS_MAX;
        match inner.last_seen.get_mut(&viewer) {
            Some(last) => *last = now,
            None if full => {}
            None => {
                inner.last_seen.insert(viewer, now);
            }
        }
    }

    pub(crate) fn count(&self, now: Instant) -> usize {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.counted {
            Some((at, count)) if now.saturating_duration_since(at) < COUNT_EVERY => count,
            Some(_) | None => {
                inner.last_seen.retain(|_, last| now.saturating_duration_since(*last) < GONE_AFTER);
                let count = inner.last_seen.len();
                inner.counted = Some((now, count));
                count
            }
        }
    }
}
