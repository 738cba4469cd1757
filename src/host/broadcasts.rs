//! The broadcasts on disk, for as long as the server runs: what an earlier one left is finished and found again at the start, and
//! what is not to be kept is deleted.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crescendo_hls::{Archive, Keep};
use tracing::{info, warn};

use crate::config::Hls;

mod mirror;

pub use super::bucket::AddressError;
pub use mirror::Mirror;

/// How often it is looked for broadcasts that are not to be kept. Lower: limits are kept closer, for more looking.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

const MIB: u64 = 1 << 20;

/// None where nothing is written to disk.
pub fn archive(config: &Hls) -> Option<Arc<Archive>> {
    config.is_stored().then(|| Arc::new(Archive::new(config.directory.clone())))
}

/// Finds what was left behind, then deletes what is too old or too much, again and again.
pub async fn tend(archive: Arc<Archive>, config: &Hls) {
    let left_behind = archive.clone();
    match tokio::task::spawn_blocking(move || left_behind.recover()).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(count)) => info!(count, "broadcasts of earlier"),
        Ok(Err(error)) => warn!(%error, "broadcasts of earlier cannot be read"),
    }
    let keep = Keep {
        age: Duration::from_secs(3_600 * u64::from(config.keep_hours)),
        bytes: (config.keep_mib > 0).then(|| config.keep_mib.saturating_mul(MIB)),
    };
    let mut again = tokio::time::interval(SWEEP_EVERY);
    loop {
        again.tick().await;
        let archive = archive.clone();
        let gone = tokio::task::spawn_blocking(move || archive.sweep(keep, SystemTime::now())).await.unwrap_or(0);
        metrics::counter!("crescendo_broadcasts_deleted_total").increment(gone as u64);
    }
}
