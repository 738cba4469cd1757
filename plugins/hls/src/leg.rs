//! The leg itself: frames go to the picture and the sound, chunks come out and are published.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use crescendo_cmaf::avc::Sps;
use crescendo_cmaf::{AUDIO_TIMESCALE, Coding, Sample, VIDEO_TIMESCALE, init_section};
use crescendo_leg_api::{Codec, Frame, Leg, State, Track, TrackKey};

use crate::audio::{self, Sound};
use crate::chunker::{Boundary, Chunk, Chunker, Cut};
use crate::disk::Disk;
use crate::picture::{Pictures, Shown};
use crate::playlist::{Picture, Timing};
use crate::store::Store;
use crate::window::{Part, Published, Rendition};

/// When nothing came from the shown sender for this long its last key frame is shown again, so that the playlist goes on and
/// players do not stall. Higher: fewer steps back on a sender that hiccups; lower: an earlier key frame after one. Together
/// with one and a half segments it bounds how long a segment gets.
const FILL_AFTER: Duration = Duration::from_millis(500);

/// How late a frame may arrive before it is taken for missing: reordering, and a key frame that its sender paces.
const FILL_PATIENCE: Duration = Duration::from_millis(300);

/// A key frame is asked for this long before a segment should end: what a request and an encoder take.
const KEY_LEAD: Duration = Duration::from_millis(100);

/// Sound that has had no picture for this long is broadcast alone.
const SOUND_ALONE_AFTER: Duration = Duration::from_secs(10);

/// A picture is not missed before this.
const PICTURE_MISSED_AFTER: Duration = Duration::from_secs(3);

/// How an [`HlsLeg`] cuts and what it shows.
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of a part.
    pub part: Duration,
    /// Wanted length of a segment.
    pub segment: Duration,
    /// Segments in a playlist, at least 3.
    pub segments: usize,
    /// Of the mixed sound, in kbit/s.
    pub audio_kbps: u32,
    /// Written to as well; made where it is missing. One broadcast a directory.
    pub directory: Option<PathBuf>,
    /// Identifier of the participant whose picture is wanted, `p7`.
    pub of: Option<String>,
    /// Wall clock at the room clock's 0.
    pub started: SystemTime,
}

/// A broadcast over HLS: one participant's H.264 as it is, everybody's sound mixed.
///
/// The timeline is the room's clock from end to end and never breaks: a new sender, a new resolution or a gap need no
/// discontinuity, since parameter sets travel in band and a missing picture is bridged by the last one. While nobody sends
/// H.264 the sound goes on; if no picture came at all within [`SOUND_ALONE_AFTER`] of the first sound, it is offered alone.
#[derive(Debug)]
pub struct HlsLeg {
    options: Options,
    store: Arc<Store>,
    now: Duration,
    pictures: Pictures,
    video: Option<Video>,
    audio: Audio,
    first_sound: Option<Duration>,
    failure: Option<String>,
}

#[derive(Debug)]
struct Video {
    chunker: Chunker,
    /// The last key frame.
    key: Bytes,
    sps: Sps,
}

#[derive(Debug)]
enum Audio {
    /// Opened with the first tick, on the leg's own thread: GStreamer may take a while.
    NotYet,
    On {
        sound: Box<Sound>,
        chunker: Chunker,
    },
    Off,
}

