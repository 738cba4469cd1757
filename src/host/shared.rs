//! What all rooms have in common: the configuration, the media plane, the map of them, and the limits that they share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;

use super::busy::Busy;
use super::events::Events;
use super::ice::IceServers;
use super::plan::Kept;
use super::rates::Rates;
use super::request::Request;
use super::{Refusal, legs, limit, task};
use crate::config::{self, Config};
use crate::http::hls::HlsDirectory;
use crate::room::ids::RoomName;
use crate::sfu::Sfu;
use crate::signal::message::ErrorCode;
use crate::trace::Tracer;

/// Messages that may wait for a room. A socket that finds it full waits, and so does who floods it.
const INBOX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) sfu: Sfu,
    pub(super) hls: HlsDirectory,
    pub(super) ice: IceServers,
    pub(super) events: Events,
    pub(super) rooms: Mutex<HashMap<RoomName, mpsc::Sender<Request>>>,
    pub(super) legs: limit::Count,
    pub(super) endings: legs::Endings,
    /// How many broadcasts transcode.
    pub(super) transcodes: Arc<crescendo_hls::Budget>,
    pub(super) participants: limit::Count,
    /// Who publish.
    pub(super) publishers: limit::Count,
    pub(super) rates: Rates,
    pub(super) busy: Busy,
    pub(super) stage: Mutex<Stage>,
    /// Empty where nobody traces.
    pub(super) tracer: OnceLock<Tracer>,
}

/// How far the server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Open,
    /// No room is made any more; those that are there go on.
    Draining,
    /// Nobody comes in any more.
    Closing,
}

/// What who comes too late is told, and who is there at the end.
pub(super) fn going() -> Refusal {
    Refusal::new(ErrorCode::ShuttingDown, "the server is shutting down; connect again")
}

impl Shared {
    pub(super) fn tracer(&self) -> Tracer {
        self.tracer.get().cloned().unwrap_or_default()
    }

    pub(super) fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never back. Once it returns no room is made that the stage before would have made.
    pub(super) fn advance(&self, to: Stage) {
        let _rooms = self.lock();
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = to.max(*stage);
    }

    /// When the processor has more to do than newcomers, or new legs, may add to.
    pub(super) fn refuse_when_busy(&self) -> Result<(), Refusal> {
        let limit = self.config.limits.cpu_percent;
        if limit == 0 || self.busy.percent() < limit {
            return Ok(());
        }
        let text = "this server has as much to do as it can; try another, or later";
        Err(Refusal::at_limit("limits.cpu_percent", ErrorCode::ServerFull, text))
    }

    /// When as much media as may goes over the server, or over this room.
    pub(super) fn refuse_when_full(&self, room: &RoomName, own: &config::Room) -> Result<(), Refusal> {
        let (all, most) = (self.rates.of_all(), self.config.limits.kbps);
        if most > 0 && all >= most {
            let text = format!("{all} kbit/s of media go over this server, of {most} that may; try another, or later");
            return Err(Refusal::at_limit("limits.kbps", ErrorCode::ServerFull, text));
        }
        let (all, most) = (self.rates.of(room), own.kbps);
        if most > 0 && all >= most {
            let text = format!("{all} kbit/s of media go over this room, of {most} that may");
            return Err(Refusal::at_limit("room.kbps", ErrorCode::RoomFull, text));
        }
        Ok(())
    }

    /// A place among those who publish.
    pub(super) fn publisher(&self) -> Result<limit::Place, Refusal> {
        let most = self.config.limits.publishers;
        self.publishers.take(most).ok_or_else(|| {
            let text = format!("{most} publish on this server, which is as many as may");
            Refusal::at_limit("limits.publishers", ErrorCode::TooManyPublishers, text)
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, mpsc::Sender<Request>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find_or_make(self: &Arc<Self>, name: &RoomName) -> Result<mpsc::Sender<Request>, Refusal> {
        let mut rooms = self.lock();
        if let Some(sender) = rooms.get(name).filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let own = self.config.room.clone();
        self.open(&mut rooms, name, own, None)
    }

    /// A room that is kept while nobody is there. None when there is one of this name.
    pub(super) fn make(
        self: &Arc<Self>,
        name: &RoomName,
        own: config::Room,
    ) -> Result<Option<mpsc::Sender<Request>>, Refusal> {
        let mut rooms = self.lock();
        if rooms.get(name).is_some_and(|sender| !sender.is_closed()) {
            return Ok(None);
        }
        let kept = Kept::new(Instant::now(), &own);
        self.open(&mut rooms, name, own, Some(kept)).map(Some)
    }

    fn open(
        self: &Arc<Self>,
        rooms: &mut HashMap<RoomName, mpsc::Sender<Request>>,
        name: &RoomName,
        own: config::Room,
        kept: Option<Kept>,
    ) -> Result<mpsc::Sender<Request>, Refusal> {
        if self.stage() >= Stage::Draining {
            return Err(going());
        }
        let limit = self.config.limits.rooms;
        if rooms.len() >= limit {
            let text = format!("this server holds {limit} rooms at most");
            return Err(Refusal::at_limit("limits.rooms", ErrorCode::ServerFull, text));
        }
        let (sender, inbox) = mpsc::channel(INBOX);
        rooms.insert(name.clone(), sender.clone());
        tokio::spawn(task::run(self.clone(), name.clone(), own, kept, sender.clone(), inbox));
        Ok(sender)
    }

    /// Forgets a room whose task ends, unless another has taken its name.
    pub(super) fn forget(&self, name: &RoomName, own: &mpsc::Sender<Request>) {
        let mut rooms = self.lock();
        if rooms.get(name).is_some_and(|sender| sender.same_channel(own)) {
            rooms.remove(name);
        }
    }
}
