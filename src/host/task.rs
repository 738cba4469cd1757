//! One room's loop: something happens, the room decides, the outputs are carried out in their order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info};

use super::legs::{self, Legs};
use super::limit::Place;
use super::member::{DownTransport, Member, UpTransport};
use super::messages::History;
use super::{Entry, Joining, Manner, Refusal, Request, Resuming, Shared, legs_supported};
use crate::legs::LegEvent;
use crate::room::ids::{LegId, ParticipantId, RoomName, TrackId};
use crate::room::{
    Event, Input, LegInfo, LegKind, LegState, Output, Reach, Room, RoomError, Settings, Source, TransportReport,
    VideoCodec,
};
use crate::sfu::data::{DataEvent, HubId};
use crate::sfu::{self, Command, ShardId, TransportId};
use crate::signal::convert;
use crate::signal::message::{self as wire, ErrorCode};
use crate::signal::outgoing::Notice;

/// Events that may wait between the media plane and a room.
const MEDIA_EVENTS: usize = 1_024;
/// Messages of data channels that may wait between the media plane and a room; what is beyond waits with its sender, or is
/// dropped if it was sent as unreliable.
const DATA_EVENTS: usize = 256;
/// When commands that the media thread had no room for are tried again.
const RETRY: Duration = Duration::from_millis(10);
/// How often they are tried once the room is empty.
const LAST_TRIES: usize = 100;
/// How long an idle room sleeps; its timer wakes it earlier when it has one.
const IDLE: Duration = Duration::from_secs(3_600);

pub(super) async fn run(
    shared: Arc<Shared>,
    name: RoomName,
    own: mpsc::Sender<Request>,
    mut inbox: mpsc::Receiver<Request>,
) {
    let mut task = Task::new(shared.clone(), name.clone());
    info!(room = %name, "room opened");
    let renew_every = shared.ice.renew_every().unwrap_or(IDLE);
    let mut renew = tokio::time::interval_at((Instant::now() + renew_every).into(), renew_every);
    loop {
        let now = Instant::now();
        let wake = task.room.poll_timeout().unwrap_or(now + IDLE);
        let retry = task.has_backlog().then_some(now + RETRY);
        tokio::select! {
            Some(request) = inbox.recv() => task.request(request),
            Some(event) = task.media.recv() => task.media_event(event),
            Some(event) = task.data.recv() => task.data_event(event),
            Some((leg, event)) = task.legs.events.recv() => task.leg_event(leg, event),
            () = tokio::time::sleep_until(wake.into()) => { let _ = task.input(Input::Timeout); }
            _ = renew.tick() => task.renew_ice_servers(),
            () = tokio::time::sleep_until(retry.unwrap_or(now + IDLE).into()) => task.hand_over(),
        }
        task.flush();
        if task.room.is_empty() {
            break;
        }
    }
    inbox.close();
    for _ in 0..LAST_TRIES {
        if !task.has_backlog() {
            break;
        }
        tokio::time::sleep(RETRY).await;
        task.hand_over();
    }
    shared.forget(&name, &own);
    shared.sfu.release(&name);
    task.gauge(None);
    info!(room = %name, "room closed");
}

pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) name: RoomName,
    pub(super) room: Room,
    pub(super) shard: ShardId,
    pub(super) members: BTreeMap<ParticipantId, Member>,
    /// Whose a track is. Kept for as long as something may still refer to it.
    pub(super) tracks: BTreeMap<TrackId, (ParticipantId, Source)>,
    pub(super) transports: BTreeMap<TransportId, ParticipantId>,
    pub(super) legs: Legs,
    pub(super) media_in: mpsc::Sender<sfu::Event>,
    media: mpsc::Receiver<sfu::Event>,
    pub(super) data_in: mpsc::Sender<DataEvent>,
    data: mpsc::Receiver<DataEvent>,
    pub(super) hub: HubId,
    pub(super) history: History,
    /// Down transports with changes that the client has not been told of.
    pub(super) unflushed: BTreeSet<ParticipantId>,
    /// What the metrics count this room as.
    pub(super) counted: Option<(wire::Mode, usize)>,
    /// Whose sockets did not keep up; the room does not know yet.
    pub(super) overrun: Vec<ParticipantId>,
    /// What the media thread had no room for.
    pub(super) backlog: VecDeque<Command>,
    /// Taken for the leg that is about to be started.
    pub(super) leg_place: Option<Place>,
}

