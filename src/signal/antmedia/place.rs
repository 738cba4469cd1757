//! One participant of one room, in the words of the dialect. Pure.
//!
//! In a mesh each link to another participant is a peer connection with an id of its own: the room's for the first one, as
//! apps for two expect, `{room}.{participant}` for others. The two server transports are peer connections too: under the ids
//! that were published and played, or `{room}.up` and `{room}.down` where the room moved to the server by itself.

mod data;
mod hear;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::client::Action;
use super::streams::{Claim, LABEL_MAX, StreamId, Streams};
use crate::room::ids::{ParticipantId, RoomName, TrackId};
use crate::room::{Direction, Kind, Source};
use crate::signal::message::{Candidate, Carrier, ClientMessage, Id, Slot};

/// An SDK does not say what it shows. Who moves from a mesh link to the server is taken to show it this long after its answer.
/// Shorter: a gap is seen on slow machines; longer: the link is kept, and sent on, for longer.
const PROOF: Duration = Duration::from_millis(1_500);
/// Streams that one player has picked, each kind of media apart: those of some 250 people. Higher: larger rooms, for memory.
const PICKED: usize = 512;

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
    /// By when the up transport has to be there; None while nobody has to bring it, and once it is.
    up_due: Option<Instant>,
    down: Option<Down>,
    /// Transports that have been there: what comes for one that is gone is late, not wrong.
    had: BTreeSet<Direction>,
    orders: BTreeMap<ParticipantId, Order>,
    /// Messages of the client that come in pieces.
    pieces: data::Pieces,
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
    /// Lines that pictures are to have; 0 for as many as there are.
    pub(super) height: u32,
}

impl Choice {
    fn is_on(&self, label: &str, kind: Kind) -> bool {
        let key = (label.to_owned(), kind == Kind::Video);
        self.picked.get(&key).copied().unwrap_or(!self.off_by_default)
    }

    /// What names nobody that there can be is passed over, as is more than [`PICKED`].
    pub(super) fn pick(&mut self, label: &str, kind: Kind, on: bool) {
        if label.len() > LABEL_MAX {
            return;
        }
        let key = (label.to_owned(), kind == Kind::Video);
        if self.picked.len() < PICKED || self.picked.contains_key(&key) {
            self.picked.insert(key, on);
        }
    }
}

#[derive(Debug)]
pub(super) struct Peer {
    /// Its stream id, as this client was told it.
    pub(super) label: String,
    /// As it is in the room.
    name: String,
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
            up_due: None,
            down: None,
            had: BTreeSet::new(),
            orders: BTreeMap::new(),
            pieces: data::Pieces::default(),
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
        // Who joined has none before the room has moved to the server.
        let there = |direction: &Direction| !self.is_mesh() || self.had.contains(direction);
        self.server_transport(id).filter(there).map(Connection::Server)
    }

    /// Which of the server's transports has this id, or will have once the room is on the server.
    pub(super) fn server_transport(&self, id: &str) -> Option<Direction> {
        let named = |direction: &Direction| self.server_id(*direction).as_deref() == Some(id);
        [Direction::Up, Direction::Down].into_iter().find(named)
    }

    /// Everybody it may name, by stream id.
    pub(super) fn peer(&self, label: &str) -> Option<(&ParticipantId, &Peer)> {
        self.peers.iter().find(|(_, peer)| peer.label == label)
    }

    /// When [`Self::prove`] and [`Self::is_late`] are to be called next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.orders.values().filter_map(|order| order.due).chain(self.up_due).min()
    }

    /// What it was asked to publish does not come.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.up_due.is_some_and(|due| due <= now)
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
}
