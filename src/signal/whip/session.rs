//! One session: opens it, then hears what its room says until either lets the other go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::info;

use super::{Door, NotOpened, Opened, Opening, Place, Purpose, Session, Sessions, Stream};
use crate::access::Admitted;
use crate::host::{Entry, Joining, Manner, Refusal, Seat};
use crate::room::ids::{ParticipantId, RoomName, TrackId};
use crate::room::{LegKind, LegPlan};
use crate::signal::message::{ClientMessage, IceServer, ServerMessage};
use crate::signal::outbox::{Inbox, outbox};
use crate::signal::outgoing::{Notice, Outgoing};

pub(super) async fn run(
    sessions: Sessions,
    opening: Opening,
    place: Place,
    reply: oneshot::Sender<Result<Opened, NotOpened>>,
) {
    let Opening { room, name, offer, purpose, admitted, .. } = opening;
    let config = &sessions.0.config;
    let (outbox, inbox) = outbox(&config.signal);
    let door = purpose.door();
    let (entry, tracks, decodes, stream, shows) = match purpose {
        Purpose::Publish { sources, stream } => (Entry::Publish { data: false }, sources, Vec::new(), stream, None),
        Purpose::Play { of, decodes } => {
            (Entry::Play { of }, Vec::new(), decodes, None, Some(Shown { of, tracks: BTreeSet::new() }))
        }
    };
    let tracks = tracks.into_iter().map(|source| (source, false)).collect();
    let grants = admitted.pass.grants.clone();
    let join = sessions.0.rooms.tracer().root("join", vec![("room", room.to_string())]);
    let manner = Manner::Plain(entry);
    let joining = Joining { name, tracks, decodes, encrypted: false, outbox, manner, grants, join };
    let seat = match sessions.0.rooms.join(&room, joining).await {
        Ok(seat) => Arc::new(seat),
        Err(refusal) => {
            drop(admitted);
            return drop(reply.send(Err(refusal.into())));
        }
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
        Ok(begun) => listener.go_on(door, begun, over, reply, admitted).await,
        Err(why) => {
            let text = why.to_string();
            drop(admitted);
            let _ = reply.send(Err(why));
            text
        }
    };
    drop(listener);
    seat.leave().await;
    info!(room = %room.short(), participant = %seat.participant, door = door.name(), why = end, "session ended");
    drop(place);
}

/// An offer that was answered.
struct Begun {
    generation: u32,
    answer: Arc<str>,
    entity_tag: Arc<str>,
    ice_servers: Vec<IceServer>,
}

/// Whom a player is shown, and what of it there is.
struct Shown {
    of: ParticipantId,
    tracks: BTreeSet<TrackId>,
}

impl Shown {
    /// True when the track was all there was. Whoever publishes again is for another session to show: the m-lines of this one are
    /// used up, and there is no offer that could bring others.
    fn is_over_without(&mut self, track: TrackId) -> bool {
        self.tracks.remove(&track) && self.tracks.is_empty()
    }
}

struct Listener<'a> {
    sessions: &'a Sessions,
    room: &'a RoomName,
    seat: &'a Arc<Seat>,
    inbox: Inbox,
    shows: Option<Shown>,
    stream: Option<Stream>,
}

