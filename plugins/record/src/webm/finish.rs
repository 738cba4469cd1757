//! The end of a file: a table of what can be sought, and how long it is. Nothing of the media is copied, and of the clusters only
//! the heads of their blocks are read.
//!
//! The table is appended and synced first; then what was kept free at the beginning is written in place. Cut off in between, this
//! can be done again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use super::ebml::{self, HEAD_MOST, Head, id, master, uint};
use super::{DURATION_BYTES, SEEK_ROOM};
use crate::finish::{FinishError, Finished, FinishedTrack, Outcome};

/// Longest beginning, up to the first cluster, that is looked at.
const BEGINNING_BYTES_MAX: usize = 64 << 10;
/// Most tracks that a file has.
const TRACKS_MAX: usize = 8;
/// Between two entries of the table where there is no picture: as far as one has to read on at most.
const CUES_MS: u64 = 5_000;
/// How long the last frame of a track is taken to last that has only one, in ms.
const LAST_MS: u64 = 33;
const SEARCH: usize = 64 << 10;

/// Finishes a file that was written to its end or cut off anywhere. All whole clusters stay; what is torn between them is hidden, and
/// behind the last one cut. A finished file is left as it is, and so is one of which nothing can be read.
pub(crate) fn finish(file: &File) -> Result<Outcome, FinishError> {
    let length = file.metadata()?.len();
    let beginning = Beginning::read(file, length)?;
    if beginning.clusters == length {
        return Ok(Outcome::Empty);
    }
    let scan = Scan::of(file, &beginning, length)?;
    if scan.tracks.iter().all(|track| track.samples == 0) {
        return Err(FinishError::Damaged);
    }
    if beginning.is_finished && scan.holes.is_empty() {
        return Ok(Outcome::Finished(scan.describe(length)));
    }
    for (at, bytes) in &scan.holes {
        hide(file, *at, *bytes)?;
    }
    let cues = scan.cues(beginning.segment);
    file.set_len(scan.end)?;
    if let Err(error) = file.write_all_at(&cues, scan.end).and_then(|()| file.sync_data()) {
        // The disk is full: what was there plays.
        file.set_len(scan.end)?;
        return Err(error.into());
    }
    let end = scan.end + cues.len() as u64;
    let mut duration = Vec::with_capacity(DURATION_BYTES);
    ebml::float(&mut duration, id::DURATION, scan.ms() as f64);
    file.write_all_at(&duration, beginning.duration)?;
    file.write_all_at(&ebml::long_length(end - beginning.segment), beginning.segment - 8)?;
    file.write_all_at(&beginning.contents(scan.end), beginning.segment)?;
    file.sync_data()?;
    Ok(Outcome::Finished(scan.describe(end)))
}

/// Where things are, in bytes from the file's beginning.
struct Beginning {
    /// What is in the segment.
    segment: u64,
    info: u64,
    /// Of the duration, or of what is in its place.
    duration: u64,
    tracks: u64,
    /// Numbers, and whether they are sound.
    numbers: Vec<(u64, bool)>,
    clusters: u64,
    is_finished: bool,
}

impl Beginning {
    fn read(file: &File, length: u64) -> Result<Self, FinishError> {
        let most = usize::try_from(length).unwrap_or(BEGINNING_BYTES_MAX).min(BEGINNING_BYTES_MAX);
        let mut bytes = vec![0; most];
        file.read_exact_at(&mut bytes, 0)?;
        Self::parse(&bytes, length).ok_or(FinishError::NoRecording)
    }

    fn parse(bytes: &[u8], file: u64) -> Option<Self> {
        let head = |at: u64| Head::parse(bytes.get(usize::try_from(at).ok()?..)?);
        let ebml = head(0).filter(|head| head.id == id::EBML)?;
        let at = ebml.bytes.checked_add(ebml.length?)?;
        let whole = head(at).filter(|head| head.id == id::SEGMENT && head.bytes == HEAD_MOST as u64)?;
        let segment = at + whole.bytes;
        let first = head(segment)?;
        let info = segment.checked_add(SEEK_ROOM as u64)?;
        let about = head(info).filter(|head| head.id == id::INFO)?;
        let tracks = info.checked_add(about.bytes + about.length?)?;
        let entries = head(tracks).filter(|head| head.id == id::TRACKS)?;
        let begin = tracks + entries.bytes;
        let clusters = begin.checked_add(entries.length?)?;
        let numbers = numbers(bytes.get(usize::try_from(begin).ok()?..usize::try_from(clusters).ok()?)?)?;
        let is_finished = first.id == id::SEEK_HEAD && whole.length == file.checked_sub(segment);
        Some(Self { segment, info, duration: info + about.bytes, tracks, numbers, clusters, is_finished })
    }

