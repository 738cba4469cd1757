//! The shell around the pure rooms: one task a room, which carries out what the room decides.
//!
//! [`Rooms`] finds or makes the task of a room; [`task`] is its loop, [`hear`] what participants say, [`carry`] how outputs
//! are carried out; [`ice`] which STUN and TURN servers clients are told of, and what they say of ICE; [`member`] what a
//! participant has beside its place in the room: the socket, the two server transports with their SDP; [`messages`] what the
//! application sends; [`events`] what others are told of it all; [`plan`] rooms that the API makes and [`govern`] what else it may do
//! with them; [`traffic`] how much goes to and from each; [`legs`] the running legs, [`recordings`] and [`broadcasts`] what they left on disk; [`limit`] and [`busy`] who is one too
//! many.

pub mod broadcasts;
mod busy;
mod carry;
pub mod events;
mod govern;
mod hear;
mod ice;
mod legs;
pub mod limit;
mod member;
mod messages;
mod other;
pub mod plan;
pub mod recordings;
mod task;
mod trace;
mod traffic;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use busy::Busy;
use events::Events;
use ice::{IcePatch, IceServers};
pub use ice::{IfMatch, Patched};
use plan::{Kept, NotMade, Plan};
use tokio::sync::{mpsc, oneshot};
use traffic::TrafficView;

use crate::access::{Access, Grants, Refused};
use crate::config::{self, Config};
use crate::http::hls::HlsDirectory;
use crate::room::ids::{LegId, ParticipantId, RoomName, TrackId};
use crate::room::{LegKind, Reach, Source, VideoCodec};
use crate::sfu::sdp::Fragment;
use crate::sfu::{Sfu, ShardLoad};
use crate::signal::message::{
    ClientMessage, ErrorCode, IceServer, Id, Leg, LegKind as LegKindOnWire, Mode, Participant, PathView, ServerMessage,
};
use crate::signal::outbox::Outbox;
use crate::signal::outgoing::Payload;
use crate::trace::{Span, Tracer};
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

    /// Somebody is not let in, or may not do what it asks for.
    pub fn of_access(refused: Refused) -> Self {
        let code = if refused.is_about_grants() { ErrorCode::NotGranted } else { ErrorCode::TokenRefused };
        Self::new(code, refused.to_string())
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
    pub grants: Grants,
    /// What this is a part of, for whoever traces.
    pub join: Span,
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
    /// It sends by way of the server: media, and `data` if it may.
    Publish { data: bool },
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
    /// Somebody has to go, and is told so.
    Expel {
        participant: ParticipantId,
        reply: Reply<()>,
    },
    /// Whether somebody could come in.
    Welcomes(Reply<()>),
    /// Somebody has to go to another room, and is told so.
    Move {
        participant: ParticipantId,
        to: RoomName,
        access: Access,
        reply: Reply<bool>,
    },
    /// Somebody's track is muted or unmuted by whoever runs the room.
    Silence {
        participant: ParticipantId,
        track: TrackId,
        muted: bool,
        reply: Reply<Participant>,
    },
    /// Everybody has to go, and the room ends.
    End,
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
    /// The recording of one participant, or of everybody.
    Recording {
        of: Option<ParticipantId>,
        reply: oneshot::Sender<Option<LegId>>,
    },
    /// The server will go: a room in which nobody is is not waited for.
    Drain,
    /// The server goes.
    Close,
}

/// A room as the API shows it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomView {
    pub name: String,
    pub mode: Mode,
    pub epoch: u32,
    /// The media thread that it lives on, from 0.
    pub shard: usize,
    pub participants: Vec<Participant>,
    /// Those of them of whom the others do not know.
    #[schema(value_type = Vec<String>)]
    pub hidden: Vec<Id<ParticipantId>>,
    /// Every ordered pair.
    pub paths: Vec<PathView>,
    /// What goes to and from each participant.
    pub traffic: Vec<TrafficView>,
    /// What the path from here to each participant takes, where that is known.
    pub downlinks: Vec<DownlinkView>,
    /// Of its broadcast.
    pub viewers: usize,
    pub legs: Vec<LegView>,
}

