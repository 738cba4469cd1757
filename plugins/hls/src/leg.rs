//! The leg itself: frames go to the picture and the sound, chunks come out and are published.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crescendo_cmaf::{AUDIO_TIMESCALE, Coding, VIDEO_TIMESCALE, init_section};
use crescendo_compose::{
    AAC_FRAME, AHEAD_MOST, Budget, COMPOSED, Composite, Composition, Encoding, LAYER_SILENT, Layout, MIX_DELAY, Sound,
    Speakers,
};
use crescendo_leg_api::{Codec, Frame, Layer, Layers, Leg, State, Track, TrackKey};

use crate::chunker::{Boundary, Chunk, Chunker};
use crate::disk::Disk;
use crate::foreign::Foreign;
use crate::ladder::{Cut, Ladder, Made};
use crate::picture::Pictures;
use crate::playlist::Timing;
use crate::store::Store;
use crate::transcode::How;
use crate::window::{Part, Published, Reach, Rendition};

/// When nothing came from the shown sender for this long its last key frame is shown again, so that the playlist goes on and
/// players do not stall. Higher: fewer steps back on a sender that hiccups; lower: an earlier key frame after one. Together
/// with one and a half segments it bounds how long a segment gets.
const FILL_AFTER: Duration = Duration::from_millis(500);

/// How late a frame may arrive before it is taken for missing: reordering, and a key frame that its sender paces. So long the layers
/// of a picture wait for each other where a segment ends.
const FILL_PATIENCE: Duration = Duration::from_millis(300);

/// Frames of two layers that are captured within this are of the same picture: more than what their sender reports disagree by, less
/// than half a frame.
const TOGETHER: Duration = Duration::from_millis(5);

/// A key frame is asked for this long before a segment should end: what a request and an encoder take.
const KEY_LEAD: Duration = Duration::from_millis(100);

/// Sound that has had no picture for this long is broadcast alone.
const SOUND_ALONE_AFTER: Duration = Duration::from_secs(10);

/// A part of the picture is late when its last frame is as old as so many parts: players that hold back as the playlist says then
/// begin to wait.
const LATE_PARTS: u32 = 3;

/// A picture is not missed before this.
const PICTURE_MISSED_AFTER: Duration = Duration::from_secs(3);

/// How an [`HlsLeg`] cuts and what it shows.
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of a part.
    pub part: Duration,
    /// Wanted length of a segment.
    pub segment: Duration,
    /// Segments in memory, at least 3; what a playlist has where nothing is written to disk.
    pub segments: usize,
    /// How far back a playlist goes where segments are on disk.
    pub window: Duration,
    /// Of the mixed sound, in kbit/s.
    pub audio_kbps: u32,
    /// Shared by all broadcasts of a server: how many pictures are encoded at once, each size of a ladder one.
    pub transcodes: Arc<Budget>,
    /// Of a picture that is transcoded, in kbit/s; of a ladder's largest size.
    pub transcode_kbps: u32,
    /// Heights that the picture is transcoded to, whatever it comes in, in pixels, the largest first, three at most. Those that are
    /// larger than the picture are left out. None: it is not transcoded where it need not be, and to one size where it must be.
    /// Of a composed picture, in place of [`Composition::ladder`].
    pub ladder: Vec<usize>,
    /// Written to as well, into a directory of this broadcast's own below it; made where it is missing.
    pub directory: Option<PathBuf>,
    /// Identifier of the participant whose picture is wanted, `p7`; of a composed picture, who comes first.
    pub of: Option<String>,
    /// How a picture is composed, where its layout is another than [`Layout::Single`].
    pub composition: Composition,
    /// Wall clock at the room clock's 0.
    pub started: SystemTime,
}

