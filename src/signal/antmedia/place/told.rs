//! What the room says to a place.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::super::client::Action;
use super::super::say::{self, Definition};
use super::super::sdp;
use super::{Down, Order, Pairing, Peer, Place, Playing, Role, Told};
use crate::room::ids::{ParticipantId, TrackId};
use crate::room::{Direction, Source};
use crate::signal::message::{self as wire, Candidate, Description, DescriptionKind, MidTrack, ServerMessage};
use crate::signal::outgoing::{Notice, Payload};

/// Candidates that wait for the description of their link. More than any peer gathers; a flood is cut here.
const CANDIDATES: usize = 64;

impl Place {
    pub(in super::super) fn told(&mut self, message: &ServerMessage, now: Instant, out: &mut Vec<Action>) {
        match message {
            ServerMessage::Welcome { you, participants, .. } => {
                self.is(you.id.0);
                self.own = you.tracks.iter().map(|track| (track.id.0, track.source.into())).collect();
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
                if is_first {
                    // Who only watched until now publishes under an id of its own.
                    peer.label = self.streams.label(&self.room, participant.0, &peer.name);
                }
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
            ServerMessage::LinkOpen { peer, link, polite, .. } => self.open_link(peer.0, *link, *polite, out),
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
                self.had.insert(Direction::Down);
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
            ServerMessage::Message { from, data, binary, .. } => {
                let data = data.value();
                let Some(pairing) = self.pairings.get(&from.0) else {
                    return self.tell_data(from.0, data, *binary, out);
                };
                let (definition, data) = match (data.get("definition"), data.get("data")) {
                    (Some(definition), Some(data)) => (definition.clone(), data.clone()),
                    _ => ("message".into(), data),
                };
                out.push(Action::Say(json!({ "command": "peerMessageCommand", "streamId": pairing.id,
                                             "definition": definition, "data": data })));
            }
            ServerMessage::Error { code, message, .. } => self.failed(*code, message, out),
            // Nothing that the dialect has words for.
            ServerMessage::ParticipantAway { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::TrackMuted { .. }
            | ServerMessage::Mode { .. }
            | ServerMessage::Offer { transport: wire::Direction::Up, .. }
            | ServerMessage::SendUp { .. }
            | ServerMessage::PathStuck { .. }
            | ServerMessage::Layer { .. }
            | ServerMessage::Downlink { .. }
            | ServerMessage::Leg { .. }
            | ServerMessage::Keys { .. }
            | ServerMessage::MessageTaken { .. }
            | ServerMessage::Moved { .. }
            | ServerMessage::Pong { .. } => {}
        }
        self.prove(now, out);
    }

    /// `publish_by`: when what it is asked for now has to be there; asked again before that, it has no more time.
    pub(in super::super) fn noticed(&mut self, notice: Notice, publish_by: Instant, out: &mut Vec<Action>) {
        match notice {
            Notice::MayOffer { generation } => {
                self.had.insert(Direction::Up);
                self.up = Some(generation);
                // Who moves from a mesh has its links, and the room its own deadline.
                self.up_due = self.publishes().map(|_| self.up_due.unwrap_or(publish_by));
                out.extend(self.server_id(Direction::Up).map(|id| Action::Say(say::start(&id))));
            }
            Notice::Connected(Direction::Up) | Notice::Media => self.up_due = None,
            Notice::Connected(Direction::Down) => {}
        }
        let Role::Server { publishes, plays } = &mut self.role else { return };
        match (notice, publishes, plays) {
            (Notice::Media, Some(publishing), _) if !publishing.started => {
                publishing.started = true;
                publishing.claim.has_started();
                let id = publishing.claim.id();
                let mut said = say::notification("publish_started", id.as_str());
                if *id != self.room {
                    said["room"] = self.room.as_str().into();
                    said["ATTR_ROOM_NAME"] = self.room.as_str().into();
                }
                out.push(Action::Say(said));
                if *id == self.room {
                    out.push(Action::Broadcast { room: self.room.clone() });
                }
            }
            (Notice::Connected(Direction::Down), _, Some(playing)) => {
                out.push(Action::Say(say::notification("play_started", playing.id.as_str())));
            }
            (Notice::Media | Notice::Connected(_) | Notice::MayOffer { .. }, _, _) => {}
        }
    }

    /// The server has answered the offer for the up transport.
    pub(in super::super) fn answered(&self, generation: u32, sdp: &str, out: &mut Vec<Action>) {
        if let Some(id) = self.server_id(Direction::Up).filter(|_| self.up == Some(generation)) {
            out.push(Action::Say(say::take_configuration(&id, "answer", sdp, &BTreeMap::new())));
        }
    }

    /// Takes its number in the room.
    pub(in super::super) fn is(&mut self, you: ParticipantId) {
        self.you = Some(you);
        if let Some(publishing) = self.publishes() {
            publishing.claim.is_of(you);
        }
    }

    fn meet(&mut self, participant: &wire::Participant) {
        let label = self.streams.label(&self.room, participant.id.0, &participant.name);
        let tracks = participant.tracks.iter().map(|track| (track.id.0, track.source.into())).collect();
        self.peers.insert(participant.id.0, Peer { label, name: participant.name.clone(), tracks });
    }

    /// Tells a player of a room that one of its streams came or went.
    fn subtrack(&self, definition: &str, participant: ParticipantId, out: &mut Vec<Action>) {
        let (Some(Playing { id, only: None, .. }), Some(peer)) = (self.plays(), self.peers.get(&participant)) else {
            return;
        };
        let mut said = say::notification(definition, id.as_str());
        said["trackId"] = peer.label.as_str().into();
        out.push(Action::Say(said));
        let event = json!({ "eventType": "TRACK_LIST_UPDATED", "streamId": id.as_str() });
        out.push(Action::Data { place: self.id, payload: Payload::Text(event.to_string()) });
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
            match choice.is_on(&peer.label, source.kind()) {
                true => self.size(track, source.kind(), out),
                false => out.push(Action::Forward { place: self.id, track, on: false }),
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
            wire::ErrorCode::TokenRefused | wire::ErrorCode::NotGranted => Definition::UnauthorizedAccess,
            wire::ErrorCode::BadSdp => Definition::NotSetRemoteDescription,
            wire::ErrorCode::SfuUnreachable => Definition::PublishTimeoutError,
            wire::ErrorCode::ShuttingDown => {
                out.push(Action::Say(say::notification("server_will_stop", self.room.as_str())));
                return;
            }
            // Nobody in this room any more, or of no use to who knows rooms by stream ids.
            wire::ErrorCode::UnknownParticipant => return,
            // `stop` and the notification of its end follow, which are this protocol's words for it.
            wire::ErrorCode::Removed => return,
            wire::ErrorCode::BadMessage
            | wire::ErrorCode::TooLarge
            | wire::ErrorCode::TooFast
            | wire::ErrorCode::BadVersion
            | wire::ErrorCode::BadRoomName
            | wire::ErrorCode::NotJoined
            | wire::ErrorCode::AlreadyJoined
            | wire::ErrorCode::ResumeRefused
            | wire::ErrorCode::RoomFull
            | wire::ErrorCode::ServerFull
            | wire::ErrorCode::MessagesMissed
            | wire::ErrorCode::TooManyPublishers
            | wire::ErrorCode::SourceTaken
            | wire::ErrorCode::TooManyTracks
            | wire::ErrorCode::UnknownTrack
            | wire::ErrorCode::UnknownLeg
            | wire::ErrorCode::TooManyLegs
            | wire::ErrorCode::LegUnsupported
            | wire::ErrorCode::EncryptionDiffers
            | wire::ErrorCode::RoomEncrypted
            | wire::ErrorCode::Replaced
            | wire::ErrorCode::Timeout
            | wire::ErrorCode::Internal => Definition::ServerError,
        };
        let of = self.server_id(Direction::Up).or_else(|| self.server_id(Direction::Down));
        let of = if self.is_mesh() { None } else { of };
        out.push(Action::Say(say::error(definition, of.as_deref().unwrap_or(self.room.as_str()), message)));
    }
}

fn tell_candidate(id: &str, candidate: &Candidate) -> Action {
    let Candidate { candidate, sdp_mid, sdp_m_line_index, .. } = candidate;
    let mid = sdp_mid.clone().unwrap_or_default();
    Action::Say(say::take_candidate(id, sdp_m_line_index.unwrap_or(0), &mid, candidate))
}
