//! One room's loop: something happens, the room decides, the outputs are carried out in their order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info};

use super::events::Happening;
use super::legs::{self, Legs};
use super::limit::Place;
use super::member::{self, DownTransport, Member, UpTransport};
use super::messages::History;
use super::plan::Kept;
use super::request::Request;
use super::shared::{Shared, going};
use super::trace::{Entering, Switching};
use super::{Entry, Joining, Manner, Refusal, Resuming, legs_supported};
use crate::access::{Grant, Grants};
use crate::config;
use crate::legs::LegEvent;
use crate::room::ids::{LegId, ParticipantId, RoomName, TrackId};
use crate::room::{
    Event, Format, Input, Layout, LegInfo, LegKind, LegPlan, LegState, Output, Reach, Room, RoomError, Settings,
    Source, TransportReport, VideoCodec,
};
use crate::sfu::data::{Crowd, DataEvent, HubId};
use crate::sfu::{self, Command, PublicationId, ShardId, TransportId};
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
    settings: config::Room,
    kept: Option<Kept>,
    own: mpsc::Sender<Request>,
    mut inbox: mpsc::Receiver<Request>,
) {
    let mut task = Task::new(shared.clone(), name.clone(), settings, kept);
    info!(room = %name.short(), "room opened");
    task.happened(Happening::RoomOpened {});
    let renew_every = shared.ice.renew_every().unwrap_or(IDLE);
    let mut renew = tokio::time::interval_at((Instant::now() + renew_every).into(), renew_every);
    loop {
        let now = Instant::now();
        let kept = task.kept.as_ref().filter(|_| task.room.is_empty()).map(Kept::until);
        let wake = task.room.poll_timeout().into_iter().chain(kept).min().unwrap_or(now + IDLE);
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
        if let Some(kept) = task.kept.as_mut().filter(|_| !task.room.is_empty()) {
            kept.renew(Instant::now());
        }
        if task.is_over(Instant::now()) {
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
    info!(room = %name.short(), "room closed");
    task.happened(Happening::RoomClosed {});
}

pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) name: RoomName,
    pub(super) room: Room,
    pub(super) settings: config::Room,
    /// Made by the API.
    pub(super) kept: Option<Kept>,
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
    /// How many members take messages, for the media plane.
    pub(super) crowd: Crowd,
    pub(super) history: History,
    /// Down transports with changes that the client has not been told of.
    pub(super) unflushed: BTreeSet<ParticipantId>,
    /// Tracks that are forwarded to nobody, by order of whoever runs the room.
    pub(super) held_back: BTreeSet<TrackId>,
    /// What the metrics count this room as.
    pub(super) counted: Option<(wire::Mode, usize)>,
    /// Whose sockets did not keep up; the room does not know yet.
    pub(super) overrun: Vec<ParticipantId>,
    /// Microphones of which only the loudest are forwarded; none in small rooms.
    pub(super) choir: Vec<PublicationId>,
    /// What the media thread had no room for.
    pub(super) backlog: VecDeque<Command>,
    /// Taken for the leg that is about to be started.
    pub(super) leg_place: Option<Place>,
    /// For whoever traces.
    pub(super) switching: Option<Switching>,
}

impl Task {
    fn new(shared: Arc<Shared>, name: RoomName, own: config::Room, kept: Option<Kept>) -> Self {
        let (media_in, media) = mpsc::channel(MEDIA_EVENTS);
        let (data_in, data) = mpsc::channel(DATA_EVENTS);
        Self {
            room: Room::new(settings(&own, shared.config.sfu.codecs()), Instant::now()),
            settings: own,
            kept,
            held_back: BTreeSet::new(),
            shard: shared.sfu.place(&name),
            hub: shared.sfu.next_hub_id(),
            crowd: Crowd::default(),
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
            choir: Vec::new(),
            backlog: VecDeque::new(),
            leg_place: None,
            switching: None,
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
                    debug!(room = %self.name.short(), code = ?refusal.code, "join refused");
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
                    info!(room = %self.name.short(), %participant, "socket lost");
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
            Request::Expel { participant, reply } => {
                let _ = reply.send(self.expel(participant));
            }
            Request::Welcomes(reply) => {
                let _ = reply.send(self.welcomes());
            }
            Request::Move { participant, to, access, reply } => {
                let _ = reply.send(self.send_to(participant, &to, &access));
            }
            Request::Silence { participant, track, muted, reply } => {
                let _ = reply.send(self.silence(participant, track, muted));
            }
            Request::End => self.end(),
            Request::Inspect(reply) => {
                let _ = reply.send(self.view());
            }
            Request::StartLeg { plan, reply } => {
                let _ = reply.send(self.start_leg(plan, None));
            }
            Request::StopLeg { leg, reply } => {
                let _ = reply.send(self.stop_leg(leg));
            }
            Request::Recording { of, reply } => {
                let is_it = |leg: &LegInfo| leg.plan.kind == LegKind::Record && leg.plan.of == of;
                let _ = reply.send(self.room.legs().find(is_it).map(|leg| leg.id));
            }
            Request::Drain => self.kept = None,
            Request::Close => self.let_everybody_go(),
        }
    }