impl Task {
    fn new(shared: Arc<Shared>, name: RoomName) -> Self {
        let (media_in, media) = mpsc::channel(MEDIA_EVENTS);
        let (data_in, data) = mpsc::channel(DATA_EVENTS);
        Self {
            room: Room::new(settings(&shared.config), Instant::now()),
            shard: shared.sfu.place(&name),
            hub: shared.sfu.next_hub_id(),
            history: History::new(shared.config.signal.message_history_bytes),
            shared,
            name,
            members: BTreeMap::new(),
            tracks: BTreeMap::new(),
            transports: BTreeMap::new(),
            legs: Legs::new(),
            media_in,
            media,
            data_in,
            data,
            unflushed: BTreeSet::new(),
            counted: None,
            overrun: Vec::new(),
            backlog: VecDeque::new(),
            leg_place: None,
        }
    }

    fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    // What comes in.

    fn request(&mut self, request: Request) {
        match request {
            Request::Join(joining, reply) => {
                let answer = self.join(joining);
                if let Err(refusal) = &answer {
                    debug!(room = %self.name, code = ?refusal.code, "join refused");
                }
                let _ = reply.send(answer);
            }
            Request::Resume(resuming, reply) => {
                let _ = reply.send(self.resume(resuming));
            }
            Request::Message { participant, seat, message } => {
                if self.members.get(&participant).is_some_and(|member| member.seat == seat) {
                    self.message(participant, message);
                }
            }
            Request::Lost { participant, seat } => {
                let member = self.members.get_mut(&participant).filter(|member| member.seat == seat);
                if member.and_then(|member| member.outbox.take()).is_some() {
                    info!(room = %self.name, %participant, "socket lost");
                    let _ = self.input(Input::Vanish { participant });
                }
            }
            Request::Reach { participant, seat, reach } => {
                if self.members.get(&participant).is_some_and(|member| member.seat == seat) {
                    self.quiet(participant, Input::Reach { participant, reach });
                }
            }
            Request::Offer { participant, seat, generation, sdp } => {
                if self.members.get(&participant).is_some_and(|member| member.seat == seat) {
                    self.offer(participant, generation, &sdp);
                }
            }
            Request::PatchIce { participant, seat, patch, reply } => {
                if self.members.get(&participant).is_some_and(|member| member.seat == seat)
                    && let Some(patched) = self.patch_ice(participant, &patch)
                {
                    let _ = reply.send(patched);
                }
            }
            Request::Forward { participant, seat, track, on } => {
                if self.members.get(&participant).is_some_and(|member| member.seat == seat) {
                    self.forward(participant, track, on);
                }
            }
            Request::Data { participant, seat, payload } => {
                if self.members.get(&participant).is_some_and(|member| member.seat == seat) {
                    self.send_data(participant, payload);
                }
            }
            Request::Remove { participant } => self.quiet(participant, Input::Leave { participant }),
            Request::Inspect(reply) => {
                let _ = reply.send(self.view());
            }
            Request::StartLeg { kind, of, reply } => {
                let _ = reply.send(self.start_leg(kind, of, None));
            }
            Request::StopLeg { leg, reply } => {
                let _ = reply.send(self.stop_leg(leg));
            }
            Request::Drain => self.drain(),
        }
    }

    fn join(&mut self, joining: Joining) -> Result<(ParticipantId, u64), Refusal> {
        let Joining { name, tracks, decodes, encrypted, outbox, manner } = joining;
        let reach = self.admit(manner, &decodes)?;
        let input = Input::Join { name, tracks, decodes: decodes.into_iter().collect(), encrypted, reach };
        let mut out = Vec::new();
        self.room.handle(Instant::now(), input, &mut out).map_err(refusal)?;
        let Some(Output::Tell { to: participant, event: Event::Welcome { .. } }) = out.first() else {
            return Err(Refusal::new(ErrorCode::Internal, "the room gave no welcome"));
        };
        let participant = *participant;
        self.members.insert(participant, Member::new(outbox, secret(), manner, self.history.number()));
        info!(room = %self.name, %participant, "joined");
        self.carry_out(out);
        Ok((participant, 0))
    }

