//! The shell around the pure rooms: one task a room, which carries out what the room decides.
//!
//! [`Rooms`] finds or makes the task of a room; [`task`] is its loop, [`hear`] what participants say, [`carry`] how outputs
//! are carried out; [`ice`] which STUN and TURN servers clients are told of, and what they say of ICE; [`member`] what a
//! participant has beside its place in the room: the socket, the two server transports with their SDP; [`messages`] what the
//! application sends; [`legs`] the running legs, [`recordings`] what they left on disk.

mod carry;
mod hear;
mod ice;
mod legs;
pub mod limit;
mod member;
mod messages;
pub mod recordings;
mod task;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ice::{IcePatch, IceServers};
pub use ice::{IfMatch, Patched};
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::http::hls::HlsDirectory;
use crate::room::ids::{LegId, ParticipantId, RoomName, TrackId};
use crate::room::{LegKind, Reach, Source, VideoCodec};
use crate::sfu::Sfu;
use crate::sfu::sdp::Fragment;
use crate::signal::message::{
    ClientMessage, ErrorCode, IceServer, Leg, LegKind as LegKindOnWire, Mode, Participant, PathView, ServerMessage,
};
use crate::signal::outgoing::{Outgoing, Payload};
use crate::turn::Turn;

/// Messages that may wait for a room. A socket that finds it full waits, and so does who floods it.
const INBOX: usize = 1_024;
/// How often a join is tried again when the room was just closing.
const JOIN_TRIES: usize = 4;

/// Why a request was refused, in the words of the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn into_message(self, fatal: bool, request: Option<u32>) -> ServerMessage {
        ServerMessage::Error { code: self.code, message: self.message, fatal, request }
    }
}

/// What a socket brings when it joins.
#[derive(Debug)]
pub struct Joining {
    pub name: String,
    pub tracks: Vec<(Source, bool)>,
    pub decodes: Vec<VideoCodec>,
    /// It seals what it sends and opens what it gets, end to end.
    pub encrypted: bool,
    pub outbox: Outbox,
    pub manner: Manner,
}

/// How a participant's client goes about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It speaks the native protocol in full.
    Native,
    /// It offers its up transport itself, cannot hold a transport that carries nothing, takes every m-line for somebody's
    /// track, and does not say what becomes of its transports.
    Plain(Entry),
}

/// On what terms such a client enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Peer to peer, with at most so many in the room.
    Mesh { most: usize },
    /// It sends by way of the server.
    Publish,
    /// It watches by way of the server what somebody sends; with `only`, one participant.
    Watch { only: Option<ParticipantId> },
    /// It watches this one, and offers its down transport itself.
    Play { of: ParticipantId },
}

/// A socket's claim on the place of a lost one.
#[derive(Debug)]
pub struct Resuming {
    pub participant: ParticipantId,
    pub secret: String,
    /// Number of the last message that it has.
    pub received: u32,
    pub outbox: Outbox,
}

/// The way to a socket: bounded; one that does not keep up is closed.
pub type Outbox = mpsc::Sender<Outgoing>;

/// A socket's place in a room.
#[derive(Debug)]
pub struct Seat {
    pub participant: ParticipantId,
    /// Tells this socket from an earlier one of the same participant.
    number: u64,
    room: mpsc::Sender<Request>,
}

impl Seat {
    /// Hands a message to the room; waits while the room is busy. False when the room is gone.
    pub async fn send(&self, message: ClientMessage) -> bool {
        let request = Request::Message { participant: self.participant, seat: self.number, message };
        self.room.send(request).await.is_ok()
    }

    /// Takes part by way of the server in another way from now on.
    pub async fn reach(&self, reach: Reach) {
        let request = Request::Reach { participant: self.participant, seat: self.number, reach };
        let _ = self.room.send(request).await;
    }

    /// Offers for the transport of this generation; the answer goes to the outbox.
    pub async fn offer(&self, generation: u32, sdp: String) {
        let request = Request::Offer { participant: self.participant, seat: self.number, generation, sdp };
        let _ = self.room.send(request).await;
    }

    /// Says what has become of ICE at the client's end of the transport of this generation, which it has offered for. None:
    /// there is no such transport any more.
    pub async fn patch_ice(&self, generation: u32, tags: IfMatch, fragment: Fragment) -> Option<Patched> {
        let (reply, answer) = oneshot::channel();
        let patch = IcePatch { generation, tags, fragment };
        let request = Request::PatchIce { participant: self.participant, seat: self.number, patch, reply };
        self.room.send(request).await.ok()?;
        answer.await.ok()
    }

