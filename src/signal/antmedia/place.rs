//! One participant of one room, in the words of the dialect. Pure.
//!
//! In a mesh each link to another participant is a peer connection with an id of its own: the room's for the first one, as
//! apps for two expect, `{room}.{participant}` for others. The two server transports are peer connections too: under the ids
//! that were published and played, or `{room}.up` and `{room}.down` where the room moved to the server by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Action;
use super::say::{self, Definition};
use super::sdp;
use super::streams::{Claim, StreamId, Streams};
use crate::room::ids::{ParticipantId, RoomName, TrackId};
use crate::room::{Direction, Kind, Source};
use crate::signal::message::{
    self as wire, Candidate, Carrier, ClientMessage, Description, DescriptionKind, Id, MidTrack, ServerMessage, Slot,
};
use crate::signal::outgoing::Notice;

/// An SDK does not say what it shows. Who moves from a mesh link to the server is taken to show it this long after its answer.
/// Shorter: a gap is seen on slow machines; longer: the link is kept, and sent on, for longer.
const PROOF: Duration = Duration::from_millis(1_500);
/// Candidates that wait for the description of their link. More than any peer gathers; a flood is cut here.
const CANDIDATES: usize = 64;

/// Tells places of one socket apart, also those of the same room one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub u64);

#[derive(Debug)]
pub(super) struct Place {
    id: PlaceId,
    pub(super) room: RoomName,
    pub(super) role: Role,
    streams: Streams,
    pub(super) you: Option<ParticipantId>,
    own: BTreeMap<TrackId, Source>,
    pub(super) peers: BTreeMap<ParticipantId, Peer>,
    pairings: BTreeMap<ParticipantId, Pairing>,
    up: Option<u32>,
    down: Option<Down>,
    orders: BTreeMap<ParticipantId, Order>,
}

/// What the client came for.
#[derive(Debug)]
pub(super) enum Role {
    /// `join`: peer to peer.
    Mesh,
    /// `publish` and `play`: by way of the server.
    Server { publishes: Option<Publishing>, plays: Option<Playing> },
}

#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) claim: Claim,
    /// It was said that media arrives.
    pub(super) started: bool,
}

#[derive(Debug)]
pub(super) struct Playing {
    pub(super) id: StreamId,
    /// One stream of a room, not all of it.
    pub(super) only: Option<ParticipantId>,
    pub(super) choice: Choice,
}

/// What is forwarded of those who are played.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// By name of the stream and kind; what is not there follows `by_default`.
    pub(super) picked: BTreeMap<(String, bool), bool>,
    pub(super) off_by_default: bool,
}

/// Names that one client can pick. More than a room has participants.
const PICKED: usize = 2_048;

#[derive(Debug)]
pub(super) struct Peer {
    /// Its stream id, as this client was told it.
    pub(super) label: String,
    tracks: BTreeMap<TrackId, Source>,
}

/// A mesh link.
#[derive(Debug)]
struct Pairing {
    link: u32,
    id: String,
    /// What the client has been told of it: the other end's description, and before that its candidates.
    told: Told,
    /// The client has described its own end.
    described: bool,
}

#[derive(Debug)]
enum Told {
    Waiting(Vec<Candidate>),
    Described,
}

#[derive(Debug)]
struct Down {
    generation: u32,
    slots: Vec<Slot>,
    /// What the client has accepted.
    accepted: BTreeSet<TrackId>,
}

#[derive(Debug)]
struct Order {
    carrier: Carrier,
    epoch: u32,
    /// When it is taken for fulfilled; None while something is missing.
    due: Option<Instant>,
}

/// What a peer connection of the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    Peer(ParticipantId),
    Server(Direction),
}

impl Place {
    pub(super) fn new(id: PlaceId, room: RoomName, role: Role, streams: Streams) -> Self {
        Self {
            id,
            room,
            role,
            streams,
            you: None,
            own: BTreeMap::new(),
            peers: BTreeMap::new(),
            pairings: BTreeMap::new(),
            up: None,
            down: None,
            orders: BTreeMap::new(),
        }
    }

    pub(super) fn is_mesh(&self) -> bool {
        matches!(self.role, Role::Mesh)
    }

    pub(super) fn publishes(&self) -> Option<&Publishing> {
        match &self.role {
            Role::Mesh => None,
            Role::Server { publishes, .. } => publishes.as_ref(),
        }
    }

