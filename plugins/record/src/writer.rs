//! What is done on disk, on a thread of its own: a slow disk holds up neither the leg nor the call. What it has no room for is
//! refused, and counted by who is refused.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Options;
use crate::finish::{FinishError, finish};
use crate::name::{Directories, Files};
use crate::sidecar::{Person, RecordedFile, Recording, RecordingState};
use crate::subject::{FileId, Job};

/// Most files and directories whose names differ in a number alone.
const NAMESAKES_MAX: usize = 10_000;

/// How often the sidecar says how far the recording is. Higher: a recording that was cut off knows less of its gaps.
const SIDECAR_EVERY: Duration = Duration::from_secs(5);

/// When what was written is brought to the disk itself. A process that is killed loses nothing either way: this is for
/// machines that lose power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// After every fragment.
    Fragment,
    /// When a file is finished.
    Finish,
}

/// How the thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Ready,
    Failed(String),
}

#[derive(Debug)]
struct Shared {
    /// Bytes that wait for the disk.
    waiting: AtomicUsize,
    condition: Mutex<Condition>,
}

impl Shared {
    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum Order {
    Do(Job),
    People(Vec<Person>),
}

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Writer {
    /// None once it has ended.
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    queue_bytes: usize,
}

impl Writer {
    /// Makes the recording's directory and waits for jobs.
    pub(crate) fn start(options: Options) -> Self {
        let (orders, queue) = channel();
        let shared = Arc::new(Shared { waiting: AtomicUsize::new(0), condition: Mutex::new(Condition::Ready) });
        let queue_bytes = options.queue_bytes;
        let theirs = shared.clone();
        let thread = thread::Builder::new().name(format!("{}-disk", options.leg)).spawn(move || {
            Disk::new(options, theirs).run(&queue);
        });
        if let Err(error) = &thread {
            *shared.condition() = Condition::Failed(format!("the system has no thread left: {error}"));
        }
        Self { orders: Some(orders), thread: thread.ok(), shared, queue_bytes }
    }

    /// False where as much waits as may: the job is not done. A file is always closed.
    pub(crate) fn do_job(&self, job: Job) -> bool {
        let size = match &job {
            Job::Open { head, .. } => head.len(),
            Job::Write { data, .. } => data.len(),
            Job::Close { .. } => 0,
        };
        let waiting = self.shared.waiting.fetch_add(size, Ordering::AcqRel);
        if size > 0 && waiting + size > self.queue_bytes {
            self.shared.waiting.fetch_sub(size, Ordering::AcqRel);
            return false;
        }
        self.order(Order::Do(job))
    }

    pub(crate) fn people(&self, people: Vec<Person>) {
        self.order(Order::People(people));
    }

    fn order(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok())
    }

    pub(crate) fn condition(&self) -> Condition {
        self.shared.condition().clone()
    }

    /// Everything is written and every file finished when it returns.
    pub(crate) fn end(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            *self.shared.condition() = Condition::Failed("the writing thread panicked".into());
        }
    }
}

/// The thread's own.
struct Disk {
    options: Options,
    shared: Arc<Shared>,
    /// The recording's directory, held by a lock for as long as it is written to.
    place: Option<(PathBuf, File)>,
    about: Recording,
    open: BTreeMap<FileId, Open>,
    saved: Instant,
}

struct Open {
    file: File,
    /// Up to the last whole fragment.
    length: u64,
    /// Among the recording's files.
    index: usize,
}