    /// The table of contents, as long as the room for it.
    fn contents(&self, cues: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEEK_ROOM);
        master(&mut out, id::SEEK_HEAD, |out| {
            for (what, at) in [(id::INFO, self.info), (id::TRACKS, self.tracks), (id::CUES, cues)] {
                master(out, id::SEEK, |out| {
                    ebml::binary(out, id::SEEK_ID, &what.to_be_bytes());
                    uint(out, id::SEEK_POSITION, at - self.segment);
                });
            }
        });
        let left = SEEK_ROOM - out.len();
        ebml::void(&mut out, left);
        out
    }
}

/// Of the tracks that these entries describe.
fn numbers(mut entries: &[u8]) -> Option<Vec<(u64, bool)>> {
    let mut found = Vec::new();
    while !entries.is_empty() && found.len() < TRACKS_MAX {
        let (entry, mut inside) = element(&mut entries)?;
        let (mut number, mut audio) = (None, false);
        while entry.id == id::TRACK_ENTRY && !inside.is_empty() {
            let (part, value) = element(&mut inside)?;
            match part.id {
                id::TRACK_NUMBER => number = Some(unsigned(value)),
                id::TRACK_TYPE => audio = unsigned(value) == 2,
                _ => {}
            }
        }
        found.extend(number.map(|number| (number, audio)));
    }
    Some(found)
}

/// The element that `bytes` begin with, which are what is behind it then.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<(Head, &'a [u8])> {
    let head = Head::parse(bytes)?;
    let begin = head.bytes as usize;
    let end = begin.checked_add(usize::try_from(head.length?).ok()?)?;
    let inside = bytes.get(begin..end)?;
    *bytes = &bytes[end..];
    Some((head, inside))
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// What is known of a track.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    number: u64,
    audio: bool,
    samples: u64,
    /// In ms.
    first: u64,
    before: u64,
    last: u64,
}

impl Seen {
    fn push(&mut self, at: u64) {
        if self.samples == 0 {
            (self.first, self.before) = (at, at);
        } else {
            self.before = self.last;
        }
        (self.last, self.samples) = (at, self.samples + 1);
    }

    /// When its last frame is over, in ms.
    fn end(&self) -> u64 {
        let lasts = match self.last.saturating_sub(self.before) {
            0 => LAST_MS,
            between => between.min(1_000),
        };
        if self.samples == 0 { 0 } else { self.last + lasts }
    }
}

/// A place that can be sought.
#[derive(Debug, Clone, Copy)]
struct Cue {
    ms: u64,
    track: u64,
    cluster: u64,
    /// Of the block, in what is in the cluster.
    within: u64,
}

struct Scan {
    tracks: Vec<Seen>,
    cues: Vec<Cue>,
    /// What is no cluster, between two of them: where, and how many bytes.
    holes: Vec<(u64, u64)>,
    /// Where the last whole cluster ends.
    end: u64,
}

impl Scan {
    fn of(file: &File, beginning: &Beginning, length: u64) -> io::Result<Self> {
        let seen = |(number, audio): &(u64, bool)| Seen { number: *number, audio: *audio, ..Seen::default() };
        let tracks = beginning.numbers.iter().map(seen).collect();
        let mut scan = Self { tracks, cues: Vec::new(), holes: Vec::new(), end: beginning.clusters };
        let mut at = beginning.clusters;
        while at < length {
            let head = head(file, at, length)?;
            let end = head.and_then(|head| at.checked_add(head.bytes)?.checked_add(head.length?));
            match (head, end.filter(|end| *end <= length)) {
                (Some(Head { id: id::CUES, .. }), Some(_)) => break,
                (Some(Head { id: id::VOID, .. }), Some(end)) => at = end,
                (Some(head @ Head { id: id::CLUSTER, .. }), Some(end)) if scan.cluster(file, at, head, end)? => {
                    if scan.end < at && !scan.is_hidden(file, scan.end, at)? {
                        scan.holes.push((scan.end, at - scan.end));
                    }
                    (scan.end, at) = (end, end);
                }
                _ => match search(file, at + 1, length)? {
                    Some(found) => at = found,
                    None => break,
                },
            }
        }
        Ok(scan)
    }

    /// Whether all between these is a void already.
    fn is_hidden(&self, file: &File, from: u64, until: u64) -> io::Result<bool> {
        let head = head(file, from, until)?.filter(|head| head.id == id::VOID);
        Ok(head.and_then(|head| Some(from + head.bytes + head.length?)) == Some(until))
    }