    pub(super) fn plays(&self) -> Option<&Playing> {
        match &self.role {
            Role::Mesh => None,
            Role::Server { plays, .. } => plays.as_ref(),
        }
    }

    /// The id of the peer connection to the server.
    fn server_id(&self, direction: Direction) -> Option<String> {
        match (&self.role, direction) {
            (Role::Mesh, Direction::Up) => Some(format!("{}.up", self.room)),
            (Role::Mesh, Direction::Down) => Some(format!("{}.down", self.room)),
            (Role::Server { publishes, .. }, Direction::Up) => Some(publishes.as_ref()?.claim.id().to_string()),
            (Role::Server { plays, .. }, Direction::Down) => Some(plays.as_ref()?.id.to_string()),
        }
    }

    /// Which of its peer connections an id names.
    pub(super) fn connection(&self, id: &str) -> Option<Connection> {
        if let Some((&peer, _)) = self.pairings.iter().find(|(_, pairing)| pairing.id == id) {
            return Some(Connection::Peer(peer));
        }
        let named = |direction: &Direction| self.server_id(*direction).as_deref() == Some(id);
        [Direction::Up, Direction::Down].into_iter().find(named).map(Connection::Server)
    }

    /// Everybody it may name, by stream id.
    pub(super) fn peer(&self, label: &str) -> Option<(&ParticipantId, &Peer)> {
        self.peers.iter().find(|(_, peer)| peer.label == label)
    }

    // What the client says.

    pub(super) fn describe(
        &mut self,
        connection: Connection,
        kind: DescriptionKind,
        sdp: String,
        out: &mut Vec<Action>,
    ) {
        match connection {
            Connection::Peer(peer) => {
                let tracks = self.sent_tracks(&sdp);
                let Some(pairing) = self.pairings.get_mut(&peer) else { return };
                pairing.described = true;
                let link = pairing.link;
                let description = Description { kind, sdp };
                self.send(ClientMessage::LinkDescription { peer: Id(peer), link, description, tracks }, out);
            }
            Connection::Server(Direction::Up) => {
                if let (DescriptionKind::Offer, Some(generation)) = (kind, self.up) {
                    out.push(Action::Offer { place: self.id, generation, sdp });
                }
            }
            Connection::Server(Direction::Down) => {
                let (DescriptionKind::Answer, Some(down)) = (kind, &mut self.down) else { return };
                down.accepted = down.slots.iter().filter_map(|slot| Some(slot.track?.0)).collect();
                let generation = down.generation;
                self.send(ClientMessage::Answer { transport: wire::Direction::Down, generation, sdp }, out);
            }
        }
    }

    /// The server's own transports learn the client's addresses from its checks; mesh links are told.
    pub(super) fn candidate(&mut self, connection: Connection, candidate: Candidate, out: &mut Vec<Action>) {
        match connection {
            Connection::Peer(peer) => {
                let Some(link) = self.pairings.get(&peer).map(|pairing| pairing.link) else { return };
                self.send(ClientMessage::LinkCandidate { peer: Id(peer), link, candidate }, out);
            }
            Connection::Server(_) => {}
        }
    }

    /// A message of the app to who is at the other end of a link.
    pub(super) fn pass_on(&mut self, peer: ParticipantId, definition: Value, data: Value, out: &mut Vec<Action>) {
        let data = json!({ "definition": definition, "data": data });
        self.send(ClientMessage::Message { to: Some(Id(peer)), data }, out);
    }

    /// Picks what is forwarded of a stream, by kind.
    pub(super) fn pick(&mut self, label: &str, kind: Kind, on: bool, out: &mut Vec<Action>) {
        let Role::Server { plays: Some(playing), .. } = &mut self.role else { return };
        let picked = &mut playing.choice.picked;
        if picked.len() < PICKED || picked.contains_key(&(label.to_owned(), kind == Kind::Video)) {
            picked.insert((label.to_owned(), kind == Kind::Video), on);
        }
        let Some((_, peer)) = self.peer(label) else { return };
        let tracks: Vec<_> =
            peer.tracks.iter().filter(|(_, source)| source.kind() == kind).map(|(id, _)| *id).collect();
        out.extend(tracks.into_iter().map(|track| Action::Forward { place: self.id, track, on }));
    }

