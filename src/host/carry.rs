//! How a room's outputs are carried out: to sockets, to the media plane, to legs.

use tracing::{info, warn};

use super::events::Happening;
use super::legs;
use super::member::{DownTransport, Member, UpTransport};
use super::task::Task;
use super::{DownlinkView, LegView, RoomView};
use crate::room::ids::{LegId, ParticipantId, TrackId};
use crate::room::{Carrier, Departure, Direction, Event, Input, LegInfo, LegKind, LegPlan, Output, Source, VideoCodec};
use crate::sfu::data::{Client, DataEnd};
use crate::sfu::sdp::{Down, Up};
use crate::sfu::{Command, PublicationId, Send, ShardFull, TransportId, Wish};
use crate::signal::convert;
use crate::signal::message::{self as wire, ServerMessage};
use crate::signal::outbox::Full;
use crate::signal::outgoing::{Notice, Outgoing};

/// Commands that may wait for the media thread. More: longer stalls are survived, for memory; fewer: a dead one is seen
/// sooner.
const BACKLOG: usize = 8_192;

impl Task {
    pub(super) fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Tell { to, event } => self.tell_event(to, event),
                Output::OpenTransport { participant, direction } => self.open(participant, direction),
                Output::CloseTransport { participant, direction } => self.close(participant, direction),
                Output::Subscribe { receiver, track } => self.subscribe(receiver, track),
                Output::Unsubscribe { receiver, track } => self.unsubscribe(receiver, track),
                Output::PreferCodec { codec } => self.prefer(codec),
                Output::StartLeg { leg, plan } => self.run_leg(leg, plan),
                Output::Tap { leg, track } => self.tap(leg, track),
                Output::Untap { leg, track } => self.untap(leg, track),
                Output::StopLeg { leg } => {
                    info!(room = %self.name.short(), %leg, "leg stopped");
                    self.legs.stop(&self.shared, leg);
                    self.happened(Happening::LegEnded { leg: wire::Id(leg) });
                }
                Output::Removed { participant, reason } => self.removed(participant, reason),
                Output::Switched { to, took } => {
                    self.switching = None;
                    info!(room = %self.name.short(), ?to, ms = took.as_millis(), "switched");
                    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                    self.happened(Happening::ModeSwitched { to: to.into(), took_ms });
                    let to = match to {
                        Carrier::Mesh => "mesh",
                        Carrier::Sfu => "sfu",
                    };
                    metrics::histogram!("crescendo_switch_seconds", "to" => to).record(took.as_secs_f64());
                }
                Output::Empty => {}
            }
        }
        self.trace_shown();
    }

    fn tell_event(&mut self, to: ParticipantId, event: Event) {
        match event {
            Event::Welcome { you, participants, mode, epoch, legs } => {
                let Some(member) = self.members.get(&to) else { return };
                let config = &self.shared.config;
                let welcome = ServerMessage::Welcome {
                    version: wire::VERSION,
                    you: you.into(),
                    secret: member.secret.clone(),
                    resumed: member.seat > 0,
                    participants: participants.into_iter().map(Into::into).collect(),
                    mode: mode.into(),
                    epoch: epoch.0,
                    legs: legs.into_iter().map(|leg| convert::leg(&self.name, leg)).collect(),
                    ice_servers: self.shared.ice.servers(&self.name, to, member),
                    heartbeat_ms: config.signal.heartbeat_ms,
                    grace_ms: self.settings.resume_grace_ms,
                    max_message_bytes: config.signal.max_message_bytes,
                    messages_per_second: config.signal.messages_per_second,
                };
                self.note_tracks();
                self.tell(to, welcome);
            }
            Event::OpenLink { peer, link, polite } => {
                let data = self.members.get(&peer).is_some_and(|peer| !peer.is_plain());
                self.tell(to, ServerMessage::LinkOpen { peer: wire::Id(peer), link: link.0, polite, data });
            }
            Event::TrackPublished { .. } => {
                self.note_tracks();
                self.tell_converted(to, event);
            }
            Event::Mode { mode, .. } => {
                self.trace_mode(mode);
                self.tell_converted(to, event);
            }
            Event::PathStuck { peer, .. } => {
                self.trace_stuck(to, peer);
                self.tell_converted(to, event);
            }
            Event::ParticipantJoined(_)
            | Event::ParticipantLeft { .. }
            | Event::ParticipantAway { .. }
            | Event::TrackUnpublished { .. }
            | Event::TrackMuted { .. }
            | Event::CloseLink { .. }
            | Event::SendUp { .. }
            | Event::Path { .. }
            | Event::Leg(_)
            | Event::SfuUnreachable => self.tell_converted(to, event),
        }
    }

    fn tell_converted(&mut self, to: ParticipantId, event: Event) {
        if let Some(message) = convert::event(&self.name, event) {
            self.tell(to, message);
        }
    }

    /// Gives everybody new ICE servers, before the credentials of the old ones run out.
    pub(super) fn renew_ice_servers(&mut self) {
        let renew = |(to, member): (&ParticipantId, &Member)| (*to, self.shared.ice.servers(&self.name, *to, member));
        for (to, ice_servers) in self.members.iter().map(renew).collect::<Vec<_>>() {
            self.tell(to, ServerMessage::IceServers { ice_servers });
        }
    }

    /// Remembers whose every track is.
    fn note_tracks(&mut self) {
        for participant in self.room.participants() {
            for track in participant.tracks {
                if self.tracks.insert(track.id, (participant.id, track.source)).is_none() {
                    let participant = wire::Id(participant.id);
                    self.happened(Happening::TrackPublished { participant, track: track.into() });
                }
            }
        }
    }

    /// Its owner publishes it no more.
    pub(super) fn forget_track(&mut self, track: TrackId) {
        self.held_back.remove(&track);
        if let Some((owner, _)) = self.tracks.remove(&track) {
            self.happened(Happening::TrackUnpublished { participant: wire::Id(owner), track: wire::Id(track) });
        }
    }

    fn open(&mut self, participant: ParticipantId, direction: Direction) {
        let Some(member) = self.members.get_mut(&participant) else { return };
        member.entering.offered(direction);
        let (sfu, config) = (&self.shared.sfu, &self.shared.config);
        let transport = sfu.next_transport_id();
        let generation = member.next_generation();
        let local = sfu.local(self.shard);
        let credential = local.ice.clone();
        let codecs = preference(self.room.preferred_codec(), &config.sfu.codecs());
        let may_offer = match direction {
            Direction::Up => member.is_plain(),
            Direction::Down => member.plays(),
        };
        // What is sealed cannot be taken apart.
        let red = config.sfu.red && self.room.is_encrypted() != Some(true);
        let (offer, traffic) = match direction {
            Direction::Up => {
                for source in [Source::Microphone, Source::Camera, Source::Screen, Source::ScreenAudio] {
                    member.publications.entry(source).or_insert_with(|| sfu.next_publication_id());
                }
                let start = config.sfu.start_bitrate_kbps;
                let up = match member.is_plain() {
                    true => UpTransport::offered(transport, generation, local, &codecs, start, member.has_data()),
                    false => {
                        let up = Up::new(local, &codecs, start).with_simulcast(config.sfu.simulcast).with_red(red);
                        UpTransport::new(transport, generation, up)
                    }
                };
                let up = member.up.insert(up);
                (up.offer(), up.traffic.clone())
            }
            Direction::Down => {
                let down = match member.plays() {
                    true => DownTransport::offered(transport, generation, local, &codecs),
                    false => {
                        let reserve = member.reserve(self.settings.mesh_limit);
                        let down = Down::new(local, &codecs, reserve).with_red(red);
                        DownTransport::new(transport, generation, down)
                    }
                };
                // What it is to get is in its first offer, which comes once that is known.
                let down = member.down.insert(down);
                self.unflushed.insert(participant);
                (None, down.traffic.clone())
            }
        };
        let client = match (member.is_plain(), direction) {
            _ if !member.has_data() => None,
            (false, _) => Some(Client::Native),
            // Its SDK opens a channel where it sends, and waits for one where it watches.
            (true, Direction::Up) => Some(Client::Other { open: None }),
            (true, Direction::Down) => Some(Client::Other { open: Some(self.name.to_string()) }),
        };
        self.transports.insert(transport, participant);
        let events = self.media_in.clone();
        self.command(Command::Open { transport, direction, local: credential, events });
        self.shared.rates.add(&self.name, &traffic);
        self.command(Command::Count { transport, traffic });
        if let Some(client) = client {
            let (crowd, events) = (self.crowd.clone(), self.data_in.clone());
            let end = DataEnd { hub: self.hub, participant, client, crowd, events };
            self.command(Command::OpenData { transport, end });
        }
        if may_offer {
            self.notice(participant, Notice::MayOffer { generation });
        }
        if let Some(offer) = offer {
            self.tell(participant, offer);
        }
    }

    fn close(&mut self, participant: ParticipantId, direction: Direction) {
        let Some(member) = self.members.get_mut(&participant) else { return };
        let Some((transport, generation)) = member.transport(direction) else { return };
        match direction {
            Direction::Up => member.up = None,
            Direction::Down => member.down = None,
        }
        self.transports.remove(&transport);
        self.command(Command::Close { transport });
        self.tell(participant, ServerMessage::TransportClose { transport: direction.into(), generation });
    }

    /// The publication that carries a track.
    pub(super) fn publication(&self, track: TrackId) -> Option<(PublicationId, Source)> {
        let (owner, source) = self.tracks.get(&track)?;
        Some((*self.members.get(owner)?.publications.get(source)?, *source))
    }

    pub(super) fn subscribe(&mut self, receiver: ParticipantId, track: TrackId) {
        let Some((publication, source)) = self.publication(track) else {
            warn!(room = %self.name.short(), %track, "subscribed to a track that has no up transport");
            return;
        };
        let Some(owner) = self.tracks.get(&track).map(|(owner, _)| *owner) else { return };
        let Some(member) = self.members.get_mut(&receiver).filter(|member| member.watches(owner)) else { return };
        let (wanted, wish) = (member.wants(track) && !self.held_back.contains(&track), member.wish(track));
        let Some(down) = member.down.as_mut() else { return };
        let transport = down.id;
        if let Some(send) = down.assign(publication, source, track) {
            self.send_down(transport, send, wish, wanted);
        }
        self.unflushed.insert(receiver);
    }

    /// Starts or stops what a receiver gets of a track, and leaves its m-line.
    pub(super) fn forward(&mut self, receiver: ParticipantId, track: TrackId, on: bool) {
        let Some((publication, _)) = self.publication(track) else { return };
        let Some(member) = self.members.get_mut(&receiver) else { return };
        let known = &self.tracks;
        member.forget_unwanted(|track| known.contains_key(&track));
        if !member.want(track, on) {
            return;
        }
        let sent = member.down.as_ref().and_then(|down| Some((down.id, down.sent(publication)?.mid)));
        if let Some((transport, mid)) = sent {
            let on = on && !self.held_back.contains(&track);
            self.command(Command::Forward { transport, mid, on });
        }
    }

    /// Sends a publication down, unless its receiver does not want it now.
    pub(super) fn send_down(&mut self, transport: TransportId, send: Send, wish: Wish, wanted: bool) {
        let mid = send.mid.clone();
        self.command(Command::Subscribe { transport, send, wish });
        if !wanted {
            self.command(Command::Forward { transport, mid, on: false });
        }
    }

    fn unsubscribe(&mut self, receiver: ParticipantId, track: TrackId) {
        let Some((publication, _)) = self.publication(track) else { return };
        let Some(down) = self.members.get_mut(&receiver).and_then(|member| member.down.as_mut()) else { return };
        let transport = down.id;
        if let Some(mid) = down.release(publication) {
            self.command(Command::Unsubscribe { transport, mid });
        }
        self.unflushed.insert(receiver);
    }

    fn prefer(&mut self, codec: VideoCodec) {
        let offers: Vec<_> = self
            .members
            .iter_mut()
            .filter_map(|(id, member)| Some((*id, member.up.as_mut()?.prefer(codec)?)))
            .collect();
        for (participant, offer) in offers {
            self.tell(participant, offer);
        }
    }

    fn run_leg(&mut self, leg: LegId, plan: LegPlan) {
        let Some(place) = self.leg_place.take() else { return };
        self.happened(Happening::LegStarted { leg: wire::Id(leg), kind: plan.kind.into() });
        match plan.kind {
            LegKind::Record => {
                let info = self.room.legs().find(|info| info.id == leg);
                let by = info.and_then(|info| self.room.participant(info.started_by?));
                let by = by.map(|by| crescendo_record::Starter { id: by.id.to_string(), name: by.name });
                self.legs.start_record(&self.shared, &self.name, leg, plan, by, place);
            }
            LegKind::Other => self.legs.start_other(&self.shared, &self.name, leg, place),
            LegKind::Hls => {
                self.legs.start_hls(&self.shared, &self.name, leg, plan, place);
            }
        }
    }

    fn tap(&mut self, leg: LegId, track: TrackId) {
        let Some(&(owner, source)) = self.tracks.get(&track) else { return };
        let sfu = &self.shared.sfu;
        let Some(member) = self.members.get_mut(&owner) else { return };
        let publication = *member.publications.entry(source).or_insert_with(|| sfu.next_publication_id());
        let name = self.room.participant(owner).map(|p| p.name).unwrap_or_default();
        let described = crescendo_leg_api::Track {
            key: legs::key(publication),
            participant: owner.to_string(),
            name,
            screen: matches!(source, Source::Screen | Source::ScreenAudio),
            audio: matches!(source, Source::Microphone | Source::ScreenAudio),
        };
        if let Some(tap) = self.legs.add(leg, publication, described) {
            self.command(Command::Tap { publication, tap });
        }
    }

    fn untap(&mut self, leg: LegId, track: TrackId) {
        let Some((publication, _)) = self.publication(track) else { return };
        if let Some(tap) = self.legs.remove(leg, publication) {
            self.command(Command::Untap { publication, tap });
        }
    }

    fn removed(&mut self, participant: ParticipantId, reason: Departure) {
        for direction in [Direction::Up, Direction::Down] {
            self.close(participant, direction);
        }
        self.members.remove(&participant);
        self.count_crowd();
        let tracks = self.tracks.iter().filter(|(_, (owner, _))| *owner == participant).map(|(track, _)| *track);
        for track in tracks.collect::<Vec<_>>() {
            self.forget_track(track);
        }
        self.unflushed.remove(&participant);
        info!(room = %self.name.short(), %participant, ?reason, "left");
        let participant = wire::Id(participant);
        self.happened(Happening::ParticipantLeft { participant, reason: reason.into() });
    }

    /// How many there are to whom unreliable messages are of use; who is hidden gets them by its socket.
    pub(super) fn count_crowd(&self) {
        self.crowd.set(self.members.values().filter(|member| member.has_data() || member.is_hidden()).count());
    }

    // What goes out.

    /// To a client that does not see it itself.
    pub(super) fn notice(&mut self, to: ParticipantId, notice: Notice) {
        if self.members.get(&to).is_some_and(Member::is_plain) {
            self.tell(to, Outgoing::Notice(notice));
        }
    }

    /// To a participant's socket. One that does not keep up loses it, and may come back for its place.
    pub(super) fn tell(&mut self, to: ParticipantId, message: impl Into<Outgoing>) {
        let Some(member) = self.members.get_mut(&to) else { return };
        let Some(outbox) = &member.outbox else { return };
        if let Err(Full) = outbox.push(message.into()) {
            warn!(room = %self.name.short(), participant = %to, "the socket does not keep up and is closed");
            metrics::counter!("crescendo_signal_overflows_total").increment(1);
            member.outbox = None;
            self.overrun.push(to);
        }
    }

    /// To a participant's socket, if that keeps up.
    pub(super) fn tell_unreliable(&mut self, to: ParticipantId, message: Outgoing) {
        let outbox = self.members.get(&to).and_then(|member| member.outbox.as_ref());
        if let Some(Err(Full)) = outbox.map(|outbox| outbox.push_unreliable(message)) {
            metrics::counter!("crescendo_signal_unreliable_dropped_total").increment(1);
        }
    }

    /// To the media thread, in order. What it has no room for now is kept and handed over later.
    pub(super) fn command(&mut self, command: Command) {
        self.backlog.push_back(command);
        self.hand_over();
    }

    pub(super) fn hand_over(&mut self) {
        while let Some(command) = self.backlog.pop_front() {
            if let Err(ShardFull(command)) = self.shared.sfu.send(self.shard, command) {
                self.backlog.push_front(*command);
                break;
            }
        }
        if self.backlog.len() > BACKLOG {
            // The thread has not taken anything for long: it is dead or as good as that, and `/readyz` says so.
            metrics::counter!("crescendo_sfu_commands_dropped_total").increment(1);
            warn!(room = %self.name.short(), shard = ?self.shard, "the media thread does not keep up; command dropped");
            self.backlog.pop_back();
        }
    }

    /// After each batch: sockets that did not keep up, what down transports have to be told, once for all changes, and
    /// the metrics.
    pub(super) fn flush(&mut self) {
        while let Some(participant) = self.overrun.pop() {
            let _ = self.input(Input::Vanish { participant });
        }
        for participant in std::mem::take(&mut self.unflushed) {
            let down = self.members.get_mut(&participant).and_then(|member| member.down.as_mut());
            if let Some(message) = down.and_then(DownTransport::flush) {
                self.tell(participant, message);
            }
        }
        self.choose_voices();
        self.gauge((!self.room.is_empty()).then(|| (self.room.mode().into(), self.members.len())));
    }

    /// In a large room the media thread forwards the loudest microphones only.
    fn choose_voices(&mut self) {
        let sfu = &self.shared.config.sfu;
        let is_large = sfu.loudest > 0 && self.members.len() > sfu.loudest_above;
        if !is_large && self.choir.is_empty() {
            return;
        }
        let members = self.members.values().filter(|_| is_large);
        let choir: Vec<_> =
            members.filter_map(|member| member.publications.get(&Source::Microphone)).copied().collect();
        if choir != self.choir {
            self.choir.clone_from(&choir);
            self.command(Command::Loudest { room: self.hub, most: self.shared.config.sfu.loudest, among: choir });
        }
    }

    pub(super) fn gauge(&mut self, now: Option<(wire::Mode, usize)>) {
        if self.counted == now {
            return;
        }
        for (counted, sign) in [(self.counted, -1.0), (now, 1.0)] {
            if let Some((mode, people)) = counted {
                let mode = match mode {
                    wire::Mode::Mesh => "mesh",
                    wire::Mode::Promoting => "promoting",
                    wire::Mode::Sfu => "sfu",
                    wire::Mode::Demoting => "demoting",
                };
                metrics::gauge!("crescendo_rooms", "mode" => mode).increment(sign);
                metrics::gauge!("crescendo_participants").increment(sign * people as f64);
            }
        }
        self.counted = now;
    }

    pub(super) fn view(&self) -> RoomView {
        let ids: Vec<_> = self.room.participants().map(|participant| participant.id).collect();
        let pairs = ids.iter().flat_map(|&to| ids.iter().map(move |&from| (to, from))).filter(|(to, from)| to != from);
        let path = |(to, from)| convert::path(to, from, self.room.path(to, from), self.room.is_relayed(to, from));
        RoomView {
            name: self.name.to_string(),
            mode: self.room.mode().into(),
            epoch: self.room.epoch().0,
            shard: self.shard.number(),
            participants: self.room.participants().map(Into::into).collect(),
            hidden: self.room.participants().filter(|other| other.hidden).map(|other| wire::Id(other.id)).collect(),
            paths: pairs.map(path).collect(),
            traffic: self.traffic(),
            downlinks: self.members.iter().filter_map(downlink).collect(),
            viewers: self.viewers(),
            legs: self.room.legs().map(|leg| self.leg_view(leg)).collect(),
        }
    }

    /// How many watch the room's broadcast.
    fn viewers(&self) -> usize {
        self.shared.hls.get(&self.name).map_or(0, |store| store.viewers())
    }

    fn leg_view(&self, info: LegInfo) -> LegView {
        let viewers = match info.plan.kind {
            LegKind::Hls => Some(self.viewers()),
            LegKind::Record | LegKind::Other => None,
        };
        let (health, since) = (self.legs.health(info.id), self.legs.since(info.id));
        LegView { since, leg: convert::leg(&self.name, info), viewers, health }
    }
}

fn downlink((&participant, member): (&ParticipantId, &Member)) -> Option<DownlinkView> {
    let kbps = member.down.as_ref()?.estimate_kbps?;
    Some(DownlinkView { participant: wire::Id(participant), kbps })
}

/// The configured codecs with the room's choice in front.
fn preference(first: Option<VideoCodec>, configured: &[VideoCodec]) -> Vec<VideoCodec> {
    let rest = configured.iter().copied().filter(|codec| Some(*codec) != first);
    first.into_iter().chain(rest).collect()
}
