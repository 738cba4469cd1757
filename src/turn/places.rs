//! How many streams there may be: in all, and from one address.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::Gauge;

use crate::config::{Origin, Origins};

#[cfg(test)]
mod tests;

/// Counts streams by those who hold a [`Place`].
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_origin: Origins,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Server,
    Address,
}

impl Full {
    /// The key of the limit.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Self::Server => "turn.streams",
            Self::Address => "turn.streams_per_address",
        }
    }
}

/// One stream's; given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    places: &'a Places,
    origin: Origin,
    /// More than half of all places are taken: newcomers have to hurry.
    pub(super) crowded: bool,
}

impl Places {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        let gauge = metrics::gauge!("crescendo_turn_streams");
        Self { most, most_of_one, taken: Mutex::default(), gauge }
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<Place<'_>, Full> {
        let origin = Origin::of(address);
        let mut taken = self.lock();
        if taken.all >= self.most {
            return Err(Full::Server);
        }
        if !taken.by_origin.take(origin, self.most_of_one) {
            return Err(Full::Address);
        }
        taken.all += 1;
        self.gauge.increment(1.0);
        Ok(Place { places: self, origin, crowded: taken.all > self.most / 2 })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        taken.by_origin.give_back(self.origin);
        self.places.gauge.decrement(1.0);
    }
}