    pub(super) fn own_tracks(&self) -> impl Iterator<Item = TrackId> {
        self.own.keys().copied()
    }

    /// The client closed what it names itself; the server's side ends with the place or with this.
    pub(super) fn close_down(&mut self) {
        self.down = None;
    }

    pub(super) fn close_up(&mut self) {
        self.up = None;
        self.own.clear();
    }

    /// It leaves: every peer connection but the one that the client closed by itself is ended.
    pub(super) fn farewell(&self, closed: &str, out: &mut Vec<Action>) {
        let links = self.pairings.values().map(|pairing| pairing.id.clone());
        let open = [(self.up.is_some(), Direction::Up), (self.down.is_some(), Direction::Down)];
        let server = open.into_iter().filter(|(open, _)| *open).filter_map(|(_, direction)| self.server_id(direction));
        let ids = links.chain(server).filter(|id| id != closed);
        out.extend(ids.map(|id| Action::Say(say::stop(&id))));
    }

    // What the room says.

    pub(super) fn told(&mut self, message: &ServerMessage, now: Instant, out: &mut Vec<Action>) {
        match message {
            ServerMessage::Welcome { you, participants, .. } => {
                self.you = Some(you.id.0);
                self.own = you.tracks.iter().map(|track| (track.id.0, track.source.into())).collect();
                if let Some(publishing) = self.publishes() {
                    publishing.claim.is_of(you.id.0);
                }
                if self.is_mesh() {
                    out.push(Action::Say(say::notification("joined", self.room.as_str())));
                }
                participants.iter().for_each(|participant| self.meet(participant));
            }
            ServerMessage::ParticipantJoined { participant } => {
                self.meet(participant);
                if !participant.tracks.is_empty() {
                    self.subtrack("subtrackAdded", participant.id.0, out);
                }
            }
            ServerMessage::ParticipantLeft { participant, .. } => {
                if self.peers.get(&participant.0).is_some_and(|peer| !peer.tracks.is_empty()) {
                    self.subtrack("subtrackRemoved", participant.0, out);
                }
                self.peers.remove(&participant.0);
                self.orders.remove(&participant.0);
                self.finish_play(out);
            }
            ServerMessage::TrackPublished { participant, track } if Some(participant.0) == self.you => {
                self.own.insert(track.id.0, track.source.into());
            }
            ServerMessage::TrackPublished { participant, track } => {
                let Some(peer) = self.peers.get_mut(&participant.0) else { return };
                let is_first = peer.tracks.is_empty();
                peer.tracks.insert(track.id.0, track.source.into());
                if is_first {
                    self.subtrack("subtrackAdded", participant.0, out);
                }
            }
            ServerMessage::TrackUnpublished { participant, track } => {
                self.own.remove(&track.0);
                let Some(peer) = self.peers.get_mut(&participant.0) else { return };
                peer.tracks.remove(&track.0);
                if peer.tracks.is_empty() {
                    self.subtrack("subtrackRemoved", participant.0, out);
                    self.finish_play(out);
                }
            }
            ServerMessage::LinkOpen { peer, link, polite } => self.open_link(peer.0, *link, *polite, out),
            ServerMessage::LinkClose { peer, link } => {
                if self.pairings.get(&peer.0).is_some_and(|pairing| pairing.link == *link)
                    && let Some(pairing) = self.pairings.remove(&peer.0)
                {
                    out.push(Action::Say(say::stop(&pairing.id)));
                    out.push(Action::Ended(pairing.id));
                }
            }
            ServerMessage::LinkDescription { peer, link, description, tracks } => {
                self.described(peer.0, *link, description, tracks, out);
            }
            ServerMessage::LinkCandidate { peer, link, candidate } => {
                let pairing = self.pairings.get_mut(&peer.0).filter(|pairing| pairing.link == *link);
                let Some(pairing) = pairing else { return };
                match &mut pairing.told {
                    Told::Waiting(waiting) if waiting.len() < CANDIDATES => waiting.push(candidate.clone()),
                    Told::Waiting(_) => {}
                    Told::Described => out.push(tell_candidate(&pairing.id, candidate)),
                }
            }
            ServerMessage::Offer { transport: wire::Direction::Down, generation, sdp, slots } => {
                let accepted = self.down.take().filter(|down| down.generation == *generation);
                let accepted = accepted.map(|down| down.accepted).unwrap_or_default();
                self.down = Some(Down { generation: *generation, slots: slots.clone(), accepted });
                self.offer_down(sdp, out);
            }
            ServerMessage::Slots { generation, slots } => {
                if let Some(down) = self.down.as_mut().filter(|down| down.generation == *generation) {
                    down.slots = slots.clone();
                    down.accepted = slots.iter().filter_map(|slot| Some(slot.track?.0)).collect();
                }
            }
            ServerMessage::TransportClose { transport, generation } => self.closed(*transport, *generation, out),
            ServerMessage::Path { peer, carrier, epoch } => {
                self.orders.insert(peer.0, Order { carrier: *carrier, epoch: *epoch, due: None });
            }
            ServerMessage::Message { from, data } => {
                let Some(pairing) = self.pairings.get(&from.0) else { return };
                let (definition, data) = match (data.get("definition"), data.get("data")) {
                    (Some(definition), Some(data)) => (definition.clone(), data.clone()),
                    _ => ("message".into(), data.clone()),
                };
                out.push(Action::Say(json!({ "command": "peerMessageCommand", "streamId": pairing.id,
                                             "definition": definition, "data": data })));
            }
            ServerMessage::Error { code, message, .. } => self.failed(*code, message, out),
            // Nothing that the dialect has words for.
            ServerMessage::ParticipantAway { .. }
            | ServerMessage::TrackMuted { .. }
            | ServerMessage::Mode { .. }
            | ServerMessage::Offer { transport: wire::Direction::Up, .. }
            | ServerMessage::SendUp { .. }
            | ServerMessage::PathStuck { .. }
            | ServerMessage::Leg { .. }
            | ServerMessage::Pong { .. } => {}
        }
        self.prove(now, out);
    }