    /// What a client's manner means for the room, unless it cannot come in so.
    fn admit(&self, manner: Manner, decodes: &[VideoCodec]) -> Result<Reach, Refusal> {
        match manner {
            Manner::Native => Ok(Reach::Mesh { warm: true }),
            Manner::Plain(Entry::Mesh { most }) if self.members.len() >= most => {
                Err(Refusal::new(ErrorCode::RoomFull, format!("this room takes {most} at most")))
            }
            Manner::Plain(Entry::Mesh { .. }) => Ok(Reach::Mesh { warm: false }),
            Manner::Plain(Entry::Publish) => Ok(Reach::Server { sends: true, receives: false }),
            Manner::Plain(Entry::Watch { .. }) if self.room.participants().all(|other| other.tracks.is_empty()) => {
                Err(Refusal::new(ErrorCode::UnknownParticipant, "nobody sends anything in this room"))
            }
            Manner::Plain(Entry::Watch { .. }) => Ok(Reach::Server { sends: false, receives: true }),
            Manner::Plain(Entry::Play { of }) => {
                let sends = self.room.participant(of).is_some_and(|shown| !shown.tracks.is_empty());
                let Some(shown) = self.members.get(&of).filter(|_| sends) else {
                    return Err(Refusal::new(ErrorCode::UnknownParticipant, format!("{of} sends nothing")));
                };
                match shown.fixed_codec().filter(|codec| !decodes.is_empty() && !decodes.contains(codec)) {
                    Some(codec) => Err(Refusal::new(ErrorCode::BadSdp, format!("what {of} sends is {codec:?}"))),
                    None => Ok(Reach::Server { sends: false, receives: true }),
                }
            }
        }
    }

    fn resume(&mut self, resuming: Resuming) -> Result<(ParticipantId, u64), Refusal> {
        let Resuming { participant, secret, received, outbox } = resuming;
        let gone = || Refusal::new(ErrorCode::ResumeRefused, "this session is over; join anew");
        let member = self.members.get_mut(&participant).ok_or_else(gone)?;
        if aws_lc_rs::constant_time::verify_slices_are_equal(member.secret.as_bytes(), secret.as_bytes()).is_err() {
            return Err(gone());
        }
        member.seat += 1;
        let seat = member.seat;
        let replaced = member.outbox.replace(outbox);
        if let Some(replaced) = replaced {
            // The old socket was not known to be lost: it is told, and the room sees it vanish and return.
            let taken = Refusal::new(ErrorCode::Replaced, "another connection took over this session");
            let _ = replaced.try_send(taken.into_message(true, None).into());
            let _ = self.input(Input::Vanish { participant });
        }
        info!(room = %self.name, %participant, "resumed");
        let _ = self.input(Input::Return { participant });
        if let Some(member) = self.members.get(&participant) {
            let up = member.up.as_ref().and_then(UpTransport::repeat);
            let down = member.down.as_ref().map(DownTransport::resume);
            for message in [up, down].into_iter().flatten() {
                self.tell(participant, message);
            }
        }
        self.catch_up(participant, received);
        Ok((participant, seat))
    }

    fn media_event(&mut self, event: sfu::Event) {
        let (transport, report) = match event {
            sfu::Event::Connected { transport, .. } => (transport, TransportReport::Connected),
            sfu::Event::Failed { transport, reason, direction } => {
                info!(room = %self.name, ?transport, ?direction, %reason, "server transport failed");
                (transport, TransportReport::Failed)
            }
            sfu::Event::Media { publication, codec } => {
                debug!(room = %self.name, ?publication, ?codec, "media");
                let found =
                    self.members.iter_mut().find_map(|(id, member)| member.sends(publication, codec).then_some(*id));
                if let Some(participant) = found {
                    self.notice(participant, Notice::Media);
                }
                return;
            }
        };
        let Some(&participant) = self.transports.get(&transport) else { return };
        let member = self.members.get(&participant);
        let Some(direction) = member.and_then(|member| member.direction_of(transport)) else { return };
        if report == TransportReport::Connected {
            self.notice(participant, Notice::Connected(direction));
        }
        self.quiet(participant, Input::Transport { participant, direction, report });
    }

    fn leg_event(&mut self, leg: LegId, event: LegEvent) {
        match event {
            LegEvent::State(state) => {
                let state = legs::state(state);
                info!(room = %self.name, %leg, ?state, "leg");
                let _ = self.input(Input::LegChanged { leg, state });
                // One that has failed is gone from the room already.
                if self.room.legs().all(|info| info.id != leg) {
                    self.legs.stop(leg);
                }
            }
            LegEvent::WantsKey(publication) => self.command(Command::RequestKeyFrame { publication }),
        }
    }