impl RoomView {
    fn empty(name: &RoomName) -> Self {
        Self {
            name: name.to_string(),
            mode: Mode::Mesh,
            epoch: 0,
            shard: 0,
            participants: Vec::new(),
            hidden: Vec::new(),
            paths: Vec::new(),
            traffic: Vec::new(),
            downlinks: Vec::new(),
            viewers: 0,
            legs: Vec::new(),
        }
    }
}

/// What the path to a participant is estimated to take.
#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
pub struct DownlinkView {
    #[schema(value_type = String, example = "p1")]
    pub participant: Id<ParticipantId>,
    pub kbps: u32,
}

/// A leg as the API shows it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegView {
    #[serde(flatten)]
    pub leg: Leg,
    /// When it was started: RFC 3339, UTC. While it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-22T16:00:00Z")]
    pub since: Option<String>,
    /// Of a broadcast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<usize>,
    /// While it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthView>,
}

/// How well a leg has kept up since it was started.
#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthView {
    pub dropped_frames: u64,
    pub late_parts: u64,
}

/// What the whole process has to do.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeLoad {
    pub rooms: usize,
    pub participants: usize,
    /// Broadcasts and recordings that run.
    pub legs: usize,
    /// Media threads, by number.
    pub shards: Vec<ShardView>,
    /// The relay. Absent where it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnView>,
}

/// A media thread.
#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
pub struct ShardView {
    pub rooms: usize,
    /// Between it and clients: up to two a participant.
    pub transports: usize,
}

#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnView {
    pub allocations: usize,
    pub most_allocations: usize,
}

/// The kinds of leg that this server does.
pub fn legs_supported(config: &Config) -> &'static [LegKindOnWire] {
    match (config.record.is_on(), other::IS_BUILT) {
        (true, true) => &[LegKindOnWire::Hls, LegKindOnWire::Record, LegKindOnWire::Other],
        (true, false) => &[LegKindOnWire::Hls, LegKindOnWire::Record],
        (false, true) => &[LegKindOnWire::Hls, LegKindOnWire::Other],
        (false, false) => &[LegKindOnWire::Hls],
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
    events: Events,
    rooms: Mutex<HashMap<RoomName, mpsc::Sender<Request>>>,
    legs: limit::Count,
    endings: legs::Endings,
    /// How many broadcasts transcode.
    transcodes: Arc<crescendo_hls::Budget>,
    participants: limit::Count,
    busy: Busy,
    stage: Mutex<Stage>,
    /// Empty where nobody traces.
    tracer: OnceLock<Tracer>,
}

