//! What the leg has made, and what players may have of it: kept in memory, shared, never copied for a request.
//! Reading needs no runtime: an answer is there now, or it is told what to wait for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::disk::Disk;
use crate::playlist::{self, Picture, Timing};
use crate::window::{Found, Published, Rendition, Window};

#[cfg(test)]
mod tests;

/// Media playlists are given out from this many ended segments on: with fewer, players poll for a live edge that they
/// cannot hold back from.
const SEGMENTS_BEFORE_OFFER: usize = 2;

/// A playlist may be asked for this many segments ahead of the newest one (RFC 8216bis section 6.2.5.2).
const SEGMENTS_AHEAD: u64 = 2;

/// A request is held at most this many target durations (RFC 8216bis section 6.2.5.2).
const TARGETS_WAITED: u32 = 3;

/// The name of the multivariant playlist.
pub const INDEX: &str = "index.m3u8";

/// Delivery directives of a playlist request (RFC 8216bis section 6.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// `_HLS_msn`: wait for this media sequence number …
    pub msn: Option<u64>,
    /// `_HLS_part`: … or for this part of it.
    pub part: Option<usize>,
}

/// What a file is, for its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Changes all the time.
    Playlist,
    /// An init section, segment or part: never changes.
    Media,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub kind: FileKind,
    pub body: Bytes,
}

/// What [`Store::get`] says.
#[derive(Debug)]
pub enum Answer {
    Now(File),
    /// It will be there soon: ask again when `changed` has changed, for at most `patience`.
    Wait {
        changed: watch::Receiver<u64>,
        patience: Duration,
    },
    /// No such file, or the broadcast has nothing to show yet.
    NotFound,
    /// The query asks for what the specification forbids.
    BadQuery,
}

/// One broadcast's files.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    /// Counts publications.
    changes: watch::Sender<u64>,
    patience: Duration,
}

#[derive(Debug)]
struct Inner {
    timing: Timing,
    run: String,
    listed: usize,
    video: Option<Window>,
    audio: Option<Window>,
    picture: Option<Picture>,
    /// There is or was nothing to see: the sound is offered alone.
    sound_alone: bool,
    /// Playlists as they are given out, written once a change and not once a request.
    index: Option<Bytes>,
    video_playlist: Option<Bytes>,
    audio_playlist: Option<Bytes>,
    disk: Option<Disk>,
}

impl Store {
    /// `run` tells this broadcast's files from those of an earlier one; `listed` is how many segments a playlist has.
    pub(crate) fn new(timing: Timing, run: String, listed: usize, disk: Option<Disk>) -> Self {
        let patience = Duration::from_secs(timing.target_seconds()) * TARGETS_WAITED;
        let inner = Inner {
            timing,
            run,
            listed,
            video: None,
            audio: None,
            picture: None,
            sound_alone: false,
            index: None,
            video_playlist: None,
            audio_playlist: None,
            disk,
        };
        Self { inner: Mutex::new(inner), changes: watch::Sender::new(0), patience }
    }

