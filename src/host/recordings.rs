//! The recordings on disk, for as long as the server runs: what an earlier one left unfinished is finished at the start, and what
//! is not to be kept is deleted as it grows old.

use std::time::{Duration, SystemTime};

use crescendo_record::{Keep, Library};
use tracing::info;

use crate::config::Record;

/// How often it is looked for recordings that are not to be kept. Lower: limits are kept closer, for more looking.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

const MIB: u64 = 1 << 20;

/// None where this server records nothing.
pub fn library(config: &Record) -> Option<Library> {
    config.is_on().then(|| Library::new(config.directory.clone()))
}

/// Finishes what was left behind, then deletes what is too old or too much, again and again.
pub async fn tend(library: Library, config: &Record) {
    let left_behind = library.clone();
    let recovered = tokio::task::spawn_blocking(move || left_behind.recover()).await.unwrap_or_default();
    for listed in recovered {
        metrics::counter!("crescendo_recordings_recovered_total").increment(1);
        let recording = &listed.recording;
        let (files, seconds) = (recording.files.len(), recording.duration_ms / 1_000);
        info!(id = %listed.id, room = recording.room, files, seconds, "a recording that was cut off is finished");
    }
    let keep = Keep {
        age: (config.keep_hours > 0).then(|| Duration::from_secs(3_600 * u64::from(config.keep_hours))),
        bytes: (config.keep_mib > 0).then(|| config.keep_mib.saturating_mul(MIB)),
    };
    if keep == Keep::default() {
        return;
    }
    let mut again = tokio::time::interval(SWEEP_EVERY);
    loop {
        again.tick().await;
        let library = library.clone();
        let gone = tokio::task::spawn_blocking(move || library.sweep(keep, SystemTime::now())).await.unwrap_or(0);
        metrics::counter!("crescendo_recordings_deleted_total").increment(gone as u64);
    }
}
