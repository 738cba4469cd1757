//! The segments of one rendition that are there now. Pure: what is published goes in, what may be asked for comes out.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::playlist;

/// One of the broadcast's media playlists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rendition {
    /// The largest picture there is.
    Video,
    /// The same, smaller.
    Medium,
    Low,
    Audio,
}

impl Rendition {
    pub(crate) const ALL: [Self; 4] = [Self::Video, Self::Medium, Self::Low, Self::Audio];
    /// Those of the picture, the largest first.
    pub(crate) const PICTURES: [Self; 3] = [Self::Video, Self::Medium, Self::Low];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Audio => "audio",
        }
    }

    pub(crate) fn playlist(self) -> &'static str {
        match self {
            Self::Video => "video.m3u8",
            Self::Medium => "medium.m3u8",
            Self::Low => "low.m3u8",
            Self::Audio => "audio.m3u8",
        }
    }
}

/// A partial segment (RFC 8216bis section 3).
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) data: Bytes,
    pub(crate) duration: Duration,
    pub(crate) independent: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Empty once the segment is no longer in memory.
    pub(crate) parts: Vec<Part>,
    /// Where it begins on the room's clock.
    pub(crate) start: Duration,
    pub(crate) samples: usize,
    pub(crate) whole: Option<Whole>,
}

/// What is known of a segment once it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) at: Place,
    pub(crate) duration: Duration,
    /// Its lines in a playlist, written once.
    pub(crate) entry: String,
}

/// Where an ended segment's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Memory(Bytes),
    Disk,
}

/// How far back a broadcast can be played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Ended segments that stay in memory, and in a playlist where nothing is on disk.
    pub(crate) memory: usize,
    /// What a playlist lists where segments are on disk.
    pub(crate) window: Option<Duration>,
}

/// How far the disk has come with the segments of a rendition, which it is given in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    /// Segments below this number are on disk, if they are not lost.
    pub(crate) written: u64,
    /// Of those below this number at least the last is not there and will not be.
    pub(crate) lost: u64,
}

/// Ended segments that may stay in memory beyond [`Reach::memory`] while a slow disk has not taken them; what is older then is
/// lost. Higher: survives longer stalls, for memory.
const UNWRITTEN_MAX: usize = 60;

/// What a rendition gets when a chunk is ready.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) part: Part,
    pub(crate) samples: usize,
    pub(crate) segment_start: Duration,
    /// The part is the last of its segment, which lasts this long.
    pub(crate) ends_segment: Option<Duration>,
}

/// Media sequence number and part of a playlist's newest part, or of one that is waited for.
pub(crate) type Position = (u64, usize);

#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) rendition: Rendition,
    /// Told apart from an earlier broadcast of the same room, whose segments caches may still hold.
    run: String,
    /// Wall clock at the room clock's 0.
    started: SystemTime,
    pub(crate) init: Bytes,
    /// Listed ones and, before them, those that players with an older playlist may still ask for; the last may be open.
    segments: VecDeque<Segment>,
    /// Media sequence number of `segments[0]`.
    first: u64,
    /// Segments below this number are those of the rendition that it branched off.
    own_from: u64,
    /// Media sequence number of the first one in a playlist.
    listed_from: u64,
    /// All ended segments in a playlist together.
    listed_duration: Duration,
    reach: Reach,
    rate: Rate,
    pub(crate) ended: bool,
}

/// Of all ended segments since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    peak: u64,
    bytes: u64,
    duration: Duration,
}

impl Window {
    pub(crate) fn new(rendition: Rendition, run: &str, started: SystemTime, init: Bytes, reach: Reach) -> Self {
        let reach = Reach { memory: reach.memory.max(3), ..reach };
        Self {
            rendition,
            run: run.to_owned(),
            started,
            init,
            segments: VecDeque::new(),
            first: 0,
            own_from: 0,
            listed_from: 0,
            listed_duration: Duration::ZERO,
            reach,
            rate: Rate::default(),
            ended: false,
        }
    }

    /// Another rendition that begins with the next segment. It has the same past, so that players find the same moments under the
    /// same numbers in both.
    pub(crate) fn branch(&self, rendition: Rendition, init: Bytes) -> Self {
        let mut branch = Self { rendition, init, rate: Rate::default(), ..self.clone() };
        if branch.segments.back().is_some_and(|segment| segment.whole.is_none()) {
            branch.segments.pop_back();
        }
        branch.segments.iter_mut().for_each(|segment| segment.parts.clear());
        branch.own_from = branch.after();
        branch
    }

    /// The first segment of its own.
    pub(crate) fn own_from(&self) -> u64 {
        self.own_from
    }