/// A broadcast over HLS: one participant's H.264 as it is, in every layer that comes, or transcoded where it is none; everybody's
/// sound mixed.
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
    foreign: Foreign,
    composite: Option<Composite>,
    ladder: Ladder,
    audio: Audio,
    speakers: Speakers,
    first_sound: Option<Duration>,
    failure: Option<String>,
    /// Parts that were late and not asked for yet.
    late: u64,
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
            sound_delay: MIX_DELAY + Duration::from_millis(64),
        };
        let since = options.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let run = format!("{:x}", since.as_millis());
        let own = options.directory.as_ref().map(|directory| directory.join(&run));
        let disk = own.and_then(|directory| match Disk::open(directory.clone()) {
            Ok(disk) => Some(disk),
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "the broadcast is not written to disk");
                None
            }
        });
        let reach = Reach { memory: options.segments, window: disk.is_some().then_some(options.window) };
        let store = Arc::new(Store::new(timing, run, options.started, reach, disk));
        let is_composed = options.composition.layout != Layout::Single;
        let composite = is_composed
            .then(|| Composition { ladder: options.ladder.clone(), ..options.composition.clone() })
            .map(|how| Composite::new(how, options.of.clone(), options.transcodes.clone()));
        let how = How { kbps: options.transcode_kbps, heights: options.ladder.clone() };
        let mut pictures = Pictures::new(options.of.clone());
        if is_composed {
            pictures.add(&composed());
        }
        let leg = Self {
            composite,
            foreign: Foreign::new(options.of.clone(), how, options.transcodes.clone()),
            ladder: Ladder::new(cut(&options)),
            pictures,
            store: store.clone(),
            options,
            now: Duration::ZERO,
            audio: Audio::NotYet,
            speakers: Speakers::default(),
            first_sound: None,
            failure: None,
            late: 0,
        };
        (leg, store)
    }

    /// Publishes what the ladder made of what was captured at `capture`.
    fn publish(&mut self, capture: Duration, made: Vec<Made>) {
        let due = capture + LATE_PARTS * self.options.part;
        for made in made {
            match made {
                Made::Begin { rung: Layer::WHOLE, init } => self.store.begin(Rendition::Video, init),
                Made::Begin { rung, init } => self.store.branch(rendition(rung), init),
                Made::Picture { rung, picture } => self.store.set_picture(rendition(rung), picture),
                Made::Offer { rung, offered } => self.store.offer(rendition(rung), offered),
                Made::Chunk { rung, chunk } => {
                    self.late += u64::from(self.now > due);
                    self.store.publish(rendition(rung), published(chunk, VIDEO_TIMESCALE));
                }
            }
        }
    }

    /// Another encoder's picture begins with a key frame.
    fn transcode<T>(&mut self, work: impl FnOnce(&mut Foreign) -> T) -> T {
        let before = self.foreign.transcoded();
        let done = work(&mut self.foreign);
        let after = self.foreign.transcoded();
        if before != after {
            for track in before.into_iter().chain(after) {
                Layer::ALL.into_iter().for_each(|layer| self.pictures.gap(track, layer));
            }
        }
        done
    }

    fn picture(&mut self, frame: &Frame) {
        let (capture, now) = (ticks(frame.capture, VIDEO_TIMESCALE), ticks(self.now, VIDEO_TIMESCALE));
        let mut made = Vec::new();
        // A hole is filled before it is known how long it would have made a segment, however late it comes to light.
        let is_shown = self.pictures.shown() == Some(frame.track);
        let filled = if is_shown { self.ladder.fill(capture, &mut made) } else { Ok(()) };
        let shown = self.pictures.frame(frame);
        let done = filled.and_then(|()| shown.map_or(Ok(()), |shown| self.ladder.take(capture, shown, now, &mut made)));
        self.publish(frame.capture, made);
        if let Err(error) = done {
            self.fail(error.to_string());
        }
    }

    /// Who has the floor. A picture of one follows it.
    fn listen(&mut self, now: Duration) -> Option<String> {
        if let Audio::On { sound, .. } = &self.audio {
            self.speakers.hear(now, sound);
        }
        let speaker = self.speakers.speaker()?.to_owned();
        self.pictures.follow(&speaker);
        self.foreign.follow(&speaker);
        Some(speaker)
    }

    fn sound(&mut self) -> Result<(), String> {
        let bits_per_second = self.options.audio_kbps.saturating_mul(1_000);
        match &mut self.audio {
            Audio::NotYet => {
                let rate = i32::try_from(bits_per_second).unwrap_or(i32::MAX);
                let sound = match Sound::open(self.now, Encoding::Aac { bits_per_second: rate }) {
                    Ok(sound) => Box::new(sound),
                    Err(error) => {
                        self.audio = Audio::Off;
                        return Err(error.to_string());
                    }
                };
                let init = init_section(&Coding::Aac { bits_per_second }).map_err(|error| error.to_string())?;
                self.store.begin(Rendition::Audio, init);
                let length = |length| ticks(length, AUDIO_TIMESCALE);
                let chunker = Chunker::new(Boundary::Length(length(self.options.segment)), length(self.options.part));
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
    fn layers(&self) -> Layers {
        Layers::Every
    }

    fn track_added(&mut self, track: Track) {
        self.speakers.add(&track);
        if let Some(composite) = &mut self.composite {
            composite.add(&track);
        } else if !track.audio {
            self.foreign.add(&track);
            self.pictures.add(&track);
        }
    }

    fn track_removed(&mut self, key: TrackKey) {
        self.speakers.remove(key);
        if let Some(composite) = &mut self.composite {
            composite.remove(key);
        }
        self.foreign.remove(key);
        self.pictures.remove(key);
        if let Audio::On { sound, .. } = &mut self.audio {
            sound.remove(key);
        }
    }

    fn gap(&mut self, key: TrackKey, layer: Layer) {
        if let Some(composite) = &mut self.composite {
            return composite.gap(key, layer);
        }
        self.foreign.gap(key, layer);
        if self.foreign.transcoded() != Some(key) {
            self.pictures.gap(key, layer);
        }
    }

    fn frame(&mut self, frame: Frame) {
        match frame.codec {
            Codec::Opus => {
                self.first_sound.get_or_insert(frame.capture);
                if let Audio::On { sound, .. } = &mut self.audio {
                    sound.packet(frame.track, frame.capture, &frame.data);
                }
            }
            _ if self.composite.is_some() => {
                let capture = frame.capture.min(self.now + AHEAD_MOST);
                self.composite.iter_mut().for_each(|composite| composite.frame(&Frame { capture, ..frame.clone() }));
            }
            Codec::H264 if !self.foreign.takes_all() => {
                // A clock that runs far ahead does not take the broadcast with it.
                let capture = frame.capture.min(self.now + AHEAD_MOST);
                self.foreign.native(frame.track, capture);
                self.picture(&Frame { capture, ..frame });
            }
            Codec::H264 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => {
                let capture = frame.capture.min(self.now + AHEAD_MOST);
                self.transcode(|foreign| foreign.frame(&Frame { capture, ..frame }));
            }
        }
    }

    fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
        if let Err(reason) = self.sound() {
            self.fail(reason);
        }
        let now = self.now;
        let speaker = self.listen(now);
        let frames = match &mut self.composite {
            Some(composite) => composite.tick(now, speaker.as_deref()).into_iter().map(Frame::from).collect(),
            None => self.transcode(|foreign| foreign.ready(now)),
        };
        for frame in frames {
            self.picture(&frame);
        }
        let mut made = Vec::new();
        let done = self.ladder.tick(ticks(self.now, VIDEO_TIMESCALE), &mut made);
        self.publish(self.now, made);
        if let Err(error) = done {
            self.fail(error.to_string());
        }
        let alone = self.first_sound.is_some_and(|first| self.now.saturating_sub(first) > SOUND_ALONE_AFTER);
        if alone && !self.ladder.has_begun() {
            self.store.offer_sound_alone();
        }
    }

    fn wants_key(&mut self) -> Vec<TrackKey> {
        if let Some(track) = self.foreign.wants_key(self.now) {
            return vec![track];
        }
        let (now, lead) = (ticks(self.now, VIDEO_TIMESCALE), ticks(KEY_LEAD, VIDEO_TIMESCALE));
        let due = || self.pictures.shown().filter(|_| self.ladder.wants_key(now, lead));
        let wanted = self.pictures.wants_key(self.now).or_else(due);
        if let Some(composite) = &mut self.composite {
            if wanted.is_some() {
                composite.force_key(self.now);
            }
            return composite.wants_key(self.now);
        }
        if wanted.is_some() && wanted == self.foreign.transcoded() {
            self.foreign.force_key(self.now);
            return Vec::new();
        }
        wanted.into_iter().collect()
    }

    fn state(&self) -> State {
        if let Some(reason) = &self.failure {
            return State::Failed(reason.clone());
        }
        let offered = self.store.offered();
        let composite = self.composite.as_ref().and_then(Composite::refusal);
        if let Some(why) = self.foreign.refusal().or(composite).filter(|_| !self.pictures.sent(self.now)) {
            return State::Waiting(why.to_owned());
        }
        match (offered, self.pictures.sent(self.now)) {
            (true, true) => State::Running,
            (false, true) => State::Starting,
            (true, false) if self.ladder.has_begun() => {
                State::Waiting("nobody sends video; the last picture stands still".into())
            }
            (true, false) => State::Waiting("nobody sends video; only the sound is broadcast".into()),
            (false, false) if self.now < PICTURE_MISSED_AFTER => State::Starting,
            (false, false) => State::Waiting("nobody sends video".into()),
        }
    }

    fn dropped(&mut self) -> u64 {
        self.composite.as_mut().map_or(0, Composite::dropped)
    }

    fn late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    fn finish(&mut self) {
        let mut last = Vec::new();
        let mut made = Vec::new();
        let done = self.ladder.finish(ticks(self.now, VIDEO_TIMESCALE), &mut made);
        self.publish(self.now, made);
        if let Err(error) = done {
            self.fail(error.to_string());
        }
        if let Audio::On { sound, chunker } = &mut self.audio {
            let samples = sound.finish(self.now);
            let end = samples.last().map_or(0, |sample| sample.time + AAC_FRAME);
            for sample in samples {
                last.push(chunker.push(sample));
            }
            let end = end.max(chunker.newest().unwrap_or(0) + AAC_FRAME);
            last.push(chunker.finish(end));
        }
        self.audio = Audio::Off;
        for chunk in last {
            match chunk {
                Ok(Some(chunk)) => self.store.publish(Rendition::Audio, published(chunk, AUDIO_TIMESCALE)),
                Ok(None) => {}
                Err(error) => self.fail(error.to_string()),
            }
        }
        self.store.end();
    }
}

/// What the composed picture is a track of.
fn composed() -> Track {
    Track { key: COMPOSED, participant: String::new(), name: String::new(), screen: false, audio: false }
}

/// A composed picture as a frame of it.
fn cut(options: &Options) -> Cut {
    let ticks = |length| ticks(length, VIDEO_TIMESCALE);
    let segment = ticks(options.segment);
    Cut {
        part: ticks(options.part),
        segment,
        longest: segment * 3 / 2,
        together: ticks(TOGETHER),
        patience: ticks(FILL_PATIENCE),
        silent: ticks(LAYER_SILENT),
        fill_after: ticks(FILL_AFTER),
        fill_patience: ticks(FILL_PATIENCE),
    }
}

fn rendition(rung: Layer) -> Rendition {
    match rung {
        Layer::Low => Rendition::Low,
        Layer::Medium => Rendition::Medium,
        Layer::High => Rendition::Video,
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
