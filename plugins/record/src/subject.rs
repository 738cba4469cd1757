//! What is recorded: a participant's camera and microphone, or its screen with its sound. Frames go in, files come out, one
//! after the other where one cannot go on. Pure: what is to be done on disk is said, not done.

use std::time::Duration;

use bytes::Bytes;
use crescendo_cmaf::{AUDIO_TIMESCALE, Coding, Error, Sample, opus};
use crescendo_leg_api::{Frame, TrackKey};

use crate::container::Container;
use crate::picture::{Picture, Unit, goes_on};
use crate::sidecar::{Gap, RecordedFile, Source};
use crate::sound::{Heard, Sound};
use crate::take::Take;

#[cfg(test)]
mod tests;

/// A file begins this long after its first frame, so that the other track's first frame can lie before it.
const SETTLE: Duration = Duration::from_millis(250);

/// A file is at least this long before another codec begins the next one, and a subject has so many files at most: a sender that
/// goes to and fro between codecs must not fill the disk with files, nor hold up what others wait for.
const FILE_LEAST: Duration = Duration::from_secs(1);
const FILES_MAX: u32 = 100;
/// How long sound waits for a picture that was announced. Higher: fewer files that begin without their picture; lower: less
/// is lost where the server is killed just then.
const PATIENCE: Duration = Duration::from_millis(2_000);

/// A subject without tracks is over after this: tracks that are only renewed come back at once.
const OVER_AFTER: Duration = Duration::from_secs(2);

/// Most bytes that wait for a file to begin.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// Silence that is noted as a gap.
const SOUND_GAP: Duration = Duration::from_millis(100);

/// A file, for as long as the leg runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) u32);

/// What is to be done on disk. `about` is what the file holds with it.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    Open { file: FileId, head: Bytes, about: RecordedFile },
    Write { file: FileId, data: Bytes, about: RecordedFile },
    Close { file: FileId },
}

/// Where jobs and new names for files come from.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) jobs: Vec<Job>,
    pub(crate) files: u32,
}

#[derive(Debug)]
pub(crate) struct Subject {
    container: Container,
    participant: String,
    source: Source,
    /// Tracks that are there now.
    pub(crate) video: Option<TrackKey>,
    pub(crate) audio: Option<TrackKey>,
    picture: Picture,
    sound: Sound,
    /// What waits for a file, or for the next fragment: samples, and the silence in them.
    heard: Vec<(Sample, u32)>,
    silence: Option<Gap>,
    /// Pictures that wait for a file.
    seen: Vec<Unit>,
    waiting_bytes: usize,
    waits_since: Option<Duration>,
    take: Option<(FileId, Take)>,
    alone_since: Option<Duration>,
    /// Its picture is not for such a file.
    refused: bool,
    /// When the last file was begun, and how many there were.
    begun: Duration,
    files: u32,
}

impl Subject {
    pub(crate) fn new(container: Container, participant: String, source: Source) -> Self {
        Self {
            container,
            participant,
            source,
            video: None,
            audio: None,
            picture: Picture::default(),
            sound: Sound::default(),
            heard: Vec::new(),
            silence: None,
            seen: Vec::new(),
            waiting_bytes: 0,
            waits_since: None,
            take: None,
            alone_since: None,
            refused: false,
            begun: Duration::ZERO,
            files: 0,
        }
    }

    pub(crate) fn add(&mut self, key: TrackKey, audio: bool) {
        *(if audio { &mut self.audio } else { &mut self.video }) = Some(key);
        self.alone_since = None;
    }

    pub(crate) fn remove(&mut self, key: TrackKey, now: Duration) {
        if self.video == Some(key) {
            self.video = None;
            self.picture.interrupt();
        }
        if self.audio == Some(key) {
            self.audio = None;
        }
        if self.video.is_none() && self.audio.is_none() {
            self.alone_since = Some(now);
        }
    }

    /// Frames of the picture are missing.
    pub(crate) fn interrupt(&mut self) {
        self.picture.interrupt();
    }

