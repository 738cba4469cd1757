//! The recordings on disk, for as long as the server runs: what an earlier one left unfinished is finished at the start, what has
//! ended is uploaded, and what is not to be kept is deleted as it grows old.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crescendo_record::{Keep, Library, RecordingId};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::events::{Events, Happening};
use crate::config::Record;

mod upload;

pub use upload::{Upload, UploadError};

/// How often it is looked for recordings that are not to be kept. Lower: limits are kept closer, for more looking.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How often it is looked for recordings that have ended. Lower: they are uploaded sooner, for more looking.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// After a failed upload of a recording the next one waits this long, and after each further one twice as long as before, up to the
/// most. It is never given up: there is no other copy.
const RETRY_LEAST: Duration = Duration::from_secs(2);
const RETRY_MOST: Duration = Duration::from_secs(300);

const MIB: u64 = 1 << 20;

/// None where this server records nothing.
pub fn library(config: &Record) -> Option<Library> {
    config.is_on().then(|| Library::new(config.directory.clone()))
}

/// Finishes what was left behind, then uploads and deletes, for ever.
pub async fn tend(library: Library, config: &Record, upload: Option<Upload>, events: &Events) {
    let left_behind = library.clone();
    let recovered = tokio::task::spawn_blocking(move || left_behind.recover()).await.unwrap_or_default();
    for listed in recovered {
        metrics::counter!("crescendo_recordings_recovered_total").increment(1);
        let recording = &listed.recording;
        let (files, seconds) = (recording.files.len(), recording.duration_ms / 1_000);
        info!(id = %listed.id, room = recording.room, files, seconds, "a recording that was cut off is finished");
        let ready = Happening::RecordingReady { recording: listed.id.to_string() };
        events.tell_of(recording.room.clone(), ready);
    }
    let keep = Keep {
        age: (config.keep_hours > 0).then(|| Duration::from_secs(3_600 * u64::from(config.keep_hours))),
        bytes: (config.keep_mib > 0).then(|| config.keep_mib.saturating_mul(MIB)),
        only_uploaded: upload.is_some(),
    };
    let sweeps = async {
        if keep.is_limited() {
            sweep(&library, keep).await;
        }
    };
    let uploads = async {
        if let Some(upload) = &upload {
            Uploads::new(library.clone(), upload, events).run().await;
        }
    };
    tokio::join!(sweeps, uploads);
}

async fn sweep(library: &Library, keep: Keep) {
    let mut again = tokio::time::interval(SWEEP_EVERY);
    loop {
        again.tick().await;
        let library = library.clone();
        let gone = tokio::task::spawn_blocking(move || library.sweep(keep, SystemTime::now())).await.unwrap_or(0);
        metrics::counter!("crescendo_recordings_deleted_total").increment(gone as u64);
    }
}

/// The uploads of this server, one after the other.
struct Uploads<'a> {
    library: Library,
    upload: &'a Upload,
    events: &'a Events,
    /// Recordings that need no more looking at.
    there: BTreeSet<RecordingId>,
    trials: BTreeMap<RecordingId, Trial>,
}

/// An upload that has failed.
#[derive(Debug)]
struct Trial {
    /// Files that have arrived.
    there: BTreeSet<String>,
    due: Instant,
    wait: Duration,
}

impl<'a> Uploads<'a> {
    fn new(library: Library, upload: &'a Upload, events: &'a Events) -> Self {
        Self { library, upload, events, there: BTreeSet::new(), trials: BTreeMap::new() }
    }

    async fn run(&mut self) {
        loop {
            let (library, there) = (self.library.clone(), std::mem::take(&mut self.there));
            let looked = tokio::task::spawn_blocking(move || library.to_upload(there)).await;
            let (waiting, there) = looked.unwrap_or_default();
            self.there = there;
            self.trials.retain(|id, _| waiting.contains(id));
            for id in waiting {
                if self.trials.get(&id).is_none_or(|trial| trial.due <= Instant::now()) {
                    self.one(id).await;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn one(&mut self, id: RecordingId) {
        let (library, of) = (self.library.clone(), id.clone());
        // What is busy, or gone by now, is looked at the next time.
        let Ok(Ok(recording)) = tokio::task::spawn_blocking(move || library.take_out(&of)).await else { return };
        let trial = self.trials.remove(&id);
        let (mut there, waited) = trial.map_or_else(Default::default, |trial| (trial.there, trial.wait));
        let room = recording.room().to_owned();
        let sent = match self.upload.send(&recording, &mut there).await {
            Ok(()) => self.upload.confirm(recording).await.map(|to| (room, to)),
            Err(error) => Err(error),
        };
        match sent {
            Ok((room, to)) => {
                metrics::counter!("crescendo_recordings_uploaded_total").increment(1);
                info!(%id, "a recording is uploaded");
                let uploaded = Happening::RecordingUploaded { recording: id.to_string(), to };
                self.events.tell_of(room, uploaded);
                self.there.insert(id);
            }
            Err(error) => {
                metrics::counter!("crescendo_recording_upload_failures_total").increment(1);
                let wait = (waited * 2).clamp(RETRY_LEAST, RETRY_MOST);
                warn!(%id, %error, seconds = wait.as_secs(), "a recording could not be uploaded, and is kept until it is");
                self.trials.insert(id, Trial { there, due: Instant::now() + wait, wait });
            }
        }
    }
}
