//! The same segments in a directory, for any file server or CDN, and for viewers who go back. A thread of its own writes, so
//! that a slow disk never stops the live edge.
//!
//! A segment is there before a playlist names it. While nothing old is thrown away, a playlist only grows, line by line; else it
//! is written anew and takes the old one's place at once.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use bytes::Bytes;

use crate::window::{Kept, Rendition};

/// Jobs that may wait for the disk: some 30 s of segments. Higher: survives longer stalls, for memory; lower: segments are lost
/// sooner, and viewers can go back less far.
const JOBS_MAX: usize = 128;

/// How often a directory is made anew that somebody who tidied up took away in between.
const TAKEN_AWAY_MAX: usize = 100;

#[derive(Debug)]
pub(crate) enum Job {
    Write { name: String, data: Bytes },
    Segment { rendition: Rendition, number: u64, name: String, data: Bytes, then: Then },
    Remove { names: Vec<String> },
}

/// What happens to the playlist when a segment is on disk.
#[derive(Debug)]
pub(crate) enum Then {
    /// It is too early for one, or it is written anew in a moment.
    Nothing,
    Append {
        playlist: &'static str,
        lines: String,
    },
}

/// Dropping it lets the thread finish what is queued.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    jobs: SyncSender<Job>,
    progress: Arc<[Progress; Rendition::ALL.len()]>,
}

#[derive(Debug, Default)]
struct Progress {
    written: AtomicU64,
    lost: AtomicU64,
}

impl Disk {
    /// Makes `directory` and starts the thread, which holds a lock on it to its end: nobody else finishes or deletes what is there.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        let lock = lock(&directory)?;
        let (jobs, queue) = sync_channel::<Job>(JOBS_MAX);
        let progress = Arc::<[Progress; Rendition::ALL.len()]>::default();
        let (at, counted) = (directory.clone(), progress.clone());
        thread::Builder::new().name("hls-disk".into()).spawn(move || {
            for job in queue {
                run(&at, job, &counted);
            }
            drop(lock);
        })?;
        Ok(Self { directory, jobs, progress })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn kept(&self, rendition: Rendition) -> Kept {
        let progress = &self.progress[rendition as usize];
        // A lost segment is noted before it counts as done.
        let written = progress.written.load(Ordering::Acquire);
        Kept { written, lost: progress.lost.load(Ordering::Acquire) }
    }

    /// Names are the store's own: without a path. Gives whether the job was taken.
    pub(crate) fn queue(&self, job: Job) -> bool {
        let (job, why) = match self.jobs.try_send(job) {
            Ok(()) => return true,
            Err(TrySendError::Full(job)) => (job, "the disk is too slow for the broadcast"),
            Err(TrySendError::Disconnected(job)) => (job, "nothing writes the broadcast to disk"),
        };
        match job {
            Job::Segment { rendition, number, name, .. } => {
                self.progress[rendition as usize].lost.fetch_max(number + 1, Ordering::AcqRel);
                tracing::warn!(name, "{why}");
            }
            Job::Write { name, .. } => tracing::warn!(name, "{why}"),
            // What stays goes with the directory.
            Job::Remove { .. } => tracing::debug!("{why}"),
        }
        false
    }

    /// For the end: waits until there is room.
    pub(crate) fn finish(&self, name: String, data: Bytes) {
        if self.jobs.send(Job::Write { name, data }).is_err() {
            tracing::warn!("nothing writes the broadcast to disk");
        }
    }
}

/// Makes `directory`, and holds it.
fn lock(directory: &Path) -> io::Result<File> {
    for _ in 0..TAKEN_AWAY_MAX {
        fs::create_dir_all(directory)?;
        let there = || File::open(directory).and_then(|lock| Ok((lock.metadata()?, lock)));
        let (ours, lock) = match there() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        lock.try_lock()?;
        // What was opened may have been deleted since: an empty directory is taken for one that was left behind.
        match fs::symlink_metadata(directory) {
            Ok(there) if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) => return Ok(lock),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn run(directory: &Path, job: Job, progress: &[Progress; Rendition::ALL.len()]) {
    let warn = |name: &str, error: &io::Error| {
        tracing::warn!(directory = %directory.display(), name, %error, "a file of the broadcast is missing on disk");
    };
    match job {
        Job::Write { name, data } => {
            if let Err(error) = place(directory, &name, &data) {
                warn(&name, &error);
            }
        }
        Job::Segment { rendition, number, name, data, then } => {
            let progress = &progress[rendition as usize];
            let written = place(directory, &name, &data).and_then(|()| match then {
                Then::Nothing => Ok(()),
                Then::Append { playlist, lines } => append(&directory.join(playlist), &lines),
            });
            if let Err(error) = written {
                warn(&name, &error);
                progress.lost.fetch_max(number + 1, Ordering::AcqRel);
            }
            progress.written.store(number + 1, Ordering::Release);
        }
        Job::Remove { names } => {
            for name in names {
                if let Err(error) = fs::remove_file(directory.join(&name)) {
                    tracing::debug!(name, %error, "a file of the broadcast is not removed");
                }
            }
        }
    }
}

/// A file appears whole or not at all.
pub(crate) fn place(directory: &Path, name: &str, data: &[u8]) -> io::Result<()> {
    let hidden = directory.join(format!(".{name}.part"));
    fs::write(&hidden, data).and_then(|()| fs::rename(&hidden, directory.join(name))).inspect_err(|_| {
        // On a full disk half a file is only in the way.
        let _ = fs::remove_file(&hidden);
    })
}

/// In one write, so that readers see whole lines.
fn append(path: &Path, lines: &str) -> io::Result<()> {
    fs::OpenOptions::new().append(true).open(path)?.write_all(lines.as_bytes())
}
