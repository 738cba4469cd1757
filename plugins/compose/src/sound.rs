//! Everybody's Opus in, one AAC or Opus out. GStreamer decodes and encodes; what belongs where on the room's clock is [`Mix`]'s.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use crescendo_leg_api::TrackKey;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppLeakyType;

use crate::mix::{Mix, RATE, Voice, position};
use crate::pipeline::{self, Pipeline, PipelineError, make};
use crescendo_cmaf::Sample;

#[cfg(test)]
mod tests;

/// How old sound is when it is mixed: time for lost packets to be sent again and for late ones to arrive. Higher: fewer
/// clicks on bad links; lower: less delay of the whole.
pub const MIX_DELAY: Duration = Duration::from_millis(250);

/// Most participants heard at a time; each costs a decoder and its thread.
const VOICES_MAX: usize = 128;

/// A decoder that broke is replaced after this time, so that garbage from one sender costs little.
const BROKEN_FOR: Duration = Duration::from_secs(2);

/// Samples in an AAC frame, and how many of them the encoder puts in front of the first (its priming frame).
pub const AAC_FRAME: u64 = 1_024;

/// Samples in an Opus packet of 20 ms, and how many libopus looks ahead (RFC 7845 section 4.2).
const OPUS_FRAME: u64 = RATE / 50;
const OPUS_AHEAD: u64 = 312;

/// What the mix is encoded as; bits of both channels together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A frame of 1,024 samples each.
    Aac { bits_per_second: i32 },
    /// A packet of 20 ms each.
    Opus { bits_per_second: i32 },
}

/// How long the encoder may take for each of its last frames. Longer: a starved machine loses nothing; shorter: an encoder that
/// hangs delays the end less.
const DRAIN: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Root mean square of a sample, of 32,768, below which nobody speaks: -50 dB.
const QUIET: f32 = 100.0;

/// Others must be so many times as loud: 6 dB.
const FAVOUR: f32 = 2.0;

/// What is left of a level one tick later: half of it after 0.3 s, so that pauses between words do not count.
const FADES: f32 = 0.955;

/// Everybody's sound.
#[derive(Debug)]
pub struct Sound {
    voices: BTreeMap<TrackKey, Speaker>,
    mix: Mix,
    encoder: Pipeline,
    /// Position of the first sample that was given to the encoder.
    start: u64,
    /// Samples given to the encoder.
    fed: u64,
    /// Frames that came out of it.
    frames: u64,
    encoding: Encoding,
}

/// One participant's microphone.
#[derive(Debug)]
enum Speaker {
    Heard { decoder: Pipeline, voice: Voice, level: f32 },
    Broken { until: Duration },
}

impl Sound {
    /// Sound from `now` on.
    pub fn open(now: Duration, encoding: Encoding) -> Result<Self, PipelineError> {
        pipeline::init()?;
        // Found out now, not when somebody first speaks.
        make("opusdec")?;
        let (encoder, caps) = encoding.encoder()?;
        let encoder = Pipeline::start(&raw_caps(), &[make("audioconvert")?, encoder], &caps, AppLeakyType::None)?;
        let start = position(now.saturating_sub(MIX_DELAY));
        Ok(Self { voices: BTreeMap::new(), mix: Mix::new(start), encoder, start, fed: 0, frames: 0, encoding })
    }

    /// One Opus packet (RFC 6716). The first one of a track opens its decoder.
    pub fn packet(&mut self, track: TrackKey, capture: Duration, data: &Bytes) {
        let full = self.voices.len() >= VOICES_MAX;
        let speaker = match self.voices.get_mut(&track) {
            Some(Speaker::Broken { until }) if capture < *until => return,
            Some(Speaker::Heard { decoder, .. }) => {
                decoder.push(capture, data);
                return;
            }
            None if full => return,
            Some(Speaker::Broken { .. }) | None => open_speaker(capture),
        };
        if let Speaker::Heard { decoder, .. } = &speaker {
            decoder.push(capture, data);
        }
        self.voices.insert(track, speaker);
    }

    pub fn remove(&mut self, track: TrackKey) {
        self.voices.remove(&track);
    }

