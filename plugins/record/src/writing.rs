//! What the writing thread does: one recording's directory, its files and its sidecar. Every call may block for as long as the disk
//! does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Options;
use crate::container::Container;
use crate::disk::Disk;
use crate::finish::{FinishError, Outcome, finish};
use crate::name::{Directories, Files};
use crate::place::Place;
use crate::sidecar::{RecordedFile, Recording, RecordingState, SIDECAR, Source};
use crate::subject::{FileId, Job};
use crate::webm;
use crate::writer::{Shared, Sync};

/// How often the sidecar says how far the recording is. Higher: a recording that was cut off knows less of its gaps.
const SIDECAR_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Writing {
    options: Options,
    disk: Box<dyn Disk>,
    shared: Arc<Shared>,
    /// None where it could not be made.
    place: Option<Place>,
    about: Recording,
    open: BTreeMap<FileId, Open>,
    /// Files with nothing in them, by their index.
    empty: BTreeSet<usize>,
    saved: Instant,
    /// The disk refused something: it is asked for no more.
    refused: bool,
}

struct Open {
    file: File,
    /// Up to the last whole fragment.
    length: u64,
    /// Among the recording's files.
    index: usize,
}

impl Writing {
    pub(crate) fn new(options: Options, disk: Box<dyn Disk>, shared: Arc<Shared>) -> Self {
        let about = Recording {
            room: options.room.clone(),
            leg: options.leg.clone(),
            started_by: options.started_by.clone(),
            started: crate::name::timestamp(options.started),
            state: RecordingState::Recording,
            reason: None,
            duration_ms: 0,
            participants: Vec::new(),
            files: Vec::new(),
            uploaded: None,
        };
        let (open, empty, saved) = (BTreeMap::new(), BTreeSet::new(), Instant::now());
        Self { options, disk, shared, place: None, about, open, empty, saved, refused: false }
    }

    /// Makes the directory.
    pub(crate) fn begin(&mut self) {
        let names = self.options.template.directories(self.named());
        match Place::make(&*self.disk, &self.options.directory, &names) {
            Ok(place) => self.place = Some(place),
            Err(error) => self.fail(&self.options.directory.clone(), &error),
        }
        self.save();
    }

    pub(crate) fn work(&mut self, job: Job) {
        if let Some(people) = self.shared.take_people() {
            self.about.participants = people;
        }
        let (file, done) = match job {
            Job::Open { file, head, about } => (file, self.open(file, &head, about)),
            Job::Write { file, data, about } => (file, self.write(file, &data, about)),
            Job::Close { file } => (file, self.close(file)),
        };
        if let Err(error) = done {
            let name = self.open.get(&file).map(|open| self.about.files[open.index].name.clone());
            let path = name.map_or(self.options.directory.clone(), PathBuf::from);
            self.fail(&path, &error);
        }
        if self.saved.elapsed() >= SIDECAR_EVERY {
            self.save();
        }
    }

