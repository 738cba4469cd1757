//! Whether who holds a stream id is still there, once somebody else asks for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A socket is asked for a sign of life; copies are of the same socket.
#[derive(Debug, Clone, Default)]
pub struct Doubt(Arc<Notify>);

impl Doubt {
    pub(super) fn raise(&self) {
        self.0.notify_one();
    }

    pub(super) async fn raised(&self) {
        self.0.notified().await;
    }
}

/// By when a socket that is doubted has to say something.
#[derive(Debug)]
pub(super) struct Proof {
    time: Duration,
    due: Option<Instant>,
}

impl Proof {
    pub(super) fn within(time: Duration) -> Self {
        Self { time, due: None }
    }

    /// True when the socket is to be asked now; whoever asks for its ids meanwhile does not make it shorter or longer.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let is_new = self.due.is_none();
        self.due.get_or_insert(now + self.time);
        is_new
    }

    /// It has said something.
    pub(super) fn given(&mut self) {
        self.due = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}
