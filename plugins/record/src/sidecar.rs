//! `recording.json`: what a recording holds, beside its files. Times are milliseconds on the recording's clock, which begins at
//! `started`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::disk::Disk;
use crate::name::is_name;

#[cfg(test)]
mod tests;

/// The sidecar's name in a recording's directory.
pub const SIDECAR: &str = "recording.json";

/// Largest sidecar that is read.
const SIDECAR_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    pub room: String,
    pub leg: String,
    /// Who started it; absent when the API did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Starter>,
    /// RFC 3339, UTC.
    pub started: String,
    pub state: RecordingState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub duration_ms: u64,
    pub participants: Vec<Person>,
    pub files: Vec<RecordedFile>,
    /// Where else it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<Uploaded>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// The address of its directory.
    pub to: String,
    /// Its files are there only.
    pub moved: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starter {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingState {
    /// It goes on, or its server ended without finishing it and has not started again.
    Recording,
    Finished,
    /// Its server ended without finishing it; a later one did.
    Recovered,
    /// It could not go on; what was written by then plays.
    Failed,
}

/// A participant from the first of its tracks to the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub id: String,
    pub name: String,
    pub joined_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Camera and microphone.
    Camera,
    /// A screen and its sound.
    Screen,
    /// Everybody together.
    Composite,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Source::Camera => "camera",
            Source::Screen => "screen",
            Source::Composite => "composite",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedFile {
    pub name: String,
    /// Its identifier, `p7`; `all` for everybody.
    pub participant: String,
    pub source: Source,
    /// Where its beginning lies on the recording's clock.
    pub offset_ms: u64,
    pub duration_ms: u64,
    pub bytes: u64,
    /// It has the tables of an ordinary MP4. One that has not is fragmented, and plays too.
    pub finished: bool,
    pub tracks: Vec<RecordedTrack>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedTrack {
    /// `H264`, `VP8`, `VP9`, `AV1` or `Opus`.
    pub codec: String,
    /// Of the first picture; later ones may have another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
    /// Where its first sample lies on the recording's clock.
    pub offset_ms: u64,
    pub samples: u64,
    /// Where nothing came, or nothing that could be decoded: the picture stands still there, the sound is silent.
    pub gaps: Vec<Gap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    pub at_ms: u64,
    pub length_ms: u64,
}

impl Recording {
    /// Reads the sidecar of a directory. What it says of itself is not believed: one that names a file elsewhere, or no file at
    /// all, is refused as a whole.
    pub(crate) fn load(directory: &Path) -> io::Result<Self> {
        let path = directory.join(SIDECAR);
        // Neither a link nor a pipe.
        let about = fs::symlink_metadata(&path)?;
        if !about.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the sidecar is no file"));
        }
        if about.len() > SIDECAR_BYTES_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let recording: Self = serde_json::from_reader(io::BufReader::new(File::open(path)?))?;
        let good = |name: &str| Container::of(name).is_some_and(|(_, stem)| is_name(stem));
        match recording.files.iter().find(|file| !good(&file.name)) {
            Some(bad) => {
                Err(io::Error::new(ErrorKind::InvalidData, format!("{:?} is no name of a recording's file", bad.name)))
            }
            None => Ok(recording),
        }
    }

    /// It is there as a whole, or as it was before, whatever happens to the machine.
    pub(crate) fn save(&self, disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        let hidden = directory.join(format!(".{SIDECAR}"));
        let text = serde_json::to_vec_pretty(self)?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&hidden)?;
        disk.write(&file, &text)?;
        disk.sync(&file)?;
        disk.rename(&hidden, &directory.join(SIDECAR))?;
        disk.sync_directory(directory)
    }
}

impl RecordedFile {
    /// Opens it in its recording's directory: a file, and not what a link or a pipe leads to.
    pub(crate) fn open(&self, directory: &Path, writable: bool) -> io::Result<File> {
        let path = directory.join(&self.name);
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(ErrorKind::NotFound.into());
        }
        OpenOptions::new().read(true).write(writable).open(path)
    }
}