    /// Starts a leg, or gives the one that does the same already.
    pub(super) fn start_leg(
        &mut self,
        kind: LegKind,
        of: Option<ParticipantId>,
        by: Option<ParticipantId>,
    ) -> Result<wire::Leg, Refusal> {
        if !legs_supported(&self.shared.config).contains(&kind.into()) {
            return Err(Refusal::new(ErrorCode::LegUnsupported, "this server does not do that kind of leg"));
        }
        let same = |leg: &LegInfo| leg.kind == kind;
        let running = self.room.legs().find(same);
        match running {
            Some(leg) if of.is_some() && leg.of != of => {
                let text = "this room has such a leg already; stop it before you start it for somebody else";
                return Err(Refusal::new(ErrorCode::TooManyLegs, text));
            }
            Some(_) => {}
            None => {
                let limit = self.shared.config.limits.legs;
                let full = || {
                    metrics::counter!("crescendo_refused_total", "limit" => "limits.legs").increment(1);
                    Refusal::new(
                        ErrorCode::TooManyLegs,
                        format!("this server runs {limit} broadcasts and recordings at most"),
                    )
                };
                self.leg_place = Some(self.shared.legs.take(limit).ok_or_else(full)?);
                let started = self.input(Input::StartLeg { kind, of, by });
                self.leg_place = None;
                started.map_err(refusal)?;
            }
        }
        let leg = self.room.legs().find(same).ok_or_else(|| Refusal::new(ErrorCode::Internal, "the leg is gone"))?;
        Ok(convert::leg(&self.name, leg))
    }

    pub(super) fn stop_leg(&mut self, leg: LegId) -> Result<wire::Leg, Refusal> {
        let info = self.room.legs().find(|info| info.id == leg);
        self.input(Input::StopLeg { leg }).map_err(refusal)?;
        let info = info.ok_or_else(|| Refusal::new(ErrorCode::UnknownLeg, format!("no leg {leg}")))?;
        Ok(convert::leg(&self.name, LegInfo { state: LegState::Stopped, ..info }))
    }

    fn drain(&mut self) {
        let everybody: Vec<_> = self.members.keys().copied().collect();
        for participant in everybody {
            let going = Refusal::new(ErrorCode::ShuttingDown, "the server is shutting down; connect again");
            self.tell(participant, going.into_message(true, None));
            self.quiet(participant, Input::Leave { participant });
        }
    }

    // What the room decides.

    pub(super) fn input(&mut self, input: Input) -> Result<(), RoomError> {
        let mut out = Vec::new();
        self.room.handle(Instant::now(), input, &mut out)?;
        self.carry_out(out);
        Ok(())
    }
}

/// 128 random bits in hex.
fn secret() -> String {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn settings(config: &crate::config::Config) -> Settings {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let room = &config.room;
    Settings {
        mesh_limit: room.mesh_limit,
        warm_at: room.warm_at,
        demote_after: ms(room.demote_after_ms),
        relayed_to_sfu: room.relayed_to_sfu,
        switch_deadline: ms(room.switch_deadline_ms),
        moves_at_once: room.moves_at_once,
        resume_grace: ms(room.resume_grace_ms),
        capacity: room.capacity,
        tracks_per_participant: room.tracks_per_participant,
        max_legs: room.max_legs,
        video_codecs: config.sfu.codecs(),
    }
}

pub(super) fn refusal(error: RoomError) -> Refusal {
    let code = match error {
        RoomError::RoomFull => ErrorCode::RoomFull,
        RoomError::SourceTaken(_) => ErrorCode::SourceTaken,
        RoomError::TooManyTracks => ErrorCode::TooManyTracks,
        RoomError::UnknownParticipant(_) | RoomError::NobodyHere => ErrorCode::UnknownParticipant,
        RoomError::UnknownTrack(_) | RoomError::NotYourTrack(_) => ErrorCode::UnknownTrack,
        RoomError::UnknownLeg(_) => ErrorCode::UnknownLeg,
        RoomError::TooManyLegs => ErrorCode::TooManyLegs,
        RoomError::RoomEncrypted | RoomError::RoomNotEncrypted => ErrorCode::EncryptionDiffers,
        RoomError::LegOfEncrypted => ErrorCode::RoomEncrypted,
    };
    Refusal::new(code, error.to_string())
}
