//! Which participant has the floor, by whose microphone is loudest.

use std::collections::BTreeMap;
use std::time::Duration;

use crescendo_leg_api::{Track, TrackKey};

use crate::floor::Floor;
use crate::sound::Sound;

#[derive(Debug, Default)]
pub struct Speakers {
    floor: Floor<TrackKey>,
    /// Tracks of sound that somebody may speak on, and whose they are.
    microphones: BTreeMap<TrackKey, String>,
}

impl Speakers {
    pub fn add(&mut self, track: &Track) {
        if track.audio && !track.screen {
            self.microphones.insert(track.key, track.participant.clone());
        }
    }

    pub fn remove(&mut self, key: TrackKey) {
        self.microphones.remove(&key);
        self.floor.gone(key);
    }

    /// Listens to what is mixed now.
    pub fn hear(&mut self, now: Duration, sound: &Sound) {
        let loudest = sound.loudest(self.floor.has());
        self.floor.hear(now, loudest.filter(|track| self.microphones.contains_key(track)));
    }

    /// Identifier of the participant who has the floor, `p7`.
    pub fn speaker(&self) -> Option<&str> {
        self.microphones.get(&self.floor.has()?).map(String::as_str)
    }
}
