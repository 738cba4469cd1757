//! One recording's way to where it is kept: a directory, or a bucket of S3, Google Cloud Storage or Azure. Its files go first and
//! `recording.json` last, so that whoever finds that finds all of it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use crescendo_record::Outgoing;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::io::AsyncReadExt as _;

use crate::config::Record;
use crate::host::bucket::{AddressError, Bucket};

#[cfg(test)]
mod tests;

/// What is read and sent at a time. A file has 10,000 parts at most in S3, and one but the last has at least 5 MiB there. Higher:
/// fewer requests, for memory.
const PART_BYTES: usize = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("record.upload_to is no address of a store: {0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Store(#[from] object_store::Error),
    #[error("{path}: {size} bytes were sent, and {stored} are there")]
    Differs { path: Path, size: u64, stored: u64 },
    #[error("{0}")]
    File(#[from] std::io::Error),
}

/// Where recordings are uploaded to.
#[derive(Debug)]
pub struct Upload {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// As it was configured.
    to: String,
    /// Nothing stays here once it is there.
    moves: bool,
}

impl Upload {
    /// None where nothing is to be uploaded.
    pub fn new(config: &Record) -> Result<Option<Self>, UploadError> {
        let bucket = Bucket::open(&config.upload_to)?;
        let (to, moves) = (config.upload_to.clone(), config.upload_moves);
        Ok(bucket.map(|Bucket { store, prefix, .. }| Self { store, prefix, to, moves }))
    }

    /// Sends everything that is not in `there` yet, and sees that it has arrived.
    pub(super) async fn send(&self, recording: &Outgoing, there: &mut BTreeSet<String>) -> Result<(), UploadError> {
        for name in recording.names() {
            if there.contains(name) {
                continue;
            }
            match self.send_file(recording, name).await {
                // Somebody took it away; what is left is uploaded.
                Err(UploadError::File(error)) if error.kind() == ErrorKind::NotFound => {
                    tracing::warn!(name, "a file of a recording is missing");
                }
                sent => sent?,
            }
            there.insert(name.to_owned());
        }
        Ok(())
    }

    /// Notes where it is, gives that, and deletes it here where it is not to stay.
    pub(super) async fn confirm(&self, recording: Outgoing) -> Result<String, UploadError> {
        let at = format!("{}/{}", self.to.trim_end_matches('/'), recording.directories().collect::<Vec<_>>().join("/"));
        let moves = self.moves;
        let noting = at.clone();
        let noted = tokio::task::spawn_blocking(move || recording.uploaded(noting, moves)).await;
        noted.map_err(std::io::Error::other)??;
        Ok(at)
    }

    async fn send_file(&self, recording: &Outgoing, name: &str) -> Result<(), UploadError> {
        let directories = recording.directories().fold(self.prefix.clone(), |path, name| path.join(name));
        let path = directories.join(name);
        let size = self.send_bytes(&recording.path(name), &path).await?;
        let stored = self.store.head(&path).await?.size;
        if stored == size { Ok(()) } else { Err(UploadError::Differs { path, size, stored }) }
    }

    /// Gives how many they were.
    async fn send_bytes(&self, from: &FilePath, to: &Path) -> Result<u64, UploadError> {
        let mut file = tokio::fs::File::open(from).await?;
        let mut part = read(&mut file).await?;
        let mut size = part.len() as u64;
        if part.len() < PART_BYTES {
            self.store.put(to, part.into()).await?;
            return Ok(size);
        }
        let mut upload = self.store.put_multipart(to).await?;
        let sent = async {
            while !part.is_empty() {
                upload.put_part(part.into()).await?;
                part = read(&mut file).await?;
                size += part.len() as u64;
            }
            upload.complete().await?;
            Ok(size)
        };
        let sent = sent.await;
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::debug!(%error, "parts of an upload that was given up stay in the store");
        }
        sent
    }
}

/// The next part, shorter than the others or empty at the end.
async fn read(file: &mut tokio::fs::File) -> std::io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part.into())
}
