//! The end of a recording's file: fragments become an ordinary MP4 without a byte of media being copied (hybrid MP4).
//!
//! ```text
//! while it is written   ftyp  free  moov  moof mdat  moof mdat  moof mdat
//! finished              ftyp  mdat──────────────────────────────────────  moov
//! ```
//!
//! The tables are appended and synced first; then 16 bytes in place of the free box hide the fragments in one mdat. Cut off
//! before that, the file is a fragmented one still, and this can be done again. Only the moof boxes are read ([`crate::salvage`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use mp4_atom::{
    Co64, Decode as _, Edts, Elst, ElstEntry, Encode as _, Moov, StscEntry, Stss, Stsz, StszSamples, SttsEntry, Traf,
    Trak,
};

use crate::salvage::{Fragments, header, read};

#[cfg(test)]
mod tests;

/// Largest moov that is read: an hour's tables have some megabytes.
const MOOV_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FinishError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is no recording: {0}")]
    Box(#[from] mp4_atom::Error),
    #[error("it is no recording: it does not begin like one")]
    NoRecording,
    #[error("none of its fragments can be read")]
    Damaged,
}

/// What a file that was to be finished is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Finished(Finished),
    /// It has a beginning, and nothing behind that.
    Empty,
}

/// What a finished file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) bytes: u64,
    pub(crate) duration: Duration,
    /// In the order of the file.
    pub(crate) tracks: Vec<FinishedTrack>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FinishedTrack {
    pub(crate) audio: bool,
    pub(crate) samples: u64,
    /// From the file's beginning.
    pub(crate) start: Duration,
}

/// Finishes a file that was written to its end or cut off anywhere. All whole fragments stay, whatever lies between them; what is
/// torn behind the last one is cut. A finished file is left as it is, and so is one of which nothing can be read.
pub(crate) fn finish(file: &File) -> Result<Outcome, FinishError> {
    let Scan { mut moov, tables, end, hole } = match scan(file)? {
        Scanned::Fragments(scan) => scan,
        Scanned::Finished(moov) => return Ok(Outcome::Finished(describe(&moov, file.metadata()?.len()))),
        Scanned::Empty => return Ok(Outcome::Empty),
    };
    if tables.iter().all(|table| table.sizes.is_empty()) {
        return Err(FinishError::Damaged);
    }
    complete(&mut moov, tables);
    let mut tail = Vec::new();
    moov.encode(&mut tail)?;
    file.set_len(end)?;
    if let Err(error) = file.write_all_at(&tail, end).and_then(|()| file.sync_data()) {
        // The disk is full: what was there plays.
        file.set_len(end)?;
        return Err(error.into());
    }
    let mut header = [0, 0, 0, 1, b'm', b'd', b'a', b't', 0, 0, 0, 0, 0, 0, 0, 0];
    header[8..].copy_from_slice(&(end - hole).to_be_bytes());
    file.write_all_at(&header, hole)?;
    file.sync_data()?;
    Ok(Outcome::Finished(describe(&moov, end + tail.len() as u64)))
}

enum Scanned {
    Fragments(Scan),
    Finished(Moov),
    Empty,
}

struct Scan {
    moov: Moov,
    /// One a track.
    tables: Vec<Table>,
    /// Where the last whole fragment ends.
    end: u64,
    /// Where the free box is.
    hole: u64,
}

/// The samples of a track.
#[derive(Default)]
struct Table {
    sizes: Vec<u32>,
    /// When each begins, in the track's units.
    times: Vec<u64>,
    last_duration: u32,
    /// Numbers, from 1, of the samples that stand alone.
    keys: Vec<u32>,
    /// Where the samples of each fragment are, and how many they are.
    chunks: Vec<(u64, u32)>,
}

fn scan(file: &File) -> Result<Scanned, FinishError> {
    let length = file.metadata()?.len();
    let no = FinishError::NoRecording;
    let Some((hole, [b'f', b't', b'y', b'p'])) = header(file, 0, length)? else { return Err(no) };
    let (size, kind) = header(file, hole, length)?.ok_or(FinishError::NoRecording)?;
    let mut at = hole + size;
    let (size, next) = header(file, at, length)?.ok_or(FinishError::NoRecording)?;
    if &next != b"moov" {
        return Err(no);
    }
    if size > MOOV_BYTES_MAX {
        return Err(no);
    }
    let moov = Moov::decode(&mut read(file, at, size)?.as_slice())?;
    match &kind {
        b"mdat" => return Ok(Scanned::Finished(moov)),
        b"free" => {}
        _ => return Err(no),
    }
    at += size;
    if at == length {
        return Ok(Scanned::Empty);
    }
    let mut tables: Vec<Table> = moov.trak.iter().map(|_| Table::default()).collect();
    let mut end = at;
    let mut fragments = Fragments::new(file, at, length);
    while let Some(fragment) = fragments.next()? {
        for traf in &fragment.moof.traf {
            let index = moov.trak.iter().position(|trak| trak.tkhd.track_id == traf.tfhd.track_id);
            if let Some(table) = index.and_then(|index| tables.get_mut(index)) {
                table.add(traf, fragment.at);
            }
        }
        end = fragment.end;
    }
    Ok(Scanned::Fragments(Scan { moov, tables, end, hole }))
}

