//! One socket: which of its places a command is about, and what of it becomes a native message. Pure; [`super::socket`]
//! carries out the actions, in order.

mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::command::{Command, Play, Publish, Toggle, Unread};
use super::doubt::Doubt;
use super::place::{Connection, Place, PlaceId, Playing, Publishing, Role};
use super::say::{self, Definition};
use super::streams::{StreamId, Streams, check_meta_data, room_of_label};
use crate::access::{Grant, Refused};
use crate::host::{Entry, Refusal, RoomView};
use crate::room::ids::{ParticipantId, RoomName, TrackId};
use crate::room::{Kind, Reach, Source};
use crate::signal::message::{Candidate, ClientMessage, DescriptionKind, ErrorCode};
use crate::signal::outgoing::{Outgoing, Payload};

/// Rooms that one socket may be in. An app is in one, or plays a few streams beside each other.
const PLACES: usize = 32;
/// Ids of peer connections that ended: what the client still says of them is late, not wrong.
const ENDED: usize = 64;

/// What the socket has to do.
#[derive(Debug)]
pub enum Action {
    /// To the client.
    Say(Value),
    /// Tells the client of a STUN or TURN server, with new credentials. Not answered where there is none.
    TellIceServer,
    /// Takes a place in a room. [`Client::refused`] when that does not work.
    Enter {
        place: PlaceId,
        room: RoomName,
        name: String,
        tracks: Vec<(Source, bool)>,
        entry: Entry,
    },
    Send {
        place: PlaceId,
        message: ClientMessage,
    },
    /// An offer for the up transport.
    Offer {
        place: PlaceId,
        generation: u32,
        sdp: String,
    },
    Reach {
        place: PlaceId,
        reach: Reach,
    },
    Forward {
        place: PlaceId,
        track: TrackId,
        on: bool,
    },
    /// To the client, on the data channel of its transport.
    Data {
        place: PlaceId,
        payload: Payload,
    },
    /// The same one publishes here now.
    PutOut {
        room: RoomName,
        participant: ParticipantId,
    },
    Leave {
        place: PlaceId,
    },
    /// Something arrives of a stream that is a room of its own: others may watch it as HLS, where that is on.
    Broadcast {
        room: RoomName,
    },
    /// Looks at a room; the answer goes to [`Client::seen`].
    Look {
        room: RoomName,
        question: Question,
    },
    /// An id of a peer connection is over.
    Ended(String),
}

/// Why an id cannot be published under.
const OF_A_ROOM: &str = "ids of this form are those of a room's participants";

/// What is to be said of a room, under the id that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    Broadcast(String),
    Subtracks { id: String, role: String, offset: usize, size: usize },
    SubtrackCount { id: String, role: String },
    TrackList(String),
    RoomInfo(String),
    StreamInfo(String),
    Viewers(String),
}

/// Most subtracks of one answer.
const PAGE: usize = 50;

/// A command that lets its sender into a room, or lets it do more there.
#[derive(Debug)]
pub struct Entrance<'a> {
    pub id: &'a str,
    pub stream: StreamId,
    pub room: RoomName,
    pub token: &'a str,
    pub wanted: Vec<Grant>,
}

/// What a client is told of its surroundings.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The name under which it came.
    pub app: String,
    /// Most participants of a room that is joined peer to peer.
    pub most_peers: usize,
    pub name_chars: usize,
    /// Tokens are asked for: nobody learns of rooms that it is not in.
    pub closed: bool,
    /// How long a publisher may take to connect.
    pub publish_time: Duration,
    /// Raised when somebody else asks for an id that is held here.
    pub doubt: Doubt,
}

#[derive(Debug)]
pub struct Client {
    terms: Terms,
    streams: Streams,
    places: BTreeMap<PlaceId, Place>,
    last: u64,
    ended: VecDeque<String>,
}

impl Client {
    pub fn new(terms: Terms, streams: Streams) -> Self {
        Self { terms, streams, places: BTreeMap::new(), last: 0, ended: VecDeque::new() }
    }

    /// The client has said something.
    pub fn hear(&mut self, read: Result<Command, Unread>, now: Instant, out: &mut Vec<Action>) {
        match read {
            Ok(command) => self.command(command, now, out),
            // Of a later SDK, or for what this server does not have: nothing is ever answered to these.
            Err(Unread::Unknown) => {}
            Err(Unread::Malformed { stream_id, why }) => {
                out.push(Action::Say(say::error(Definition::MissingParameter, &stream_id, &why)));
            }
        }
        self.tidy(out);
    }

    /// An id cannot be published under: somebody of a room that is there has it, or may have it yet.
    pub fn is_taken(&self, id: &str, out: &mut Vec<Action>) {
        out.push(Action::Say(say::error(Definition::StreamIdInUse, id, OF_A_ROOM)));
    }

