//! The recordings on disk: listed, opened, deleted, kept no longer than wanted, and finished where a server ended without
//! doing so. Everything here reads and writes files, and so belongs on a thread that may block.
//!
//! A recording is known by the names of its directories. What a stranger asks for is held against the alphabet of such names
//! and against what the sidecar lists; nothing else of it becomes part of a path.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::disk::Machine;
use crate::name::is_name;
use crate::outgoing::{Outgoing, remove_files};
use crate::place::{Place, is_gone};
use crate::sidecar::{RecordedFile, Recording, RecordingState, SIDECAR, Uploaded};
use crate::writing::complete;

#[cfg(test)]
mod tests;

/// Directories that are looked into, one in the other, and recordings that are listed.
const DEPTH_MAX: usize = 9;
const LISTED_MAX: usize = 100_000;

/// Stands between the directories of a recording in its identifier.
const SEPARATOR: char = '~';

#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("there is no such recording")]
    NotThere,
    #[error("it is being recorded or uploaded")]
    Busy,
    #[error("it was uploaded to {0}, and is there only")]
    Moved(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What to keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Since a recording's end. None: for ever.
    pub age: Option<Duration>,
    /// Of all recordings together; the oldest go first. None: no limit.
    pub bytes: Option<u64>,
    /// What was not uploaded stays, however old and however much it is.
    pub only_uploaded: bool,
}

impl Keep {
    pub fn is_limited(self) -> bool {
        self.age.is_some() || self.bytes.is_some()
    }
}

/// `{directory}~{directory}`, as in `demo~20261122T160000Z-l1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RecordingId(String);

impl RecordingId {
    fn of(root: &Path, directory: &Path) -> Option<Self> {
        let names = directory.strip_prefix(root).ok()?.iter().map(|name| name.to_str());
        names.collect::<Option<Vec<_>>>().map(|names| Self(names.join("~")))
    }

    /// Names of its directories, from the top down.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.0.split(SEPARATOR)
    }

    fn directory(&self, root: &Path) -> PathBuf {
        self.directories().fold(root.to_owned(), |path, name| path.join(name))
    }
}

impl std::str::FromStr for RecordingId {
    type Err = LibraryError;

    /// Names that a template's directories can have, and no others.
    fn from_str(text: &str) -> Result<Self, LibraryError> {
        let names = text.split(SEPARATOR);
        let good = text.len() < 1_024 && names.clone().count() < DEPTH_MAX && names.clone().all(is_name);
        if good { Ok(Self(text.to_owned())) } else { Err(LibraryError::NotThere) }
    }
}

impl std::fmt::Display for RecordingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A recording and what it is known by.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    pub id: RecordingId,
    /// Of its files together.
    pub bytes: u64,
    #[serde(flatten)]
    pub recording: Recording,
}

/// All recordings below one directory.
#[derive(Debug, Clone)]
pub struct Library {
    root: PathBuf,
}

impl Library {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Every recording, the oldest first; of one room where it is named.
    pub fn list(&self, room: Option<&str>) -> Vec<Listed> {
        let mut found = Vec::new();
        self.each(|directory| found.extend(self.listed(directory)));
        found.retain(|listed| room.is_none_or(|room| listed.recording.room == room));
        found.sort_by(|a, b| (&a.recording.started, &a.id).cmp(&(&b.recording.started, &b.id)));
        found
    }

    pub fn get(&self, room: &str, id: &RecordingId) -> Result<Listed, LibraryError> {
        let listed = self.listed(&id.directory(&self.root)).ok_or(LibraryError::NotThere)?;
        if listed.recording.room == room { Ok(listed) } else { Err(LibraryError::NotThere) }
    }