    /// It has an ended segment of its own: its bandwidth is known.
    pub(crate) fn is_measured(&self) -> bool {
        self.rate.bytes > 0
    }

    /// Takes a part. Gives the segment that it ended.
    pub(crate) fn publish(&mut self, published: Published) -> Option<Ended> {
        let Published { part, samples, segment_start, ends_segment } = published;
        if self.segments.back().is_none_or(|segment| segment.whole.is_some()) {
            self.segments.push_back(Segment { parts: Vec::new(), start: segment_start, samples: 0, whole: None });
        }
        let number = self.after() - 1;
        let name = self.segment_name(number);
        let segment = self.segments.back_mut().expect("one was pushed where none was open");
        segment.parts.push(part);
        segment.samples += samples;
        let duration = ends_segment?;

        let length = segment.parts.iter().map(|part| part.data.len()).sum();
        let mut data = Vec::with_capacity(length);
        for part in &segment.parts {
            data.extend_from_slice(&part.data);
        }
        let data = Bytes::from(data);
        let mut at = 0;
        for part in &mut segment.parts {
            // The parts now share the segment's memory.
            let end = at + part.data.len();
            part.data = data.slice(at..end);
            at = end;
        }
        let entry = playlist::entry(duration, &name);
        segment.whole = Some(Whole { at: Place::Memory(data.clone()), duration, entry });
        self.rate.add(data.len(), duration);
        self.listed_duration += duration;
        self.slide();
        Some(Ended { number, data })
    }

    /// Moves the beginning of the playlist on.
    fn slide(&mut self) {
        while self.is_too_long() {
            self.unlist();
        }
        // A segment that left the playlist stays for a while (RFC 8216bis section 6.2.2).
        while self.first + (self.reach.memory as u64) < self.listed_from {
            self.segments.pop_front();
            self.first += 1;
        }
    }

    fn is_too_long(&self) -> bool {
        let front = (self.listed_from - self.first) as usize;
        let Some(whole) = self.segments.get(front).and_then(|segment| segment.whole.as_ref()) else { return false };
        let listed = self.ended_segments() - front;
        match self.reach.window {
            Some(window) => listed > self.reach.memory && self.listed_duration >= window + whole.duration,
            None => listed > self.reach.memory,
        }
    }

    /// The first listed segment is listed no more.
    fn unlist(&mut self) {
        let front = (self.listed_from - self.first) as usize;
        if let Some(whole) = self.segments.get(front).and_then(|segment| segment.whole.as_ref()) {
            self.listed_duration -= whole.duration;
            self.listed_from += 1;
        }
    }

    /// Lets go of memory for what the disk has; gives whether the playlist became shorter because the disk has lost something.
    pub(crate) fn release(&mut self, kept: Kept) -> bool {
        let before = self.listed_from;
        let in_memory = self.after().saturating_sub(self.reach.memory as u64);
        let overdue = in_memory.saturating_sub(UNWRITTEN_MAX as u64);
        let lost = if kept.written < overdue { kept.lost.max(overdue) } else { kept.lost };
        while self.listed_from < lost.min(in_memory) {
            self.unlist();
        }
        let settled = in_memory.min(kept.written.max(lost)).saturating_sub(self.first) as usize;
        for segment in self.segments.iter_mut().take(settled).rev() {
            match &mut segment.whole {
                Some(Whole { at: Place::Disk, .. }) | None => break,
                Some(whole) => whole.at = Place::Disk,
            }
            segment.parts.clear();
        }
        self.slide();
        self.listed_from != before
    }

    /// Number of the segment after the last.
    fn after(&self) -> u64 {
        self.first + self.segments.len() as u64
    }

    pub(crate) fn ended_segments(&self) -> usize {
        let open = self.segments.back().is_some_and(|segment| segment.whole.is_none());
        self.segments.len() - usize::from(open)
    }

    /// What a playlist lists: media sequence numbers and segments, the last perhaps open.
    pub(crate) fn listed(&self) -> impl DoubleEndedIterator<Item = (u64, &Segment)> + ExactSizeIterator {
        let front = (self.listed_from - self.first) as usize;
        self.segments.iter().enumerate().skip(front).map(|(index, segment)| (self.first + index as u64, segment))
    }

    pub(crate) fn date(&self, segment: &Segment) -> SystemTime {
        self.started + segment.start
    }

    /// The first segment of a playlist.
    pub(crate) fn listed_from(&self) -> u64 {
        self.listed_from
    }

    /// Segments below this number are kept no more.
    pub(crate) fn forgotten(&self) -> u64 {
        self.first
    }

