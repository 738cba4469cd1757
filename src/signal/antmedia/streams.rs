//! Which stream id is whose. A name is held by who publishes under it, for as long as it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::doubt::Doubt;
use crate::host::events::{Events, Happening, StreamInfo};
use crate::room::ids::{ParticipantId, ROOM_NAME_MAX, RoomName};

/// Broadcasts that may be made by REST and not published to. Higher: apps that make them long before, for memory.
pub const MADE_MAX: usize = 10_000;

/// Longest name by which anybody is known, in bytes: a room's name, a dot and the id of a participant.
pub const LABEL_MAX: usize = ROOM_NAME_MAX + ".p4294967295".len();

/// Most bytes of a stream's metadata, as JSON: it is given out with every answer about the stream. A conference app's state has
/// some 100.
pub const META_DATA_MAX: usize = 4_096;

/// Most bytes of a stream's role.
pub const ROLE_MAX: usize = 256;

/// Whether what an app says of a stream may be kept with it, metadata and the like; or why not.
pub fn check_meta_data(value: &Value) -> Result<(), String> {
    match value.to_string().len() {
        ..=META_DATA_MAX => Ok(()),
        bytes => Err(format!("metaData has at most {META_DATA_MAX} bytes as JSON, not {bytes}")),
    }
}

/// Ids follow the rule of room names, because a stream of its own is a room of its own.
pub type StreamId = RoomName;

/// The room whose participants are known by ids of this form, `{room}.{participant}`, where they have none of their own.
pub fn room_of_label(id: &str) -> Option<RoomName> {
    let (room, participant) = id.rsplit_once('.')?;
    participant.parse::<ParticipantId>().ok()?;
    room.parse().ok()
}

/// All stream ids of this process. What happens to streams is told to those who listen, where there is somebody.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    inner: Arc<Mutex<Inner>>,
    events: Option<Events>,
}

#[derive(Debug, Default)]
struct Inner {
    live: BTreeMap<StreamId, Live>,
    /// Of each that is live, who holds its id.
    held: BTreeMap<StreamId, Held>,
    /// Of the last claim.
    number: u64,
    /// Which stream somebody publishes, for those whom their room has let in.
    publishers: BTreeMap<(RoomName, ParticipantId), StreamId>,
    made: BTreeMap<StreamId, Value>,
}

/// A stream that is published.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Under which of the apps' names.
    pub app: String,
    /// Media has arrived.
    pub started: bool,
    pub room: RoomName,
    /// Not known until the room has let it in.
    pub participant: Option<ParticipantId>,
    pub name: String,
    /// As the app gave it; a string of JSON most often.
    pub meta_data: Value,
    pub role: String,
    /// In milliseconds of the Unix epoch.
    pub since_ms: u64,
}

/// Who asks for an id.
#[derive(Debug, Clone, Default)]
pub struct Holder {
    /// The token that it came with, where tokens are asked for: whoever shows it again is the same.
    pub token: Option<String>,
    pub doubt: Doubt,
}

#[derive(Debug)]
struct Held {
    by: Holder,
    /// Of its claim.
    number: u64,
}

/// A held name; it is free again with the end of this, unless its holder has taken it elsewhere.
#[derive(Debug)]
pub struct Claim {
    streams: Streams,
    id: StreamId,
    number: u64,
}

/// What became of asking for an id.
#[derive(Debug)]
pub enum Claimed {
    /// `instead`: who published under it and is the same, to be put out.
    Yes { claim: Claim, instead: Option<(RoomName, ParticipantId)> },
    /// By somebody else, who is asked for a sign of life.
    InUse,
}

impl Claim {
    pub fn id(&self) -> &StreamId {
        &self.id
    }

    /// The room has let its publisher in.
    pub fn is_of(&self, participant: ParticipantId) {
        let inner = &mut *self.streams.lock();
        if !inner.is_held(self) {
            return;
        }
        if let Some(live) = inner.live.get_mut(&self.id) {
            live.participant = Some(participant);
            inner.publishers.insert((live.room.clone(), participant), self.id.clone());
        }
    }

