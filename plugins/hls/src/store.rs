//! What the leg has made, and what players may have of it: the live edge in memory, shared, never copied for a request; what is
//! older on disk. Reading needs no runtime: an answer is there now, or it is told what to wait for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::watch;

use crate::disk::{Disk, Job, Then};
use crate::playlist::{self, Extent, Picture, Timing};
use crate::text::Text;
use crate::viewers::Viewers;
use crate::window::{Ended, Found, Published, Reach, Rendition, Window};

#[cfg(test)]
mod tests;

/// Media playlists are given out from this many ended segments on: with fewer, players poll for a live edge that they
/// cannot hold back from.
const SEGMENTS_BEFORE_OFFER: usize = 2;

/// A playlist may be asked for this many segments ahead of the newest one (RFC 8216bis section 6.2.5.2).
const SEGMENTS_AHEAD: u64 = 2;

/// A request is held at most this many target durations (RFC 8216bis section 6.2.5.2).
const TARGETS_WAITED: u32 = 3;

/// A playlist on disk is written anew when it names more than this share of segments too many, and more than so many. Higher: more
/// disk, and less to write; lower: the other way round.
const STALE_SHARE: u64 = 16;
const STALE_LEAST: u64 = 16;

/// The name of the multivariant playlist.
pub const INDEX: &str = "index.m3u8";

/// Delivery directives of a playlist request (RFC 8216bis section 6.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// `_HLS_msn`: wait for this media sequence number …
    pub msn: Option<u64>,
    /// `_HLS_part`: … or for this part of it.
    pub part: Option<usize>,
    /// `_HLS_skip`: without what an earlier playlist had.
    pub skip: bool,
}

/// What [`Store::get`] says.
#[derive(Debug)]
pub enum Answer {
    /// Changes all the time.
    Playlist(Arc<Text>),
    /// An init section, segment or part: never changes.
    Media(Bytes),
    /// The same, in this file.
    Stored(PathBuf),
    /// It will be there soon: ask again when `changed` has changed, for at most `patience`.
    Wait { changed: watch::Receiver<u64>, patience: Duration },
    /// No such file, or the broadcast has nothing to show yet.
    NotFound,
    /// The query asks for what the specification forbids.
    BadQuery,
}

/// One broadcast's files.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    run: String,
    /// Where it is written to as well.
    directory: Option<PathBuf>,
    viewers: Viewers,
    /// Counts publications of each rendition.
    changes: [watch::Sender<u64>; Rendition::ALL.len()],
    patience: Duration,
}

#[derive(Debug)]
struct Inner {
    timing: Timing,
    started: SystemTime,
    reach: Reach,
    renditions: [Option<Listed>; Rendition::ALL.len()],
    /// There is or was nothing to see: the sound is offered alone.
    sound_alone: bool,
    /// Once there is something to offer.
    index: Option<Arc<Text>>,
    disk: Option<Disk>,
    index_on_disk: bool,
}

/// A rendition, its playlists as they are given out, and how far those on disk go.
#[derive(Debug)]
struct Listed {
    window: Window,
    /// Nothing for sound.
    picture: Option<Picture>,
    /// Players may choose it; who has chosen it goes on with it.
    offered: bool,
    /// Written when they are first asked for, and once a change.
    full: Option<Arc<Text>>,
    delta: Option<Arc<Text>>,
    /// The first segment of the playlist on disk; nothing where it has to be written.
    on_disk_from: Option<u64>,
    /// Segments below this number are removed from disk.
    removed: u64,
    /// The disk has lost a segment below this number.
    lost: u64,
}

impl Store {
    /// `run` tells this broadcast's files from those of an earlier one.
    pub(crate) fn new(timing: Timing, run: String, started: SystemTime, reach: Reach, disk: Option<Disk>) -> Self {
        let patience = Duration::from_secs(timing.target_seconds()) * TARGETS_WAITED;
        let directory = disk.as_ref().map(|disk| disk.path(""));
        let inner = Inner {
            timing,
            started,
            reach,
            renditions: Default::default(),
            sound_alone: false,
            index: None,
            disk,
            index_on_disk: false,
        };
        let changes = std::array::from_fn(|_| watch::Sender::new(0));
        Self { inner: Mutex::new(inner), run, directory, viewers: Viewers::default(), changes, patience }
    }

    /// Tells this broadcast from others of the room.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// `viewer` has asked for a playlist.
    pub fn saw(&self, viewer: u64) {
        self.viewers.saw(viewer, Instant::now());
    }

    /// How many watch.
    pub fn viewers(&self) -> usize {
        self.viewers.count(Instant::now())
    }

    /// Requests that wait for something to come.
    pub fn waiting(&self) -> usize {
        self.changes.iter().map(watch::Sender::receiver_count).sum()
    }

    /// EXT-X-TARGETDURATION.
    pub fn target_seconds(&self) -> u64 {
        self.lock().timing.target_seconds()
    }

    /// It is written to disk.
    pub fn is_stored(&self) -> bool {
        self.directory.is_some()
    }

