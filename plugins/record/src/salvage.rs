//! The fragments of a file that was written by a server that may have been killed, on a disk that may have lost what it was told
//! to keep: every one that is whole is found, whatever lies between them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use mp4_atom::{Decode as _, Moof};

/// Largest moof that is read: those of a recording have some kilobytes.
const MOOF_BYTES_MAX: u64 = 1 << 20;

/// How much is searched at a time for the next fragment.
const WINDOW: usize = 1 << 20;

/// Places that look like a fragment and are none, after which the search is given up: a hostile sender can put the word into
/// what it sends as often as it likes.
const LURES_MAX: usize = 10_000;

/// A moof and its mdat, both whole.
pub(crate) struct Fragment {
    /// Where it begins and ends.
    pub(crate) at: u64,
    pub(crate) end: u64,
    pub(crate) moof: Moof,
}

/// In the order of the file.
pub(crate) struct Fragments<'a> {
    file: &'a File,
    at: u64,
    length: u64,
    lures: usize,
}

impl<'a> Fragments<'a> {
    /// Those of a file of `length` bytes, from `at` on.
    pub(crate) fn new(file: &'a File, at: u64, length: u64) -> Self {
        Self { file, at, length, lures: 0 }
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Fragment>> {
        let found = match self.fragment(self.at)? {
            Some(fragment) => Some(fragment),
            None => self.behind(self.at)?,
        };
        if let Some(fragment) = &found {
            self.at = fragment.end;
        }
        Ok(found)
    }

    /// The fragment at `at`. None where it is not whole, cannot be read, or says that it has what lies elsewhere.
    fn fragment(&self, at: u64) -> io::Result<Option<Fragment>> {
        let Some((size, [b'm', b'o', b'o', b'f'])) = header(self.file, at, self.length)? else { return Ok(None) };
        if size > MOOF_BYTES_MAX {
            return Ok(None);
        }
        let Some((payload, [b'm', b'd', b'a', b't'])) = header(self.file, at + size, self.length)? else {
            return Ok(None);
        };
        let end = at + size + payload;
        let moof = Moof::decode(&mut read(self.file, at, size)?.as_slice());
        Ok(moof.ok().filter(|moof| keeps_to_itself(moof, size, end - at)).map(|moof| Fragment { at, end, moof }))
    }

    /// The next one behind what cannot be read at `at`.
    fn behind(&mut self, at: u64) -> io::Result<Option<Fragment>> {
        // Where the boxes' sizes are as they were, they lead to it.
        if let Some((size, _)) = header(self.file, at, self.length)?
            && let Some((payload, [b'm', b'd', b'a', b't'])) = header(self.file, at + size, self.length)?
            && let Some(fragment) = self.fragment(at + size + payload)?
        {
            return Ok(Some(fragment));
        }
        // Else it is looked for.
        let mut window = vec![0; WINDOW];
        let mut from = at + 1;
        while from < self.length && self.lures < LURES_MAX {
            let most = usize::try_from(self.length - from).unwrap_or(WINDOW).min(WINDOW);
            let read = &mut window[..most];
            self.file.read_exact_at(read, from)?;
            for index in read.windows(4).enumerate().filter_map(|(index, word)| (word == b"moof").then_some(index)) {
                let begin = (from + index as u64).saturating_sub(4);
                if begin <= at {
                    continue;
                }
                if let Some(fragment) = self.fragment(begin)? {
                    return Ok(Some(fragment));
                }
                self.lures += 1;
                if self.lures == LURES_MAX {
                    break;
                }
            }
            if most < WINDOW {
                break;
            }
            // The word may lie across two windows.
            from += (WINDOW - 3) as u64;
        }
        Ok(None)
    }
}

/// Whether all that a moof of `head` bytes describes lies within the `length` bytes of its fragment.
fn keeps_to_itself(moof: &Moof, head: u64, length: u64) -> bool {
    let runs = moof.traf.iter().flat_map(|traf| &traf.trun);
    let mut runs = runs.map(|run| {
        let begin = run.data_offset.and_then(|offset| u64::try_from(offset).ok())?;
        let bytes: u64 = run.samples.iter().map(|sample| u64::from(sample.size.unwrap_or(0))).sum();
        Some((begin, begin + bytes))
    });
    runs.all(|run| run.is_some_and(|(begin, end)| begin >= head && end <= length))
}

/// The length and the kind of the box at `at`. None past the end, or where it is not whole.
pub(crate) fn header(file: &File, at: u64, length: u64) -> io::Result<Option<(u64, [u8; 4])>> {
    if at.checked_add(8).is_none_or(|end| end > length) {
        return Ok(None);
    }
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes[..8], at)?;
    let [a, b, c, d, kind @ ..] = *bytes.first_chunk::<8>().expect("it has 16");
    let size = match u32::from_be_bytes([a, b, c, d]) {
        1 if at + 16 <= length => {
            file.read_exact_at(&mut bytes, at)?;
            u64::from_be_bytes(*bytes.last_chunk::<8>().expect("it has 16"))
        }
        size => u64::from(size),
    };
    let whole = size >= 8 && at.checked_add(size).is_some_and(|end| end <= length);
    Ok(whole.then_some((size, kind)))
}

/// `size` bytes at `at`; the caller has seen to it that there are not too many.
pub(crate) fn read(file: &File, at: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}