    pub fn change(&self, change: impl FnOnce(&mut Live)) {
        if self.holds() {
            self.streams.change(&self.id, change);
        }
    }

    /// Nobody has come instead.
    fn holds(&self) -> bool {
        self.streams.lock().is_held(self)
    }

    /// Media has arrived.
    pub fn has_started(&self) {
        let Some(live) = self.streams.live(&self.id).filter(|live| !live.started && self.holds()) else { return };
        self.change(|live| live.started = true);
        self.streams.tell(&self.id, &live, Happening::StreamStarted);
    }

    /// Media was awaited for too long.
    pub fn is_late(&self) {
        if let Some(live) = self.streams.live(&self.id).filter(|_| self.holds()) {
            self.streams.tell(&self.id, &live, Happening::StreamTimedOut);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut inner = self.streams.lock();
        if !inner.is_held(self) {
            return;
        }
        let Some(live) = inner.release(&self.id) else { return };
        let is_made = inner.made.contains_key(&self.id);
        drop(inner);
        if live.started {
            self.streams.tell(&self.id, &live, Happening::StreamEnded);
        }
        if !is_made {
            self.streams.hook(&self.id, None);
        }
    }
}

impl Inner {
    fn is_held(&self, claim: &Claim) -> bool {
        self.held.get(&claim.id).is_some_and(|held| held.number == claim.number)
    }

    /// What was live under this id and is no more.
    fn release(&mut self, id: &StreamId) -> Option<Live> {
        self.held.remove(id);
        let live = self.live.remove(id)?;
        if let Some(participant) = live.participant {
            self.publishers.remove(&(live.room.clone(), participant));
        }
        Some(live)
    }
}

/// There are as many made broadcasts as there may be, or one of this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotMade {
    Taken,
    Full,
}

impl Streams {
    pub fn new(events: Events) -> Self {
        Self { inner: Arc::default(), events: Some(events) }
    }

    fn tell(&self, id: &StreamId, live: &Live, what: impl FnOnce(StreamInfo) -> Happening) {
        let Live { app, name, meta_data, .. } = live.clone();
        if let Some(events) = &self.events {
            events.tell(&live.room, what(StreamInfo { stream: id.to_string(), app, name, meta_data }));
        }
    }

    /// An address that is told of a broadcast that was made, until it is unmade and published no more.
    pub fn hook(&self, id: &StreamId, url: Option<&str>) {
        if let Some(events) = &self.events {
            events.hook(id.as_str(), url);
        }
    }

    /// Holds an id. Who comes back with the same token, as an SDK does whose network has changed, has it at once; of others'
    /// holders a sign of life is asked for.
    pub fn claim(&self, id: &StreamId, live: Live, by: Holder) -> Claimed {
        let mut inner = self.lock();
        let mut before = None;
        if let Some(held) = inner.held.get(id) {
            let is_same = by.token.is_some() && by.token == held.by.token;
            // One that is on its way into its room cannot be put out of it.
            let is_in = inner.live.get(id).is_some_and(|live| live.participant.is_some());
            if !(is_same && is_in) {
                held.by.doubt.raise();
                return Claimed::InUse;
            }
            before = inner.release(id);
        }
        if let Some(participant) = live.participant {
            inner.publishers.insert((live.room.clone(), participant), id.clone());
        }
        inner.number += 1;
        let number = inner.number;
        inner.live.insert(id.clone(), live);
        inner.held.insert(id.clone(), Held { by, number });
        drop(inner);
        if let Some(before) = before.as_ref().filter(|before| before.started) {
            self.tell(id, before, Happening::StreamEnded);
        }
        let instead = before.and_then(|before| before.participant.map(|participant| (before.room, participant)));
        Claimed::Yes { claim: Claim { streams: self.clone(), id: id.clone(), number }, instead }
    }