    fn join(&mut self, joining: Joining) -> Result<(ParticipantId, u64), Refusal> {
        let Joining { name, tracks, decodes, encrypted, outbox, manner, grants, join } = joining;
        for (source, _) in &tracks {
            grants.check(Grant::Publish(*source)).map_err(Refusal::of_access)?;
        }
        let reach = match (self.admit(manner, &decodes, &grants)?, grants.hidden) {
            (reach, false) => reach,
            (_, true) => {
                grants.check(Grant::Subscribe).map_err(Refusal::of_access)?;
                Reach::Hidden
            }
        };
        let limit = self.shared.config.limits.participants;
        let place = self.shared.participants.take(limit).ok_or_else(|| {
            let text = format!("this server takes {limit} participants at most");
            Refusal::at_limit("limits.participants", ErrorCode::ServerFull, text)
        })?;
        self.shared.refuse_when_full(&self.name, &self.settings)?;
        let publishes = if tracks.is_empty() { None } else { Some(self.shared.publisher()?) };
        let known = decodes.iter().copied().collect();
        let input = Input::Join { name, tracks, decodes: known, encrypted, reach };
        let mut out = Vec::new();
        self.room.handle(Instant::now(), input, &mut out).map_err(Refusal::of_room)?;
        let Some(Output::Tell { to: participant, event: Event::Welcome { .. } }) = out.first() else {
            return Err(Refusal::new(ErrorCode::Internal, "the room gave no welcome"));
        };
        let participant = *participant;
        let number = self.history.number();
        let mut member = Member::new(outbox, secret(), manner, grants, decodes, number, place);
        member.entering = Entering::new(join);
        member.publishes = publishes;
        self.members.insert(participant, member);
        self.count_crowd();
        info!(room = %self.name.short(), %participant, "joined");
        if let Some(joined) = self.room.participant(participant) {
            self.happened(Happening::ParticipantJoined {
                participant: wire::Id(participant),
                name: joined.name,
                hidden: joined.hidden,
            });
        }
        self.carry_out(out);
        if let Some(member) = self.members.get_mut(&participant) {
            member.entering.is_in();
        }
        Ok((participant, 0))
    }

