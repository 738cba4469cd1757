//! Encoding costs a good part of a core: how many legs of a server do it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many encode pictures at once.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    used: AtomicUsize,
}

/// A place in a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Budget>);

impl Budget {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, used: AtomicUsize::new(0) })
    }

    pub fn most(&self) -> usize {
        self.most
    }

    pub fn take(self: &Arc<Self>) -> Option<Place> {
        let more = |used| (used < self.most).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::AcqRel);
    }
}
