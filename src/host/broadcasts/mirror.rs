//! Broadcasts in a store beyond this machine (`hls.upload_to`), for viewers whom a CDN serves: what is written to the directory goes
//! there as well, while it is written.
//!
//! What is mirrored is what the playlists on the disk name: media first, then the playlist that names it, the index last. So whoever
//! finds a name finds what it stands for, and the store may be slow or away: what is missing is seen by comparing, not
//! remembered, and nothing here is waited for by the live edge. Names of media are never used twice and may be kept for ever;
//! playlists change. A room's own `index.m3u8` is that of its newest broadcast.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crescendo_hls::{END, INDEX};
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{Attribute, AttributeValue, ObjectStore as _, PutOptions};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::config::Hls;
use crate::host::bucket::{AddressError, Bucket};

#[cfg(test)]
mod tests;

/// How often it is looked for what has been written. Lower: viewers are closer to the live edge, for more requests.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Files of one broadcast that are on their way at once. Higher: a store that answers late is kept up with; lower: less memory.
const AT_ONCE: usize = 8;
/// Broadcasts that are looked at for the first time at once, of those that an earlier server kept. Higher: what is new is there sooner
/// after a start; lower: the store is asked less at once.
const FIRST_LOOKS: usize = 16;
/// After a failure a broadcast waits this long, and after each further one twice as long, up to the most.
const RETRY_LEAST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(30);
/// How long caches may keep what never changes, and what does.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const A_MOMENT: &str = "public, max-age=1";

/// Where broadcasts are mirrored to.
#[derive(Debug, Clone)]
pub struct Mirror {
    bucket: Bucket,
    directory: PathBuf,
}

/// One broadcast's directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    room: String,
    name: String,
}

#[derive(Debug, thiserror::Error)]
enum MirrorError {
    #[error(transparent)]
    Store(#[from] object_store::Error),
    #[error(transparent)]
    File(#[from] io::Error),
}

/// How a look at a broadcast ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    GoesOn,
    /// All of it is there, or it is gone from here.
    Over,
}

impl Mirror {
    /// None where broadcasts stay here.
    pub fn new(config: &Hls) -> Result<Option<Self>, AddressError> {
        let bucket = Bucket::open(&config.upload_to)?.filter(|_| config.is_stored());
        Ok(bucket.map(|bucket| Self { bucket, directory: config.directory.clone() }))
    }

    /// Mirrors what there is and what comes, for ever. Broadcasts do not wait for each other.
    pub async fn run(self) {
        let mut followed: BTreeSet<Run> = BTreeSet::new();
        let mut following = JoinSet::new();
        let first = Arc::new(Semaphore::new(FIRST_LOOKS));
        loop {
            let directory = self.directory.clone();
            let there = spawn_blocking(move || runs(&directory)).await.unwrap_or_default();
            followed.retain(|run| there.contains(run));
            for run in there {
                if followed.insert(run.clone()) {
                    let (mirror, first) = (self.clone(), first.clone());
                    following.spawn(async move { mirror.follow(run, &first).await });
                }
            }
            while following.try_join_next().is_some() {}
            sleep(LOOK_EVERY).await;
        }
    }

    /// Mirrors one broadcast to its end.
    async fn follow(self, run: Run, first: &Semaphore) {
        let mut mirrored = Mirrored::new(self, run);
        let mut wait = RETRY_LEAST;
        // Given back after the first look, whatever came of it.
        let mut place = first.acquire().await.ok();
        loop {
            let looked = mirrored.look().await;
            place.take();
            match looked {
                Ok(Seen::Over) => return,
                Ok(Seen::GoesOn) => {
                    wait = RETRY_LEAST;
                    sleep(LOOK_EVERY).await;
                }
                Err(error) => {
                    metrics::counter!("crescendo_broadcast_upload_failures_total").increment(1);
                    let Run { room, name } = &mirrored.run;
                    warn!(room, run = name, %error, seconds = wait.as_secs(), "a broadcast could not be uploaded; it will be tried again");
                    sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MOST);
                }
            }
        }
    }
}

/// What of a broadcast is in the store.
#[derive(Debug)]
struct Mirrored {
    mirror: Mirror,
    run: Run,
    /// Media that is there; not known before it was asked for.
    there: Option<BTreeSet<String>>,
    /// Playlists as they are there, the room's own index under an empty name.
    playlists: HashMap<String, String>,
}