    /// The file called `file`: a bare name, as playlists write it.
    pub fn get(&self, file: &str, query: Query) -> Answer {
        // Subscribed before looking, so that no change falls between the two.
        let changed = self.changes.subscribe();
        let wait = || Answer::Wait { changed, patience: self.patience };
        let inner = self.lock();
        if file == INDEX {
            return inner.index.clone().map_or(Answer::NotFound, playlist_file);
        }
        if let Some(rendition) = Rendition::ALL.into_iter().find(|rendition| rendition.playlist() == file) {
            let (Some(window), Some(body)) = (inner.window(rendition), inner.playlist(rendition)) else {
                return Answer::NotFound;
            };
            let body = body.clone();
            return match query {
                Query { msn: None, part: None } => playlist_file(body),
                Query { msn: None, part: Some(_) } => Answer::BadQuery,
                Query { msn: Some(_), .. } if window.ended => playlist_file(body),
                Query { msn: Some(number), part } if window.holds(number, part) => playlist_file(body),
                Query { msn: Some(number), .. } if number > window.next().0 + SEGMENTS_AHEAD => Answer::BadQuery,
                Query { msn: Some(_), .. } => wait(),
            };
        }
        for rendition in Rendition::ALL {
            let Some(window) = inner.window(rendition) else { continue };
            match window.find(file) {
                Found::Here(body) => return Answer::Now(File { kind: FileKind::Media, body }),
                Found::Soon => return wait(),
                Found::Nothing => {}
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
        let window = Window::new(rendition, &inner.run, init.clone(), inner.listed);
        if let Some(disk) = &inner.disk {
            disk.write(window.init_name(), init);
        }
        *inner.slot(rendition) = Some(window);
    }

    pub(crate) fn set_picture(&self, picture: Picture) {
        self.lock().picture = Some(picture);
    }

    /// From now on the sound is offered even if there is no picture.
    pub(crate) fn offer_sound_alone(&self) {
        self.lock().sound_alone = true;
    }

    pub(crate) fn publish(&self, rendition: Rendition, published: Published) {
        let mut inner = self.lock();
        let Some(window) = inner.slot(rendition).as_mut() else { return };
        let ended = window.publish(published);
        inner.render();
        if let (Some(ended), Some(disk), Some(window)) = (ended, &inner.disk, inner.window(rendition)) {
            for number in ended.gone {
                disk.remove(window.segment_name(number));
            }
            disk.write(window.segment_name(ended.number), ended.data);
            inner.write_playlists(disk);
        }
        drop(inner);
        self.changes.send_modify(|count| *count += 1);
    }

    /// No more will come: playlists end.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        for rendition in Rendition::ALL {
            if let Some(window) = inner.slot(rendition) {
                window.ended = true;
            }
        }
        inner.render();
        if let Some(disk) = inner.disk.take() {
            inner.write_playlists(&disk);
        }
        drop(inner);
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock leaves it half changed in a way that a reader could trip over.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn playlist_file(body: Bytes) -> Answer {
    Answer::Now(File { kind: FileKind::Playlist, body })
}

impl Inner {
    fn slot(&mut self, rendition: Rendition) -> &mut Option<Window> {
        match rendition {
            Rendition::Video => &mut self.video,
            Rendition::Audio => &mut self.audio,
        }
    }

    fn window(&self, rendition: Rendition) -> Option<&Window> {
        match rendition {
            Rendition::Video => self.video.as_ref(),
            Rendition::Audio => self.audio.as_ref(),
        }
    }

    fn playlist(&self, rendition: Rendition) -> Option<&Bytes> {
        match rendition {
            Rendition::Video => self.video_playlist.as_ref(),
            Rendition::Audio => self.audio_playlist.as_ref(),
        }
    }

    fn ready(&self, rendition: Rendition) -> Option<&Window> {
        let few = |window: &&Window| window.ended_segments() >= SEGMENTS_BEFORE_OFFER || window.ended;
        self.window(rendition).filter(few)
    }

    /// Writes all playlists anew: each of the two tells how far the other one is.
    fn render(&mut self) {
        let Some(audio) = self.ready(Rendition::Audio) else { return };
        let video = self.ready(Rendition::Video).zip(self.picture.as_ref());
        if video.is_none() && !self.sound_alone {
            return;
        }
        let index = playlist::multivariant(video, audio);
        let audio_playlist = playlist::media(audio, video.map(|(window, _)| window), &self.timing);
        let video_playlist = video.map(|(window, _)| playlist::media(window, Some(audio), &self.timing));
        self.index = Some(index.into());
        self.audio_playlist = Some(audio_playlist.into());
        self.video_playlist = video_playlist.map(Bytes::from);
    }

    /// Media playlists first: who finds the index finds all that it names.
    fn write_playlists(&self, disk: &Disk) {
        let Some(index) = &self.index else { return };
        for window in
            [self.video.as_ref().filter(|_| self.video_playlist.is_some()), self.audio.as_ref()].into_iter().flatten()
        {
            disk.write(window.rendition.playlist().to_owned(), playlist::plain(window, &self.timing).into());
        }
        disk.write(INDEX.to_owned(), index.clone());
    }
}