    fn named(&self) -> Directories<'_> {
        Directories { room: &self.options.room, leg: &self.options.leg, started: self.options.started }
    }

    fn open(&mut self, file: FileId, head: &[u8], about: RecordedFile) -> io::Result<()> {
        let Some(place) = self.place.as_ref().filter(|_| !self.refused) else { return Ok(()) };
        let person = self.about.participants.iter().find(|person| person.id == about.participant);
        let name = match about.source {
            Source::Composite => "everybody",
            Source::Camera | Source::Screen => person.map_or("", |person| person.name.as_str()),
        };
        let name = self
            .options
            .template
            .file(self.named(), Files { name, participant: &about.participant, source: about.source.name() });
        let (name, opened) = place.create(&*self.disk, &name, self.options.container.extension(), head)?;
        let length = head.len() as u64;
        self.about.files.push(RecordedFile { name, bytes: length, ..about });
        self.open.insert(file, Open { file: opened, length, index: self.about.files.len() - 1 });
        self.save();
        Ok(())
    }

    /// Appends a fragment, whole or not at all.
    fn write(&mut self, file: FileId, data: &[u8], about: RecordedFile) -> io::Result<()> {
        let Some(open) = self.open.get_mut(&file).filter(|_| !self.refused) else { return Ok(()) };
        if let Err(error) = self.disk.write(&open.file, data) {
            open.file.set_len(open.length)?;
            return Err(error);
        }
        open.length += data.len() as u64;
        let described = &mut self.about.files[open.index];
        *described = RecordedFile { name: std::mem::take(&mut described.name), bytes: open.length, ..about };
        self.about.duration_ms = self.about.duration_ms.max(described.offset_ms + described.duration_ms);
        if self.options.sync == Sync::Fragment {
            self.disk.sync(&open.file)?;
        }
        Ok(())
    }

    fn close(&mut self, file: FileId) -> io::Result<()> {
        let Some(Open { file, index, .. }) = self.open.remove(&file) else { return Ok(()) };
        if !complete(&file, &mut self.about.files[index])? {
            self.empty.insert(index);
        }
        self.save();
        Ok(())
    }

    /// Nothing more is written; what is there is finished as far as it can be.
    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.refused = true;
        let reason = format!("cannot write {}: {error}", path.display());
        if self.shared.fail(reason.clone()) {
            tracing::error!(room = %self.about.room, leg = %self.about.leg, reason, "a recording failed");
        }
    }

    pub(crate) fn end(mut self) {
        if let Some(people) = self.shared.take_people() {
            self.about.participants = people;
        }
        for Open { file, index, .. } in std::mem::take(&mut self.open).into_values() {
            match complete(&file, &mut self.about.files[index]) {
                Ok(true) => {}
                Ok(false) => {
                    self.empty.insert(index);
                }
                Err(error) => {
                    let name = PathBuf::from(&self.about.files[index].name);
                    self.fail(&name, &error);
                }
            }
        }
        self.about.state = RecordingState::Finished;
        self.save_without_empty();
        // Nobody sent anything, so there is nothing to keep.
        let nothing = self.about.files.is_empty() && self.about.state == RecordingState::Finished;
        if let Some(place) = self.place.take_if(|_| nothing)
            && let Err(error) = place.remove_empty(&self.options.directory, SIDECAR)
        {
            tracing::warn!(%error, "an empty recording stays");
        }
    }

    /// Saves, and then deletes the files that nobody sent anything for: only these are ever deleted here.
    fn save_without_empty(&mut self) {
        let empty = std::mem::take(&mut self.empty).into_iter().rev().map(|index| self.about.files.remove(index));
        let empty: Vec<RecordedFile> = empty.collect();
        if !self.save() {
            return;
        }
        let Some(place) = &self.place else { return };
        for RecordedFile { name, .. } in empty {
            if let Err(error) = fs::remove_file(place.path().join(&name)) {
                tracing::warn!(name, %error, "a file without anything in it stays");
            }
        }
    }

    /// False where the sidecar on disk is not this one.
    fn save(&mut self) -> bool {
        self.saved = Instant::now();
        if let Some(reason) = self.shared.failure() {
            self.about.state = RecordingState::Failed;
            self.about.reason = Some(reason);
        }
        let Some(place) = &self.place else { return false };
        let saved = self.about.save(&*self.disk, place.path());
        if let Err(error) = &saved {
            self.fail(&place.path().join(SIDECAR), error);
        }
        saved.is_ok()
    }
}

/// Gives the file the tables of an ordinary one, and says what it holds. False where it holds nothing.
pub(crate) fn complete(file: &File, about: &mut RecordedFile) -> io::Result<bool> {
    let finished = match Container::of(&about.name) {
        Some((Container::WebM, _)) => webm::finish(file),
        Some((Container::Mp4, _)) | None => finish(file),
    };
    let finished = match finished {
        Ok(Outcome::Finished(finished)) => finished,
        Ok(Outcome::Empty) => {
            about.tracks.clear();
            return Ok(false);
        }
        Err(FinishError::Io(error)) => return Err(error),
        Err(error @ (FinishError::Box(_) | FinishError::NoRecording | FinishError::Damaged)) => {
            return Err(io::Error::other(error));
        }
    };
    about.finished = true;
    about.bytes = finished.bytes;
    about.duration_ms = crate::millis(finished.duration);
    // What was described last may have been before the last fragments.
    let is_audio = |codec: &str| codec == "Opus";
    about.tracks.retain(|track| finished.tracks.iter().any(|there| there.audio == is_audio(&track.codec)));
    for track in &mut about.tracks {
        if let Some(there) = finished.tracks.iter().find(|there| there.audio == is_audio(&track.codec)) {
            track.samples = there.samples;
            track.offset_ms = about.offset_ms + crate::millis(there.start);
        }
    }
    Ok(true)
}
