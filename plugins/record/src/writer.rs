//! The way to the disk: a thread of its own, so that a slow disk holds up neither the leg nor the call. What it has no room for
//! is refused, and counted by who is refused; when it does not come back, the recording has failed and says so.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Options;
use crate::disk::Disk;
use crate::sidecar::Person;
use crate::subject::Job;
use crate::writing::Writing;

#[cfg(test)]
mod tests;

/// Jobs that may wait for the disk, whatever their size: some ten seconds of a room with a hundred people. Higher: survives longer
/// stalls of large rooms, for memory.
const JOBS_MAX: u64 = 4_096;

/// When a job takes longer than this, the disk is not slow but gone. Higher: survives longer stalls, while nobody knows whether
/// anything is kept.
const STALLED_AFTER: Duration = Duration::from_secs(20);

/// How long the end waits for the disk. What is written later is in the files all the same, but nobody is told.
const END_MAX: Duration = Duration::from_secs(20);

/// When what was written is brought to the disk itself. A process that is killed loses nothing either way: this is for
/// machines that lose power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// After every fragment.
    Fragment,
    /// When a file is finished.
    Finish,
}

/// What both threads know.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Bytes that wait for the disk.
    waiting: AtomicUsize,
    /// Jobs that are done.
    done: AtomicU64,
    /// Who was there, where the other thread does not know it yet: the newest alone counts, so nothing waits in a queue.
    people: Mutex<Option<Vec<Person>>>,
    /// Why it cannot go on, whoever found out first.
    failure: Mutex<Option<String>>,
}

impl Shared {
    fn failure_lock(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failure_lock().clone()
    }

    /// The first reason stays. True when this was it.
    pub(crate) fn fail(&self, reason: String) -> bool {
        let mut failure = self.failure_lock();
        let first = failure.is_none();
        failure.get_or_insert(reason);
        first
    }

    pub(crate) fn take_people(&self) -> Option<Vec<Person>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[derive(Debug)]
pub(crate) struct Writer {
    /// None once it has ended.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    shared: Arc<Shared>,
    queue_bytes: usize,
    asked: u64,
    /// Jobs that were done when this was last looked at, and since when they are as many.
    seen: (u64, Duration),
}

impl Writer {
    /// Makes the recording's directory and waits for jobs.
    pub(crate) fn start(options: Options, disk: Box<dyn Disk>) -> Self {
        let (jobs, queue) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let queue_bytes = options.queue_bytes;
        let theirs = shared.clone();
        let thread = thread::Builder::new().name(format!("{}-disk", options.leg)).spawn(move || {
            let _ends: Sender<()> = ends;
            run(Writing::new(options, disk, theirs.clone()), &queue, &theirs);
        });
        if let Err(error) = &thread {
            shared.fail(format!("the system has no thread left: {error}"));
        }
        let thread = thread.ok();
        Self { jobs: Some(jobs), thread, ended, shared, queue_bytes, asked: 0, seen: (0, Duration::ZERO) }
    }

    /// False where the job is not done, because too much waits already.
    pub(crate) fn do_job(&mut self, job: Job) -> bool {
        let size = size(&job);
        if self.queued() >= JOBS_MAX {
            self.shared.fail(format!("the disk is too slow: {JOBS_MAX} jobs wait for it"));
            return false;
        }
        let waiting = self.shared.waiting.fetch_add(size, Ordering::AcqRel);
        // A file is always closed, which takes no room.
        let fits = size == 0 || waiting + size <= self.queue_bytes;
        if fits && self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok()) {
            self.asked += 1;
            return true;
        }
        self.shared.waiting.fetch_sub(size, Ordering::AcqRel);
        false
    }

    /// Jobs that wait for the disk, or are on their way to it.
    pub(crate) fn queued(&self) -> u64 {
        self.asked - self.shared.done.load(Ordering::Acquire)
    }

    pub(crate) fn people(&self, people: Vec<Person>) {
        *self.shared.people.lock().unwrap_or_else(PoisonError::into_inner) = Some(people);
    }

    /// Looks whether the disk still does what it is asked for.
    pub(crate) fn tick(&mut self, now: Duration) {
        let done = self.shared.done.load(Ordering::Acquire);
        if done == self.asked || done != self.seen.0 {
            self.seen = (done, now);
        } else if now.saturating_sub(self.seen.1) >= STALLED_AFTER {
            self.fail(format!("the disk has taken nothing for {} s", STALLED_AFTER.as_secs()));
        }
    }

    pub(crate) fn fail(&self, reason: String) {
        self.shared.fail(reason);
    }

    /// Why it cannot go on.
    pub(crate) fn failure(&self) -> Option<String> {
        // It ends when nobody can ask for anything any more, and not before.
        if self.jobs.is_some() && self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.shared.fail("the writing thread panicked".into());
        }
        self.shared.failure()
    }

    /// Everything is written and every file finished when it returns, or it has failed.
    pub(crate) fn end(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else { return };
        match self.ended.recv_timeout(END_MAX) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                if thread.join().is_err() {
                    self.shared.fail("the writing thread panicked".into());
                }
            }
            // It goes on alone, as far as the disk lets it.
            Err(RecvTimeoutError::Timeout) => {
                self.shared.fail(format!("the disk has not taken everything within {} s", END_MAX.as_secs()));
            }
        }
    }
}

fn size(job: &Job) -> usize {
    match job {
        Job::Open { head, .. } => head.len(),
        Job::Write { data, .. } => data.len(),
        Job::Close { .. } => 0,
    }
}

/// The thread.
fn run(mut writing: Writing, queue: &Receiver<Job>, shared: &Shared) {
    writing.begin();
    for job in queue {
        let size = size(&job);
        writing.work(job);
        shared.waiting.fetch_sub(size, Ordering::AcqRel);
        shared.done.fetch_add(1, Ordering::AcqRel);
    }
    writing.end();
}