    /// Where the next part will stand.
    pub(crate) fn next(&self) -> Position {
        let after = self.first + self.segments.len() as u64;
        match self.segments.back() {
            Some(Segment { whole: None, parts, .. }) => (after - 1, parts.len()),
            Some(Segment { whole: Some(_), .. }) | None => (after, 0),
        }
    }

    /// The newest part.
    pub(crate) fn newest(&self) -> Option<Position> {
        let segment = self.segments.back()?;
        Some((self.first + self.segments.len() as u64 - 1, segment.parts.len().checked_sub(1)?))
    }

    pub(crate) fn init_name(&self) -> String {
        format!("{}-{}-init.mp4", self.rendition.name(), self.run)
    }

    pub(crate) fn segment_name(&self, number: u64) -> String {
        format!("{}-{}-{number}.m4s", self.rendition.name(), self.run)
    }

    pub(crate) fn part_name(&self, (number, part): Position) -> String {
        format!("{}-{}-{number}.{part}.m4s", self.rendition.name(), self.run)
    }

    /// What `file` is the name of, where it is one of this rendition's.
    pub(crate) fn find(&self, file: &str) -> Found {
        if file == self.init_name() {
            return Found::Here(self.init.clone());
        }
        let body = file
            .strip_prefix(self.rendition.name())
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_prefix(self.run.as_str()))
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_suffix(".m4s"));
        let Some(body) = body else { return Found::Nothing };
        let (number, part) = match body.split_once('.') {
            None => (body.parse(), None),
            Some((number, part)) => match part.parse::<usize>() {
                Ok(part) => (number.parse(), Some(part)),
                Err(_) => return Found::Nothing,
            },
        };
        let Ok(number) = number else { return Found::Nothing };
        // Names are those that were given out: no leading zeros or signs.
        let name = part.map_or_else(|| self.segment_name(number), |part| self.part_name((number, part)));
        if name != file || number < self.own_from {
            return Found::Nothing;
        }
        if let Some(part) = part
            && (number, part) == self.next()
        {
            return if self.ended { Found::Nothing } else { Found::Soon };
        }
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(segment) = index.and_then(|index| self.segments.get(index)) else { return Found::Nothing };
        match (part, &segment.whole) {
            (Some(part), _) => match segment.parts.get(part) {
                Some(part) => Found::Here(part.data.clone()),
                None => Found::Nothing,
            },
            (None, Some(Whole { at: Place::Memory(data), .. })) => Found::Here(data.clone()),
            (None, Some(Whole { at: Place::Disk, .. })) => Found::Stored,
            (None, None) => Found::Nothing,
        }
    }

    /// Whether a playlist that holds `wanted` can be given (RFC 8216bis section 6.2.5.2): a media sequence number, and a
    /// part of it. A part beyond the last of an ended segment is the first of the next one.
    pub(crate) fn holds(&self, number: u64, part: Option<usize>) -> bool {
        let (next, next_part) = self.next();
        match part {
            Some(part) => number < next && !self.beyond(number, part) || number == next && part < next_part,
            None => number < next,
        }
    }

    /// `part` lies beyond the newest ended segment `number`, and nothing of the next segment is there yet.
    fn beyond(&self, number: u64, part: usize) -> bool {
        let (next, next_part) = self.next();
        number + 1 == next && next_part == 0 && self.segments.back().is_some_and(|segment| part >= segment.parts.len())
    }

    /// Peak and mean bits a second of all segments that have ended.
    pub(crate) fn bandwidth(&self) -> (u64, u64) {
        (self.rate.peak, bits_per_second(self.rate.bytes, self.rate.duration))
    }

    /// Samples a second of the newest ended segments.
    pub(crate) fn sample_rate(&self) -> f64 {
        let mut samples = 0;
        let mut duration = Duration::ZERO;
        for segment in self.segments.iter().rev().take(self.reach.memory) {
            if let Some(whole) = &segment.whole {
                samples += segment.samples;
                duration += whole.duration;
            }
        }
        samples as f64 / duration.as_secs_f64().max(0.001)
    }
}

impl Rate {
    fn add(&mut self, bytes: usize, duration: Duration) {
        self.peak = self.peak.max(bits_per_second(bytes as u64, duration));
        self.bytes += bytes as u64;
        self.duration += duration;
    }
}

fn bits_per_second(bytes: u64, duration: Duration) -> u64 {
    (bytes as f64 * 8.0 / duration.as_secs_f64().max(0.001)) as u64
}

/// A segment is complete.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) number: u64,
    pub(crate) data: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Here(Bytes),
    /// In the directory that the broadcast is written to.
    Stored,
    /// It is the part that EXT-X-PRELOAD-HINT names.
    Soon,
    Nothing,
}