    /// What a client's manner means for the room, unless it cannot come in so.
    fn admit(&self, manner: Manner, decodes: &[VideoCodec], grants: &Grants) -> Result<Reach, Refusal> {
        match manner {
            Manner::Native if grants.subscribe => Ok(Reach::Mesh { warm: true }),
            // A mesh link goes both ways, and the server holds nothing back there.
            Manner::Native => Ok(Reach::Server { sends: grants.publishes(), receives: false }),
            Manner::Plain(Entry::Mesh { most }) if self.room.participants().filter(|p| !p.hidden).count() >= most => {
                Err(Refusal::new(ErrorCode::RoomFull, format!("this room takes {most} at most")))
            }
            Manner::Plain(Entry::Mesh { .. }) => Ok(Reach::Mesh { warm: false }),
            Manner::Plain(Entry::Publish { .. }) => Ok(Reach::Server { sends: true, receives: false }),
            Manner::Plain(Entry::Watch { .. }) if self.room.participants().all(|other| other.tracks.is_empty()) => {
                Err(Refusal::new(ErrorCode::UnknownParticipant, "nobody sends anything in this room"))
            }
            Manner::Plain(Entry::Watch { .. }) => Ok(Reach::Server { sends: false, receives: true }),
            Manner::Plain(Entry::Play { of }) => {
                let sends = self.room.participant(of).is_some_and(|shown| !shown.tracks.is_empty());
                let Some(shown) = self.members.get(&of).filter(|_| sends) else {
                    return Err(Refusal::new(ErrorCode::UnknownParticipant, format!("{of} sends nothing")));
                };
                match shown.fixed_codecs() {
                    [first, rest @ ..] if !can_decode(decodes, shown.fixed_codecs()) => {
                        let others = rest.iter().map(|codec| format!(" or {codec:?}")).collect::<String>();
                        Err(Refusal::new(ErrorCode::BadSdp, format!("what {of} sends is {first:?}{others}")))
                    }
                    [] | [..] => Ok(Reach::Server { sends: false, receives: true }),
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
            let _ = replaced.push(taken.into_message(true, None).into());
            let _ = self.input(Input::Vanish { participant });
        }
        info!(room = %self.name.short(), %participant, "resumed");
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

    /// How far the participant of a transport is on its way in, for whoever traces.
    fn entering(&mut self, transport: TransportId) -> Option<&mut Entering> {
        Some(&mut self.members.get_mut(self.transports.get(&transport)?)?.entering)
    }

    fn media_event(&mut self, event: sfu::Event) {
        let (transport, report) = match event {
            sfu::Event::Connected { transport, direction, reached, .. } => {
                if let Some(entering) = self.entering(transport) {
                    entering.connected(direction, reached);
                }
                (transport, TransportReport::Connected)
            }
            sfu::Event::Failed { transport, reason, direction } => {
                info!(room = %self.name.short(), ?transport, ?direction, %reason, "server transport failed");
                if let Some(entering) = self.entering(transport) {
                    entering.failed(direction, &reason.to_string());
                }
                (transport, TransportReport::Failed)
            }
            sfu::Event::Layer { transport, publication, layer } => {
                let Some(&receiver) = self.transports.get(&transport) else { return };
                let track = self.members.get(&receiver).and_then(|member| member.track(publication));
                if let Some(track) = track {
                    let layer = member::layer_on_wire(layer);
                    self.tell(receiver, wire::ServerMessage::Layer { track: wire::Id(track), layer });
                }
                return;
            }
            sfu::Event::Estimate { transport, kbps } => {
                let Some(&receiver) = self.transports.get(&transport) else { return };
                let down = self.members.get_mut(&receiver).and_then(|member| member.down.as_mut());
                if let Some(down) = down.filter(|down| down.id == transport) {
                    down.estimate_kbps = Some(kbps);
                    self.tell(receiver, wire::ServerMessage::Downlink { kbps });
                }
                return;
            }
            sfu::Event::Media { publication, codec } => {
                debug!(room = %self.name.short(), ?publication, ?codec, "media");
                let mut members = self.members.iter_mut();
                let found = members.find_map(|(id, member)| member.sends(publication, codec).then_some((*id, member)));
                if let Some((participant, member)) = found {
                    member.entering.has_media();
                    self.notice(participant, Notice::Media);
                    self.release_who_cannot_decode(participant);
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

    /// Players that came before the first picture, and cannot decode it after all: they ask again, and are told.
    fn release_who_cannot_decode(&mut self, sender: ParticipantId) {
        let sent = self.members.get(&sender).map_or(&[][..], Member::fixed_codecs);
        let plays = |member: &Member| member.plays() && member.watches(sender);
        let cannot = |member: &Member| !sent.is_empty() && !can_decode(&member.decodes, sent);
        let players = self.members.iter().filter(|(_, member)| plays(member) && cannot(member));
        for player in players.map(|(player, _)| *player).collect::<Vec<_>>() {
            info!(room = %self.name.short(), participant = %player, "cannot decode what it plays");
            self.quiet(player, Input::Leave { participant: player });
        }
    }

    fn leg_event(&mut self, leg: LegId, event: LegEvent) {
        match event {
            LegEvent::State(state) => {
                let state = legs::state(state);
                // What it is while it ends says nothing.
                if self.room.legs().any(|info| info.id == leg) {
                    info!(room = %self.name.short(), %leg, ?state, "leg");
                }
                match &state {
                    LegState::Running => self.happened(Happening::LegLive { leg: wire::Id(leg) }),
                    LegState::Failed(reason) => {
                        self.happened(Happening::LegFailed { leg: wire::Id(leg), reason: reason.clone() });
                    }
                    LegState::Starting | LegState::Waiting(_) | LegState::Stopped => {}
                }
                let _ = self.input(Input::LegChanged { leg, state });
                // One that has failed is gone from the room already.
                if self.room.legs().all(|info| info.id != leg) {
                    self.legs.stop(&self.shared, leg);
                }
            }
            LegEvent::WantsKey(publication) => self.command(Command::RequestKeyFrame { publication }),
        }
    }

    /// Starts a leg, or gives the one that does the same already.
    pub(super) fn start_leg(&mut self, plan: LegPlan, by: Option<ParticipantId>) -> Result<wire::Leg, Refusal> {
        if !legs_supported(&self.shared.config).contains(&plan.kind.into()) {
            return Err(Refusal::new(ErrorCode::LegUnsupported, "this server does not do that kind of leg"));
        }
        if plan.layout != Layout::Single && plan.kind == LegKind::Other {
            return Err(Refusal::new(ErrorCode::LegUnsupported, "only broadcasts and recordings have a layout"));
        }
        let (sizes, places) = (plan.ladder.heights().count(), self.shared.config.hls.transcodes);
        if sizes > 0 && plan.kind != LegKind::Hls {
            return Err(Refusal::new(ErrorCode::LegUnsupported, "only broadcasts have a ladder"));
        }
        if plan.format != Format::Mp4 && plan.kind != LegKind::Record {
            return Err(Refusal::new(ErrorCode::LegUnsupported, "only recordings have a format"));
        }
        if plan.format == Format::WebM && plan.layout != Layout::Single {
            let text = "everybody in one picture is H.264, which is not for WebM: record it as mp4";
            return Err(Refusal::new(ErrorCode::LegUnsupported, text));
        }
        if sizes > places {
            let text = format!("a ladder of {sizes} sizes never fits: this server encodes {places} pictures at most");
            return Err(Refusal::new(ErrorCode::TooManyLegs, text));
        }
        // A room has one broadcast, and as many recordings as there are whom somebody wants recorded alone, or layouts of all, in each
        // format.
        let same = |leg: &LegInfo| {
            leg.plan.kind == plan.kind
                && match plan.kind {
                    LegKind::Hls => true,
                    LegKind::Record | LegKind::Other => {
                        (leg.plan.of, leg.plan.layout, leg.plan.format) == (plan.of, plan.layout, plan.format)
                    }
                }
        };
        let running = self.room.legs().find(same);
        match running {
            Some(leg)
                if (plan.of.is_some() && leg.plan.of != plan.of)
                    || (leg.plan.layout, leg.plan.ladder) != (plan.layout, plan.ladder) =>
            {
                let text = "this room has such a leg already; stop it before you start it for somebody else, in another layout or with another ladder";
                return Err(Refusal::new(ErrorCode::TooManyLegs, text));
            }
            Some(_) => {}
            None => {
                self.shared.refuse_when_busy()?;
                let limit = self.shared.config.limits.legs;
                let full = || {
                    let text = format!("this server runs {limit} broadcasts and recordings at most");
                    Refusal::at_limit("limits.legs", ErrorCode::TooManyLegs, text)
                };
                self.leg_place = Some(self.shared.legs.take(limit).ok_or_else(full)?);
                let started = self.input(Input::StartLeg { plan, by });
                self.leg_place = None;
                started.map_err(Refusal::of_room)?;
            }
        }
        let leg = self.room.legs().find(same).ok_or_else(|| Refusal::new(ErrorCode::Internal, "the leg is gone"))?;
        Ok(convert::leg(&self.name, leg))
    }

    pub(super) fn stop_leg(&mut self, leg: LegId) -> Result<wire::Leg, Refusal> {
        let info = self.room.legs().find(|info| info.id == leg);
        self.input(Input::StopLeg { leg }).map_err(Refusal::of_room)?;
        let info = info.ok_or_else(|| Refusal::new(ErrorCode::UnknownLeg, format!("no leg {leg}")))?;
        Ok(convert::leg(&self.name, LegInfo { state: LegState::Stopped, ..info }))
    }

    fn let_everybody_go(&mut self) {
        self.kept = None;
        let everybody: Vec<_> = self.members.keys().copied().collect();
        for participant in everybody {
            self.tell(participant, going().into_message(true, None));
            self.quiet(participant, Input::Leave { participant });
        }
    }

    /// For whoever listens.
    pub(super) fn happened(&self, what: Happening) {
        self.shared.events.tell(&self.name, what);
    }

    // What the room decides.

    pub(super) fn input(&mut self, input: Input) -> Result<(), RoomError> {
        let mut out = Vec::new();
        self.room.handle(Instant::now(), input, &mut out)?;
        self.carry_out(out);
        Ok(())
    }
}

/// Who decodes no picture at all has not come for one.
fn can_decode(decodes: &[VideoCodec], sent: &[VideoCodec]) -> bool {
    decodes.is_empty() || sent.iter().any(|codec| decodes.contains(codec))
}

/// 128 random bits in hex.
fn secret() -> String {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn settings(room: &config::Room, video_codecs: Vec<VideoCodec>) -> Settings {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    Settings {
        mesh_limit: room.mesh_limit,
        warm_at: room.warm_at,
        demote_after: ms(room.demote_after_ms),
        relayed_to_sfu: room.relayed_to_sfu,
        switch_deadline: ms(room.switch_deadline_ms),
        moves_at_once: room.moves_at_once,
        resume_grace: ms(room.resume_grace_ms),
        capacity: room.capacity,
        publishers: room.publishers,
        tracks_per_participant: room.tracks_per_participant,
        max_legs: room.max_legs,
        video_codecs,
    }
}