    /// The file called `file`: a bare name, as playlists write it.
    pub fn get(&self, file: &str, query: Query) -> Answer {
        let mut inner = self.lock();
        if file == INDEX {
            return inner.index.clone().map_or(Answer::NotFound, Answer::Playlist);
        }
        // Subscribed under the lock, so that no change falls between looking and waiting.
        let wait =
            |rendition| Answer::Wait { changed: self.changes[rendition as usize].subscribe(), patience: self.patience };
        if let Some(rendition) = Rendition::ALL.into_iter().find(|rendition| rendition.playlist() == file) {
            let Some(window) = inner.ready(rendition).filter(|_| inner.index.is_some()) else {
                return Answer::NotFound;
            };
            let is_there = match query {
                Query { msn: None, part: None, .. } => true,
                Query { msn: None, part: Some(_), .. } => return Answer::BadQuery,
                Query { msn: Some(_), .. } if window.ended => true,
                Query { msn: Some(number), part, .. } if window.holds(number, part) => true,
                Query { msn: Some(number), .. } if number > window.next().0 + SEGMENTS_AHEAD => {
                    return Answer::BadQuery;
                }
                Query { msn: Some(_), .. } => false,
            };
            let extent = if query.skip { Extent::Delta } else { Extent::Full };
            return if is_there { inner.playlist(rendition, extent) } else { wait(rendition) };
        }
        for rendition in Rendition::ALL {
            let Some(window) = inner.window(rendition) else { continue };
            match (window.find(file), &self.directory) {
                (Found::Here(body), _) => return Answer::Media(body),
                (Found::Stored, Some(directory)) => return Answer::Stored(directory.join(file)),
                (Found::Soon, _) => return wait(rendition),
                (Found::Stored | Found::Nothing, _) => {}
            }
        }
        Answer::NotFound
    }

    /// `index.m3u8` can be had.
    pub fn offered(&self) -> bool {
        self.lock().index.is_some()
    }

    pub(crate) fn begin(&self, rendition: Rendition, init: Bytes) {
        let mut inner = self.lock();
        let window = Window::new(rendition, &self.run, inner.started, init.clone(), inner.reach);
        if let Some(disk) = &inner.disk {
            disk.queue(Job::Write { name: window.init_name(), data: init });
        }
        inner.renditions[rendition as usize] = Some(Listed::new(window));
    }

    /// A smaller picture begins with the next segment of the largest.
    pub(crate) fn branch(&self, rendition: Rendition, init: Bytes) {
        let mut inner = self.lock();
        let Some(window) = inner.window(Rendition::Video).map(|video| video.branch(rendition, init.clone())) else {
            return;
        };
        if let Some(disk) = &inner.disk {
            disk.queue(Job::Write { name: window.init_name(), data: init });
        }
        inner.renditions[rendition as usize] = Some(Listed::new(window));
    }

    pub(crate) fn set_picture(&self, rendition: Rendition, picture: Picture) {
        if let Some(listed) = &mut self.lock().renditions[rendition as usize] {
            listed.picture = Some(picture);
        }
    }

    /// Whether players may choose it.
    pub(crate) fn offer(&self, rendition: Rendition, offered: bool) {
        if let Some(listed) = &mut self.lock().renditions[rendition as usize] {
            listed.offered = offered;
        }
    }

    /// From now on the sound is offered even if there is no picture.
    pub(crate) fn offer_sound_alone(&self) {
        self.lock().sound_alone = true;
    }

    pub(crate) fn publish(&self, rendition: Rendition, published: Published) {
        let mut inner = self.lock();
        let Some(listed) = &mut inner.renditions[rendition as usize] else { return };
        let ended = listed.window.publish(published);
        inner.forget();
        if ended.is_some() || inner.index.is_none() {
            inner.offer();
        }
        if let Some(ended) = ended {
            inner.write(rendition, ended);
        }
        drop(inner);
        self.changes[rendition as usize].send_modify(|count| *count += 1);
    }

    /// No more will come: playlists end.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        for listed in inner.renditions.iter_mut().flatten() {
            listed.window.ended = true;
        }
        inner.forget();
        inner.offer();
        let last = inner.last_playlists();
        drop(inner);
        for changes in &self.changes {
            changes.send_modify(|count| *count += 1);
        }
        // A slow disk makes this thread wait, and nobody else.
        if let Some((disk, files)) = last {
            files.into_iter().for_each(|(name, data)| disk.finish(name, data));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock leaves it half changed in a way that a reader could trip over.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    fn new(window: Window) -> Self {
        let removed = window.own_from();
        Self { window, picture: None, offered: true, full: None, delta: None, on_disk_from: None, removed, lost: 0 }
    }

    /// The playlist on disk names what is not there, or far more than it should.
    fn is_stale(&self) -> bool {
        let first = self.window.listed_from();
        let least = STALE_LEAST.max(self.window.ended_segments() as u64 / STALE_SHARE);
        self.on_disk_from.is_none_or(|from| from + least <= first)
    }
}

impl Inner {
    fn window(&self, rendition: Rendition) -> Option<&Window> {
        self.renditions[rendition as usize].as_ref().map(|listed| &listed.window)
    }

