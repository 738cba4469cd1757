//! The files of a queue: one an event, named by its id and its room. Everything here blocks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::SystemTime;

#[cfg(test)]
mod tests;

/// A file's name ends so once all of it is written.
const DONE: &str = ".json";
const UNDER_WAY: &str = ".part";

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) id: u64,
    pub(super) room: String,
    pub(super) bytes: u64,
    /// When it was put here.
    pub(super) since: SystemTime,
}

impl Waiting {
    fn file(&self) -> String {
        format!("{:020}-{}{DONE}", self.id, self.room)
    }

    fn of(entry: &fs::DirEntry) -> Option<Self> {
        let name = entry.file_name().into_string().ok()?;
        let (id, room) = name.strip_suffix(DONE)?.split_once('-')?;
        let about = entry.metadata().ok()?;
        Some(Self { id: id.parse().ok()?, room: room.into(), bytes: about.len(), since: about.modified().ok()? })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Makes the directory where it is missing, and gives what waits in it, by id.
    pub(super) fn open(directory: PathBuf) -> io::Result<(Self, Vec<Waiting>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let mut left = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.ends_with(UNDER_WAY)) {
                fs::remove_file(entry.path())?;
            }
            left.extend(Waiting::of(&entry));
        }
        left.sort_by_key(|waiting| waiting.id);
        Ok((Self { directory }, left))
    }

    /// Puts events on the disk itself, all of them or an error.
    pub(super) fn add(&self, events: &[(Waiting, Vec<u8>)]) -> io::Result<()> {
        for (waiting, body) in events {
            let path = self.directory.join(waiting.file());
            let part = path.with_extension(&UNDER_WAY[1..]);
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(body)?;
            file.sync_all()?;
            fs::rename(part, path)?;
        }
        File::open(&self.directory)?.sync_all()
    }

    pub(super) fn read(&self, waiting: &Waiting) -> io::Result<Vec<u8>> {
        fs::read(self.directory.join(waiting.file()))
    }

    /// One that comes back after a loss of power is sent twice, which receivers know by its id.
    pub(super) fn remove(&self, waiting: &Waiting) -> io::Result<()> {
        fs::remove_file(self.directory.join(waiting.file()))
    }
}
