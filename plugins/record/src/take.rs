//! One file in the making: samples go in, fragments come out. Pure. Times are the file's own, from its beginning.

use std::time::Duration;

use bytes::Bytes;
use crescendo_cmaf::{AUDIO_TIMESCALE, Coding, Error, Sample, VIDEO_TIMESCALE};

use crate::container::Container;
use crate::picture::Unit;
use crate::sidecar::{Gap, RecordedFile, RecordedTrack};
use crate::{millis, ticks};

/// A picture that has stood for this long is written although its successor has not come. Higher: fewer holes in the
/// fragments; lower: a file that is cut off holds more.
const HELD_MAX: Duration = Duration::from_millis(700);

/// How much of the time up to now is left open then: a successor that is on its way belongs there.
const UNDER_WAY: Duration = Duration::from_millis(300);

/// A picture that stands for longer than this is a gap.
const VIDEO_GAP: Duration = Duration::from_millis(500);

/// How long the last picture of a file lasts, in units of [`VIDEO_TIMESCALE`].
const LAST: u32 = VIDEO_TIMESCALE / 30;

/// Gaps that are noted, for each track. A sender with more has other troubles.
const GAPS_MAX: usize = 1_000;

/// Samples that make a fragment, each with how long it lasts.
type Run = Vec<(Sample, u32)>;

#[derive(Debug)]
pub(crate) struct Take {
    container: Container,
    /// Its beginning on the recording's clock.
    origin: Duration,
    coding: Option<Coding>,
    sequence: u32,
    /// The newest picture, which lasts until the next one.
    held: Option<Sample>,
    /// When the newest picture that came begins, and where those that were written end.
    newest: Option<u64>,
    video_end: u64,
    video: Run,
    audio: Run,
    cut: Duration,
    about: RecordedFile,
    /// What the file was before the newest fragment, and what that one spans, on the recording's clock.
    before: RecordedFile,
    span: Gap,
}

impl Take {
    /// `about` says whose it is; `coding` what its picture is, where it has one. Sound may come at any time.
    pub(crate) fn new(
        container: Container,
        origin: Duration,
        coding: Option<Coding>,
        now: Duration,
        about: RecordedFile,
    ) -> Self {
        let mut tracks = Vec::new();
        if let Some(coding) = &coding {
            let size = coding.size();
            tracks.push(RecordedTrack {
                codec: codec_name(coding).into(),
                width: size.map(|size| size.width),
                height: size.map(|size| size.height),
                ..track()
            });
        }
        tracks.push(RecordedTrack { codec: codec_name(&Coding::Opus).into(), ..track() });
        let about = RecordedFile { offset_ms: millis(origin), tracks, ..about };
        let (video, audio) = (Run::new(), Run::new());
        Self {
            container,
            origin,
            coding,
            sequence: 1,
            held: None,
            newest: None,
            video_end: 0,
            video,
            audio,
            cut: now,
            before: about.clone(),
            span: Gap { at_ms: 0, length_ms: 0 },
            about,
        }
    }

    pub(crate) fn coding(&self) -> Option<&Coding> {
        self.coding.as_ref()
    }

    /// What its file begins with.
    pub(crate) fn head(&self) -> Result<Bytes, Error> {
        let tracks: Vec<Coding> = self.coding.iter().cloned().chain([Coding::Opus]).collect();
        self.container.head(&tracks)
    }

    /// What it holds, tracks without samples left out.
    pub(crate) fn about(&self) -> RecordedFile {
        let mut about = self.about.clone();
        about.tracks.retain(|track| track.samples > 0);
        about
    }

    /// How long it has been since a fragment was cut.
    pub(crate) fn since_cut(&self, now: Duration) -> Duration {
        now.saturating_sub(self.cut)
    }

    /// Takes a picture; only where the file has one.
    pub(crate) fn picture(&mut self, unit: Unit) {
        if self.coding.is_none() {
            return;
        }
        let time = ticks(unit.capture.saturating_sub(self.origin), VIDEO_TIMESCALE);
        let time = match self.held.take() {
            Some(held) => {
                let time = time.max(held.time + 1);
                let duration = u32::try_from(time - held.time).unwrap_or(u32::MAX);
                self.video.push((held, duration));
                time
            }
            None => time.max(self.video_end),
        };
        let offset = millis(self.origin);
        if let Some(since) = self.newest.replace(time)
            && time - since > ticks(VIDEO_GAP, VIDEO_TIMESCALE)
            && let Some(track) = self.about.tracks.first_mut()
        {
            let ms = |units: u64| units * 1_000 / u64::from(VIDEO_TIMESCALE);
            note(track, Gap { at_ms: offset + ms(since), length_ms: ms(time - since) });
        }
        self.held = Some(Sample { time, key: unit.coding.is_some(), data: unit.data });
    }

