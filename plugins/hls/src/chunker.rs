//! Samples in, CMAF chunks out (ISO/IEC 23000-19): where chunks and segments end.

use bytes::Bytes;
use crescendo_cmaf::{self as cmaf, Error, Sample};

#[cfg(test)]
mod tests;

/// What ends a segment, in units of the time scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boundary {
    /// The first sample at or after a time that is told ([`Chunker::end_segment_at`]). Video, whose rungs are cut together.
    Told(Option<u64>),
    /// Its length: every sample stands alone. Audio.
    Length(u64),
}

/// A CMAF chunk: an HLS partial segment.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    /// Where its segment began.
    pub(crate) segment_start: u64,
    /// What a playlist says that it lasts. Parts lie on a grid from their segment's start whatever the frame times, so that
    /// all but a segment's last are equally long and none is longer than PART-TARGET; only around a gap of the sender do
    /// they add up to less than their segment.
    pub(crate) shown: u64,
    /// It begins with a sample that stands alone.
    pub(crate) independent: bool,
    pub(crate) samples: usize,
    /// It is the last of its segment, which lasts this long.
    pub(crate) ends_segment: Option<u64>,
}

/// Cuts one rendition. One sample is held back, since a sample lasts until the next one.
#[derive(Debug)]
pub(crate) struct Chunker {
    boundary: Boundary,
    /// Length of a part.
    part: u64,
    held: Option<Sample>,
    /// Samples of the part that is not closed yet, and how long each lasts. Bounded by the part's length.
    open: Vec<(Sample, u32)>,
    segment_start: u64,
    /// Where the open part began, on the grid.
    part_start: u64,
    opens_segment: bool,
    /// Of the next moof, from 1 (ISO/IEC 14496-12 section 8.8.5).
    sequence: u32,
}

impl Chunker {
    /// `part`: length of a part in units of the time scale.
    pub(crate) fn new(boundary: Boundary, part: u64) -> Self {
        let (held, open, part) = (None, Vec::new(), part.max(1));
        Self { boundary, part, held, open, segment_start: 0, part_start: 0, opens_segment: true, sequence: 1 }
    }

    /// The segment ends with the last sample before `time`.
    pub(crate) fn end_segment_at(&mut self, time: u64) {
        self.boundary = Boundary::Told(Some(time));
    }

    /// Where the segment is to end, if no sample was there yet.
    pub(crate) fn boundary(&self) -> Option<u64> {
        match self.boundary {
            Boundary::Told(time) => time,
            Boundary::Length(_) => None,
        }
    }

    /// Takes the next sample and gives the chunk that it closes. A sample that is not later than the one before it is moved
    /// behind it; before the first one that stands alone nothing is taken.
    pub(crate) fn push(&mut self, mut sample: Sample) -> Result<Option<Chunk>, Error> {
        let Some(held) = self.held.take() else {
            if sample.key {
                self.open_segment(sample.time);
                self.held = Some(sample);
            }
            return Ok(None);
        };
        sample.time = sample.time.max(held.time + 1);
        let duration = u32::try_from(sample.time - held.time).unwrap_or(u32::MAX);
        self.open.push((held, duration));

        let time = sample.time;
        let length = time - self.segment_start;
        let ends = match &mut self.boundary {
            Boundary::Told(at) => at.take_if(|at| *at <= time).is_some(),
            Boundary::Length(segment) => length >= *segment,
        };
        let past = time.saturating_sub(self.part_start);
        self.held = Some(sample);
        if ends {
            let chunk = self.close(past, Some(length))?;
            self.open_segment(time);
            Ok(Some(chunk))
        } else if past >= self.part {
            self.close(past / self.part * self.part, None).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The last chunk: the held sample lasts until `end`.
    pub(crate) fn finish(&mut self, end: u64) -> Result<Option<Chunk>, Error> {
        let Some(held) = self.held.take() else { return Ok(None) };
        // At least one unit, and no longer than a sample that has a successor could have lasted.
        let duration = end.saturating_sub(held.time).clamp(1, self.part);
        let end = held.time + duration;
        self.open.push((held, u32::try_from(duration).unwrap_or(u32::MAX)));
        self.close(end.saturating_sub(self.part_start), Some(end - self.segment_start)).map(Some)
    }

    /// Time of the newest sample.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.held.as_ref().map(|sample| sample.time)
    }

    pub(crate) fn segment_start(&self) -> Option<u64> {
        self.held.as_ref().map(|_| self.segment_start)
    }

    fn open_segment(&mut self, time: u64) {
        (self.segment_start, self.part_start, self.opens_segment) = (time, time, true);
    }

    fn close(&mut self, advance: u64, ends_segment: Option<u64>) -> Result<Chunk, Error> {
        let data = cmaf::chunk(self.sequence, self.opens_segment, &self.open)?;
        let chunk = Chunk {
            data,
            segment_start: self.segment_start,
            shown: advance.min(self.part),
            independent: self.open.first().is_some_and(|(sample, _)| sample.key),
            samples: self.open.len(),
            ends_segment,
        };
        self.open.clear();
        self.sequence = self.sequence.wrapping_add(1);
        self.part_start += advance;
        self.opens_segment = false;
        Ok(chunk)
    }
}
