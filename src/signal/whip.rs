//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): who sends or watches with a few HTTP requests and no socket.
//!
//! Each session is a participant of a room. What rooms tell sockets is heard here ([`session`]) in place of one; requests find
//! their session by an id that nobody can guess, which is all that they have to show.

mod session;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::antmedia::streams::Claim;
use super::message::{ErrorCode, IceServer};
use crate::access::Admitted;
use crate::config::{Config, Origin, Origins};
use crate::host::{IfMatch, Patched, Refusal, Rooms, Seat};
use crate::room::ids::{ParticipantId, RoomName};
use crate::room::{Source, VideoCodec};
use crate::sfu::sdp::Fragment;

/// Characters of a session's id, each with 6 random bits: 144, where RFC 9725 section 5 wants what cannot be guessed.
const ID_CHARS: usize = 24;

/// All sessions of this process.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rooms: Rooms,
    config: Arc<Config>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// As many as have places at most.
    sessions: HashMap<String, Session>,
    places: usize,
    by_origin: Origins,
}

/// What requests have to know of a session.
#[derive(Debug, Clone)]
struct Session {
    door: Door,
    room: RoomName,
    seat: Arc<Seat>,
    generation: u32,
    /// Closed when it is over.
    over: mpsc::Sender<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Whip,
    Whep,
}

impl Door {
    pub fn name(self) -> &'static str {
        match self {
            Door::Whip => "whip",
            Door::Whep => "whep",
        }
    }
}

/// What a session is opened for.
#[derive(Debug)]
pub struct Opening {
    pub room: RoomName,
    pub name: String,
    pub from: IpAddr,
    pub offer: String,
    pub purpose: Purpose,
    /// Kept when the session is there.
    pub admitted: Admitted,
}

#[derive(Debug)]
pub enum Purpose {
    Publish {
        sources: Vec<Source>,
        /// For a stream of the second dialect.
        stream: Option<Stream>,
    },
    Play {
        of: ParticipantId,
        decodes: Vec<VideoCodec>,
    },
}

/// A stream id that is published.
#[derive(Debug)]
pub struct Stream {
    pub claim: Claim,
    /// It is broadcast as HLS too, from its first media on.
    pub broadcast: bool,
}

impl Purpose {
    fn door(&self) -> Door {
        match self {
            Purpose::Publish { .. } => Door::Whip,
            Purpose::Play { .. } => Door::Whep,
        }
    }
}

/// A session that is open.
#[derive(Debug)]
pub struct Opened {
    pub id: String,
    /// SDP.
    pub answer: Arc<str>,
    /// Of its first ICE session, without quotes.
    pub entity_tag: Arc<str>,
    pub ice_servers: Vec<IceServer>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error("this server has as many sessions as it takes")]
    Full,
    #[error("this address has as many sessions as one may have")]
    AddressFull,
    #[error("the room did not answer in time")]
    Late,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl NotOpened {
    fn gone() -> Self {
        Self::Refused(Refusal::new(ErrorCode::Internal, "the session ended before it began"))
    }
}

impl Sessions {
    pub fn new(rooms: Rooms, config: Arc<Config>) -> Self {
        Self(Arc::new(Inner { rooms, config, open: Mutex::default() }))
    }

    /// Takes a place in a room and has the offer answered. Who asked may be gone by then: the session goes, too.
    pub async fn open(&self, opening: Opening) -> Result<Opened, NotOpened> {
        let place = self.place(opening.from, opening.purpose.door())?;
        let (reply, answer) = oneshot::channel();
        tokio::spawn(session::run(self.clone(), opening, place, reply));
        answer.await.unwrap_or_else(|_| Err(NotOpened::gone()))
    }

    /// Says what has become of ICE at the client's end. None when there is no such session.
    pub async fn patch(
        &self,
        (door, room, id): (Door, &RoomName, &str),
        tags: IfMatch,
        fragment: Fragment,
    ) -> Option<Patched> {
        let Session { seat, generation, .. } = self.find(door, room, id)?;
        seat.patch_ice(generation, tags, fragment).await
    }

    /// Ends a session, and waits until it has. False when there is none.
    pub async fn close(&self, (door, room, id): (Door, &RoomName, &str)) -> bool {
        let Some(Session { seat, over, .. }) = self.find(door, room, id) else { return false };
        seat.leave().await;
        over.closed().await;
        true
    }

    pub fn is_there(&self, (door, room, id): (Door, &RoomName, &str)) -> bool {
        self.find(door, room, id).is_some()
    }

    fn find(&self, door: Door, room: &RoomName, id: &str) -> Option<Session> {
        let open = self.lock();
        open.sessions.get(id).filter(|session| session.door == door && session.room == *room).cloned()
    }

    fn insert(&self, session: Session) -> String {
        let id = random_id();
        self.lock().sessions.insert(id.clone(), session);
        id
    }

    fn remove(&self, id: &str) {
        self.lock().sessions.remove(id);
    }

    fn place(&self, from: IpAddr, door: Door) -> Result<Place, NotOpened> {
        let config = &self.0.config;
        let refuse = |limit: &'static str, why| {
            metrics::counter!("crescendo_refused_total", "limit" => limit).increment(1);
            Err(why)
        };
        let exempt = config.limits.exempt_networks.iter().any(|network| network.contains(from));
        let origin = (!exempt).then(|| Origin::of(from));
        let mut open = self.lock();
        if open.places >= config.whip.sessions {
            return refuse("whip.sessions", NotOpened::Full);
        }
        if let Some(origin) = origin
            && !open.by_origin.take(origin, config.whip.sessions_per_address)
        {
            return refuse("whip.sessions_per_address", NotOpened::AddressFull);
        }
        open.places += 1;
        metrics::gauge!("crescendo_whip_sessions", "door" => door.name()).increment(1.0);
        Ok(Place { sessions: self.clone(), origin, door })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One session's place, for as long as it lives.
#[derive(Debug)]
struct Place {
    sessions: Sessions,
    /// Whom it is counted for; none when its network may have any number.
    origin: Option<Origin>,
    door: Door,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sessions.lock();
        open.places -= 1;
        if let Some(origin) = self.origin {
            open.by_origin.give_back(origin);
        }
        metrics::gauge!("crescendo_whip_sessions", "door" => self.door.name()).decrement(1.0);
    }
}

fn random_id() -> String {
    const CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; ID_CHARS];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| char::from(CHARS[usize::from(byte % 64)])).collect()
}
