//! Limits of the whole process, counted by those who hold a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many places of a kind are taken.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

/// One place, for as long as it lives.
#[derive(Debug)]
pub struct Place(Count);

impl Count {
    pub fn taken(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// A place, unless `limit` are taken.
    pub fn take(&self, limit: usize) -> Option<Place> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < limit).then_some(n + 1));
        taken.ok().map(|_| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