    /// As it is now. Rendered at most twice a change, whoever asks.
    fn playlist(&mut self, rendition: Rendition, extent: Extent) -> Answer {
        let Some(listed) = &self.renditions[rendition as usize] else { return Answer::NotFound };
        let known = match extent {
            Extent::Full => &listed.full,
            Extent::Delta => &listed.delta,
        };
        if let Some(text) = known {
            return Answer::Playlist(text.clone());
        }
        let others =
            Rendition::ALL.into_iter().filter(|other| *other != rendition).filter_map(|other| self.ready(other));
        let text = Arc::new(Text::new(playlist::media(&listed.window, others, &self.timing, extent)));
        if let Some(listed) = &mut self.renditions[rendition as usize] {
            match extent {
                Extent::Full => listed.full = Some(text.clone()),
                Extent::Delta => listed.delta = Some(text.clone()),
            }
        }
        Answer::Playlist(text)
    }

    fn ready(&self, rendition: Rendition) -> Option<&Window> {
        let few = |window: &&Window| window.ended_segments() >= SEGMENTS_BEFORE_OFFER || window.ended;
        self.window(rendition).filter(few)
    }

    /// A picture that players may choose.
    fn rung(&self, rendition: Rendition) -> Option<(&Window, &Picture)> {
        let listed = self.renditions[rendition as usize].as_ref().filter(|listed| listed.offered)?;
        Some((self.ready(rendition).filter(|window| window.is_measured())?, listed.picture.as_ref()?))
    }

    /// What was written is of the past: each playlist tells how far the other one is.
    fn forget(&mut self) {
        for listed in self.renditions.iter_mut().flatten() {
            (listed.full, listed.delta) = (None, None);
        }
    }

    /// The playlists as they stay on disk, and the disk, which gets nothing after them.
    fn last_playlists(&mut self) -> Option<(Disk, Vec<(String, Bytes)>)> {
        let (disk, index) = (self.disk.take()?, self.index.as_ref()?);
        // Media playlists first: who finds the index finds all that it names.
        let playlists = self.renditions.iter().flatten().map(|listed| {
            let from = disk.kept(listed.window.rendition).lost;
            let text = playlist::plain(&listed.window, &self.timing, from);
            (listed.window.rendition.playlist().to_owned(), text.into())
        });
        let files = playlists.chain([(INDEX.to_owned(), index.body().clone())]).collect();
        Some((disk, files))
    }

    /// Writes the multivariant playlist, which says what a segment takes at most, where it is not as it was.
    fn offer(&mut self) {
        let Some(audio) = self.ready(Rendition::Audio) else { return };
        let rungs: Vec<_> = Rendition::PICTURES.into_iter().filter_map(|rendition| self.rung(rendition)).collect();
        if !rungs.is_empty() || self.sound_alone {
            let text = playlist::multivariant(&rungs, audio);
            if self.index.as_ref().is_none_or(|index| index.body() != text.as_bytes()) {
                self.index = Some(Arc::new(Text::new(text)));
                self.index_on_disk = false;
            }
        }
    }

    /// Brings a segment to disk, and the playlists that name it.
    fn write(&mut self, rendition: Rendition, ended: Ended) {
        let (Some(disk), Some(listed)) = (&self.disk, &mut self.renditions[rendition as usize]) else { return };
        let kept = disk.kept(rendition);
        listed.window.release(kept);
        if kept.lost != listed.lost {
            (listed.lost, listed.on_disk_from) = (kept.lost, None);
        }
        let anew = self.index.is_some() && listed.is_stale();
        let then = match self.index {
            Some(_) if !anew => {
                Then::Append { playlist: rendition.playlist(), lines: playlist::added(&listed.window, ended.number) }
            }
            Some(_) | None => Then::Nothing,
        };
        let name = listed.window.segment_name(ended.number);
        let taken = disk.queue(Job::Segment { rendition, number: ended.number, name, data: ended.data, then });
        if anew && taken {
            let text = playlist::plain(&listed.window, &self.timing, listed.lost);
            let written = disk.queue(Job::Write { name: rendition.playlist().to_owned(), data: text.into() });
            listed.on_disk_from = written.then(|| listed.window.listed_from().max(listed.lost));
            let names: Vec<_> =
                (listed.removed..listed.window.forgotten()).map(|number| listed.window.segment_name(number)).collect();
            if written && !names.is_empty() && disk.queue(Job::Remove { names }) {
                listed.removed = listed.window.forgotten();
            }
        }
        // Who finds the index finds all that it names.
        let named = |rendition| self.ready(rendition).is_none() || self.has_playlist_on_disk(rendition);
        if let Some(index) = self.index.as_ref().filter(|_| !self.index_on_disk)
            && Rendition::ALL.into_iter().all(named)
        {
            self.index_on_disk = disk.queue(Job::Write { name: INDEX.to_owned(), data: index.body().clone() });
        }
    }

    fn has_playlist_on_disk(&self, rendition: Rendition) -> bool {
        self.renditions[rendition as usize].as_ref().is_some_and(|listed| listed.on_disk_from.is_some())
    }
}
