//! Does a queue stand on the way? A machine that stalls lets packets wait as a queue does, and then has them all at once: the last of
//! them are as fast as ever. In a queue every packet waits.

/// How long the least delay of all is remembered, in µs: as long, and up to twice that. Longer: a queue that stays is known for longer;
/// shorter: a way that has become longer is got used to sooner.
const BASE_US: i64 = 5_000_000;
/// The same of the least delay lately. Longer: longer stalls are told from queues; shorter: queues are noticed sooner.
const LATELY_US: i64 = 60_000;
/// A queue of less, in µs, is none. Higher: machines that are slow are told from queues; lower: a path that is a little too full is
/// noticed sooner.
const STANDS_US: i64 = 20_000;

#[derive(Debug)]
pub(super) struct Queue {
    base: Least,
    lately: Least,
}

/// The least of what came in a time, in two parts, of which the older one is forgotten.
#[derive(Debug)]
struct Least {
    window_us: i64,
    begun_us: Option<i64>,
    now: i64,
    before: i64,
}

impl Default for Queue {
    fn default() -> Self {
        Self { base: Least::of(BASE_US), lately: Least::of(LATELY_US) }
    }
}

impl Queue {
    /// The clocks of the two ends have nothing in common but their pace.
    pub(super) fn arrived(&mut self, sent_us: i64, arrived_us: i64) {
        self.base.push(arrived_us, arrived_us - sent_us);
        self.lately.push(arrived_us, arrived_us - sent_us);
    }

    pub(super) fn stands(&self) -> bool {
        self.lately.least().saturating_sub(self.base.least()) > STANDS_US
    }
}

impl Least {
    fn of(window_us: i64) -> Self {
        Self { window_us, begun_us: None, now: i64::MAX, before: i64::MAX }
    }

    fn push(&mut self, at_us: i64, value: i64) {
        let begun = *self.begun_us.get_or_insert(at_us);
        let passed = at_us - begun;
        if passed >= self.window_us {
            self.before = if passed < 2 * self.window_us { self.now } else { i64::MAX };
            (self.begun_us, self.now) = (Some(at_us), i64::MAX);
        }
        self.now = self.now.min(value);
    }

    fn least(&self) -> i64 {
        self.now.min(self.before)
    }
}

#[cfg(test)]
mod tests;