    /// Opens a file of a recording by the name that the sidecar has.
    pub fn open(&self, room: &str, id: &RecordingId, name: &str) -> Result<File, LibraryError> {
        let listed = self.get(room, id)?;
        let file = listed.recording.files.iter().find(|file| file.name == name).ok_or(LibraryError::NotThere)?;
        match (&listed.recording.uploaded, file.open(&id.directory(&self.root), false)) {
            (Some(Uploaded { to, moved: true }), Err(_)) => Err(LibraryError::Moved(to.clone())),
            (Some(_) | None, opened) => Ok(opened?),
        }
    }

    /// Deletes a recording that has ended.
    pub fn delete(&self, room: &str, id: &RecordingId) -> Result<(), LibraryError> {
        self.get(room, id)?;
        self.remove(&id.directory(&self.root))
    }

    /// Finishes what a server left behind when it ended. Gives what it finished.
    pub fn recover(&self) -> Vec<Listed> {
        let mut recovered = Vec::new();
        self.tidy();
        self.each(|directory| match recover(directory) {
            Ok(true) => recovered.extend(self.listed(directory)),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "a recording could not be finished");
            }
        });
        recovered
    }

    /// Recordings that have ended and were not uploaded, the oldest first, and which need no more looking at: those of `there`
    /// and others that were uploaded.
    pub fn to_upload(&self, there: BTreeSet<RecordingId>) -> (Vec<RecordingId>, BTreeSet<RecordingId>) {
        let (mut waiting, mut still_there) = (Vec::new(), BTreeSet::new());
        self.each(|directory| {
            let Some(id) = RecordingId::of(&self.root, directory) else { return };
            if there.contains(&id) {
                still_there.insert(id);
                return;
            }
            let Ok(about) = Recording::load(directory) else { return };
            match (about.state, about.uploaded) {
                (_, Some(_)) => {
                    still_there.insert(id);
                }
                (RecordingState::Recording, None) => {}
                (RecordingState::Finished | RecordingState::Recovered | RecordingState::Failed, None) => {
                    waiting.push((about.started, id));
                }
            }
        });
        waiting.sort();
        (waiting.into_iter().map(|(_, id)| id).collect(), still_there)
    }

    /// Holds a recording that has ended, so that nobody deletes it while it is uploaded.
    pub fn take_out(&self, id: &RecordingId) -> Result<Outgoing, LibraryError> {
        let place = lock(&id.directory(&self.root))?;
        let about = Recording::load(place.path())?;
        match about.state {
            RecordingState::Recording => Err(LibraryError::Busy),
            RecordingState::Finished | RecordingState::Recovered | RecordingState::Failed => {
                Ok(Outgoing::new(id.clone(), place, about))
            }
        }
    }

    /// Deletes what is older than wanted, and the oldest while there is too much. Gives how many.
    pub fn sweep(&self, keep: Keep, now: SystemTime) -> usize {
        if !keep.is_limited() {
            return 0;
        }
        let mut ended = Vec::new();
        let mut total = 0_u64;
        self.each(|directory| {
            let changed = fs::metadata(directory.join(SIDECAR)).and_then(|about| about.modified());
            let Ok(changed) = changed else { return };
            let bytes = size(directory);
            total += bytes;
            ended.push((changed, bytes, directory.to_owned()));
        });
        ended.sort();
        let mut gone = 0;
        for (changed, bytes, directory) in ended {
            let age = now.duration_since(changed).unwrap_or(Duration::ZERO);
            let too_old = keep.age.is_some_and(|most| age > most);
            let too_much = keep.bytes.is_some_and(|most| total > most);
            let stays = keep.only_uploaded && !Recording::load(&directory).is_ok_and(|about| about.uploaded.is_some());
            if stays || (!too_old && !too_much) {
                continue;
            }
            match self.remove(&directory) {
                Ok(()) => {
                    tracing::info!(directory = %directory.display(), bytes, "a recording was deleted, as wanted");
                    total -= bytes;
                    gone += 1;
                }
                Err(LibraryError::Busy | LibraryError::NotThere | LibraryError::Moved(_)) => {}
                Err(LibraryError::Io(error)) => {
                    tracing::warn!(directory = %directory.display(), %error, "a recording could not be deleted");
                }
            }
        }
        gone
    }

    /// Each directory with a sidecar. A recording has no recordings in it.
    fn each(&self, mut act: impl FnMut(&Path)) {
        let mut found = 0;
        let mut open = vec![(self.root.clone(), 0)];
        while let Some((directory, depth)) = open.pop() {
            if is_file(&directory.join(SIDECAR)) {
                act(&directory);
                found += 1;
                if found == LISTED_MAX {
                    tracing::warn!(root = %self.root.display(), "there are more recordings than are looked at");
                    return;
                }
                continue;
            }
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            // Links are not followed: what they lead to is none of ours.
            let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let named = below.filter(|entry| entry.file_name().to_str().is_some_and(is_name));
            if depth < DEPTH_MAX {
                open.extend(named.map(|entry| (entry.path(), depth + 1)));
            }
        }
    }

    fn listed(&self, directory: &Path) -> Option<Listed> {
        let id = RecordingId::of(&self.root, directory)?;
        let recording = Recording::load(directory).ok()?;
        Some(Listed { id, bytes: size(directory), recording })
    }

    fn remove(&self, directory: &Path) -> Result<(), LibraryError> {
        lock(directory)?.remove(&self.root)?;
        Ok(())
    }

    /// Deletes what is left of recordings the deleting of which was cut off.
    fn tidy(&self) {
        let mut open = vec![(self.root.clone(), 0)];
        while let Some((directory, depth)) = open.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let (name, path) = (entry.file_name(), entry.path());
                let Some(name) = name.to_str() else { continue };
                if is_gone(name) {
                    if let Err(error) = fs::remove_dir_all(&path) {
                        tracing::warn!(path = %path.display(), %error, "what is left of a deleted recording stays");
                    }
                } else if is_name(name) && depth < DEPTH_MAX {
                    open.push((path, depth + 1));
                }
            }
        }
    }
}

