//! Broadcasts that are over and still on disk: to be watched from start to end, until they are no longer to be kept.
//!
//! ```text
//! {directory}/{room}/{run}/index.m3u8, video.m3u8, video-{run}-0.m4s, …
//! ```
//!
//! What is being written is locked (see [`crate::disk`]), by this server or another, and left alone. Everything here but
//! [`Archive::find`] and [`Archive::newest`] reads and writes files, and so belongs on a thread that may block.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

mod files;
#[cfg(test)]
mod tests;

/// Broadcasts that are kept, each for some 100 bytes of memory; of more the oldest go.
const RUNS_MAX: usize = 100_000;

/// Longest name of a run.
const RUN_NAME_MAX: usize = 16;

/// For how long broadcasts are kept after their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// No time at all where it is zero.
    pub age: Duration,
    /// All together; the oldest go first.
    pub bytes: Option<u64>,
}

/// The ended broadcasts below one directory.
#[derive(Debug)]
pub struct Archive {
    directory: PathBuf,
    /// By room and name, which sorts as time does.
    runs: Mutex<BTreeMap<(String, Run), Ended>>,
}

/// The name of a broadcast: its start in milliseconds, in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run(u64);

#[derive(Debug, Clone, Copy)]
struct Ended {
    at: SystemTime,
    bytes: u64,
}

impl Run {
    fn parse(text: &str) -> Option<Self> {
        let run = u64::from_str_radix(text, 16).ok().filter(|_| text.len() <= RUN_NAME_MAX)?;
        // Only as it is written: no signs, zeros in front or capitals.
        (format!("{run:x}") == text).then_some(Self(run))
    }

    fn name(self) -> String {
        format!("{:x}", self.0)
    }
}

impl Archive {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, runs: Mutex::default() }
    }

    /// Looks for what earlier servers left and finishes what was cut off; gives how many broadcasts there are. What cannot be read
    /// is said and left as it is.
    pub fn recover(&self) -> io::Result<usize> {
        let mut count = 0;
        for room in directories(&self.directory)? {
            let unreadable =
                |error: &io::Error| tracing::warn!(room = room.name, %error, "broadcasts of a room cannot be read");
            for at in directories(&room.path).inspect_err(unreadable).unwrap_or_default() {
                let Some(run) = Run::parse(&at.name) else { continue };
                match recover(&at.path, run) {
                    Ok(Some(ended)) => {
                        self.lock().insert((room.name.clone(), run), ended);
                        count += 1;
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(directory = %at.path.display(), %error, "a broadcast cannot be read"),
                }
            }
        }
        Ok(count)
    }

    /// A broadcast of `room` has ended and is on disk.
    pub fn add(&self, room: &str, run: &str) -> io::Result<()> {
        let Some(run) = Run::parse(run) else { return Ok(()) };
        let directory = self.path(room, run);
        // Not before the last file is written.
        File::open(&directory)?.lock()?;
        match files::was_offered(&directory)? {
            true => drop(self.lock().insert((room.to_owned(), run), files::measure(&directory)?)),
            false => files::remove(&directory, run)?,
        }
        Ok(())
    }

    /// The name of the room's last broadcast.
    pub fn newest(&self, room: &str) -> Option<String> {
        let from = (room.to_owned(), Run(0));
        let to = (room.to_owned(), Run(u64::MAX));
        self.lock().range(from..=to).next_back().map(|((_, run), _)| run.name())
    }

    /// Where a file of a broadcast is. What is no name that the store gives out is not looked for.
    pub fn find(&self, room: &str, run: &str, file: &str) -> Option<PathBuf> {
        let run = Run::parse(run)?;
        if !files::is_of(file, run) || !self.lock().contains_key(&(room.to_owned(), run)) {
            return None;
        }
        Some(self.path(room, run).join(file))
    }

    /// The broadcast that a segment or init section is of, going by its name.
    pub fn run_of(file: &str) -> Option<&str> {
        file.split('-').nth(1)
    }

    /// Deletes what is not to be kept; gives how many broadcasts that were.
    pub fn sweep(&self, keep: Keep, now: SystemTime) -> usize {
        let mut runs: Vec<_> = self.lock().iter().map(|(key, ended)| (ended.at, ended.bytes, key.clone())).collect();
        runs.sort();
        let mut bytes: u64 = runs.iter().map(|(_, bytes, _)| bytes).sum();
        let mut many = runs.len();
        let mut gone = 0;
        for (at, size, (room, run)) in runs {
            let is_old = now.duration_since(at).is_ok_and(|age| age >= keep.age);
            let are_too_many = many > RUNS_MAX || keep.bytes.is_some_and(|most| bytes > most);
            if !is_old && !are_too_many {
                continue;
            }
            bytes -= size;
            many -= 1;
            // Not to be found from now on, whatever becomes of its files.
            self.lock().remove(&(room.clone(), run));
            match files::remove(&self.path(&room, run), run) {
                Ok(()) => gone += 1,
                Err(error) => tracing::warn!(room, run = run.name(), %error, "a broadcast is not deleted"),
            }
            // Where it was the room's last.
            let _ = fs::remove_dir(self.directory.join(&room));
        }
        gone
    }

    fn path(&self, room: &str, run: Run) -> PathBuf {
        self.directory.join(room).join(run.name())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, Run), Ended>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Found {
    name: String,
    path: PathBuf,
}

/// The directories in `path`; none where it is missing.
fn directories(path: &Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let (true, Ok(name)) = (entry.file_type()?.is_dir(), entry.file_name().into_string()) {
            found.push(Found { name, path: entry.path() });
        }
    }
    Ok(found)
}

/// What earlier servers left of a broadcast; nothing where somebody writes there, or nothing of it was ever offered.
fn recover(directory: &Path, run: Run) -> io::Result<Option<Ended>> {
    let lock = File::open(directory)?;
    if lock.try_lock().is_err() || !files::is_run(directory, run)? {
        return Ok(None);
    }
    if !files::was_offered(directory)? {
        files::remove(directory, run)?;
        return Ok(None);
    }
    files::finish(directory)?;
    files::measure(directory).map(Some)
}