/// Sample flags (ISO/IEC 14496-12 section 8.8.3.1).
const IS_NON_SYNC: u32 = 0x0001_0000;

impl Table {
    /// `moof`: where the fragment begins.
    fn add(&mut self, traf: &Traf, moof: u64) {
        let mut time = traf.tfdt.as_ref().map_or(0, |tfdt| tfdt.base_media_decode_time);
        for run in &traf.trun {
            let offset = run.data_offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
            self.chunks.push((moof + offset, u32::try_from(run.samples.len()).unwrap_or(u32::MAX)));
            for sample in run.samples.iter() {
                self.sizes.push(sample.size.unwrap_or(0));
                if sample.flags.unwrap_or(0) & IS_NON_SYNC == 0 {
                    self.keys.push(u32::try_from(self.sizes.len()).unwrap_or(u32::MAX));
                }
                self.times.push(time);
                self.last_duration = sample.duration.unwrap_or(0);
                time = time.saturating_add(u64::from(self.last_duration));
            }
        }
    }
}

/// Turns the moov of a fragmented file into that of an ordinary one. Tracks without samples go.
fn complete(moov: &mut Moov, tables: Vec<Table>) {
    moov.mvex = None;
    let movie = u64::from(moov.mvhd.timescale.max(1));
    let mut whole = 0;
    let traks = std::mem::take(&mut moov.trak);
    for (mut trak, table) in traks.into_iter().zip(tables).filter(|(_, table)| !table.sizes.is_empty()) {
        let scale = u64::from(trak.mdia.mdhd.timescale.max(1));
        let first = table.times.first().copied().unwrap_or(0);
        let durations = durations(&table);
        let media: u64 = durations.iter().map(|&duration| u64::from(duration)).sum();
        let rescaled = |units: u64| {
            u64::try_from(u128::from(units) * u128::from(movie) / u128::from(scale)).unwrap_or(u64::MAX / 2)
        };
        let (late, length) = (rescaled(first), rescaled(media));
        if late > 0 {
            let edit =
                |duration, from| ElstEntry { segment_duration: duration, media_time: from, media_rate: 1.into() };
            trak.edts = Some(Edts { elst: Some(Elst { entries: vec![edit(late, None), edit(length, Some(0))] }) });
        }
        trak.mdia.mdhd.duration = media;
        trak.tkhd.duration = late.saturating_add(length);
        whole = whole.max(trak.tkhd.duration);
        fill(&mut trak, table, &durations);
        moov.trak.push(trak);
    }
    moov.mvhd.duration = whole;
}

/// A sample lasts until the next one begins.
fn durations(table: &Table) -> Vec<u32> {
    let until_next = table.times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let last = std::iter::once(u64::from(table.last_duration));
    until_next.chain(last).map(|duration| u32::try_from(duration).unwrap_or(u32::MAX)).collect()
}

/// The sample tables (section 8.6 and 8.7).
fn fill(trak: &mut Trak, table: Table, durations: &[u32]) {
    let stbl = &mut trak.mdia.minf.stbl;
    stbl.stts.entries.clear();
    for &duration in durations {
        match stbl.stts.entries.last_mut() {
            Some(entry) if entry.sample_delta == duration => entry.sample_count += 1,
            _ => stbl.stts.entries.push(SttsEntry { sample_count: 1, sample_delta: duration }),
        }
    }
    stbl.stsc.entries.clear();
    for (number, &(_, samples)) in (1..).zip(&table.chunks) {
        if stbl.stsc.entries.last().is_none_or(|entry| entry.samples_per_chunk != samples) {
            let entry = StscEntry { first_chunk: number, samples_per_chunk: samples, sample_description_index: 1 };
            stbl.stsc.entries.push(entry);
        }
    }
    let all_keys = table.keys.len() == table.sizes.len();
    stbl.stss = (!all_keys).then_some(Stss { entries: table.keys });
    stbl.stsz = Stsz { samples: StszSamples::Different { sizes: table.sizes } };
    stbl.stco = None;
    stbl.co64 = Some(Co64 { entries: table.chunks.into_iter().map(|(at, _)| at).collect() });
}

fn describe(moov: &Moov, bytes: u64) -> Finished {
    let time = |units: u64| {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(moov.mvhd.timescale.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let track = |trak: &Trak| {
        let first = trak.edts.as_ref().and_then(|edts| edts.elst.as_ref()?.entries.first());
        let late = first.filter(|edit| edit.media_time.is_none()).map_or(0, |edit| edit.segment_duration);
        let samples = trak.mdia.minf.stbl.stts.entries.iter().map(|entry| u64::from(entry.sample_count)).sum();
        FinishedTrack { audio: trak.mdia.minf.smhd.is_some(), samples, start: time(late) }
    };
    Finished { bytes, duration: time(moov.mvhd.duration), tracks: moov.trak.iter().map(track).collect() }
}