    pub(super) fn noticed(&mut self, notice: Notice, out: &mut Vec<Action>) {
        if let Notice::MayOffer { generation } = notice {
            self.up = Some(generation);
            out.extend(self.server_id(Direction::Up).map(|id| Action::Say(say::start(&id))));
        }
        let Role::Server { publishes, plays } = &mut self.role else { return };
        match (notice, publishes, plays) {
            (Notice::Media, Some(publishing), _) if !publishing.started => {
                publishing.started = true;
                let id = publishing.claim.id();
                let mut said = say::notification("publish_started", id.as_str());
                if *id != self.room {
                    said["room"] = self.room.as_str().into();
                    said["ATTR_ROOM_NAME"] = self.room.as_str().into();
                }
                out.push(Action::Say(said));
            }
            (Notice::Connected(Direction::Down), _, Some(playing)) => {
                out.push(Action::Say(say::notification("play_started", playing.id.as_str())));
            }
            (Notice::Media | Notice::Connected(_) | Notice::MayOffer { .. }, _, _) => {}
        }
    }

    /// The server has answered the offer for the up transport.
    pub(super) fn answered(&self, generation: u32, sdp: &str, out: &mut Vec<Action>) {
        if let Some(id) = self.server_id(Direction::Up).filter(|_| self.up == Some(generation)) {
            out.push(Action::Say(say::take_configuration(&id, "answer", sdp, &BTreeMap::new())));
        }
    }

