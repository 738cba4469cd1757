//! Encoding costs a good part of a core: how many legs of a server do it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many encode pictures at once.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    used: AtomicUsize,
}

/// Places in a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Budget>, usize);

impl Budget {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, used: AtomicUsize::new(0) })
    }

    pub fn most(&self) -> usize {
        self.most
    }

    /// `count` places, or none of them.
    pub fn take(self: &Arc<Self>, count: usize) -> Option<Place> {
        let more = |used: usize| used.checked_add(count).filter(|used| *used <= self.most);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Place(self.clone(), count))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.used.fetch_sub(self.1, Ordering::AcqRel);
    }
}
