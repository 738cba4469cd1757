//! Who is loud enough to be heard where only so many are: the loudest of a room, by the level that each packet of sound tells of
//! itself (RFC 6464).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

/// How fast a voice is forgotten after its last loud packet, in dB a second: pauses between words keep a place.
const DECAY: f32 = 20.0;
/// A voice takes the place of one that is this much quieter, in dB. Lower: the louder one is heard sooner; higher: places change less
/// between voices that are alike.
const MARGIN: f32 = 6.0;
/// What RFC 6464 has for silence, in -dBov.
const SILENCE: u8 = 127;

/// The voices of a room, known by `K`.
#[derive(Debug)]
pub struct Voices<K> {
    most: usize,
    voices: HashMap<K, Voice>,
    /// Those that are heard; `most` at most.
    heard: Vec<K>,
}

#[derive(Debug, Clone, Copy)]
struct Voice {
    /// In dB above silence, at `at`.
    loudness: f32,
    at: Instant,
}

impl Voice {
    fn loudness(&self, now: Instant) -> f32 {
        (self.loudness - DECAY * now.saturating_duration_since(self.at).as_secs_f32()).max(0.0)
    }
}

impl<K: Copy + Eq + Hash> Voices<K> {
    /// `most` are heard at once.
    pub fn new(most: usize) -> Self {
        Self { most, voices: HashMap::new(), heard: Vec::with_capacity(most) }
    }

    pub fn set_most(&mut self, most: usize) {
        self.most = most;
        self.heard.truncate(most);
    }

    /// Keeps those that are still there.
    pub fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.voices.retain(|key, _| is_there(key));
        self.heard.retain(is_there);
    }

    /// A packet of a voice. `level` in -dBov, 0 is the loudest. True: it is one of those that are heard.
    pub fn hear(&mut self, key: K, level: u8, now: Instant) -> bool {
        let new = f32::from(SILENCE.saturating_sub(level));
        let voice = self.voices.entry(key).or_insert(Voice { loudness: 0.0, at: now });
        *voice = Voice { loudness: voice.loudness(now).max(new), at: now };
        let loudness = voice.loudness;
        if self.heard.contains(&key) {
            return true;
        }
        if self.heard.len() < self.most {
            self.heard.push(key);
            return true;
        }
        let loud = |key: &K| self.voices.get(key).map_or(0.0, |voice| voice.loudness(now));
        let quietest = (0..self.heard.len()).min_by(|a, b| loud(&self.heard[*a]).total_cmp(&loud(&self.heard[*b])));
        match quietest.filter(|quietest| loud(&self.heard[*quietest]) + MARGIN <= loudness) {
            Some(quietest) => {
                self.heard[quietest] = key;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
