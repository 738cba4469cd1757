//! One session: opens it, then hears what its room says until either lets the other go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::info;

use super::{Door, NotOpened, Opened, Opening, Place, Purpose, Session, Sessions, Stream};
use crate::host::{Entry, Joining, Manner, Refusal, Seat};
use crate::room::LegKind;
use crate::room::ids::{ParticipantId, RoomName};
use crate::signal::message::{ClientMessage, IceServer, ServerMessage};
use crate::signal::outgoing::{Notice, Outgoing};

pub(super) async fn run(
    sessions: Sessions,
    opening: Opening,
    place: Place,
    reply: oneshot::Sender<Result<Opened, NotOpened>>,
) {
    let Opening { room, name, offer, purpose, .. } = opening;
    let config = &sessions.0.config;
    let (outbox, inbox) = mpsc::channel(config.signal.outbox_messages);
    let door = purpose.door();
    let (entry, tracks, decodes, stream, shows) = match purpose {
        Purpose::Publish { sources, stream } => (Entry::Publish, sources, Vec::new(), stream, None),
        Purpose::Play { of, decodes } => (Entry::Play { of }, Vec::new(), decodes, None, Some(of)),
    };
    let tracks = tracks.into_iter().map(|source| (source, false)).collect();
    let joining = Joining { name, tracks, decodes, encrypted: false, outbox, manner: Manner::Plain(entry) };
    let seat = match sessions.0.rooms.join(&room, joining).await {
        Ok(seat) => Arc::new(seat),
        Err(refusal) => return drop(reply.send(Err(refusal.into()))),
    };
    if let Some(Stream { claim, .. }) = &stream {
        claim.is_of(seat.participant);
    }
    // Dropped last: who waits for the end finds everything free.
    let (over, _over) = mpsc::channel(1);
    let mut listener = Listener { sessions: &sessions, room: &room, seat: &seat, inbox, shows, stream };
    let time = Duration::from_millis(config.signal.join_timeout_ms.into());
    let begun = timeout(time, listener.begin(&offer)).await.unwrap_or(Err(NotOpened::Late));
    let end = match begun {
        Ok(begun) => listener.go_on(door, begun, over, reply).await,
        Err(why) => {
            let text = why.to_string();
            let _ = reply.send(Err(why));
            text
        }
    };
    drop(listener);
    seat.leave().await;
    info!(%room, participant = %seat.participant, door = door.name(), why = end, "session ended");
    drop(place);
}

/// An offer that was answered.
struct Begun {
    generation: u32,
    answer: Arc<str>,
    entity_tag: Arc<str>,
    ice_servers: Vec<IceServer>,
}

struct Listener<'a> {
    sessions: &'a Sessions,
    room: &'a RoomName,
    seat: &'a Arc<Seat>,
    inbox: mpsc::Receiver<Outgoing>,
    /// Whom it plays.
    shows: Option<ParticipantId>,
    stream: Option<Stream>,
}

impl Listener<'_> {
    async fn begin(&mut self, offer: &str) -> Result<Begun, NotOpened> {
        let mut ice_servers = Vec::new();
        while let Some(outgoing) = self.inbox.recv().await {
            match outgoing {
                Outgoing::Message(written) => match written.message() {
                    ServerMessage::Welcome { ice_servers: told, .. } => ice_servers.clone_from(told),
                    ServerMessage::Error { code, message, .. } => {
                        return Err(Refusal::new(*code, message.clone()).into());
                    }
                    message => {
                        if self.heard(message).await.is_some() {
                            return Err(NotOpened::gone());
                        }
                    }
                },
                Outgoing::Notice(Notice::MayOffer { generation }) => {
                    self.seat.offer(generation, offer.to_owned()).await;
                }
                Outgoing::Notice(Notice::Connected(_) | Notice::Media) | Outgoing::Data(_) => {}
                Outgoing::Answer { generation, sdp: answer, entity_tag } => {
                    return Ok(Begun { generation, answer, entity_tag, ice_servers });
                }
            }
        }
        Err(NotOpened::gone())
    }

    /// Why it ended.
    async fn go_on(
        &mut self,
        door: Door,
        begun: Begun,
        over: mpsc::Sender<()>,
        reply: oneshot::Sender<Result<Opened, NotOpened>>,
    ) -> String {
        let Begun { generation, answer, entity_tag, ice_servers } = begun;
        let (room, seat) = (self.room.clone(), self.seat.clone());
        let id = self.sessions.insert(Session { door, room, seat, generation, over });
        let opened = Opened { id: id.clone(), answer, entity_tag, ice_servers };
        info!(room = %self.room, participant = %self.seat.participant, door = door.name(), "session opened");
        let why = match reply.send(Ok(opened)) {
            Ok(()) => self.listen().await,
            Err(_) => "nobody waited for the answer",
        };
        self.sessions.remove(&id);
        why.to_owned()
    }

    async fn listen(&mut self) -> &'static str {
        while let Some(outgoing) = self.inbox.recv().await {
            match outgoing {
                Outgoing::Message(written) => {
                    if let Some(why) = self.heard(written.message()).await {
                        return why;
                    }
                }
                Outgoing::Notice(Notice::Media) => self.broadcast().await,
                Outgoing::Notice(Notice::MayOffer { .. } | Notice::Connected(_))
                | Outgoing::Answer { .. }
                | Outgoing::Data(_) => {}
            }
        }
        "the room let it go"
    }

    /// Why the session is to end, if it is.
    async fn heard(&self, message: &ServerMessage) -> Option<&'static str> {
        match message {
            // There is nothing on a screen here that could be lost on the way.
            ServerMessage::Path { peer, carrier, epoch } => {
                self.seat.send(ClientMessage::Shown { peer: *peer, carrier: *carrier, epoch: *epoch }).await;
                None
            }
            ServerMessage::TransportClose { .. } => Some("its transport is gone"),
            ServerMessage::ParticipantLeft { participant, .. }
            | ServerMessage::TrackUnpublished { participant, .. } => {
                (self.shows == Some(participant.0)).then_some("what it shows has ended")
            }
            ServerMessage::Welcome { .. }
            | ServerMessage::ParticipantJoined { .. }
            | ServerMessage::ParticipantAway { .. }
            | ServerMessage::TrackPublished { .. }
            | ServerMessage::TrackMuted { .. }
            | ServerMessage::Mode { .. }
            | ServerMessage::LinkOpen { .. }
            | ServerMessage::LinkClose { .. }
            | ServerMessage::LinkDescription { .. }
            | ServerMessage::LinkCandidate { .. }
            | ServerMessage::Offer { .. }
            | ServerMessage::Slots { .. }
            | ServerMessage::SendUp { .. }
            | ServerMessage::PathStuck { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::Message { .. }
            | ServerMessage::MessageTaken { .. }
            | ServerMessage::Keys { .. }
            | ServerMessage::Leg { .. }
            | ServerMessage::Error { .. }
            | ServerMessage::Pong { .. } => None,
        }
    }

    /// Once, as with streams that are published by WebSocket.
    async fn broadcast(&mut self) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.broadcast) else { return };
        stream.broadcast = false;
        if let Some(Err(refusal)) = self.sessions.0.rooms.start_leg(self.room, LegKind::Hls, None).await {
            info!(stream = %stream.claim.id(), reason = %refusal, "no broadcast");
        }
    }
}