impl Listener<'_> {
    async fn begin(&mut self, offer: &str) -> Result<Begun, NotOpened> {
        let mut ice_servers = Vec::new();
        while let Some(outgoing) = self.inbox.next().await {
            match outgoing {
                Outgoing::Message(written) => {
                    if let ServerMessage::Error { code, message, .. } = written.message() {
                        return Err(Refusal::new(*code, message.clone()).into());
                    }
                    if let ServerMessage::Welcome { ice_servers: told, .. } = written.message() {
                        ice_servers.clone_from(told);
                    }
                    if self.heard(written.message()).await.is_some() {
                        return Err(NotOpened::gone());
                    }
                }
                Outgoing::Notice(Notice::MayOffer { generation }) => {
                    self.seat.offer(generation, offer.to_owned()).await;
                }
                Outgoing::Notice(Notice::Connected(_) | Notice::Media) | Outgoing::Data(_) | Outgoing::Missed(_) => {}
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
        admitted: Admitted,
    ) -> String {
        let Begun { generation, answer, entity_tag, ice_servers } = begun;
        let (room, seat) = (self.room.clone(), self.seat.clone());
        let id = self.sessions.insert(Session { door, room, seat, generation, over });
        let opened = Opened { id: id.clone(), answer, entity_tag, ice_servers };
        info!(room = %self.room.short(), participant = %self.seat.participant, door = door.name(), "session opened");
        let why = match reply.send(Ok(opened)) {
            Ok(()) => {
                admitted.keep();
                self.listen().await
            }
            Err(_) => "nobody waited for the answer",
        };
        self.sessions.remove(&id);
        why.to_owned()
    }

    async fn listen(&mut self) -> &'static str {
        while let Some(outgoing) = self.inbox.next().await {
            match outgoing {
                Outgoing::Message(written) => {
                    if let Some(why) = self.heard(written.message()).await {
                        return why;
                    }
                }
                Outgoing::Notice(Notice::Media) => {
                    if let Some(stream) = &self.stream {
                        stream.claim.has_started();
                    }
                    self.broadcast().await;
                }
                Outgoing::Notice(Notice::MayOffer { .. } | Notice::Connected(_))
                | Outgoing::Answer { .. }
                | Outgoing::Data(_)
                | Outgoing::Missed(_) => {}
            }
        }
        "the room let it go"
    }

    /// Why the session is to end, if it is.
    async fn heard(&mut self, message: &ServerMessage) -> Option<&'static str> {
        match message {
            // There is nothing on a screen here that could be lost on the way.
            ServerMessage::Path { peer, carrier, epoch } => {
                self.seat.send(ClientMessage::Shown { peer: *peer, carrier: *carrier, epoch: *epoch }).await;
                None
            }
            ServerMessage::TransportClose { .. } => Some("its transport is gone"),
            ServerMessage::Welcome { participants, .. } => {
                for participant in participants {
                    self.published(participant.id.0, participant.tracks.iter().map(|track| track.id.0));
                }
                None
            }
            ServerMessage::TrackPublished { participant, track } => {
                self.published(participant.0, [track.id.0]);
                None
            }
            ServerMessage::TrackUnpublished { participant, track } => {
                let shown = self.shows.as_mut().filter(|shown| shown.of == participant.0);
                shown.is_some_and(|shown| shown.is_over_without(track.0)).then_some("what it shows has ended")
            }
            ServerMessage::ParticipantLeft { participant, .. } => {
                let shown = self.shows.as_ref().filter(|shown| shown.of == participant.0);
                shown.is_some().then_some("whom it shows has left")
            }
            ServerMessage::ParticipantJoined { .. }
            | ServerMessage::ParticipantAway { .. }
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
            | ServerMessage::Layer { .. }
            | ServerMessage::Downlink { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::Message { .. }
            | ServerMessage::MessageTaken { .. }
            | ServerMessage::Keys { .. }
            | ServerMessage::Leg { .. }
            | ServerMessage::Moved { .. }
            | ServerMessage::Error { .. }
            | ServerMessage::Pong { .. } => None,
        }
    }

    fn published(&mut self, of: ParticipantId, tracks: impl IntoIterator<Item = TrackId>) {
        if let Some(shown) = self.shows.as_mut().filter(|shown| shown.of == of) {
            shown.tracks.extend(tracks);
        }
    }

    /// Once, as with streams that are published by WebSocket.
    async fn broadcast(&mut self) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.broadcast) else { return };
        stream.broadcast = false;
        if let Some(Err(refusal)) = self.sessions.0.rooms.start_leg(self.room, LegPlan::new(LegKind::Hls, None)).await {
            info!(stream = %stream.claim.id(), reason = %refusal, "no broadcast");
        }
    }
}
