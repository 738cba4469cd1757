//! Everybody's sound added up on the room's clock. Pure: decoded samples go in where they belong, and what has come of age
//! goes out, silence where nobody spoke.

use std::collections::VecDeque;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Samples a second and channel.
pub(crate) const RATE: u64 = 48_000;
const CHANNELS: usize = 2;

/// Sound further ahead than this is not waited for: 2 s. It bounds memory, at 8 bytes a sample.
const AHEAD_MAX: u64 = 2 * RATE;

/// Most that one call gives out: 5 s, after which a stalled leg catches up in steps.
const TAKE_MAX: u64 = 5 * RATE;

/// Times of one track that are off by less than this are jitter, and its samples are laid end to end; more is a gap. 40 ms:
/// higher hides a growing drift for longer, lower cuts on ordinary jitter.
const JITTER: u64 = RATE / 25;

/// Sample number on the room's clock.
pub(crate) fn position(time: Duration) -> u64 {
    (time.as_nanos() * u128::from(RATE) / 1_000_000_000) as u64
}

#[derive(Debug)]
pub(crate) struct Mix {
    /// Of `sums[0]`.
    start: u64,
    /// Both channels, interleaved.
    sums: VecDeque<i32>,
}

/// Where the next samples of one track belong.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    next: Option<u64>,
}

impl Mix {
    pub(crate) fn new(start: u64) -> Self {
        Self { start, sums: VecDeque::new() }
    }

    /// Adds interleaved stereo samples of a track, captured from `at` on. What is older than what was already given out is
    /// lost; false then.
    pub(crate) fn add(&mut self, voice: &mut Voice, at: u64, samples: &[i16]) -> bool {
        let from = match voice.next {
            Some(next) if next.abs_diff(at) < JITTER => next,
            Some(_) | None => at,
        };
        let frames = (samples.len() / CHANNELS) as u64;
        voice.next = Some(from.saturating_add(frames));
        if from.saturating_add(frames) > self.start + AHEAD_MAX {
            return false;
        }
        let late = self.start.saturating_sub(from).min(frames);
        let index = (from + late).saturating_sub(self.start) as usize * CHANNELS;
        let rest = samples.get(late as usize * CHANNELS..).unwrap_or_default();
        if self.sums.len() < index + rest.len() {
            self.sums.resize(index + rest.len(), 0);
        }
        for (sum, sample) in self.sums.iter_mut().skip(index).zip(rest) {
            *sum = sum.saturating_add(i32::from(*sample));
        }
        late == 0
    }

    /// Everything before `until`: gives the samples, interleaved.
    pub(crate) fn take(&mut self, until: u64) -> Vec<i16> {
        let frames = until.saturating_sub(self.start).min(TAKE_MAX);
        self.start += frames;
        let wanted = frames as usize * CHANNELS;
        let there = wanted.min(self.sums.len());
        let clip = |sum: i32| sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        let mut out: Vec<i16> = self.sums.drain(..there).map(clip).collect();
        out.resize(wanted, 0);
        out
    }
}
