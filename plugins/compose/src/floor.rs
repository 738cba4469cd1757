//! Who has the floor. Pure: who is loudest goes in, tick by tick.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// Who is loudest for this long has the floor. Higher: coughs are passed over; lower: who begins to speak is seen sooner.
const TAKES: Duration = Duration::from_millis(600);

/// The floor is kept for this long at least, so that the picture does not flicker between two who talk at once.
const KEEPS: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Floor<T> {
    has: Option<(T, Duration)>,
    claims: Option<(T, Duration)>,
}

impl<T> Default for Floor<T> {
    /// Nobody has it.
    fn default() -> Self {
        Self { has: None, claims: None }
    }
}

impl<T: Copy + PartialEq> Floor<T> {
    /// `loudest`: of those who are heard now.
    pub(crate) fn hear(&mut self, now: Duration, loudest: Option<T>) {
        let Some(who) = loudest else {
            self.claims = None;
            return;
        };
        if self.has.is_some_and(|(has, _)| has == who) {
            self.claims = None;
            return;
        }
        let (_, since) = *self.claims.insert(self.claims.filter(|(claims, _)| *claims == who).unwrap_or((who, now)));
        let kept = self.has.is_some_and(|(_, since)| now.saturating_sub(since) < KEEPS);
        let at_once = self.has.is_none();
        if at_once || (!kept && now.saturating_sub(since) >= TAKES) {
            self.has = Some((who, now));
            self.claims = None;
        }
    }

    /// It goes.
    pub(crate) fn gone(&mut self, who: T) {
        self.has = self.has.filter(|(has, _)| *has != who);
        self.claims = self.claims.filter(|(claims, _)| *claims != who);
    }

    pub(crate) fn has(&self) -> Option<T> {
        self.has.map(|(who, _)| who)
    }
}