impl Mirrored {
    fn new(mirror: Mirror, run: Run) -> Self {
        Self { mirror, run, there: None, playlists: HashMap::new() }
    }

    fn at(&self, name: &str) -> Path {
        let Run { room, name: run } = &self.run;
        self.mirror.bucket.prefix.clone().join(room.as_str()).join(run.as_str()).join(name)
    }

    /// Sends what is here and not there.
    async fn look(&mut self) -> Result<Seen, MirrorError> {
        let directory = self.mirror.directory.clone();
        let run = self.run.clone();
        let here = spawn_blocking(move || here(&directory, &run)).await.map_err(io::Error::other)??;
        let Some(Here { playlists, newest }) = here else { return Ok(Seen::Over) };
        let there = match self.there.take() {
            Some(there) => there,
            None => self.listed().await?,
        };
        let there = self.there.insert(there);
        let named: BTreeSet<String> = playlists.values().flat_map(|text| media(text)).map(str::to_owned).collect();
        // What is named no more is not asked for any more.
        there.retain(|name| named.contains(name));
        let missing: Vec<String> = named.difference(there).cloned().collect();
        self.send_media(missing).await?;

        let over = playlists.iter().filter(|(name, _)| *name != INDEX).all(|(_, text)| text.ends_with(END));
        let (index, others): (Vec<_>, Vec<_>) = playlists.into_iter().partition(|(name, _)| name == INDEX);
        let is_offered = !index.is_empty();
        for (name, text) in others.into_iter().chain(index) {
            if name == INDEX && newest {
                let rooms = below(&text, &self.run.name);
                let at = self.mirror.bucket.prefix.clone().join(self.run.room.as_str()).join(INDEX);
                self.send_playlist(String::new(), at, rooms).await?;
            }
            let at = self.at(&name);
            self.send_playlist(name, at, text).await?;
        }
        if over && is_offered {
            let Run { room, name } = &self.run;
            info!(room, run = name, "a broadcast is uploaded");
            return Ok(Seen::Over);
        }
        Ok(Seen::GoesOn)
    }

    /// What an earlier server sent.
    async fn listed(&self) -> Result<BTreeSet<String>, MirrorError> {
        let prefix = self.mirror.bucket.prefix.clone().join(self.run.room.as_str()).join(self.run.name.as_str());
        let mut list = self.mirror.bucket.store.list(Some(&prefix));
        let mut there = BTreeSet::new();
        while let Some(object) = list.next().await {
            there.extend(object?.location.filename().map(str::to_owned));
        }
        Ok(there)
    }

