//! Who has how many allocations, and what they may have relayed together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::Gauge;

use super::rate::Budget;

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) total: usize,
    pub(super) per_user: usize,
    pub(super) user_kbps: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// `turn.user_allocations`.
    User,
    /// `turn.allocations`.
    Total,
}

/// Only users with an allocation are in it: it is no larger than `turn.allocations`.
#[derive(Debug)]
pub(super) struct Quotas {
    limits: Limits,
    taken: Mutex<Taken>,
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    users: HashMap<String, User>,
}

#[derive(Debug)]
struct User {
    allocations: usize,
    budget: Arc<Budget>,
}

/// The right to one allocation; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    quotas: Arc<Quotas>,
    pub(super) who: String,
    pub(super) budget: Arc<Budget>,
}

impl Quotas {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default(), gauge: metrics::gauge!("crescendo_turn_allocations") })
    }

    pub(super) fn take(self: &Arc<Self>, now: Instant, who: &str) -> Result<Place, Exceeded> {
        let mut taken = self.lock();
        if taken.total >= self.limits.total {
            return Err(Exceeded::Total);
        }
        if taken.users.get(who).is_some_and(|user| user.allocations >= self.limits.per_user) {
            return Err(Exceeded::User);
        }
        taken.total += 1;
        self.gauge.increment(1.0);
        let fresh = || User { allocations: 0, budget: Arc::new(Budget::new(now, self.limits.user_kbps)) };
        let user = taken.users.entry(who.to_owned()).or_insert_with(fresh);
        user.allocations += 1;
        Ok(Place { quotas: self.clone(), who: who.to_owned(), budget: user.budget.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.quotas.lock();
        taken.total -= 1;
        self.quotas.gauge.decrement(1.0);
        if let Some(user) = taken.users.get_mut(&self.who) {
            user.allocations -= 1;
            if user.allocations == 0 {
                taken.users.remove(&self.who);
            }
        }
    }
}