    pub(crate) fn wants_key(&self, now: Duration, every: Duration) -> bool {
        self.picture.wants_key(now, every)
    }

    /// A file is being written.
    pub(crate) fn has_file(&self) -> bool {
        self.take.is_some()
    }

    /// What it sends of a picture cannot be in its file.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused && self.video.is_some()
    }

    pub(crate) fn frame(&mut self, frame: Frame, now: Duration, desk: &mut Desk) -> Result<(), Error> {
        if frame.codec.is_audio() {
            let (capture, size) = (frame.capture, frame.data.len());
            match self.sound.push(capture, frame.data, &mut self.heard) {
                Heard::Taken => self.wait(size, now),
                Heard::AfterSilence(samples) => {
                    self.note_silence(samples);
                    self.wait(size, now);
                }
                Heard::Dropped => {}
            }
            return Ok(());
        }
        let Some(unit) = self.picture.push(frame) else { return Ok(()) };
        if let Some(coding) = &unit.coding {
            self.refused = !self.container.takes(coding);
        }
        if self.refused {
            return Ok(());
        }
        if let Some((_, take)) = &mut self.take {
            let follows = match (&unit.coding, take.coding()) {
                (None, _) => true,
                (Some(next), Some(before)) => goes_on(before, next),
                (Some(_), None) => false,
            };
            if follows {
                take.picture(unit);
                return Ok(());
            }
            if now < self.begun + FILE_LEAST || self.files >= FILES_MAX {
                self.picture.interrupt();
                return Ok(());
            }
            // A file of its own, which begins where the sound of the last one ended.
            self.close(now, desk)?;
            return self.open(vec![unit], now, desk);
        }
        if unit.coding.is_some() {
            let other = |first: &Unit| match (&first.coding, &unit.coding) {
                (Some(first), Some(next)) => !goes_on(first, next),
                (Some(_) | None, Some(_) | None) => false,
            };
            if self.seen.first().is_some_and(other) {
                self.seen.clear();
            }
        }
        let size = unit.data.len();
        self.seen.push(unit);
        self.wait(size, now);
        Ok(())
    }

    /// Begins files, cuts fragments, ends files. False when the subject is over.
    pub(crate) fn tick(&mut self, now: Duration, fragment: Duration, desk: &mut Desk) -> Result<bool, Error> {
        if let Some(since_cut) = self.take.as_ref().map(|(_, take)| take.since_cut(now)) {
            let silence = self.sound.tick(now, &mut self.heard);
            if silence > 0 {
                self.note_silence(silence);
            }
            if since_cut >= fragment {
                self.cut(now, false, desk)?;
            }
        } else if self.is_ready(now) {
            let seen = std::mem::take(&mut self.seen);
            self.open(seen, now, desk)?;
        }
        let over = self.alone_since.is_some_and(|since| now.saturating_sub(since) >= OVER_AFTER);
        if over {
            self.finish(now, desk)?;
        }
        Ok(!over)
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self, now: Duration, desk: &mut Desk) -> Result<(), Error> {
        if self.take.is_none() && self.waits_since.is_some() {
            let seen = std::mem::take(&mut self.seen);
            self.open(seen, now, desk)?;
        }
        self.close(now, desk)
    }

    /// A fragment of `file` could not be taken: the picture goes on with a key frame.
    pub(crate) fn refused(&mut self, file: FileId) {
        if let Some((_, take)) = self.take.as_mut().filter(|(own, _)| *own == file) {
            take.refused();
            self.picture.interrupt();
        }
    }

    /// `file` could not be begun.
    pub(crate) fn not_opened(&mut self, file: FileId) {
        if self.take.as_ref().is_some_and(|(own, _)| *own == file) {
            self.take = None;
            self.forget();
        }
    }

    fn is_ready(&self, now: Duration) -> bool {
        let Some(since) = self.waits_since else { return false };
        let patience = if self.seen.is_empty() && self.video.is_some() && !self.refused { PATIENCE } else { SETTLE };
        now.saturating_sub(since) >= patience
    }

    /// Counts what waits for a file to begin, the newest of it, and lets go of all where it is too much: what would be left
    /// could not be decoded without what went.
    fn wait(&mut self, bytes: usize, now: Duration) {
        if self.take.is_some() {
            return;
        }
        self.waits_since.get_or_insert(now);
        self.waiting_bytes += bytes;
        if self.waiting_bytes > WAITING_BYTES_MAX {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.heard.clear();
        self.seen.clear();
        self.silence = None;
        self.sound = Sound::default();
        (self.waiting_bytes, self.waits_since) = (0, None);
        self.picture.interrupt();
    }

    fn note_silence(&mut self, samples: u64) {
        let ms = |samples: u64| samples * 1_000 / u64::from(AUDIO_TIMESCALE);
        // It ends before what was heard last.
        let end = self.heard.iter().rfind(|(sample, _)| sample.data[..] == opus::SILENCE);
        let end = end.map_or(0, |(sample, length)| sample.time + u64::from(*length));
        let gap = Gap { at_ms: ms(end.saturating_sub(samples)), length_ms: ms(samples) };
        match &mut self.silence {
            Some(silence) if silence.at_ms + silence.length_ms + 1 >= gap.at_ms => silence.length_ms += gap.length_ms,
            silence => *silence = Some(gap),
        }
    }

    /// Begins a file with these pictures and what was heard.
    fn open(&mut self, seen: Vec<Unit>, now: Duration, desk: &mut Desk) -> Result<(), Error> {
        (self.waiting_bytes, self.waits_since) = (0, None);
        let time = |samples: u64| {
            Duration::from_nanos((u128::from(samples) * 1_000_000_000 / u128::from(AUDIO_TIMESCALE)) as u64)
        };
        let heard = self.heard.first().map(|(sample, _)| sample.time).or(self.sound.next()).map(time);
        let first = seen.first().map(|unit| unit.capture);
        let origin = heard.into_iter().chain(first).min().unwrap_or(now);
        let coding: Option<Coding> = seen.first().and_then(|unit| unit.coding.clone());
        let about = RecordedFile {
            name: String::new(),
            participant: self.participant.clone(),
            source: self.source,
            offset_ms: 0,
            duration_ms: 0,
            bytes: 0,
            finished: false,
            tracks: Vec::new(),
        };
        let mut take = Take::new(self.container, origin, coding, now, about);
        (self.begun, self.files) = (now, self.files + 1);
        desk.files += 1;
        let file = FileId(desk.files);
        desk.jobs.push(Job::Open { file, head: take.head()?, about: take.about() });
        for unit in seen {
            take.picture(unit);
        }
        self.take = Some((file, take));
        self.cut(now, false, desk)
    }

    fn close(&mut self, now: Duration, desk: &mut Desk) -> Result<(), Error> {
        self.cut(now, true, desk)?;
        if let Some((file, _)) = self.take.take() {
            desk.jobs.push(Job::Close { file });
        }
        Ok(())
    }

    fn cut(&mut self, now: Duration, last: bool, desk: &mut Desk) -> Result<(), Error> {
        let Some((file, take)) = &mut self.take else { return Ok(()) };
        let is_silence = |(sample, _): &(Sample, u32)| sample.data[..] == opus::SILENCE;
        // A short one that goes on may become a long one.
        let goes_on = !last && self.heard.last().is_some_and(is_silence);
        let long = |gap: &Gap| u128::from(gap.length_ms) >= SOUND_GAP.as_millis();
        let silence = match goes_on {
            true => self.silence.take_if(|gap| long(gap)),
            false => self.silence.take().filter(long),
        };
        take.sound(std::mem::take(&mut self.heard), silence);
        if let Some(data) = take.fragment(now, last)? {
            desk.jobs.push(Job::Write { file: *file, data, about: take.about() });
        }
        Ok(())
    }
}
