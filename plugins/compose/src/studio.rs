//! Everybody in one picture with one sound, as frames of two tracks.

use std::sync::Arc;
use std::time::Duration;

use crescendo_cmaf::{AUDIO_TIMESCALE, Sample};
use crescendo_leg_api::{Codec, Frame, Layer, Track, TrackKey};

use crate::Budget;
use crate::composite::{Composite, Composition};
use crate::pipeline::PipelineError;
use crate::sound::{Encoding, Sound};
use crate::speakers::Speakers;

#[cfg(test)]
mod tests;

/// The track that the mixed sound is of: no participant's.
pub const MIXED: TrackKey = TrackKey(u64::MAX - 1);

/// How far ahead of the room's clock a frame may be: what is between two ticks, and clocks that disagree. Higher: forgives worse
/// clocks; lower: such a sender disturbs less.
pub const AHEAD_MOST: Duration = Duration::from_millis(500);

/// What comes out is H.264 of [`COMPOSED`] and Opus of [`MIXED`].
#[derive(Debug)]
pub struct Studio {
    composite: Composite,
    encoding: Encoding,
    /// Opened with the first tick, on the leg's own thread: GStreamer may take a while.
    sound: Option<Sound>,
    speakers: Speakers,
    now: Duration,
}

impl Studio {
    /// `first`: identifier of the participant whose tile comes first; `audio_kbps`: of the sound.
    pub fn new(how: Composition, first: Option<String>, audio_kbps: u32, budget: Arc<Budget>) -> Self {
        let bits_per_second = i32::try_from(audio_kbps.saturating_mul(1_000)).unwrap_or(i32::MAX);
        Self {
            composite: Composite::new(how, first, budget),
            encoding: Encoding::Opus { bits_per_second },
            sound: None,
            speakers: Speakers::default(),
            now: Duration::ZERO,
        }
    }

    pub fn add(&mut self, track: &Track) {
        self.speakers.add(track);
        self.composite.add(track);
    }

    pub fn remove(&mut self, key: TrackKey) {
        self.speakers.remove(key);
        self.composite.remove(key);
        if let Some(sound) = &mut self.sound {
            sound.remove(key);
        }
    }

    pub fn gap(&mut self, key: TrackKey, layer: Layer) {
        self.composite.gap(key, layer);
    }

    pub fn frame(&mut self, frame: Frame) {
        // A clock that runs far ahead does not take everybody with it.
        let capture = frame.capture.min(self.now + AHEAD_MOST);
        if !frame.codec.is_audio() {
            return self.composite.frame(&Frame { capture, ..frame });
        }
        if let Some(sound) = &mut self.sound {
            sound.packet(frame.track, frame.capture, &frame.data);
        }
    }

    /// What is ready, in the order of each track.
    pub fn tick(&mut self, now: Duration) -> Result<Vec<Frame>, PipelineError> {
        self.now = self.now.max(now);
        let sound = match &mut self.sound {
            Some(sound) => sound,
            None => self.sound.insert(Sound::open(self.now, self.encoding)?),
        };
        let mut frames: Vec<_> = sound.tick(self.now)?.into_iter().map(heard).collect();
        self.speakers.hear(self.now, sound);
        frames.extend(self.composite.tick(self.now, self.speakers.speaker()).into_iter().map(Frame::from));
        Ok(frames)
    }

    /// The last of the sound; of the picture nothing is left.
    pub fn finish(&mut self) -> Vec<Frame> {
        let Some(sound) = &mut self.sound else { return Vec::new() };
        sound.finish(self.now).into_iter().map(heard).collect()
    }

    /// Those of whom a key frame is needed.
    pub fn wants_key(&self) -> Vec<TrackKey> {
        self.composite.wants_key(self.now)
    }

    /// The next picture is to be a key frame.
    pub fn force_key(&mut self) {
        self.composite.force_key(self.now);
    }

    /// Why there is no picture.
    pub fn refusal(&self) -> Option<&str> {
        self.composite.refusal()
    }

    /// Pictures that were not made in time, since this was asked last.
    pub fn dropped(&mut self) -> u64 {
        self.composite.dropped()
    }
}

fn heard(Sample { time, data, .. }: Sample) -> Frame {
    let capture = Duration::from_nanos((u128::from(time) * 1_000_000_000 / u128::from(AUDIO_TIMESCALE)) as u64);
    Frame { track: MIXED, layer: Layer::WHOLE, codec: Codec::Opus, capture, key: true, data }
}