    /// When [`Self::prove`] is to be called next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.orders.values().filter_map(|order| order.due).min()
    }

    /// Says what is taken to be shown by now.
    pub(super) fn prove(&mut self, now: Instant, out: &mut Vec<Action>) {
        let peers: Vec<ParticipantId> = self.orders.keys().copied().collect();
        for peer in peers {
            let Some(Order { carrier, epoch, due }) = self.orders.get(&peer) else { continue };
            let (carrier, epoch, due) = (*carrier, *epoch, *due);
            if !self.is_there(peer, carrier) {
                continue;
            }
            let due = due.unwrap_or_else(|| match carrier {
                // Nothing is shown that could be lost.
                Carrier::Sfu if !self.pairings.contains_key(&peer) => now,
                Carrier::Mesh => now,
                Carrier::Sfu => now + PROOF,
            });
            if due <= now {
                self.orders.remove(&peer);
                self.send(ClientMessage::Shown { peer: Id(peer), carrier, epoch }, out);
            } else if let Some(order) = self.orders.get_mut(&peer) {
                order.due = Some(due);
            }
        }
    }

    fn is_there(&self, peer: ParticipantId, carrier: Carrier) -> bool {
        match carrier {
            Carrier::Mesh => self
                .pairings
                .get(&peer)
                .is_some_and(|pairing| pairing.described && matches!(pairing.told, Told::Described)),
            Carrier::Sfu => {
                let is_wanted = self.plays().is_none_or(|playing| playing.only.is_none_or(|only| only == peer));
                let tracks = self.peers.get(&peer).map(|peer| &peer.tracks);
                let accepted = |track| self.down.as_ref().is_some_and(|down| down.accepted.contains(track));
                !is_wanted || tracks.is_some_and(|tracks| tracks.keys().all(accepted))
            }
        }
    }

    fn send(&self, message: ClientMessage, out: &mut Vec<Action>) {
        out.push(Action::Send { place: self.id, message });
    }

    fn meet(&mut self, participant: &wire::Participant) {
        let label = self.streams.label(&self.room, participant.id.0, &participant.name);
        let tracks = participant.tracks.iter().map(|track| (track.id.0, track.source.into())).collect();
        self.peers.insert(participant.id.0, Peer { label, tracks });
    }

    /// Tells a player of a room that one of its streams came or went.
    fn subtrack(&self, definition: &str, participant: ParticipantId, out: &mut Vec<Action>) {
        let (Some(Playing { id, only: None, .. }), Some(peer)) = (self.plays(), self.peers.get(&participant)) else {
            return;
        };
        let mut said = say::notification(definition, id.as_str());
        said["trackId"] = peer.label.as_str().into();
        out.push(Action::Say(said));
    }

    /// What was played is over, where nobody sends it any more and this client does not keep the room itself.
    fn finish_play(&mut self, out: &mut Vec<Action>) {
        let Role::Server { publishes: None, plays: Some(playing) } = &self.role else { return };
        let sends = |(id, peer): (&ParticipantId, &Peer)| {
            !peer.tracks.is_empty() && playing.only.is_none_or(|only| only == *id)
        };
        if !self.peers.iter().any(sends) {
            out.push(Action::Say(say::notification("play_finished", playing.id.as_str())));
            out.push(Action::Leave { place: self.id });
        }
    }

    fn open_link(&mut self, peer: ParticipantId, link: u32, polite: bool, out: &mut Vec<Action>) {
        if self.pairings.get(&peer).is_some_and(|known| known.link == link) {
            return;
        }
        if let Some(old) = self.pairings.remove(&peer) {
            out.push(Action::Say(say::stop(&old.id)));
        }
        let is_free = |id: &str| self.pairings.values().all(|pairing| pairing.id != id);
        let id = match is_free(self.room.as_str()) {
            true => self.room.to_string(),
            false => format!("{}.{peer}", self.room),
        };
        if !polite {
            out.push(Action::Say(say::start(&id)));
        }
        self.pairings.insert(peer, Pairing { link, id, told: Told::Waiting(Vec::new()), described: false });
    }

    fn described(
        &mut self,
        peer: ParticipantId,
        link: u32,
        description: &Description,
        tracks: &[MidTrack],
        out: &mut Vec<Action>,
    ) {
        let kind = match description.kind {
            DescriptionKind::Offer => "offer",
            DescriptionKind::Answer => "answer",
            // The SDK never offers where the other end does.
            DescriptionKind::Rollback => return,
        };
        let mapping = self.mapping(tracks.iter().map(|MidTrack { mid, track }| (mid.as_str(), track.0)));
        let Some(pairing) = self.pairings.get_mut(&peer).filter(|pairing| pairing.link == link) else { return };
        out.push(Action::Say(say::take_configuration(&pairing.id, kind, &description.sdp, &mapping)));
        if let Told::Waiting(waiting) = std::mem::replace(&mut pairing.told, Told::Described) {
            out.extend(waiting.iter().map(|candidate| tell_candidate(&pairing.id, candidate)));
        }
    }

    /// What the SDK calls the tracks of these m-lines.
    fn mapping<'a>(&self, mids: impl Iterator<Item = (&'a str, TrackId)>) -> BTreeMap<String, String> {
        mids.filter_map(|(mid, track)| Some((mid.to_owned(), self.name(track)?.1))).collect()
    }

    /// (stream, track) by which the SDK knows a track of somebody.
    fn name(&self, track: TrackId) -> Option<(String, String)> {
        let (peer, source) = self.peers.values().find_map(|peer| Some((peer, peer.tracks.get(&track)?)))?;
        let label = &peer.label;
        // A screen is a stream beside its owner's, as the conference apps have it.
        Some(match source {
            Source::Microphone => (label.clone(), format!("ARDAMSa{label}")),
            Source::Camera => (label.clone(), format!("ARDAMSv{label}")),
            Source::ScreenAudio => (format!("{label}_presentation"), format!("ARDAMSa{label}_presentation")),
            Source::Screen => (format!("{label}_presentation"), format!("ARDAMSv{label}_presentation")),
        })
    }

    fn offer_down(&mut self, sdp: &str, out: &mut Vec<Action>) {
        let Some((id, down)) = self.server_id(Direction::Down).zip(self.down.as_ref()) else { return };
        let held = down.slots.iter().filter_map(|slot| Some((slot.mid.as_str(), slot.track?.0)));
        let held: Vec<_> = held.collect();
        let names: BTreeMap<_, _> =
            held.iter().filter_map(|&(mid, track)| Some((mid.to_owned(), self.name(track)?))).collect();
        let mapping = self.mapping(held.iter().copied());
        let sdp = sdp::name_tracks(sdp, &names);
        out.push(Action::Say(say::take_configuration(&id, "offer", &sdp, &mapping)));
        self.forward(&held, out);
    }

    /// Tracks that came to be played follow what was picked before.
    fn forward(&self, held: &[(&str, TrackId)], out: &mut Vec<Action>) {
        let Some(Playing { choice, .. }) = self.plays() else { return };
        for &(_, track) in held {
            let owner = self.peers.values().find_map(|peer| Some((peer, peer.tracks.get(&track)?)));
            let Some((peer, source)) = owner else { continue };
            let key = (peer.label.clone(), source.kind() == Kind::Video);
            let on = choice.picked.get(&key).copied().unwrap_or(!choice.off_by_default);
            if !on {
                out.push(Action::Forward { place: self.id, track, on });
            }
        }
    }

    fn closed(&mut self, transport: wire::Direction, generation: u32, out: &mut Vec<Action>) {
        let direction = match transport {
            wire::Direction::Up if self.up == Some(generation) => {
                self.up = None;
                Direction::Up
            }
            wire::Direction::Down if self.down.as_ref().is_some_and(|down| down.generation == generation) => {
                self.down = None;
                Direction::Down
            }
            wire::Direction::Up | wire::Direction::Down => return,
        };
        if let Some(id) = self.server_id(direction) {
            out.push(Action::Say(say::stop(&id)));
        }
    }

    fn failed(&mut self, code: wire::ErrorCode, message: &str, out: &mut Vec<Action>) {
        let definition = match code {
            wire::ErrorCode::BadSdp => Definition::NotSetRemoteDescription,
            wire::ErrorCode::SfuUnreachable => Definition::PublishTimeoutError,
            wire::ErrorCode::ShuttingDown => {
                out.push(Action::Say(say::notification("server_will_stop", self.room.as_str())));
                return;
            }
            // Nobody in this room any more, or of no use to who knows rooms by stream ids.
            wire::ErrorCode::UnknownParticipant => return,
            _ => Definition::ServerError,
        };
        let of = self.server_id(Direction::Up).or_else(|| self.server_id(Direction::Down));
        let of = if self.is_mesh() { None } else { of };
        out.push(Action::Say(say::error(definition, of.as_deref().unwrap_or(self.room.as_str()), message)));
    }

    /// Which own track each sending m-line of a description carries.
    fn sent_tracks(&self, sdp: &str) -> Vec<MidTrack> {
        let mut left: Vec<_> = self.own.iter().map(|(id, source)| (*id, source.kind())).collect();
        let mut tracks = Vec::new();
        for sdp::Sending { mid, kind } in sdp::sending(sdp) {
            if let Some(at) = left.iter().position(|(_, own)| *own == kind) {
                tracks.push(MidTrack { mid, track: Id(left.remove(at).0) });
            }
        }
        tracks
    }
}

fn tell_candidate(id: &str, candidate: &Candidate) -> Action {
    let Candidate { candidate, sdp_mid, sdp_m_line_index, .. } = candidate;
    let mid = sdp_mid.clone().unwrap_or_default();
    Action::Say(say::take_candidate(id, sdp_m_line_index.unwrap_or(0), &mid, candidate))
}