    /// Takes samples whose times are those of the recording's clock, and a silence that nothing was heard in.
    pub(crate) fn sound(&mut self, samples: Run, silence: Option<Gap>) {
        let origin = ticks(self.origin, AUDIO_TIMESCALE);
        for (mut sample, duration) in samples {
            // From before the file began.
            let Some(time) = sample.time.checked_sub(origin) else { continue };
            sample.time = time;
            self.audio.push((sample, duration));
        }
        if let Some(gap) = silence {
            note(self.about.tracks.last_mut().expect("each take has a track for sound"), gap);
        }
    }

    /// Everything that can be written. None where that is nothing.
    pub(crate) fn fragment(&mut self, now: Duration, last: bool) -> Result<Option<Bytes>, Error> {
        self.cut = now;
        self.release(now, last);
        let (video, audio) = (std::mem::take(&mut self.video), std::mem::take(&mut self.audio));
        self.before = self.about.clone();
        let sound = if self.coding.is_some() { 2 } else { 1 };
        let runs = [(1, &video, VIDEO_TIMESCALE), (sound, &audio, AUDIO_TIMESCALE)];
        let runs = runs.into_iter().filter(|(_, run, _)| !run.is_empty());
        let mut length = 0;
        for (number, run, timescale) in runs.clone() {
            let ms = |units: u64| units * 1_000 / u64::from(timescale);
            let track = &mut self.about.tracks[number as usize - 1];
            if track.samples == 0 {
                track.offset_ms = self.about.offset_ms + run.first().map_or(0, |(sample, _)| ms(sample.time));
            }
            track.samples += run.len() as u64;
            length = length.max(run.last().map_or(0, |(sample, duration)| ms(sample.time + u64::from(*duration))));
        }
        let begin = self.about.duration_ms.min(length);
        self.span = Gap { at_ms: self.about.offset_ms + begin, length_ms: length - begin };
        self.about.duration_ms = self.about.duration_ms.max(length);
        let tracks: Vec<(u32, &[(Sample, u32)])> = runs.map(|(number, run, _)| (number, run.as_slice())).collect();
        if tracks.is_empty() {
            return Ok(None);
        }
        let data = self.container.fragment(self.sequence, &tracks, sound)?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(Some(data))
    }

    /// The newest fragment was not written: the file is what it was, and what came is missing.
    pub(crate) fn refused(&mut self) {
        let gaps = std::mem::take(&mut self.about.tracks).into_iter().map(|track| track.gaps);
        self.about = self.before.clone();
        for (track, gaps) in self.about.tracks.iter_mut().zip(gaps) {
            track.gaps = gaps;
            note(track, self.span);
        }
    }

    /// Lets the newest picture go where there is no waiting for the next one.
    fn release(&mut self, now: Duration, last: bool) {
        let Some(held) = self.held.take() else { return };
        let age = now.saturating_sub(self.origin + time(held.time));
        let duration = if age > HELD_MAX {
            u32::try_from(ticks(age - UNDER_WAY, VIDEO_TIMESCALE)).unwrap_or(u32::MAX)
        } else if last {
            LAST
        } else {
            self.held = Some(held);
            return;
        };
        self.video_end = held.time + u64::from(duration);
        self.video.push((held, duration));
    }
}

fn track() -> RecordedTrack {
    RecordedTrack { codec: String::new(), width: None, height: None, offset_ms: 0, samples: 0, gaps: Vec::new() }
}

fn note(track: &mut RecordedTrack, gap: Gap) {
    let room = track.gaps.len() < GAPS_MAX;
    match track.gaps.last_mut() {
        // One that goes on, or was noted in part already.
        Some(last) if last.at_ms + last.length_ms + 1 >= gap.at_ms => {
            last.length_ms = last.length_ms.max((gap.at_ms + gap.length_ms).saturating_sub(last.at_ms));
        }
        Some(_) | None if room => track.gaps.push(gap),
        Some(_) | None => {}
    }
}

fn codec_name(coding: &Coding) -> &'static str {
    match coding {
        Coding::Avc { .. } => "H264",
        Coding::Vp8 { .. } => "VP8",
        Coding::Vp9(_) => "VP9",
        Coding::Av1(_) => "AV1",
        Coding::Aac { .. } => "AAC",
        Coding::Opus => "Opus",
    }
}

fn time(units: u64) -> Duration {
    Duration::from_nanos((u128::from(units) * 1_000_000_000 / u128::from(VIDEO_TIMESCALE)) as u64)
}
