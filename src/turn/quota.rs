//! Who has how many allocations, and what they may have relayed together.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::Gauge;

use super::rate::Budget;
use crate::config::{Origin, Origins};

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) total: usize,
    pub(super) per_user: usize,
    pub(super) per_address: usize,
    pub(super) user_kbps: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    User,
    Address,
    Total,
}

impl Exceeded {
    /// The key of the limit.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Self::User => "turn.user_allocations",
            Self::Address => "turn.address_allocations",
            Self::Total => "turn.allocations",
        }
    }
}

/// Only users and addresses with an allocation are in it, and users who had one a moment ago: `turn.allocations` of each kind at
/// most.
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
    /// Whoever gave back the last one and may have a budget that is used up: who comes again has it still.
    left: VecDeque<String>,
    by_origin: Origins,
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
    origin: Origin,
    pub(super) budget: Arc<Budget>,
}

impl Quotas {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default(), gauge: metrics::gauge!("crescendo_turn_allocations") })
    }

    pub(super) fn take(self: &Arc<Self>, now: Instant, who: &str, from: IpAddr) -> Result<Place, Exceeded> {
        let origin = Origin::of(from);
        let mut taken = self.lock();
        taken.forget(now);
        if taken.total >= self.limits.total {
            return Err(Exceeded::Total);
        }
        if taken.users.get(who).is_some_and(|user| user.allocations >= self.limits.per_user) {
            return Err(Exceeded::User);
        }
        if !taken.by_origin.take(origin, self.limits.per_address) {
            return Err(Exceeded::Address);
        }
        taken.total += 1;
        self.gauge.increment(1.0);
        let fresh = || User { allocations: 0, budget: Arc::new(Budget::new(now, self.limits.user_kbps)) };
        let user = taken.users.entry(who.to_owned()).or_insert_with(fresh);
        user.allocations += 1;
        Ok(Place { quotas: self.clone(), who: who.to_owned(), origin, budget: user.budget.clone() })
    }

    /// How many allocations there are, and how many there may be.
    pub(super) fn taken(&self) -> (usize, usize) {
        (self.lock().total, self.limits.total)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn leave(&mut self, who: String, most: usize) {
        while self.left.len() >= most.max(1) {
            self.forget_first();
        }
        self.left.push_back(who);
    }

    /// Forgets those who left and whose budget is whole again, which it is after a second: a new one would be the same.
    fn forget(&mut self, now: Instant) {
        while let Some(user) = self.left.front().map(|who| self.users.get(who)) {
            if user.is_some_and(|user| user.allocations == 0 && !user.budget.is_whole(now)) {
                return;
            }
            self.forget_first();
        }
    }

    /// One who has come back is not forgotten, and is last in line again after the next time.
    fn forget_first(&mut self) {
        let Some(who) = self.left.pop_front() else { return };
        if self.users.get(&who).is_some_and(|user| user.allocations == 0) {
            self.users.remove(&who);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.quotas.lock();
        taken.total -= 1;
        taken.by_origin.give_back(self.origin);
        self.quotas.gauge.decrement(1.0);
        if let Some(user) = taken.users.get_mut(&self.who) {
            user.allocations -= 1;
            if user.allocations == 0 {
                taken.leave(std::mem::take(&mut self.who), self.quotas.limits.total);
            }
        }
    }
}