impl HlsLeg {
    pub fn new(options: Options) -> (Self, Arc<Store>) {
        let timing = Timing {
            part: options.part,
            target: options.segment * 3 / 2 + FILL_AFTER,
            // Mixed late, then held back by the encoder for two frames and by the chunker for one.
            sound_delay: audio::MIX_DELAY + Duration::from_millis(64),
            started: options.started,
        };
        let disk = options.directory.clone().and_then(|directory| match Disk::open(directory.clone()) {
            Ok(disk) => Some(disk),
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "the broadcast is not written to disk");
                None
            }
        });
        let since = options.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let store = Arc::new(Store::new(timing, format!("{:x}", since.as_millis()), options.segments, disk));
        let leg = Self {
            pictures: Pictures::new(options.of.clone()),
            store: store.clone(),
            options,
            now: Duration::ZERO,
            video: None,
            audio: Audio::NotYet,
            first_sound: None,
            failure: None,
        };
        (leg, store)
    }

    fn cut(&self, boundary: Boundary, timescale: u32) -> Cut {
        let part = ticks(self.options.part, timescale);
        let segment = ticks(self.options.segment, timescale);
        Cut { boundary, part, segment, longest: segment * 3 / 2 }
    }

    fn show(&mut self, capture: Duration, shown: Shown) -> Result<(), crescendo_cmaf::Error> {
        if let Some((sps, sets)) = shown.sequence {
            if self.video.as_ref().is_none_or(|video| video.sps != sps) {
                let [profile, constraints, level] = sps.profile;
                let codec = format!("avc3.{profile:02x}{constraints:02x}{level:02x}");
                self.store.set_picture(Picture { codec, width: sps.width, height: sps.height });
            }
            let key = shown.unit.data.clone();
            match &mut self.video {
                Some(video) => (video.key, video.sps) = (key, sps),
                None => {
                    self.store.begin(Rendition::Video, init_section(&Coding::Avc { sets, sps })?);
                    let chunker = Chunker::new(self.cut(Boundary::KeyFrame, VIDEO_TIMESCALE));
                    self.video = Some(Video { chunker, key, sps });
                }
            }
        }
        let Some(video) = &mut self.video else { return Ok(()) };
        let time = ticks(capture, VIDEO_TIMESCALE);
        let chunk = video.chunker.push(Sample { time, key: shown.unit.key, data: shown.unit.data })?;
        if let Some(chunk) = chunk {
            self.store.publish(Rendition::Video, published(chunk, VIDEO_TIMESCALE));
        }
        Ok(())
    }

    /// Shows the last key frame again where the shown sender fell silent.
    fn fill(&mut self) -> Result<(), crescendo_cmaf::Error> {
        let Some(video) = &mut self.video else { return Ok(()) };
        let (after, patience) = (ticks(FILL_AFTER, VIDEO_TIMESCALE), ticks(FILL_PATIENCE, VIDEO_TIMESCALE));
        let now = ticks(self.now, VIDEO_TIMESCALE);
        while let Some(newest) = video.chunker.newest()
            && now > newest + after + patience
        {
            self.pictures.interrupt();
            let sample = Sample { time: newest + after, key: true, data: video.key.clone() };
            if let Some(chunk) = video.chunker.push(sample)? {
                self.store.publish(Rendition::Video, published(chunk, VIDEO_TIMESCALE));
            }
        }
        Ok(())
    }

    fn sound(&mut self) -> Result<(), String> {
        let bits_per_second = self.options.audio_kbps.saturating_mul(1_000);
        match &mut self.audio {
            Audio::NotYet => {
                let rate = i32::try_from(bits_per_second).unwrap_or(i32::MAX);
                let sound = match Sound::open(self.now, rate) {
                    Ok(sound) => Box::new(sound),
                    Err(error) => {
                        self.audio = Audio::Off;
                        return Err(error.to_string());
                    }
                };
                let init = init_section(&Coding::Aac { bits_per_second }).map_err(|error| error.to_string())?;
                self.store.begin(Rendition::Audio, init);
                let chunker = Chunker::new(self.cut(Boundary::Length, AUDIO_TIMESCALE));
                self.audio = Audio::On { sound, chunker };
            }
            Audio::On { sound, chunker } => {
                for sample in sound.tick(self.now).map_err(|error| error.to_string())? {
                    if let Some(chunk) = chunker.push(sample).map_err(|error| error.to_string())? {
                        self.store.publish(Rendition::Audio, published(chunk, AUDIO_TIMESCALE));
                    }
                }
            }
            Audio::Off => {}
        }
        Ok(())
    }

    fn fail(&mut self, reason: String) {
        if self.failure.is_none() {
            tracing::error!(reason, "a broadcast failed");
            self.failure = Some(reason);
        }
    }
}

impl Leg for HlsLeg {
    fn track_added(&mut self, track: Track) {
        if !track.audio {
            self.pictures.add(&track);
        }
    }

    fn track_removed(&mut self, key: TrackKey) {
        self.pictures.remove(key);
        if let Audio::On { sound, .. } = &mut self.audio {
            sound.remove(key);
        }
    }

