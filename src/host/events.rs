//! What happens in the rooms, for those who listen: event streams of the API, and webhooks.
//!
//! One ring of the whole process. Who writes never waits; who reads has a place of its own in the ring, and one that falls
//! behind it is told how many it missed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::room::ids::{LegId, ParticipantId, RoomName, TrackId};
use crate::signal::message::{Carrier, Id, LeaveReason, LegKind, Track};

#[cfg(test)]
mod tests;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Event {
    /// Counts up, also beyond a restart of the server: the first of a run is the time in microseconds since 1970.
    pub id: u64,
    /// RFC 3339, UTC, in milliseconds.
    #[schema(example = "2026-11-22T16:00:00.000Z")]
    pub time: String,
    /// Name of the room.
    #[schema(example = "demo")]
    pub room: String,
    #[serde(flatten)]
    pub what: Happening,
    /// Who is told of the stream, or room, that it is about, besides everybody who is told of all.
    #[serde(skip)]
    #[schema(ignore)]
    pub hook: Option<Arc<str>>,
}

/// What happened. In JSON, `type` says which of these it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Happening {
    RoomOpened {},
    RoomClosed {},
    ParticipantJoined {
        #[schema(value_type = String, example = "p1")]
        participant: Id<ParticipantId>,
        name: String,
        /// The others do not know that it is there. Absent where they do.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        hidden: bool,
    },
    ParticipantLeft {
        #[schema(value_type = String, example = "p1")]
        participant: Id<ParticipantId>,
        reason: LeaveReason,
    },
    TrackPublished {
        #[schema(value_type = String, example = "p1")]
        participant: Id<ParticipantId>,
        track: Track,
    },
    /// Also said of the tracks of one who leaves, before that.
    TrackUnpublished {
        #[schema(value_type = String, example = "p1")]
        participant: Id<ParticipantId>,
        #[schema(value_type = String, example = "t1")]
        track: Id<TrackId>,
    },
    /// A switch is over.
    ModeSwitched {
        to: Carrier,
        took_ms: u64,
    },
    LegStarted {
        #[schema(value_type = String, example = "l1")]
        leg: Id<LegId>,
        kind: LegKind,
    },
    /// It has output; said again when it had to wait in between.
    LegLive {
        #[schema(value_type = String, example = "l1")]
        leg: Id<LegId>,
    },
    LegFailed {
        #[schema(value_type = String, example = "l1")]
        leg: Id<LegId>,
        reason: String,
    },
    LegEnded {
        #[schema(value_type = String, example = "l1")]
        leg: Id<LegId>,
    },
    /// It is written and can be downloaded.
    RecordingReady {
        recording: String,
    },
    RecordingUploaded {
        recording: String,
        /// Where it is now.
        to: String,
    },
    /// Media arrives of a stream of the apps that are built on Ant Media's SDKs.
    StreamStarted(StreamInfo),
    /// It was published no more; only said of one that had started.
    StreamEnded(StreamInfo),
    /// Who was to publish it did not connect in time.
    StreamTimedOut(StreamInfo),
}

/// A stream of an app that is built on Ant Media's SDKs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamInfo {
    /// Its id.
    #[schema(example = "stream1")]
    pub stream: String,
    #[schema(example = "live")]
    pub app: String,
    pub name: String,
    /// What the app has said of it; any JSON, most often a string of it.
    pub meta_data: serde_json::Value,
}

impl Happening {
    /// As `type` says it.
    pub fn name(&self) -> &'static str {
        match self {
            Happening::RoomOpened {} => "room-opened",
            Happening::RoomClosed {} => "room-closed",
            Happening::ParticipantJoined { .. } => "participant-joined",
            Happening::ParticipantLeft { .. } => "participant-left",
            Happening::TrackPublished { .. } => "track-published",
            Happening::TrackUnpublished { .. } => "track-unpublished",
            Happening::ModeSwitched { .. } => "mode-switched",
            Happening::LegStarted { .. } => "leg-started",
            Happening::LegLive { .. } => "leg-live",
            Happening::LegFailed { .. } => "leg-failed",
            Happening::LegEnded { .. } => "leg-ended",
            Happening::RecordingReady { .. } => "recording-ready",
            Happening::RecordingUploaded { .. } => "recording-uploaded",
            Happening::StreamStarted(_) => "stream-started",
            Happening::StreamEnded(_) => "stream-ended",
            Happening::StreamTimedOut(_) => "stream-timed-out",
        }
    }

    fn stream(&self) -> Option<&str> {
        match self {
            Happening::StreamStarted(of) | Happening::StreamEnded(of) | Happening::StreamTimedOut(of) => {
                Some(&of.stream)
            }
            Happening::RoomOpened {}
            | Happening::RoomClosed {}
            | Happening::ParticipantJoined { .. }
            | Happening::ParticipantLeft { .. }
            | Happening::TrackPublished { .. }
            | Happening::TrackUnpublished { .. }
            | Happening::ModeSwitched { .. }
            | Happening::LegStarted { .. }
            | Happening::LegLive { .. }
            | Happening::LegFailed { .. }
            | Happening::LegEnded { .. }
            | Happening::RecordingReady { .. }
            | Happening::RecordingUploaded { .. } => None,
        }
    }
}