/// Holds a recording that nobody writes to.
fn lock(directory: &Path) -> Result<Place, LibraryError> {
    Place::lock(directory.to_owned()).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => LibraryError::Busy,
        ErrorKind::NotFound => LibraryError::NotThere,
        _ => LibraryError::Io(error),
    })
}

/// Itself, and not by way of a link.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_file())
}

/// Of the files in a directory.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|about| about.len()).sum()
}

/// Finishes a recording that nobody writes to any more. False where there was nothing to do.
fn recover(directory: &Path) -> Result<bool, LibraryError> {
    let _held = match lock(directory) {
        Ok(place) => place,
        Err(LibraryError::Busy | LibraryError::NotThere) => return Ok(false),
        Err(error @ (LibraryError::Io(_) | LibraryError::Moved(_))) => return Err(error),
    };
    let mut about = Recording::load(directory)?;
    if let Some(uploaded) = &about.uploaded {
        if uploaded.moved {
            remove_files(directory, &about)?;
        }
        return Ok(false);
    }
    let was_cut_off = about.state == RecordingState::Recording;
    let unfinished = |file: &RecordedFile| !file.finished && (was_cut_off || !file.tracks.is_empty());
    if !was_cut_off && !about.files.iter().any(unfinished) {
        return Ok(false);
    }
    for described in about.files.iter_mut().filter(|file| unfinished(file)) {
        // The others are finished all the same.
        let completed = described.open(directory, true).and_then(|file| complete(&file, described));
        if let Err(error) = completed {
            tracing::warn!(file = described.name, %error, "a file of a recording cannot be finished");
        }
    }
    let ends = about.files.iter().map(|file| file.offset_ms + file.duration_ms);
    about.duration_ms = ends.max().unwrap_or(0);
    if was_cut_off {
        about.state = RecordingState::Recovered;
    }
    about.save(&Machine, directory)?;
    Ok(true)
}