    fn gap(&mut self, key: TrackKey) {
        self.pictures.gap(key);
    }

    fn frame(&mut self, frame: Frame) {
        match frame.codec {
            Codec::Opus => {
                self.first_sound.get_or_insert(frame.capture);
                if let Audio::On { sound, .. } = &mut self.audio {
                    sound.packet(frame.track, frame.capture, &frame.data);
                }
            }
            Codec::H264 => {
                if let Some(shown) = self.pictures.frame(&frame)
                    && let Err(error) = self.show(frame.capture, shown)
                {
                    self.fail(error.to_string());
                }
            }
            // Not broadcast: it would have to be transcoded.
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 => {}
        }
    }

    fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
        if let Err(reason) = self.sound() {
            self.fail(reason);
        }
        if let Err(error) = self.fill() {
            self.fail(error.to_string());
        }
        let alone = self.first_sound.is_some_and(|first| self.now.saturating_sub(first) > SOUND_ALONE_AFTER);
        if alone && self.video.is_none() {
            self.store.offer_sound_alone();
        }
    }

    fn wants_key(&mut self) -> Vec<TrackKey> {
        if let Some(track) = self.pictures.wants_key(self.now) {
            return vec![track];
        }
        let due = self.video.as_ref().and_then(|video| video.chunker.segment_start()).is_some_and(|start| {
            let wait = self.options.segment.saturating_sub(KEY_LEAD);
            ticks(self.now, VIDEO_TIMESCALE) >= start + ticks(wait, VIDEO_TIMESCALE)
        });
        self.pictures.shown().filter(|_| due).into_iter().collect()
    }

    fn state(&self) -> State {
        if let Some(reason) = &self.failure {
            return State::Failed(reason.clone());
        }
        let offered = self.store.offered();
        match (offered, self.pictures.sent(self.now)) {
            (true, true) => State::Running,
            (false, true) => State::Starting,
            (true, false) if self.video.is_some() => {
                State::Waiting("nobody sends H.264 video; the last picture stands still".into())
            }
            (true, false) => State::Waiting("nobody sends H.264 video; only the sound is broadcast".into()),
            (false, false) if self.now < PICTURE_MISSED_AFTER => State::Starting,
            (false, false) => State::Waiting("nobody sends H.264 video".into()),
        }
    }

    fn finish(&mut self) {
        let mut last = Vec::new();
        if let Some(video) = &mut self.video {
            let end = ticks(self.now, VIDEO_TIMESCALE);
            last.push((Rendition::Video, VIDEO_TIMESCALE, video.chunker.finish(end)));
        }
        if let Audio::On { sound, chunker } = &mut self.audio {
            let samples = sound.finish(self.now);
            let end = samples.last().map_or(0, |sample| sample.time + audio::AAC_FRAME);
            for sample in samples {
                last.push((Rendition::Audio, AUDIO_TIMESCALE, chunker.push(sample)));
            }
            let end = end.max(chunker.newest().unwrap_or(0) + audio::AAC_FRAME);
            last.push((Rendition::Audio, AUDIO_TIMESCALE, chunker.finish(end)));
        }
        self.audio = Audio::Off;
        for (rendition, timescale, chunk) in last {
            match chunk {
                Ok(Some(chunk)) => self.store.publish(rendition, published(chunk, timescale)),
                Ok(None) => {}
                Err(error) => self.fail(error.to_string()),
            }
        }
        self.store.end();
    }
}

fn published(chunk: Chunk, timescale: u32) -> Published {
    Published {
        part: Part { data: chunk.data, duration: time(chunk.shown, timescale), independent: chunk.independent },
        samples: chunk.samples,
        segment_start: time(chunk.segment_start, timescale),
        ends_segment: chunk.ends_segment.map(|length| time(length, timescale)),
    }
}

/// Rounded to the nearest unit.
fn ticks(time: Duration, timescale: u32) -> u64 {
    ((time.as_nanos() * u128::from(timescale) + 500_000_000) / 1_000_000_000) as u64
}

fn time(ticks: u64, timescale: u32) -> Duration {
    Duration::from_nanos((u128::from(ticks) * 1_000_000_000 / u128::from(timescale)) as u64)
}
