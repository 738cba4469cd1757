//! Opus packets on the room's clock, without a hole. Pure.
//!
//! Players count samples rather than believe timestamps, so a hole or a sender's clock that runs fast would shift the sound
//! against the picture for the rest of the file. Packets therefore follow each other exactly, and when what was written is
//! more than a packet away from the room's clock it is put right by a packet: silence where time is missing, one dropped where
//! there is too much. The difference never adds up.

use std::time::Duration;

use bytes::Bytes;
use crescendo_cmaf::{AUDIO_TIMESCALE, Sample, opus};

use crate::ticks;

#[cfg(test)]
mod tests;

/// How far the sound may be from the room's clock before it is put right, in samples: 20 ms. Lower: closer, and more often
/// wrong about packets that are merely late.
const TOLERANCE: u64 = 960;

/// Once nothing came for this long, silence is written. Higher: waits for later packets; lower: a file that is cut off holds
/// more.
const PATIENCE: Duration = Duration::from_millis(800);

/// A file's sound so far. Times are those of the room's clock, in samples at 48 kHz.
#[derive(Debug, Default)]
pub(crate) struct Sound {
    /// Where the next packet belongs. None before the first.
    next: Option<u64>,
}

/// What happened to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Taken,
    /// It is behind silence of this many samples, for which nothing came.
    AfterSilence(u64),
    /// It came too late, or was one too many.
    Dropped,
}

impl Sound {
    /// Appends a packet to `out`, behind silence where there is a hole.
    pub(crate) fn push(&mut self, capture: Duration, data: Bytes, out: &mut Vec<(Sample, u32)>) -> Heard {
        let Some(length) = opus::length(&data) else { return Heard::Dropped };
        let time = ticks(capture, AUDIO_TIMESCALE);
        let next = *self.next.get_or_insert(time);
        if time + TOLERANCE < next {
            return Heard::Dropped;
        }
        let silence = self.fill(time.saturating_sub(TOLERANCE), out);
        let at = self.next.unwrap_or(time);
        out.push((Sample { time: at, key: true, data }, length));
        self.next = Some(at + u64::from(length));
        if silence > 0 { Heard::AfterSilence(silence) } else { Heard::Taken }
    }

    /// Writes silence while nothing comes. Gives its samples.
    pub(crate) fn tick(&mut self, now: Duration, out: &mut Vec<(Sample, u32)>) -> u64 {
        self.fill(ticks(now.saturating_sub(PATIENCE), AUDIO_TIMESCALE), out)
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Silence until `next` is not before `until`.
    fn fill(&mut self, until: u64, out: &mut Vec<(Sample, u32)>) -> u64 {
        let Some(next) = &mut self.next else { return 0 };
        let from = *next;
        while *next < until {
            let data = Bytes::from_static(&opus::SILENCE);
            out.push((Sample { time: *next, key: true, data }, opus::SILENCE_LENGTH));
            *next += u64::from(opus::SILENCE_LENGTH);
        }
        *next - from
    }
}