/// How far the server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    /// No room is made any more; those that are there go on.
    Draining,
    /// Nobody comes in any more.
    Closing,
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
                transcodes: crescendo_hls::Budget::new(config.hls.transcodes),
                events: Events::new(config.api.events_kept),
                config,
                sfu,
                hls,
                rooms: Mutex::default(),
                legs: limit::Count::default(),
                endings: legs::Endings::default(),
                participants: limit::Count::default(),
                busy: Busy::new(),
                stage: Mutex::new(Stage::Open),
                tracer: OnceLock::new(),
            }),
        }
    }

    /// What joins and switches take is told to this from now on.
    pub fn trace(&self, tracer: Tracer) {
        let _ = self.shared.tracer.set(tracer);
    }

    pub fn tracer(&self) -> Tracer {
        self.shared.tracer()
    }

    /// Everything that happens.
    pub fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Takes a place in `room`, which is made when it is not there. The welcome goes to the outbox.
    pub async fn join(&self, room: &RoomName, joining: Joining) -> Result<Seat, Refusal> {
        self.refuse_when_closing()?;
        self.shared.refuse_when_busy()?;
        let Joining { name, tracks, decodes, encrypted, outbox, manner, grants, join } = joining;
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
                grants: grants.clone(),
                join: join.clone(),
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
        self.refuse_when_closing()?;
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

    /// Up to `limit` rooms after this name, by name, and after which name the next ones are.
    pub async fn page(&self, after: Option<&RoomName>, limit: usize) -> (Vec<RoomView>, Option<RoomName>) {
        let names: Vec<_> = self.names().into_iter().filter(|name| after.is_none_or(|after| name > after)).collect();
        let next = (names.len() > limit).then(|| names[limit - 1].clone());
        let mut views = Vec::new();
        for name in names.iter().take(limit) {
            views.extend(self.inspect(name).await);
        }
        (views, next)
    }

    pub fn load(&self) -> NodeLoad {
        let shared = &self.shared;
        let shards = shared.sfu.loads().into_iter();
        let turn = shared.ice.allocations();
        NodeLoad {
            rooms: shared.lock().len(),
            participants: shared.participants.taken(),
            legs: shared.legs.taken(),
            shards: shards.map(|ShardLoad { rooms, transports }| ShardView { rooms, transports }).collect(),
            turn: turn.map(|(allocations, most_allocations)| TurnView { allocations, most_allocations }),
        }
    }

    /// Makes a room, which is kept for a time while nobody is there.
    pub async fn make(&self, name: &RoomName, plan: &Plan) -> Result<RoomView, NotMade> {
        self.refuse_when_closing().map_err(NotMade::Refused)?;
        let own = plan.over(&self.shared.config).map_err(NotMade::Settings)?;
        self.shared.make(name, own).map_err(NotMade::Refused)?.ok_or(NotMade::IsThere)?;
        // One that is kept for a moment only may be over by now.
        Ok(self.inspect(name).await.unwrap_or_else(|| RoomView::empty(name)))
    }

    /// Puts everybody out, and returns when the room has ended. False when there is no such room.
    pub async fn close(&self, room: &RoomName) -> bool {
        let Some(sender) = self.find(room) else { return false };
        let asked = sender.send(Request::End).await.is_ok();
        sender.closed().await;
        asked
    }

    /// Puts a participant out, and tells it so. None when there is no such room.
    pub async fn expel(&self, room: &RoomName, participant: ParticipantId) -> Option<Result<(), Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.find(room)?.send(Request::Expel { participant, reply }).await.ok()?;
        answer.await.ok()
    }

    /// Sends a participant to another room, with a token that lets it in there where tokens are asked for. None when there is no
    /// such room; false when its client cannot be told. Whether it could come in there is seen to first, and may be otherwise when it
    /// does.
    pub async fn transfer(
        &self,
        room: &RoomName,
        participant: ParticipantId,
        to: &RoomName,
        access: &Access,
    ) -> Option<Result<bool, Refusal>> {
        let sender = self.find(room)?;
        if let Some(target) = self.find(to) {
            let (reply, answer) = oneshot::channel();
            // One that ends meanwhile gives no answer, and is made anew by whoever comes.
            let _ = target.send(Request::Welcomes(reply)).await;
            if let Ok(Err(refusal)) = answer.await {
                return Some(Err(refusal));
            }
        } else if let Err(refusal) = self.refuse_when_closing() {
            return Some(Err(refusal));
        }
        let (reply, answer) = oneshot::channel();
        sender.send(Request::Move { participant, to: to.clone(), access: access.clone(), reply }).await.ok()?;
        answer.await.ok()
    }

    /// Mutes a participant's track, or unmutes it. None when there is no such room.
    pub async fn mute(
        &self,
        room: &RoomName,
        participant: ParticipantId,
        track: TrackId,
        muted: bool,
    ) -> Option<Result<Participant, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.find(room)?.send(Request::Silence { participant, track, muted, reply }).await.ok()?;
        answer.await.ok()
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

    /// The recording of one participant, or of everybody, that runs in a room.
    pub async fn recording(&self, room: &RoomName, of: Option<ParticipantId>) -> Option<LegId> {
        let (reply, answer) = oneshot::channel();
        self.find(room)?.send(Request::Recording { of, reply }).await.ok()?;
        answer.await.ok()?
    }

    /// Makes no room any more, and returns once those that are there have come to their end.
    pub async fn drain(&self) {
        self.shared.advance(Stage::Draining);
        let senders = self.senders();
        for sender in &senders {
            let _ = sender.send(Request::Drain).await;
        }
        for sender in senders {
            sender.closed().await;
        }
    }

    /// Lets nobody in any more, tells everybody to connect elsewhere, and returns when every room has let go and every leg has
    /// finished what it began, so that all that happened is told.
    pub async fn close_all(&self) {
        self.shared.advance(Stage::Closing);
        let senders = self.senders();
        for sender in &senders {
            let _ = sender.send(Request::Close).await;
        }
        for sender in senders {
            sender.closed().await;
        }
        self.shared.endings.over().await;
    }

    /// New rooms are better off on another server.
    pub fn is_draining(&self) -> bool {
        self.shared.stage() >= Stage::Draining
    }

    /// Measures how busy the processor is, for `limits.cpu_percent`; never ends, and does nothing without that limit.
    pub async fn watch_processor(&self) {
        if self.shared.config.limits.cpu_percent > 0 {
            self.shared.busy.watch().await;
        }
    }

    /// Every media thread runs.
    pub fn has_media(&self) -> bool {
        self.shared.sfu.is_alive()
    }

    fn refuse_when_closing(&self) -> Result<(), Refusal> {
        if self.shared.stage() < Stage::Closing { Ok(()) } else { Err(going()) }
    }

    fn senders(&self) -> Vec<mpsc::Sender<Request>> {
        self.shared.lock().values().cloned().collect()
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

/// What who comes too late is told, and who is there at the end.
fn going() -> Refusal {
    Refusal::new(ErrorCode::ShuttingDown, "the server is shutting down; connect again")
}

impl Shared {
    fn tracer(&self) -> Tracer {
        self.tracer.get().cloned().unwrap_or_default()
    }

    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never back. Once it returns no room is made that the stage before would have made.
    fn advance(&self, to: Stage) {
        let _rooms = self.lock();
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = to.max(*stage);
    }

    /// When the processor has more to do than newcomers, or new legs, may add to.
    fn refuse_when_busy(&self) -> Result<(), Refusal> {
        let limit = self.config.limits.cpu_percent;
        if limit == 0 || self.busy.percent() < limit {
            return Ok(());
        }
        metrics::counter!("crescendo_refused_total", "limit" => "limits.cpu_percent").increment(1);
        Err(Refusal::new(ErrorCode::ServerFull, "this server has as much to do as it can; try another, or later"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RoomName, mpsc::Sender<Request>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_or_make(self: &Arc<Self>, name: &RoomName) -> Result<mpsc::Sender<Request>, Refusal> {
        let mut rooms = self.lock();
        if let Some(sender) = rooms.get(name).filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let own = self.config.room.clone();
        self.open(&mut rooms, name, own, None)
    }

    /// A room that is kept while nobody is there. None when there is one of this name.
    fn make(self: &Arc<Self>, name: &RoomName, own: config::Room) -> Result<Option<mpsc::Sender<Request>>, Refusal> {
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
            metrics::counter!("crescendo_refused_total", "limit" => "limits.rooms").increment(1);
            return Err(Refusal::new(ErrorCode::ServerFull, format!("this server holds {limit} rooms at most")));
        }
        let (sender, inbox) = mpsc::channel(INBOX);
        rooms.insert(name.clone(), sender.clone());
        tokio::spawn(task::run(self.clone(), name.clone(), own, kept, sender.clone(), inbox));
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