    /// Gets a track of somebody, or gets it no more; its m-line stays.
    pub async fn forward(&self, track: TrackId, on: bool) {
        let request = Request::Forward { participant: self.participant, seat: self.number, track, on };
        let _ = self.room.send(request).await;
    }

    /// Sends something on the data channel of a plain client's server transport.
    pub async fn data(&self, payload: Payload) {
        let request = Request::Data { participant: self.participant, seat: self.number, payload };
        let _ = self.room.send(request).await;
    }

    /// Gives the place up.
    pub async fn leave(&self) {
        self.send(ClientMessage::Leave {}).await;
    }

    /// The socket is lost; the place is kept for the grace time.
    pub async fn lost(&self) {
        let _ = self.room.send(Request::Lost { participant: self.participant, seat: self.number }).await;
    }
}

type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// What a room's task is asked.
#[derive(Debug)]
enum Request {
    Join(Joining, Reply<(ParticipantId, u64)>),
    Resume(Resuming, Reply<(ParticipantId, u64)>),
    Message {
        participant: ParticipantId,
        seat: u64,
        message: ClientMessage,
    },
    Lost {
        participant: ParticipantId,
        seat: u64,
    },
    /// A plain client sends or watches by way of the server from now on, or does so no more.
    Reach {
        participant: ParticipantId,
        seat: u64,
        reach: Reach,
    },
    /// A plain client's offer for its up transport, or the down transport that it plays.
    Offer {
        participant: ParticipantId,
        seat: u64,
        generation: u32,
        sdp: String,
    },
    /// A plain client says what has become of ICE. Not answered when its transport is gone.
    PatchIce {
        participant: ParticipantId,
        seat: u64,
        patch: IcePatch,
        reply: oneshot::Sender<Patched>,
    },
    /// A plain client wants a track forwarded, or no more.
    Forward {
        participant: ParticipantId,
        seat: u64,
        track: TrackId,
        on: bool,
    },
    /// For the data channel of a plain client.
    Data {
        participant: ParticipantId,
        seat: u64,
        payload: Payload,
    },
    /// Somebody has to go.
    Remove {
        participant: ParticipantId,
    },
    Inspect(oneshot::Sender<RoomView>),
    StartLeg {
        kind: LegKind,
        of: Option<ParticipantId>,
        reply: Reply<Leg>,
    },
    StopLeg {
        leg: LegId,
        reply: Reply<Leg>,
    },
    Drain,
}

/// A room as the API shows it.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomView {
    pub name: String,
    pub mode: Mode,
    pub epoch: u32,
    pub participants: Vec<Participant>,
    /// Every ordered pair.
    pub paths: Vec<PathView>,
    pub legs: Vec<Leg>,
}

/// The kinds of leg that this server does.
pub fn legs_supported(config: &Config) -> &'static [LegKindOnWire] {
    match config.record.is_on() {
        true => &[LegKindOnWire::Hls, LegKindOnWire::Record],
        false => &[LegKindOnWire::Hls],
    }
}

/// All rooms of this process.
#[derive(Debug, Clone)]
pub struct Rooms {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    sfu: Sfu,
    hls: HlsDirectory,
    ice: IceServers,
    rooms: Mutex<HashMap<RoomName, mpsc::Sender<Request>>>,
    legs: limit::Count,
    /// The server goes: nobody comes in any more.
    draining: AtomicBool,
}

impl Rooms {
    /// STUN and TURN servers for a connection that is in no room so far; the relay counts it as `who`.
    pub fn ice_servers(&self, who: &str) -> Vec<IceServer> {
        self.shared.ice.servers_for(who)
    }

    /// How often such a connection needs new ones. None: never.
    pub fn renew_ice_every(&self) -> Option<Duration> {
        self.shared.ice.renew_every()
    }

    pub fn new(config: Config, sfu: Sfu, hls: HlsDirectory, turn: Option<Turn>) -> Self {
        Self {
            shared: Arc::new(Shared {
                ice: IceServers::new(&config.signal, turn),
                config,
                sfu,
                hls,
                rooms: Mutex::default(),
                legs: limit::Count::default(),
                draining: AtomicBool::new(false),
            }),
        }
    }

