//! Video frames of one track, up to where they can be written. Pure.

use std::time::Duration;

use bytes::Bytes;
use crescendo_cmaf::avc::ParameterSets;
use crescendo_cmaf::{Coding, av1, vpx};
use crescendo_leg_api::{Codec, Frame};

#[cfg(test)]
mod tests;

/// After this long without a frame a key frame is not asked for: nobody would answer.
const SENDS_WITHIN: Duration = Duration::from_secs(2);

/// One access unit that can be decoded after those before it.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) capture: Duration,
    /// What a decoder has to know from here on. Of every key frame.
    pub(crate) coding: Option<Coding>,
    pub(crate) data: Bytes,
}

/// What is known of a track.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    sets: ParameterSets,
    /// The codec that can be decoded from here on without a key frame. None before the first and after a loss.
    running: Option<Codec>,
    last_key: Option<Duration>,
    last_frame: Option<Duration>,
}

impl Picture {
    /// Gives the frame where it can be decoded.
    pub(crate) fn push(&mut self, frame: Frame) -> Option<Unit> {
        self.last_frame = Some(frame.capture);
        let mut data = frame.data;
        // The bitstream itself says whether it is a key frame that can be used; how it was packed says so at second hand.
        let coding = match frame.codec {
            Codec::Opus => return None,
            Codec::H264 => {
                let unit = self.sets.access_unit(&data);
                data = unit.data;
                let sps = self.sets.parsed().filter(|_| unit.key);
                if unit.key && sps.is_none() {
                    // Its parameter sets are missing, or of a kind that nobody could decode.
                    self.interrupt();
                }
                sps.map(|sps| Coding::Avc { sets: self.sets.clone(), sps })
            }
            Codec::Vp8 => vpx::vp8_key(&data).map(|size| Coding::Vp8 { size }),
            Codec::Vp9 => vpx::vp9_key(&data).map(Coding::Vp9),
            // Repeated on other frames, too.
            Codec::Av1 => av1::sequence(&data).filter(|_| frame.key).map(Coding::Av1),
        };
        if coding.is_some() {
            self.running = Some(frame.codec);
            self.last_key = Some(frame.capture);
        } else if self.running != Some(frame.codec) {
            self.interrupt();
            return None;
        }
        Some(Unit { capture: frame.capture, coding, data })
    }

    /// Frames are missing here: it goes on with a key frame.
    pub(crate) fn interrupt(&mut self) {
        self.running = None;
    }

    /// It cannot go on without a key frame, or has had none for `every`.
    pub(crate) fn wants_key(&self, now: Duration, every: Duration) -> bool {
        let sends = self.last_frame.is_some_and(|last| now.saturating_sub(last) < SENDS_WITHIN);
        let old = self.last_key.is_none_or(|last| now.saturating_sub(last) >= every);
        sends && (self.running.is_none() || old)
    }
}

/// Whether samples of `next` may follow those of `before` in one track: the same codec, and of it the same kind. The size may
/// change, since every key frame says it.
pub(crate) fn goes_on(before: &Coding, next: &Coding) -> bool {
    match (before, next) {
        (Coding::Avc { .. }, Coding::Avc { .. }) | (Coding::Vp8 { .. }, Coding::Vp8 { .. }) => true,
        (Coding::Vp9(before), Coding::Vp9(next)) => (before.profile, before.depth) == (next.profile, next.depth),
        (Coding::Av1(before), Coding::Av1(next)) => before.profile == next.profile,
        (
            Coding::Avc { .. }
            | Coding::Vp8 { .. }
            | Coding::Vp9(_)
            | Coding::Av1(_)
            | Coding::Aac { .. }
            | Coding::Opus,
            _,
        ) => false,
    }
}
