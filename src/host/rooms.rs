//! The front door: every room of the process, by name, and what others may ask of one.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::busy::Busy;
use super::events::Events;
use super::ice::IceServers;
use super::plan::{NotMade, Plan};
use super::rates::Rates;
use super::request::Request;
use super::seat::{Joining, Resuming, Seat};
use super::shared::{Shared, Stage, going};
use super::view::{NodeLoad, RoomView, ShardView, TurnView};
use super::{Refusal, legs, limit};
use crate::access::Access;
use crate::config::Config;
use crate::http::hls::HlsDirectory;
use crate::room::LegPlan;
use crate::room::ids::{LegId, ParticipantId, RoomName, TrackId};
use crate::sfu::{Sfu, ShardLoad};
use crate::signal::message::{ErrorCode, IceServer, Leg, Participant};
use crate::trace::Tracer;
use crate::turn::Turn;

/// How often a join is tried again when the room was just closing.
const JOIN_TRIES: usize = 4;

/// All rooms of this process.
#[derive(Debug, Clone)]
pub struct Rooms {
    shared: Arc<Shared>,
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
                publishers: limit::Count::default(),
                rates: Rates::default(),
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
    pub async fn start_leg(&self, room: &RoomName, plan: LegPlan) -> Option<Result<Leg, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.find(room)?.send(Request::StartLeg { plan, reply }).await.ok()?;
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

    /// Measures how much media goes over the server, for `limits.kbps` and `room.kbps`; never ends.
    pub async fn watch_media(&self) {
        self.shared.rates.watch().await;
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
