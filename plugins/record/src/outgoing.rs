//! A recording that has ended, held for as long as it is uploaded.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::disk::Machine;
use crate::library::RecordingId;
use crate::place::Place;
use crate::sidecar::{Recording, SIDECAR, Uploaded};

#[derive(Debug)]
pub struct Outgoing {
    id: RecordingId,
    place: Place,
    about: Recording,
}

impl Outgoing {
    pub(crate) fn new(id: RecordingId, place: Place, about: Recording) -> Self {
        Self { id, place, about }
    }

    pub fn room(&self) -> &str {
        &self.about.room
    }

    /// Names of its directories, from the top down.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.id.directories()
    }

    /// Names of its files, that of the sidecar last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.about.files.iter().map(|file| file.name.as_str()).chain([SIDECAR])
    }

    /// Where one of them is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// All of it is at `to`: notes that, and then deletes the files here where it `moved`. The sidecar stays.
    pub fn uploaded(mut self, to: String, moved: bool) -> io::Result<()> {
        self.about.uploaded = Some(Uploaded { to, moved });
        self.about.save(&Machine, self.place.path())?;
        if moved { remove_files(self.place.path(), &self.about) } else { Ok(()) }
    }
}

/// Deletes the files of a recording, its sidecar excepted.
pub(crate) fn remove_files(directory: &Path, about: &Recording) -> io::Result<()> {
    for file in &about.files {
        match fs::remove_file(directory.join(&file.name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