    /// Takes a place in `room`, which is made when it is not there. The welcome goes to the outbox.
    pub async fn join(&self, room: &RoomName, joining: Joining) -> Result<Seat, Refusal> {
        self.refuse_when_draining()?;
        let Joining { name, tracks, decodes, encrypted, outbox, manner } = joining;
        for _ in 0..JOIN_TRIES {
            let sender = self.shared.find_or_make(room)?;
            let (reply, answer) = oneshot::channel();
            let again = Joining {
                name: name.clone(),
                tracks: tracks.clone(),
                decodes: decodes.clone(),
                encrypted,
                outbox: outbox.clone(),
                manner,
            };
            if sender.send(Request::Join(again, reply)).await.is_err() {
                continue;
            }
            // A dropped reply means that the room was emptied in between: make it anew.
            if let Ok(answer) = answer.await {
                let (participant, number) = answer?;
                return Ok(Seat { participant, number, room: sender });
            }
        }
        Err(Refusal::new(ErrorCode::Internal, "the room kept closing; try again"))
    }

    /// Takes the place of a lost socket.
    pub async fn resume(&self, room: &RoomName, resuming: Resuming) -> Result<Seat, Refusal> {
        self.refuse_when_draining()?;
        let gone = || Refusal::new(ErrorCode::ResumeRefused, "this session is over; join anew");
        let sender = self.find(room).ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        sender.send(Request::Resume(resuming, reply)).await.map_err(|_| gone())?;
        let (participant, number) = answer.await.map_err(|_| gone())??;
        Ok(Seat { participant, number, room: sender })
    }

    /// Puts a participant out. False when there is no such room.
    pub async fn remove(&self, room: &RoomName, participant: ParticipantId) -> bool {
        match self.find(room) {
            Some(sender) => sender.send(Request::Remove { participant }).await.is_ok(),
            None => false,
        }
    }

    pub fn is_there(&self, room: &RoomName) -> bool {
        self.find(room).is_some()
    }

    pub async fn inspect(&self, room: &RoomName) -> Option<RoomView> {
        let (reply, answer) = oneshot::channel();
        self.find(room)?.send(Request::Inspect(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Every room, by name.
    pub async fn list(&self) -> Vec<RoomView> {
        let mut views = Vec::new();
        for name in self.names() {
            views.extend(self.inspect(&name).await);
        }
        views
    }

    /// None when there is no such room.
    pub async fn start_leg(
        &self,
        room: &RoomName,
        kind: LegKind,
        of: Option<ParticipantId>,
    ) -> Option<Result<Leg, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.find(room)?.send(Request::StartLeg { kind, of, reply }).await.ok()?;
        answer.await.ok()
    }

    /// None when there is no such room.
    pub async fn stop_leg(&self, room: &RoomName, leg: LegId) -> Option<Result<Leg, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.find(room)?.send(Request::StopLeg { leg, reply }).await.ok()?;
        answer.await.ok()
    }

    /// Lets nobody in any more, tells everybody that the server goes, and returns when every room has let go.
    pub async fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
        let senders: Vec<_> = self.shared.lock().values().cloned().collect();
        for sender in &senders {
            let _ = sender.send(Request::Drain).await;
        }
        for sender in senders {
            sender.closed().await;
        }
    }

    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire)
    }

    /// Every media thread runs.
    pub fn has_media(&self) -> bool {
        self.shared.sfu.is_alive()
    }

    fn refuse_when_draining(&self) -> Result<(), Refusal> {
        match self.is_draining() {
            false => Ok(()),
            true => Err(Refusal::new(ErrorCode::ShuttingDown, "the server is shutting down; connect again")),
        }
    }

    fn names(&self) -> Vec<RoomName> {
        let mut names: Vec<_> = self.shared.lock().keys().cloned().collect();
        names.sort();
        names
    }

    fn find(&self, room: &RoomName) -> Option<mpsc::Sender<Request>> {
        self.shared.lock().get(room).cloned()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RoomName, mpsc::Sender<Request>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_or_make(self: &Arc<Self>, name: &RoomName) -> Result<mpsc::Sender<Request>, Refusal> {
        let mut rooms = self.lock();
        if let Some(sender) = rooms.get(name).filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let limit = self.config.limits.rooms;
        if rooms.len() >= limit {
            metrics::counter!("crescendo_refused_total", "limit" => "limits.rooms").increment(1);
            return Err(Refusal::new(ErrorCode::ServerFull, format!("this server holds {limit} rooms at most")));
        }
        let (sender, inbox) = mpsc::channel(INBOX);
        rooms.insert(name.clone(), sender.clone());
        tokio::spawn(task::run(self.clone(), name.clone(), sender.clone(), inbox));
        Ok(sender)
    }

    /// Forgets a room whose task ends, unless another has taken its name.
    fn forget(&self, name: &RoomName, own: &mpsc::Sender<Request>) {
        let mut rooms = self.lock();
        if rooms.get(name).is_some_and(|sender| sender.same_channel(own)) {
            rooms.remove(name);
        }
    }
}