    /// The token that came with a command does not let its sender do that.
    pub fn unauthorized(&self, id: &str, refused: Refused, out: &mut Vec<Action>) {
        out.push(Action::Say(say::error(Definition::UnauthorizedAccess, id, &refused.to_string())));
    }

    /// What a command asks for that a token has to grant. None where it asks for nothing of the kind, or for a stream or a room
    /// that cannot be.
    pub fn entrance<'a>(&self, command: &'a Command) -> Option<Entrance<'a>> {
        match command {
            Command::Join { stream_id: id, mode, token } => {
                let stream: StreamId = id.parse().ok()?;
                let mut wanted = vec![Grant::Join, Grant::Subscribe];
                if mode != "play" {
                    wanted.extend([Source::Microphone, Source::Camera].map(Grant::Publish));
                }
                Some(Entrance { id, room: stream.clone(), stream, token, wanted })
            }
            Command::Publish(Publish { stream_id: id, main_track, audio, video, token, .. }) => {
                let room = if main_track.is_empty() { id } else { main_track };
                let sources = [(*audio, Source::Microphone), (*video, Source::Camera)];
                let sources = sources.into_iter().filter_map(|(on, source)| on.then_some(Grant::Publish(source)));
                let wanted = [Grant::Join].into_iter().chain(sources).collect();
                Some(Entrance { id, stream: id.parse().ok()?, room: room.parse().ok()?, token, wanted })
            }
            Command::Play(Play { stream_id: id, token, .. }) => {
                let stream: StreamId = id.parse().ok()?;
                let room = self.streams.live(&stream).map_or_else(|| stream.clone(), |live| live.room);
                Some(Entrance { id, stream, room, token, wanted: vec![Grant::Join, Grant::Subscribe] })
            }
            _ => None,
        }
    }

    /// A room has said something to one of the places.
    pub fn told(&mut self, place: PlaceId, outgoing: &Outgoing, now: Instant, out: &mut Vec<Action>) {
        let Some(place) = self.places.get_mut(&place) else { return };
        match outgoing {
            Outgoing::Message(message) => place.told(message.message(), now, out),
            Outgoing::Missed(messages) => messages.iter().for_each(|message| place.told(message.message(), now, out)),
            Outgoing::Notice(notice) => place.noticed(*notice, now + self.terms.publish_time, out),
            Outgoing::Answer { generation, sdp, .. } => place.answered(*generation, sdp, out),
            Outgoing::Data(payload) => place.heard_data(payload, out),
        }
        self.tidy(out);
    }

    /// A room has let a place in. Its welcome follows, but what the client says may come before that.
    pub fn entered(&mut self, place: PlaceId, participant: ParticipantId) {
        if let Some(place) = self.places.get_mut(&place) {
            place.is(participant);
        }
    }

    /// A room did not let a place in.
    pub fn refused(&mut self, place: PlaceId, refusal: &Refusal, out: &mut Vec<Action>) {
        let Some(place) = self.places.remove(&place) else { return };
        let id = match &place.role {
            Role::Mesh => place.room.as_str(),
            Role::Server { publishes: Some(publishing), .. } => publishing.claim.id().as_str(),
            Role::Server { plays: Some(playing), .. } => playing.id.as_str(),
            Role::Server { publishes: None, plays: None } => place.room.as_str(),
        };
        let definition = match (refusal.code, &place.role) {
            (ErrorCode::RoomFull, Role::Mesh) => Definition::NoSpaceForNewPeer,
            (ErrorCode::RoomFull, Role::Server { .. }) => Definition::ViewerLimitReached,
            (ErrorCode::UnknownParticipant, Role::Server { .. }) => Definition::NoStreamExist,
            _ => Definition::HighResourceUsage,
        };
        out.push(Action::Say(say::error(definition, id, &refusal.message)));
    }

    /// A room has let a place go.
    pub fn gone(&mut self, place: PlaceId, out: &mut Vec<Action>) {
        let Some(place) = self.places.remove(&place) else { return };
        place.farewell("", out);
        match &place.role {
            Role::Mesh => out.push(Action::Say(say::notification("leaved", place.room.as_str()))),
            Role::Server { publishes, plays } => {
                if let Some(publishing) = publishes {
                    out.push(Action::Say(say::notification("publish_finished", publishing.claim.id().as_str())));
                }
                if let Some(playing) = plays {
                    out.push(Action::Say(say::notification("play_finished", playing.id.as_str())));
                }
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.places.values().filter_map(Place::poll_timeout).min()
    }

    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.places.values_mut().for_each(|place| place.prove(now, out));
        let late = self.places.values().filter(|place| place.is_late(now)).filter_map(Place::publishes);
        let late = late.inspect(|publishing| publishing.claim.is_late());
        let late: Vec<String> = late.map(|publishing| publishing.claim.id().to_string()).collect();
        for id in late {
            out.push(Action::Say(say::error(Definition::PublishTimeoutError, &id, "no media connection was made")));
            out.push(Action::Say(say::stop(&id)));
            self.stop(&id, out);
        }
    }

    fn command(&mut self, command: Command, now: Instant, out: &mut Vec<Action>) {
        match command {
            Command::Ping {} => out.push(Action::Say(say::pong())),
            Command::GetIceServerConfig {} => out.push(Action::TellIceServer),
            Command::Join { stream_id, mode, token: _ } => self.join(&stream_id, &mode, out),
            Command::Leave { stream_id } => self.leave(&stream_id, out),
            Command::Publish(publish) => self.publish(publish, out),
            Command::Play(play) => self.play(play, out),
            Command::Stop { stream_id } => self.stop(&stream_id, out),
            Command::TakeConfiguration { stream_id, kind, sdp } => {
                let kind = match kind.as_str() {
                    "offer" => DescriptionKind::Offer,
                    "answer" => DescriptionKind::Answer,
                    _ => {
                        let text = "type is neither offer nor answer";
                        out.push(Action::Say(say::error(Definition::NotSetRemoteDescription, &stream_id, text)));
                        return;
                    }
                };
                match self.connection(&stream_id) {
                    Some((place, connection)) => {
                        if !place.describe(connection, kind, sdp, out) {
                            let text = "nothing is to be described now, or not by this type";
                            out.push(Action::Say(say::error(Definition::NotSetRemoteDescription, &stream_id, text)));
                        }
                        place.prove(now, out);
                    }
                    None => self.unknown(&stream_id, out),
                }
            }
            Command::TakeCandidate { stream_id, label, id, candidate } => match self.connection(&stream_id) {
                Some((place, connection)) => {
                    let candidate =
                        Candidate { candidate, sdp_mid: id, sdp_m_line_index: label, username_fragment: None };
                    place.candidate(connection, candidate, out);
                }
                None => self.unknown(&stream_id, out),
            },
            Command::PeerMessageCommand { stream_id, definition, data } => match self.connection(&stream_id) {
                Some((place, Connection::Peer(peer))) => place.pass_on(peer, definition, data, out),
                Some((_, Connection::Server(_))) | None => self.unknown(&stream_id, out),
            },
            Command::EnableTrack(toggle) => self.toggle(&toggle, &[Kind::Audio, Kind::Video], out),
            Command::ToggleVideo(toggle) => self.toggle(&toggle, &[Kind::Video], out),
            Command::ToggleAudio(toggle) => self.toggle(&toggle, &[Kind::Audio], out),
            Command::ForceStreamQuality { stream_id, stream_height, track_id } => match self.place_of(&stream_id) {
                Some(place) => {
                    place.show(&track_id, stream_height, out);
                    let mut said = say::notification("resolutionChangeInfo", &stream_id);
                    said["streamHeight"] = stream_height.into();
                    out.push(Action::Say(said));
                }
                None => out.push(Action::Say(say::error(Definition::NoStreamExist, &stream_id, ""))),
            },
            Command::UpdateStreamMetaData { stream_id, meta_data } => {
                let refusal = match (self.publishing(&stream_id), check_meta_data(&meta_data)) {
                    (Some(publishing), Ok(())) => return publishing.claim.change(|live| live.meta_data = meta_data),
                    (Some(_), Err(why)) => say::error(Definition::MissingParameter, &stream_id, &why),
                    (None, _) => {
                        let text = "this is not a stream that this socket publishes";
                        say::error(Definition::NoStreamExist, &stream_id, text)
                    }
                };
                out.push(Action::Say(refusal));
            }
            Command::GetBroadcastObject { stream_id } => self.ask(&stream_id, Question::Broadcast, out),
            Command::GetSubtracks { stream_id, role, offset, size } => {
                let offset = usize::try_from(offset.unwrap_or(0)).unwrap_or(0);
                let size = usize::try_from(size.unwrap_or(0)).ok().filter(|size| *size > 0).unwrap_or(PAGE).min(PAGE);
                self.ask(&stream_id, |id| Question::Subtracks { id, role, offset, size }, out);
            }
            Command::GetSubtracksCount { stream_id, role } => {
                self.ask(&stream_id, |id| Question::SubtrackCount { id, role }, out);
            }
            Command::GetTrackList { stream_id } => self.ask(&stream_id, Question::TrackList, out),
            Command::GetRoomInfo { room, stream_id } => {
                self.ask(if room.is_empty() { &stream_id } else { &room }, Question::RoomInfo, out);
            }
            Command::GetStreamInfo { stream_id } => self.ask(&stream_id, Question::StreamInfo, out),
            Command::GetSubscriberCount { stream_id } => self.ask(&stream_id, Question::Viewers, out),
        }
    }

    fn toggle(&mut self, toggle: &Toggle, kinds: &[Kind], out: &mut Vec<Action>) {
        let Toggle { stream_id, track_id, enabled } = toggle;
        match self.place_of(stream_id) {
            Some(place) => kinds.iter().for_each(|kind| place.pick(track_id, *kind, *enabled, out)),
            None => {
                let text = "this socket does not play that stream";
                out.push(Action::Say(say::error(Definition::NoStreamExist, stream_id, text)));
            }
        }
    }

    /// Where this is played.
    fn place_of(&mut self, id: &str) -> Option<&mut Place> {
        self.places.values_mut().find(|place| place.plays().is_some_and(|playing| playing.id.as_str() == id))
    }

    /// Asks the room that an id belongs to.
    fn ask(&self, id: &str, question: impl FnOnce(String) -> Question, out: &mut Vec<Action>) {
        let Some(name) = name(id, out) else { return };
        let room = match self.streams.live(&name) {
            Some(live) => live.room,
            None => room_of_label(id).unwrap_or(name),
        };
        if self.terms.closed && self.in_room(&room).is_none() {
            let text = "publish or play there before you ask";
            return out.push(Action::Say(say::error(Definition::UnauthorizedAccess, id, text)));
        }
        out.push(Action::Look { room, question: question(id.to_owned()) });
    }

    /// Answers a question about a room; `view` is None when there is no such room.
    pub fn seen(&self, question: Question, view: Option<&RoomView>, out: &mut Vec<Action>) {
        super::answers::answer(&self.streams, question, view, out);
    }

    fn unknown(&self, id: &str, out: &mut Vec<Action>) {
        if !self.ended.iter().any(|ended| ended == id) {
            out.push(Action::Say(say::error(Definition::NoPeerAssociatedBefore, id, "")));
        }
    }

    fn enter(
        &mut self,
        room: RoomName,
        role: Role,
        name: String,
        tracks: Vec<(Source, bool)>,
        entry: Entry,
        out: &mut Vec<Action>,
    ) {
        self.last += 1;
        let id = PlaceId(self.last);
        let place = Place::new(id, room.clone(), role, self.streams.clone());
        self.places.insert(id, place);
        if self.places.len() > PLACES {
            let full = Refusal::new(ErrorCode::ServerFull, format!("one socket is in {PLACES} rooms at most"));
            return self.refused(id, &full, out);
        }
        out.push(Action::Enter { place: id, room, name, tracks, entry });
    }

    /// `closed`: the id that the client has closed by itself.
    fn leave_room(&mut self, room: &RoomName, closed: &str, out: &mut Vec<Action>) {
        let Some(id) = self.places.iter().find(|(_, place)| place.room == *room).map(|(&id, _)| id) else { return };
        if let Some(place) = self.places.remove(&id) {
            place.farewell(closed, out);
        }
        self.end(closed.to_owned());
        out.push(Action::Leave { place: id });
    }

    fn in_room(&self, room: &RoomName) -> Option<&Place> {
        self.places.values().find(|place| place.room == *room)
    }

    fn connection(&mut self, id: &str) -> Option<(&mut Place, Connection)> {
        self.places.values_mut().find_map(|place| {
            let connection = place.connection(id)?;
            Some((place, connection))
        })
    }

    fn publishing(&self, id: &str) -> Option<&Publishing> {
        self.places.values().filter_map(Place::publishes).find(|publishing| publishing.claim.id().as_str() == id)
    }

    fn playing(&self, id: &str) -> Option<&Playing> {
        self.places.values().filter_map(Place::plays).find(|playing| playing.id.as_str() == id)
    }

    fn end(&mut self, id: String) {
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(id);
    }

    /// Takes in what places say of themselves.
    fn tidy(&mut self, out: &mut Vec<Action>) {
        let mut ended = Vec::new();
        out.retain(|action| match action {
            Action::Ended(id) => {
                ended.push(id.clone());
                false
            }
            Action::Leave { place } => {
                self.places.remove(place);
                true
            }
            _ => true,
        });
        ended.into_iter().for_each(|id| self.end(id));
    }
}

/// A stream id, or the error that says what is wrong with it.
fn name(id: &str, out: &mut Vec<Action>) -> Option<StreamId> {
    let name = id.parse().ok();
    if name.is_none() {
        let error = match id {
            "" => say::error(Definition::NoStreamNameSpecified, "", "streamId is missing"),
            _ => invalid(id, "streamId"),
        };
        out.push(Action::Say(error));
    }
    name
}

/// `field` of a command that is about `id` is no name.
fn invalid(id: &str, field: &str) -> Value {
    let text = format!("{field} has 1 to 64 characters of A-Z a-z 0-9 . _ -");
    say::error(Definition::InvalidStreamName, id, &text)
}