    /// The track that is loudest, of those that can be heard at all; `favoured` where others are hardly louder.
    pub fn loudest(&self, favoured: Option<TrackKey>) -> Option<TrackKey> {
        let level = |track: &TrackKey, speaker: &Speaker| match speaker {
            Speaker::Heard { level, .. } if favoured == Some(*track) => *level * FAVOUR,
            Speaker::Heard { level, .. } => *level,
            Speaker::Broken { .. } => 0.0,
        };
        let heard = self
            .voices
            .iter()
            .map(|(track, speaker)| (track, level(track, speaker)))
            .filter(|(_, level)| *level > QUIET);
        heard.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(track, _)| *track)
    }

    /// Mixes what has come of age and gives the frames that are ready; their times count samples on the room's clock.
    pub fn tick(&mut self, now: Duration) -> Result<Vec<Sample>, PipelineError> {
        self.decode(now);
        // An encoder that lags loses nothing, or frames would be out of their place: the mix waits for it.
        if !self.encoder.full() {
            self.mix_until(now);
        }
        if let Some(error) = self.encoder.error() {
            return Err(PipelineError::Encoder(error));
        }
        Ok(self.encoded(gst::ClockTime::ZERO))
    }

    /// The last frames, with what waited for an encoder that lags.
    pub fn finish(&mut self, now: Duration) -> Vec<Sample> {
        self.decode(now);
        while self.mix_until(now) {}
        self.encoder.end();
        self.encoded(DRAIN)
    }

    /// What has come out of the decoders has its place in the mix.
    fn decode(&mut self, now: Duration) {
        for speaker in self.voices.values_mut() {
            let Speaker::Heard { decoder, voice, level } = speaker else { continue };
            *level *= FADES;
            while let Some((at, samples)) = decoder.pull(gst::ClockTime::ZERO) {
                let samples: Vec<i16> =
                    samples.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
                *level = level.max(loudness(&samples));
                if let Some(at) = at {
                    self.mix.add(voice, position(at), &samples);
                }
            }
            if let Some(error) = decoder.error() {
                tracing::debug!(error, "an Opus decoder broke");
                *speaker = Speaker::Broken { until: now + BROKEN_FOR };
            }
        }
    }

    /// Gives the encoder what has come of age, or a part of it. False when there was nothing.
    fn mix_until(&mut self, now: Duration) -> bool {
        let samples = self.mix.take(position(now.saturating_sub(MIX_DELAY)));
        if samples.is_empty() {
            return false;
        }
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let time = Duration::from_nanos((u128::from(self.fed) * 1_000_000_000 / u128::from(RATE)) as u64);
        self.fed += samples.len() as u64 / 2;
        self.encoder.push(time, &bytes.into());
        true
    }

    /// Frames are numbered, not timed: the encoder makes one of every so many samples and nothing else.
    fn encoded(&mut self, patience: gst::ClockTime) -> Vec<Sample> {
        let mut samples = Vec::new();
        while let Some((_, data)) = self.encoder.pull(patience) {
            let after = match self.encoding {
                // The first frame is the encoder's priming; what the n-th holds begins n - 1 frames after the start.
                Encoding::Aac { .. } => self.frames.checked_sub(1).map(|before| self.start + before * AAC_FRAME),
                Encoding::Opus { .. } => Some((self.start + self.frames * OPUS_FRAME).saturating_sub(OPUS_AHEAD)),
            };
            samples.extend(after.map(|time| Sample { time, key: true, data: data.into() }));
            self.frames += 1;
        }
        samples
    }
}

impl Encoding {
    fn encoder(self) -> Result<(gst::Element, gst::Caps), PipelineError> {
        match self {
            Self::Aac { bits_per_second } => {
                let encoder = make("avenc_aac")?;
                encoder.set_property("bitrate", bits_per_second);
                let caps = gst::Caps::builder("audio/mpeg").field("mpegversion", 4).field("stream-format", "raw");
                Ok((encoder, caps.build()))
            }
            Self::Opus { bits_per_second } => {
                let encoder = make("opusenc")?;
                encoder.set_property("bitrate", bits_per_second);
                Ok((encoder, gst::Caps::new_empty_simple("audio/x-opus")))
            }
        }
    }
}

/// Root mean square.
fn loudness(samples: &[i16]) -> f32 {
    let energy: f32 = samples.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
    (energy / samples.len().max(1) as f32).sqrt()
}

fn open_speaker(now: Duration) -> Speaker {
    match open_decoder() {
        Ok(decoder) => Speaker::Heard { decoder, voice: Voice::default(), level: 0.0 },
        Err(error) => {
            tracing::warn!(%error, "a participant cannot be heard in the broadcast");
            Speaker::Broken { until: now + BROKEN_FOR }
        }
    }
}

fn open_decoder() -> Result<Pipeline, PipelineError> {
    let decoder = make("opusdec")?;
    // Hostile packets are no reason to stop.
    decoder.set_property("max-errors", -1);
    let opus = gst::Caps::builder("audio/x-opus")
        .field("channel-mapping-family", 0)
        .field("channels", 2)
        .field("rate", RATE as i32)
        .build();
    // A decoder that lags loses the oldest packets.
    Pipeline::start(&opus, &[decoder], &raw_caps(), AppLeakyType::Downstream)
}

fn raw_caps() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", RATE as i32)
        .field("channels", 2)
        .build()
}