    async fn send_media(&mut self, names: Vec<String>) -> Result<(), MirrorError> {
        let directory = self.mirror.directory.join(&self.run.room).join(&self.run.name);
        let mut sending = JoinSet::new();
        let mut rest = names.into_iter();
        let mut failed = None;
        loop {
            while failed.is_none()
                && sending.len() < AT_ONCE
                && let Some(name) = rest.next()
            {
                let (from, to, bucket) = (directory.join(&name), self.at(&name), self.mirror.bucket.clone());
                sending.spawn(async move { (send_file(&bucket, &from, &to).await, name) });
            }
            let Some(sent) = sending.join_next().await else { break };
            match sent.map_err(io::Error::other)? {
                (Ok(()), name) => drop(self.there.get_or_insert_default().insert(name)),
                // It has left the window; the playlist that named it is written anew.
                (Err(MirrorError::File(error)), name) if error.kind() == io::ErrorKind::NotFound => {
                    debug!(name, "a segment was gone before it was uploaded");
                }
                (Err(error), _) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Sends a playlist, where it is another than the one that is there. It is remembered as `key`.
    async fn send_playlist(&mut self, key: String, at: Path, text: String) -> Result<(), MirrorError> {
        if self.playlists.get(&key) == Some(&text) {
            return Ok(());
        }
        put(&self.mirror.bucket, &at, Bytes::from(text.clone()), "application/vnd.apple.mpegurl", A_MOMENT).await?;
        self.playlists.insert(key, text);
        Ok(())
    }
}

async fn send_file(bucket: &Bucket, from: &FilePath, to: &Path) -> Result<(), MirrorError> {
    let bytes = tokio::fs::read(from).await?;
    put(bucket, to, bytes.into(), "video/mp4", FOR_EVER).await
}

async fn put(
    bucket: &Bucket,
    to: &Path,
    bytes: Bytes,
    kind: &'static str,
    keep: &'static str,
) -> Result<(), MirrorError> {
    let mut options = PutOptions::default();
    if bucket.describes {
        let attributes = [(Attribute::ContentType, kind), (Attribute::CacheControl, keep)];
        options.attributes = attributes.map(|(name, value)| (name, AttributeValue::from(value))).into_iter().collect();
    }
    let length = bytes.len() as u64;
    bucket.store.put_opts(to, bytes.into(), options).await?;
    metrics::counter!("crescendo_broadcast_objects_uploaded_total").increment(1);
    metrics::counter!("crescendo_broadcast_bytes_uploaded_total").increment(length);
    Ok(())
}

/// What a directory has to be sent.
struct Here {
    /// By name: those that the index names, and the index.
    playlists: BTreeMap<String, String>,
    /// It is the room's last broadcast.
    newest: bool,
}

/// None where there is no such broadcast any more. Playlists are read before anything that they name is sent.
fn here(directory: &FilePath, run: &Run) -> io::Result<Option<Here>> {
    let room = directory.join(&run.room);
    let at = room.join(&run.name);
    if !at.try_exists()? {
        return Ok(None);
    }
    let mut playlists = BTreeMap::new();
    if let Some(index) = text(&at.join(INDEX))? {
        for name in named_playlists(&index) {
            if let Some(text) = text(&at.join(name))? {
                playlists.insert(name.to_owned(), text);
            }
        }
        playlists.insert(INDEX.to_owned(), index);
    }
    let number = |name: &str| u64::from_str_radix(name, 16).ok();
    let later = |other: &String| number(other) > number(&run.name);
    Ok(Some(Here { playlists, newest: !names(&room)?.iter().any(later) }))
}

fn text(path: &FilePath) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All broadcasts below a directory.
fn runs(directory: &FilePath) -> BTreeSet<Run> {
    let rooms = names(directory).unwrap_or_default();
    let of = |room: &String| names(&directory.join(room)).unwrap_or_default();
    let is_run = |name: &String| u64::from_str_radix(name, 16).is_ok();
    let all = rooms.iter().flat_map(|room| of(room).into_iter().filter(is_run).map(|name| (room.clone(), name)));
    all.map(|(room, name)| Run { room, name }).collect()
}

/// Of the directories in one.
fn names(directory: &FilePath) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let (true, Ok(name)) = (entry.file_type()?.is_dir(), entry.file_name().into_string()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The value of `URI="…"` in a line.
fn uri(line: &str) -> Option<&str> {
    line.split_once("URI=\"")?.1.split_once('"').map(|(uri, _)| uri)
}

/// Playlists that an index names. Names have no path.
fn named_playlists(index: &str) -> BTreeSet<&str> {
    let lines = index.lines().filter_map(|line| if line.starts_with('#') { uri(line) } else { Some(line.trim()) });
    lines.filter(|name| name.ends_with(".m3u8") && !name.contains('/')).collect()
}

/// Media that a playlist names: segments, and what goes before them.
fn media(playlist: &str) -> impl Iterator<Item = &str> {
    let named = playlist.lines().filter_map(|line| match line {
        _ if line.starts_with("#EXT-X-MAP:") => uri(line),
        _ if line.starts_with('#') => None,
        _ => Some(line.trim()),
    });
    named.filter(|name| (name.ends_with(".m4s") || name.ends_with(".mp4")) && !name.contains('/'))
}

/// An index as it is one directory above.
fn below(index: &str, directory: &str) -> String {
    let line = |line: &str| match uri(line) {
        _ if line.is_empty() => String::new(),
        Some(uri) if line.starts_with('#') => {
            line.replace(&format!("URI=\"{uri}\""), &format!("URI=\"{directory}/{uri}\""))
        }
        None if line.starts_with('#') => line.to_owned(),
        Some(_) | None => format!("{directory}/{line}"),
    };
    index.lines().map(|text| line(text) + "\n").collect()
}