    /// Takes a cluster. False where it is not whole, or no cluster of ours.
    fn cluster(&mut self, file: &File, at: u64, head_of: Head, end: u64) -> io::Result<bool> {
        let begin = at + head_of.bytes;
        let (mut inside, mut time) = (begin, None);
        let (tracks, cues) = (self.tracks.clone(), self.cues.len());
        let mut next = begin;
        while next < end {
            inside = next;
            let Some((part, bytes)) = part(file, inside, end)? else { break };
            next = inside + part.bytes + part.length.unwrap_or(0);
            match (part.id, time) {
                (id::TIMESTAMP, None) => {
                    time = Some(unsigned(&bytes[..bytes.len().min(part.length.unwrap_or(0) as usize)]))
                }
                (id::SIMPLE_BLOCK, Some(time)) if bytes.len() >= 4 => {
                    let after = u64::from(u16::from_be_bytes([bytes[1], bytes[2]]));
                    let cue = Cue {
                        ms: time + after,
                        track: u64::from(bytes[0] & 0x7f),
                        cluster: at,
                        within: inside - begin,
                    };
                    self.block(cue, bytes[3] & 0x80 != 0);
                }
                _ => break,
            }
            inside = next;
        }
        let is_whole = inside == end && time.is_some();
        if !is_whole {
            self.tracks = tracks;
            self.cues.truncate(cues);
        }
        Ok(is_whole)
    }

    fn block(&mut self, cue: Cue, key: bool) {
        let has_picture = self.tracks.iter().any(|track| !track.audio);
        let Some(track) = self.tracks.iter_mut().find(|track| track.number == cue.track) else { return };
        track.push(cue.ms);
        let is_due = self.cues.last().is_none_or(|last| cue.ms >= last.ms + CUES_MS);
        if if has_picture { key && !track.audio } else { is_due } {
            self.cues.push(cue);
        }
    }

    fn cues(&self, segment: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 48 * self.cues.len());
        master(&mut out, id::CUES, |out| {
            for cue in &self.cues {
                master(out, id::CUE_POINT, |out| {
                    uint(out, id::CUE_TIME, cue.ms);
                    master(out, id::CUE_TRACK_POSITIONS, |out| {
                        uint(out, id::CUE_TRACK, cue.track);
                        uint(out, id::CUE_CLUSTER_POSITION, cue.cluster - segment);
                        uint(out, id::CUE_RELATIVE_POSITION, cue.within);
                    });
                });
            }
        });
        out
    }

    fn ms(&self) -> u64 {
        self.tracks.iter().map(Seen::end).max().unwrap_or(0)
    }

    fn describe(&self, bytes: u64) -> Finished {
        let there = self.tracks.iter().filter(|track| track.samples > 0);
        let tracks = there.map(|track| FinishedTrack {
            audio: track.audio,
            samples: track.samples,
            start: Duration::from_millis(track.first),
        });
        Finished { bytes, duration: Duration::from_millis(self.ms()), tracks: tracks.collect() }
    }
}

/// The head of the element at `at`. None where there is none before `until`.
fn head(file: &File, at: u64, until: u64) -> io::Result<Option<Head>> {
    Ok(Head::parse(&some(file, at, until, HEAD_MOST)?).filter(|head| at + head.bytes <= until))
}

/// The element at `at`, and the first bytes of what is in it, if all of it ends before `until`.
fn part(file: &File, at: u64, until: u64) -> io::Result<Option<(Head, Vec<u8>)>> {
    let mut bytes = some(file, at, until, HEAD_MOST + 8)?;
    let Some(head) = Head::parse(&bytes) else { return Ok(None) };
    let end = head.length.and_then(|length| at.checked_add(head.bytes)?.checked_add(length));
    if end.is_none_or(|end| end > until) {
        return Ok(None);
    }
    bytes.drain(..head.bytes as usize);
    Ok(Some((head, bytes)))
}

/// Up to `most` bytes from `at` on, and none from `until` on.
fn some(file: &File, at: u64, until: u64, most: usize) -> io::Result<Vec<u8>> {
    let left = usize::try_from(until.saturating_sub(at)).unwrap_or(most);
    let mut bytes = vec![0; most.min(left)];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// Where the next cluster may begin.
fn search(file: &File, mut from: u64, length: u64) -> io::Result<Option<u64>> {
    let wanted = id::CLUSTER.to_be_bytes();
    while from + 4 <= length {
        let window = some(file, from, length, SEARCH)?;
        if let Some(index) = window.windows(4).position(|word| word == wanted) {
            return Ok(Some(from + index as u64));
        }
        // It may lie across two windows.
        from += window.len() as u64 - 3;
    }
    Ok(None)
}

/// Makes what is between two clusters an element that means nothing; what is too little for that stays.
fn hide(file: &File, at: u64, bytes: u64) -> io::Result<()> {
    let mut head = Vec::new();
    ebml::identifier(&mut head, id::VOID);
    match bytes {
        0 | 1 => return Ok(()),
        2..9 => ebml::length(&mut head, bytes - 2),
        _ => head.extend_from_slice(&ebml::long_length(bytes - 9)),
    }
    file.write_all_at(&head, at)
}
