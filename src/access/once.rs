//! Tokens that are good for one time: in memory alone, until they are used or end.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::refused::Refused;
use super::{Access, Grant, Pass, Scope, Stream};
use crate::room::ids::RoomName;

/// Characters of one: 192 random bits, which nobody guesses.
const CHARS: usize = 48;

/// The tokens that have been given out and not been used.
#[derive(Debug)]
pub(super) struct Once {
    most: usize,
    given: Mutex<HashMap<String, Given>>,
}

#[derive(Debug)]
struct Given {
    pass: Pass,
    /// Somebody has shown it, and it is not known yet what comes of that.
    shown: bool,
}

/// Somebody who was let in. A token for one time is used up by [`Admitted::keep`]; where this is dropped without it, nothing came
/// of it, and the token is good once more.
#[derive(Debug)]
pub struct Admitted {
    pub pass: Pass,
    shown: Option<Shown>,
}

/// A token for one time that is in somebody's hands.
#[derive(Debug)]
struct Shown {
    access: Access,
    token: String,
}

impl Admitted {
    /// With a token that is good any number of times, or with none.
    pub(super) fn again(pass: Pass) -> Self {
        Self { pass, shown: None }
    }

    pub(super) fn once(pass: Pass, access: Access, token: &str) -> Self {
        Self { pass, shown: Some(Shown { access, token: token.to_owned() }) }
    }

    /// Its bearer is where they wanted to be.
    pub fn keep(mut self) -> Pass {
        if let Some(shown) = &mut self.shown {
            shown.access.0.once.use_up(&shown.token);
        }
        self.pass
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.access.0.once.put_back(&self.token);
    }
}

/// Whether this could be one: a JWT has dots.
pub fn is_once(token: &str) -> bool {
    token.len() == CHARS && token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Once {
    pub(super) fn new(most: usize) -> Self {
        Self { most, given: Mutex::default() }
    }

    /// None where as many are out as may be. Those that have ended make room.
    pub(super) fn give(&self, pass: Pass, now: SystemTime) -> Option<String> {
        let mut given = self.lock();
        if given.len() >= self.most {
            given.retain(|_, given| given.pass.expires > now);
        }
        if given.len() >= self.most {
            return None;
        }
        let token = random();
        given.insert(token.clone(), Given { pass, shown: false });
        Some(token)
    }

    /// Takes a token that is good for this into somebody's hands, until it is used up or put back.
    pub(super) fn take(
        &self,
        token: &str,
        stream: Stream<'_>,
        wanted: &[Grant],
        now: SystemTime,
    ) -> Result<Pass, Refused> {
        let mut given = self.lock();
        let known = given.get_mut(token).filter(|given| !given.shown).ok_or(Refused::Unknown)?;
        if known.pass.expires <= now {
            given.remove(token);
            return Err(Refused::Expired);
        }
        known.pass.permits(stream, wanted)?;
        known.shown = true;
        Ok(known.pass.clone())
    }

    pub(super) fn use_up(&self, token: &str) {
        self.lock().remove(token);
    }

    /// It was taken, and nothing came of it. One that was used up or taken back meanwhile stays gone.
    fn put_back(&self, token: &str) {
        if let Some(given) = self.lock().get_mut(token) {
            given.shown = false;
        }
    }

    /// Those for a stream that have not ended, the first to end first.
    pub(super) fn of(&self, stream: &RoomName, now: SystemTime) -> Vec<(String, Pass)> {
        let given = self.lock();
        let is_out = |given: &Given| !given.shown && is_of(&given.pass, stream) && given.pass.expires > now;
        let of_it = given.iter().filter(|(_, given)| is_out(given));
        let mut found: Vec<_> = of_it.map(|(token, given)| (token.clone(), given.pass.clone())).collect();
        found.sort_by(|(a, x), (b, y)| (x.expires, a).cmp(&(y.expires, b)));
        found
    }

    /// How many there were for a stream. Who is on the way in with one stays let in.
    pub(super) fn revoke(&self, stream: &RoomName) -> usize {
        let mut given = self.lock();
        let before = given.len();
        given.retain(|_, given| !is_of(&given.pass, stream));
        before - given.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of(pass: &Pass, stream: &RoomName) -> bool {
    match &pass.scope {
        Scope::Stream { id, .. } => id == stream,
        Scope::Room(_) | Scope::EveryRoom => false,
    }
}

fn random() -> String {
    let mut bytes = [0; CHARS / 2];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().fold(String::with_capacity(CHARS), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes text");
        text
    })
}
