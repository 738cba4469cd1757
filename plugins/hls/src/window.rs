//! The segments of one rendition that are there now. Pure: what is published goes in, what may be asked for comes out.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

/// One of the broadcast's media playlists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rendition {
    Video,
    Audio,
}

impl Rendition {
    pub(crate) const ALL: [Self; 2] = [Self::Video, Self::Audio];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    pub(crate) fn playlist(self) -> &'static str {
        match self {
            Self::Video => "video.m3u8",
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
    pub(crate) parts: Vec<Part>,
    /// Where it begins on the room's clock.
    pub(crate) start: Duration,
    pub(crate) samples: usize,
    pub(crate) whole: Option<Whole>,
}

/// What is known of a segment once it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) data: Bytes,
    pub(crate) duration: Duration,
}

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
    pub(crate) init: Bytes,
    /// Listed ones and, before them, those that players with an older playlist may still ask for; the last may be open.
    segments: VecDeque<Segment>,
    /// Media sequence number of `segments[0]`.
    first: u64,
    /// Most ended segments in a playlist.
    listed: usize,
    pub(crate) ended: bool,
}

impl Window {
    pub(crate) fn new(rendition: Rendition, run: &str, init: Bytes, listed: usize) -> Self {
        let (run, segments) = (run.to_owned(), VecDeque::new());
        Self { rendition, run, init, segments, first: 0, listed: listed.max(3), ended: false }
    }

    /// Takes a part. Gives the media sequence number of the segment that it ended, and of those that are gone.
    pub(crate) fn publish(&mut self, published: Published) -> Option<Ended> {
        let Published { part, samples, segment_start, ends_segment } = published;
        if self.segments.back().is_none_or(|segment| segment.whole.is_some()) {
            self.segments.push_back(Segment { parts: Vec::new(), start: segment_start, samples: 0, whole: None });
        }
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
        segment.whole = Some(Whole { data: data.clone(), duration });
        let number = self.first + self.segments.len() as u64 - 1;
        Some(Ended { number, data, gone: self.forget() })
    }

    /// A segment that left the playlist stays for as long again as the playlist is (RFC 8216bis section 6.2.2).
    fn forget(&mut self) -> Vec<u64> {
        let mut gone = Vec::new();
        while self.segments.len() > 2 * self.listed + 1 {
            self.segments.pop_front();
            gone.push(self.first);
            self.first += 1;
        }
        gone
    }

    pub(crate) fn ended_segments(&self) -> usize {
        self.segments.iter().filter(|segment| segment.whole.is_some()).count()
    }

    /// What a playlist lists: media sequence numbers and segments, the last perhaps open.
    pub(crate) fn listed(&self) -> impl DoubleEndedIterator<Item = (u64, &Segment)> {
        let skip = self.ended_segments().saturating_sub(self.listed);
        (self.first..).zip(&self.segments).take(self.segments.len()).collect::<Vec<_>>().into_iter().skip(skip)
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
        if name != file {
            return Found::Nothing;
        }
        if let Some(part) = part
            && (number, part) == self.next()
        {
            return if self.ended { Found::Nothing } else { Found::Soon };
        }
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(segment) = index.and_then(|index| self.segments.get(index)) else { return Found::Nothing };
        let data = match part {
            Some(part) => segment.parts.get(part).map(|part| &part.data),
            None => segment.whole.as_ref().map(|whole| &whole.data),
        };
        data.map_or(Found::Nothing, |data| Found::Here(data.clone()))
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

    /// Peak and mean bits a second of the ended segments.
    pub(crate) fn bandwidth(&self) -> (u64, u64) {
        let rate = |bytes: usize, duration: Duration| (bytes as f64 * 8.0 / duration.as_secs_f64().max(0.001)) as u64;
        let wholes = || self.segments.iter().filter_map(|segment| segment.whole.as_ref());
        let peak = wholes().map(|whole| rate(whole.data.len(), whole.duration)).max().unwrap_or(0);
        let mean = rate(wholes().map(|whole| whole.data.len()).sum(), wholes().map(|whole| whole.duration).sum());
        (peak, mean)
    }

    /// Samples a second of the newest ended segments.
    pub(crate) fn sample_rate(&self) -> f64 {
        let mut samples = 0;
        let mut duration = Duration::ZERO;
        for segment in &self.segments {
            if let Some(whole) = &segment.whole {
                samples += segment.samples;
                duration += whole.duration;
            }
        }
        samples as f64 / duration.as_secs_f64().max(0.001)
    }
}

/// A segment is complete.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) number: u64,
    pub(crate) data: Bytes,
    /// Segments that were forgotten for it.
    pub(crate) gone: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Here(Bytes),
    /// It is the part that EXT-X-PRELOAD-HINT names.
    Soon,
    Nothing,
}
