//! What the client says of its place.

use serde_json::{Value, json};

use super::super::client::Action;
use super::super::{say, sdp};
use super::{Connection, Peer, Place, Role};
use crate::room::ids::{ParticipantId, TrackId};
use crate::room::{Direction, Kind};
use crate::signal::message::{self as wire, Candidate, ClientMessage, Description, DescriptionKind, Id, MidTrack};

/// More lines than any picture has.
const MOST_LINES: u32 = 8_640;

impl Place {
    /// False when there is nothing that it could describe: it is out of turn.
    pub(in super::super) fn describe(
        &mut self,
        connection: Connection,
        kind: DescriptionKind,
        sdp: String,
        out: &mut Vec<Action>,
    ) -> bool {
        match (connection, kind) {
            (Connection::Peer(peer), _) => {
                let tracks = self.sent_tracks(&sdp);
                let Some(pairing) = self.pairings.get_mut(&peer) else { return false };
                pairing.described = true;
                let link = pairing.link;
                let description = Description { kind, sdp };
                self.send(ClientMessage::LinkDescription { peer: Id(peer), link, description, tracks }, out);
                true
            }
            (Connection::Server(Direction::Up), DescriptionKind::Offer) => {
                let Some(generation) = self.up else { return self.had.contains(&Direction::Up) };
                out.push(Action::Offer { place: self.id, generation, sdp });
                true
            }
            (Connection::Server(Direction::Down), DescriptionKind::Answer) => {
                let Some(down) = &mut self.down else { return self.had.contains(&Direction::Down) };
                down.accepted = down.slots.iter().filter_map(|slot| Some(slot.track?.0)).collect();
                let generation = down.generation;
                self.send(ClientMessage::Answer { transport: wire::Direction::Down, generation, sdp }, out);
                true
            }
            // The server answers there, and offers here.
            (Connection::Server(_), _) => false,
        }
    }

    /// The server's own transports learn the client's addresses from its checks; mesh links are told.
    pub(in super::super) fn candidate(&mut self, connection: Connection, candidate: Candidate, out: &mut Vec<Action>) {
        match connection {
            Connection::Peer(peer) => {
                let Some(link) = self.pairings.get(&peer).map(|pairing| pairing.link) else { return };
                self.send(ClientMessage::LinkCandidate { peer: Id(peer), link, candidate }, out);
            }
            Connection::Server(_) => {}
        }
    }

    /// A message of the app to who is at the other end of a link.
    pub(in super::super) fn pass_on(
        &mut self,
        peer: ParticipantId,
        definition: Value,
        data: Value,
        out: &mut Vec<Action>,
    ) {
        let data = json!({ "definition": definition, "data": data }).into();
        let to = Some(Id(peer));
        self.send(ClientMessage::Message { request: None, to, data, binary: false, unreliable: false }, out);
    }

    /// Picks what is forwarded of a stream, by kind.
    pub(in super::super) fn pick(&mut self, label: &str, kind: Kind, on: bool, out: &mut Vec<Action>) {
        let Role::Server { plays: Some(playing), .. } = &mut self.role else { return };
        playing.choice.pick(label, kind, on);
        let Some((_, peer)) = self.peer(label) else { return };
        let tracks: Vec<_> =
            peer.tracks.iter().filter(|(_, source)| source.kind() == kind).map(|(id, _)| *id).collect();
        for track in tracks {
            out.push(Action::Forward { place: self.id, track, on });
            if on {
                self.size(track, kind, out);
            }
        }
    }

    /// How many lines the pictures of a stream are to have, or of all that are played; those that come later as well, then. 0: as
    /// many as there are.
    pub(in super::super) fn show(&mut self, label: &str, height: u32, out: &mut Vec<Action>) {
        let Role::Server { plays: Some(playing), .. } = &mut self.role else { return };
        let all = label.is_empty() || label == playing.id.as_str();
        if all {
            playing.choice.height = height;
        }
        let on = |peer: &Peer| (all || peer.label == label) && playing.choice.is_on(&peer.label, Kind::Video);
        let shown = self.peers.values().filter(|peer| on(peer)).flat_map(|peer| &peer.tracks);
        let tracks: Vec<_> =
            shown.filter(|(_, source)| source.kind() == Kind::Video).map(|(track, _)| *track).collect();
        tracks.into_iter().for_each(|track| self.send(view(track, height), out));
    }

    /// A picture that comes to be played has as many lines as all of them.
    pub(super) fn size(&self, track: TrackId, kind: Kind, out: &mut Vec<Action>) {
        let height = self.plays().map_or(0, |playing| playing.choice.height);
        if height > 0 && kind == Kind::Video {
            self.send(view(track, height), out);
        }
    }

    pub(in super::super) fn own_tracks(&self) -> impl Iterator<Item = TrackId> {
        self.own.keys().copied()
    }

    /// The client closed what it names itself; the server's side ends with the place or with this.
    pub(in super::super) fn close_down(&mut self) {
        self.down = None;
    }

    pub(in super::super) fn close_up(&mut self) {
        self.up = None;
        self.up_due = None;
        self.own.clear();
    }

    /// It leaves: every peer connection but the one that the client closed by itself is ended.
    pub(in super::super) fn farewell(&self, closed: &str, out: &mut Vec<Action>) {
        let links = self.pairings.values().map(|pairing| pairing.id.clone());
        let open = [(self.up.is_some(), Direction::Up), (self.down.is_some(), Direction::Down)];
        let server = open.into_iter().filter(|(open, _)| *open).filter_map(|(_, direction)| self.server_id(direction));
        let ids = links.chain(server).filter(|id| id != closed);
        out.extend(ids.map(|id| Action::Say(say::stop(&id))));
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

/// A picture of so many lines, which is as wide as most are: of its sender's sizes the one that fits it comes.
fn view(track: TrackId, height: u32) -> ClientMessage {
    let height = if height == 0 { MOST_LINES } else { height.min(MOST_LINES) };
    ClientMessage::View { track: Id(track), width: height * 16 / 9, height, layer: None }
}