impl Disk {
    fn new(options: Options, shared: Arc<Shared>) -> Self {
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
        };
        Self { options, shared, place: None, about, open: BTreeMap::new(), saved: Instant::now() }
    }

    fn run(&mut self, queue: &Receiver<Order>) {
        match self.make_place() {
            Ok(place) => self.place = Some(place),
            Err(error) => self.fail(&self.options.directory.clone(), &error),
        }
        self.save();
        for order in queue {
            let (file, done) = match order {
                Order::People(people) => {
                    self.about.participants = people;
                    continue;
                }
                Order::Do(Job::Open { file, head, about }) => {
                    self.shared.waiting.fetch_sub(head.len(), Ordering::AcqRel);
                    (file, self.open(file, &head, about))
                }
                Order::Do(Job::Write { file, data, about }) => {
                    self.shared.waiting.fetch_sub(data.len(), Ordering::AcqRel);
                    (file, self.write(file, &data, about))
                }
                Order::Do(Job::Close { file }) => (file, self.close(file)),
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
        self.end();
    }

    /// A directory of this recording's own, locked.
    fn make_place(&self) -> io::Result<(PathBuf, File)> {
        let names = self.options.template.directories(self.named());
        let (last, above) = names.split_last().ok_or(ErrorKind::InvalidInput)?;
        let above = above.iter().fold(self.options.directory.clone(), |path, name| path.join(name));
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700).create(&above)?;
        private.recursive(false);
        let path = free_name(|suffix| {
            let path = above.join(format!("{last}{suffix}"));
            private.create(&path).map(|()| path)
        })?;
        let lock = File::open(&path)?;
        lock.try_lock()?;
        Ok((path, lock))
    }

    fn named(&self) -> Directories<'_> {
        Directories { room: &self.options.room, leg: &self.options.leg, started: self.options.started }
    }

    fn open(&mut self, file: FileId, head: &[u8], about: RecordedFile) -> io::Result<()> {
        let Some((place, _)) = &self.place else { return Ok(()) };
        if self.has_failed() {
            return Ok(());
        }
        let person = self.about.participants.iter().find(|person| person.id == about.participant);
        let name = self.options.template.file(
            self.named(),
            Files {
                name: person.map_or("", |person| person.name.as_str()),
                participant: &about.participant,
                source: about.source.name(),
            },
        );
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let (name, mut opened) = free_name(|suffix| {
            let name = format!("{name}{suffix}.mp4");
            options.open(place.join(&name)).map(|opened| (name, opened))
        })?;
        self.about.files.push(RecordedFile { name, bytes: head.len() as u64, ..about });
        let index = self.about.files.len() - 1;
        let written = opened.write_all(head);
        self.open.insert(file, Open { file: opened, length: head.len() as u64, index });
        written?;
        self.save();
        Ok(())
    }

    /// Appends a fragment, whole or not at all.
    fn write(&mut self, file: FileId, data: &[u8], about: RecordedFile) -> io::Result<()> {
        if self.has_failed() {
            return Ok(());
        }
        let Some(open) = self.open.get_mut(&file) else { return Ok(()) };
        if let Err(error) = open.file.write_all(data) {
            open.file.set_len(open.length)?;
            return Err(error);
        }
        open.length += data.len() as u64;
        let described = &mut self.about.files[open.index];
        *described = RecordedFile { name: std::mem::take(&mut described.name), bytes: open.length, ..about };
        self.about.duration_ms = self.about.duration_ms.max(described.offset_ms + described.duration_ms);
        if self.options.sync == Sync::Fragment {
            open.file.sync_data()?;
        }
        Ok(())
    }

    fn close(&mut self, file: FileId) -> io::Result<()> {
        let Some(Open { file, index, .. }) = self.open.remove(&file) else { return Ok(()) };
        complete(&file, &mut self.about.files[index])?;
        self.save();
        Ok(())
    }

    fn has_failed(&self) -> bool {
        self.about.state == RecordingState::Failed
    }

    /// Nothing more is written; what is there is finished as far as it can be.
    fn fail(&mut self, path: &Path, error: &io::Error) {
        if self.has_failed() {
            return;
        }
        let reason = format!("cannot write {}: {error}", path.display());
        tracing::error!(room = %self.about.room, leg = %self.about.leg, reason, "a recording failed");
        self.about.state = RecordingState::Failed;
        self.about.reason = Some(reason.clone());
        *self.shared.condition() = Condition::Failed(reason);
    }

    fn end(&mut self) {
        for Open { file, index, .. } in std::mem::take(&mut self.open).into_values() {
            if let Err(error) = complete(&file, &mut self.about.files[index]) {
                let name = PathBuf::from(&self.about.files[index].name);
                self.fail(&name, &error);
            }
        }
        if !self.has_failed() {
            self.about.state = RecordingState::Finished;
        }
        match &self.place {
            // Nobody sent anything, so there is nothing to keep.
            Some((place, _)) if self.about.files.iter().all(|file| file.tracks.is_empty()) => {
                if let Err(error) = std::fs::remove_dir_all(place) {
                    tracing::warn!(%error, "an empty recording stays");
                }
            }
            Some(_) => self.save(),
            None => {}
        }
    }

    fn save(&mut self) {
        self.saved = Instant::now();
        let Some((place, _)) = &self.place else { return };
        if let Err(error) = self.about.save(place) {
            self.fail(&place.join(crate::sidecar::SIDECAR), &error);
        }
    }
}

/// Gives the file the tables of an ordinary MP4, and says what it holds.
pub(crate) fn complete(file: &File, about: &mut RecordedFile) -> io::Result<()> {
    let finished = match finish(file) {
        Ok(Some(finished)) => finished,
        Ok(None) => {
            about.tracks.clear();
            return Ok(());
        }
        Err(FinishError::Io(error)) => return Err(error),
        Err(error @ (FinishError::Box(_) | FinishError::NoRecording)) => return Err(io::Error::other(error)),
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
    Ok(())
}

/// The first of "", "-2", "-3", … for which `make` does not find something there already.
fn free_name<T>(make: impl Fn(&str) -> io::Result<T>) -> io::Result<T> {
    for number in 1..=NAMESAKES_MAX {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        match make(&suffix) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
