//! How busy the processor is with this process: newcomers and legs are refused before those who are there have less.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::beat::Beat;

#[cfg(test)]
mod tests;

/// How often it is measured, and over how many of these it is told. More: short bursts refuse nobody; fewer: a rush is seen sooner.
const EVERY: Duration = Duration::from_secs(1);
const WINDOW: usize = 5;
/// Ticks of a second in /proc, on every Linux that Rust knows (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
/// What threads of the media plane are called: each can be as busy as one core, and none can help another.
const MEDIA_THREAD: &str = "media-";

/// What was measured last; copies are the same.
#[derive(Debug, Clone)]
pub(super) struct Busy(Arc<AtomicU32>);

/// CPU time so far, in ticks: of the whole process, then of each media thread.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sample {
    at: Instant,
    ticks: Vec<u64>,
}

impl Busy {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Of the busiest of all cores together and each media thread, 0 before the first second is over.
    pub(super) fn percent(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Measures for ever. The media threads have to run by now.
    pub(super) async fn watch(&self) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let clocks = clocks();
        let mut window = VecDeque::with_capacity(WINDOW + 1);
        let mut beat = Beat::new(EVERY);
        loop {
            let at = beat.next().await;
            let read =
                |clock: &PathBuf| fs::read_to_string(clock).ok().and_then(|stat| cpu_ticks(&stat)).unwrap_or_default();
            let sample = Sample { at, ticks: clocks.iter().map(read).collect() };
            if let Some(earlier) = window.front() {
                let percent = busiest(earlier, &sample, cores);
                self.0.store(percent, Ordering::Relaxed);
                metrics::gauge!("crescendo_busy_percent").set(f64::from(percent));
            }
            window.push_back(sample);
            if window.len() > WINDOW {
                window.pop_front();
            }
        }
    }
}

/// Files that tell CPU time.
fn clocks() -> Vec<PathBuf> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_media =
        |path: &PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with(MEDIA_THREAD));
    let media = threads.filter(is_media).map(|path| path.join("stat"));
    [PathBuf::from("/proc/self/stat")].into_iter().chain(media).collect()
}

/// `utime` and `stime` of proc(5). The name, in parentheses, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// In percent: the process has all cores, each media thread has one.
fn busiest(earlier: &Sample, later: &Sample, cores: usize) -> u32 {
    let seconds = later.at.duration_since(earlier.at).as_secs_f64().max(f64::EPSILON);
    let shares = earlier.ticks.iter().zip(&later.ticks).enumerate().map(|(number, (before, after))| {
        let of = if number == 0 { cores as f64 } else { 1.0 };
        after.saturating_sub(*before) as f64 / TICKS_PER_SECOND / seconds / of
    });
    (shares.fold(0.0, f64::max) * 100.0).round() as u32
}