/// Where events are told. Copies are the same ring.
#[derive(Debug, Clone)]
pub struct Events(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    /// Id of the first event of this run.
    first: u64,
    /// How many are kept.
    most: usize,
    kept: Mutex<Kept>,
    /// Changes when there is something to read.
    news: watch::Sender<()>,
}

#[derive(Debug)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    next: u64,
    /// Nothing follows.
    closed: bool,
    /// Addresses that are told of one stream or room, by its name.
    hooks: BTreeMap<String, Arc<str>>,
}

impl Events {
    /// Keeps the last `most` events.
    pub fn new(most: usize) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(u64::try_from(since.as_micros()).unwrap_or(1), most)
    }

    fn starting_at(first: u64, most: usize) -> Self {
        let kept = Kept { events: VecDeque::new(), next: first, closed: false, hooks: BTreeMap::new() };
        Self(Arc::new(Ring { first, most, kept: Mutex::new(kept), news: watch::Sender::new(()) }))
    }

    pub fn tell(&self, room: &RoomName, what: Happening) {
        self.tell_of(room.to_string(), what);
    }

    pub(super) fn tell_of(&self, room: String, what: Happening) {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let mut kept = self.0.lock();
        if kept.events.len() >= self.0.most {
            kept.events.pop_front();
        }
        let hook = kept.hooks.get(what.stream().unwrap_or(&room)).cloned();
        let event = Event { id: kept.next, time, room, what, hook };
        kept.next += 1;
        kept.events.push_back(Arc::new(event));
        drop(kept);
        self.0.news.send_replace(());
    }

    /// From now on an address is told of this stream or room besides; None ends it. The caller bounds how many there are.
    pub fn hook(&self, of: &str, url: Option<&str>) {
        let mut kept = self.0.lock();
        match url {
            Some(url) => drop(kept.hooks.insert(of.to_owned(), url.into())),
            None => drop(kept.hooks.remove(of)),
        }
    }

    /// Readers get what is there and then the end.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.news.send_replace(());
    }

    /// Reads what happens from now on.
    pub fn read(&self) -> Reader {
        let next = self.0.lock().next;
        self.reader(next)
    }

    /// Reads what happened after the event of this id.
    pub fn read_after(&self, id: u64) -> Reader {
        let ahead = self.0.lock().next;
        self.reader(id.saturating_add(1).min(ahead))
    }

    fn reader(&self, next: u64) -> Reader {
        Reader { ring: self.0.clone(), news: self.0.news.subscribe(), next }
    }
}

impl Ring {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the ring.
#[derive(Debug)]
pub struct Reader {
    ring: Arc<Ring>,
    news: watch::Receiver<()>,
    next: u64,
}

/// What a reader is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Event(Arc<Event>),
    /// So many events of all rooms are no longer kept. None: the reader was last here before the server started, and nobody
    /// knows how many.
    Missed(Option<u64>),
}

impl Reader {
    /// The next event, once there is one; None when there will be none. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            self.news.borrow_and_update();
            match self.look() {
                Look::Told(told) => return Some(told),
                Look::Closed => return None,
                Look::Nothing => {}
            }
            if self.news.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Option<Told> {
        match self.look() {
            Look::Told(told) => Some(told),
            Look::Nothing | Look::Closed => None,
        }
    }

    fn look(&mut self) -> Look {
        let kept = self.ring.lock();
        let oldest = kept.next - kept.events.len() as u64;
        if self.next < oldest {
            let missed = (self.next >= self.ring.first).then(|| oldest - self.next);
            self.next = oldest;
            return Look::Told(Told::Missed(missed));
        }
        match kept.events.get((self.next - oldest) as usize) {
            Some(event) => {
                self.next += 1;
                Look::Told(Told::Event(event.clone()))
            }
            None if kept.closed => Look::Closed,
            None => Look::Nothing,
        }
    }
}

enum Look {
    Told(Told),
    Nothing,
    Closed,
}