    pub fn live(&self, id: &StreamId) -> Option<Live> {
        self.lock().live.get(id).cloned()
    }

    /// The stream id by which a participant is known: that of what it publishes in this dialect, or else
    /// `{room}.{participant}`.
    pub fn label(&self, room: &RoomName, participant: ParticipantId, name: &str) -> String {
        let inner = self.lock();
        if let Some(id) = inner.publishers.get(&(room.clone(), participant)) {
            return id.to_string();
        }
        // Others may hear of a publisher before its own socket does. Its name in the room is the id, then.
        let live = name.parse().ok().and_then(|id: StreamId| inner.live.get(&id));
        let is_coming = live.is_some_and(|live| live.room == *room && live.participant.is_none());
        if is_coming { name.to_owned() } else { format!("{room}.{participant}") }
    }

    /// Changes a live stream; false when there is none.
    pub fn change(&self, id: &StreamId, change: impl FnOnce(&mut Live)) -> bool {
        self.lock().live.get_mut(id).map(change).is_some()
    }

    /// Changes a broadcast that was made; false when there is none.
    pub fn change_made(&self, id: &StreamId, change: impl FnOnce(&mut Value)) -> bool {
        self.lock().made.get_mut(id).map(change).is_some()
    }

    /// Live or made, in order.
    pub fn ids(&self) -> Vec<StreamId> {
        let inner = self.lock();
        let ids: BTreeSet<_> = inner.live.keys().chain(inner.made.keys()).cloned().collect();
        ids.into_iter().collect()
    }

    /// Every live stream, by id.
    pub fn all(&self) -> Vec<(StreamId, Live)> {
        self.lock().live.iter().map(|(id, live)| (id.clone(), live.clone())).collect()
    }

    /// Keeps a broadcast that nobody publishes yet.
    pub fn make(&self, id: StreamId, broadcast: Value) -> Result<(), NotMade> {
        let mut inner = self.lock();
        if inner.made.contains_key(&id) || inner.live.contains_key(&id) {
            return Err(NotMade::Taken);
        }
        if inner.made.len() >= MADE_MAX {
            return Err(NotMade::Full);
        }
        inner.made.insert(id, broadcast);
        Ok(())
    }

    pub fn made(&self, id: &StreamId) -> Option<Value> {
        self.lock().made.get(id).cloned()
    }

    /// False when there was none.
    pub fn unmake(&self, id: &StreamId) -> bool {
        let mut inner = self.lock();
        let (was_made, is_live) = (inner.made.remove(id).is_some(), inner.live.contains_key(id));
        drop(inner);
        if !is_live {
            self.hook(id, None);
        }
        was_made
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds of the Unix epoch.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A broadcast as the protocol and REST show it; `subtracks` for one that is a room.
pub fn broadcast(id: &str, live: Option<&Live>, subtracks: &[String]) -> Value {
    let is_live = live.is_some_and(|live| live.started) || !subtracks.is_empty();
    let status = match (is_live, live) {
        (true, _) => "broadcasting",
        (false, Some(_)) => "preparing",
        (false, None) => "created",
    };
    let main = live.map(|live| live.room.as_str()).filter(|room| *room != id);
    json!({
        "streamId": id,
        "name": live.map_or("", |live| live.name.as_str()),
        "status": status,
        "type": "liveStream",
        "publishType": "WebRTC",
        "mainTrackStreamId": main,
        "subTrackStreamIds": subtracks,
        "metaData": live.map_or(Value::Null, |live| live.meta_data.clone()),
        "role": live.map_or("", |live| live.role.as_str()),
        "startTime": live.map_or(0, |live| live.since_ms),
        "date": live.map_or(0, |live| live.since_ms),
        "webRTCViewerCount": 0,
        "hlsViewerCount": 0,
        "publish": true,
    })
}
