//! The same segments in a directory, for any file server or CDN. A thread of its own writes, so that a slow disk never stops
//! the live edge.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use bytes::Bytes;

/// Jobs that may wait for the disk: some 10 s of segments and playlists. Higher: survives longer stalls, for memory; lower:
/// files go missing sooner.
const JOBS_MAX: usize = 128;

#[derive(Debug)]
enum Job {
    Write { name: String, data: Bytes },
    Remove { name: String },
}

/// Dropping it lets the thread finish what is queued.
#[derive(Debug)]
pub(crate) struct Disk {
    jobs: SyncSender<Job>,
}

impl Disk {
    /// Makes `directory` and starts the thread.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let (jobs, queue) = sync_channel::<Job>(JOBS_MAX);
        thread::Builder::new().name("hls-disk".into()).spawn(move || {
            for job in queue {
                if let Err(error) = run(&directory, &job) {
                    tracing::warn!(directory = %directory.display(), %error, "a file of the broadcast is missing on disk");
                }
            }
        })?;
        Ok(Self { jobs })
    }

    /// Names are the store's own: without a path.
    pub(crate) fn write(&self, name: String, data: Bytes) {
        self.queue(Job::Write { name, data });
    }

    pub(crate) fn remove(&self, name: String) {
        self.queue(Job::Remove { name });
    }

    fn queue(&self, job: Job) {
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                tracing::warn!(?job, "the disk is too slow for the broadcast");
            }
        }
    }
}

/// A file appears whole or not at all.
fn run(directory: &Path, job: &Job) -> io::Result<()> {
    match job {
        Job::Write { name, data } => {
            let hidden = directory.join(format!(".{name}.part"));
            fs::write(&hidden, data)?;
            fs::rename(hidden, directory.join(name))
        }
        Job::Remove { name } => fs::remove_file(directory.join(name)),
    }
}
