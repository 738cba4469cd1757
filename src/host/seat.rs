//! How one comes into a room, and what a socket does there.

use tokio::sync::{mpsc, oneshot};

use super::ice::{IcePatch, IfMatch, Patched};
use super::request::Request;
use crate::access::Grants;
use crate::room::ids::{ParticipantId, TrackId};
use crate::room::{Reach, Source, VideoCodec};
use crate::sfu::sdp::Fragment;
use crate::signal::message::ClientMessage;
use crate::signal::outbox::Outbox;
use crate::signal::outgoing::Payload;
use crate::trace::Span;

/// What a socket brings when it joins.
#[derive(Debug)]
pub struct Joining {
    pub name: String,
    pub tracks: Vec<(Source, bool)>,
    pub decodes: Vec<VideoCodec>,
    /// It seals what it sends and opens what it gets, end to end.
    pub encrypted: bool,
    pub outbox: Outbox,
    pub manner: Manner,
    pub grants: Grants,
    /// What this is a part of, for whoever traces.
    pub join: Span,
}

/// How a participant's client goes about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It speaks the native protocol in full.
    Native,
    /// It offers its up transport itself, cannot hold a transport that carries nothing, takes every m-line for somebody's
    /// track, and does not say what becomes of its transports.
    Plain(Entry),
}

/// On what terms such a client enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Peer to peer, with at most so many in the room.
    Mesh { most: usize },
    /// It sends by way of the server: media, and `data` if it may.
    Publish { data: bool },
    /// It watches by way of the server what somebody sends; with `only`, one participant.
    Watch { only: Option<ParticipantId> },
    /// It watches this one, and offers its down transport itself.
    Play { of: ParticipantId },
}

/// A socket's claim on the place of a lost one.
#[derive(Debug)]
pub struct Resuming {
    pub participant: ParticipantId,
    pub secret: String,
    /// Number of the last message that it has.
    pub received: u32,
    pub outbox: Outbox,
}

/// A socket's place in a room.
#[derive(Debug)]
pub struct Seat {
    pub participant: ParticipantId,
    /// Tells this socket from an earlier one of the same participant.
    pub(super) number: u64,
    pub(super) room: mpsc::Sender<Request>,
}

impl Seat {
    /// Hands a message to the room; waits while the room is busy. False when the room is gone.
    pub async fn send(&self, message: ClientMessage) -> bool {
        let request = Request::Message { participant: self.participant, seat: self.number, message };
        self.room.send(request).await.is_ok()
    }

    /// Takes part by way of the server in another way from now on.
    pub async fn reach(&self, reach: Reach) {
        let request = Request::Reach { participant: self.participant, seat: self.number, reach };
        let _ = self.room.send(request).await;
    }

    /// Offers for the transport of this generation; the answer goes to the outbox.
    pub async fn offer(&self, generation: u32, sdp: String) {
        let request = Request::Offer { participant: self.participant, seat: self.number, generation, sdp };
        let _ = self.room.send(request).await;
    }

    /// Says what has become of ICE at the client's end of the transport of this generation, which it has offered for. None:
    /// there is no such transport any more.
    pub async fn patch_ice(&self, generation: u32, tags: IfMatch, fragment: Fragment) -> Option<Patched> {
        let (reply, answer) = oneshot::channel();
        let patch = IcePatch { generation, tags, fragment };
        let request = Request::PatchIce { participant: self.participant, seat: self.number, patch, reply };
        self.room.send(request).await.ok()?;
        answer.await.ok()
    }

    /// Gets a track of somebody, or gets it no more; its m-line stays.
    pub async fn forward(&self, track: TrackId, on: bool) {
        let request = Request::Forward { participant: self.participant, seat: self.number, track, on };
        let _ = self.room.send(request).await;
    }

    /// Sends something on the data channel of a plain client's server transport.
    pub async fn data(&self, payload: Payload) {
        let request = Request::Data { participant: self.participant, seat: self.number, payload };
        let _ = self.room.send(request).await;
    }

    /// Gives the place up.
    pub async fn leave(&self) {
        self.send(ClientMessage::Leave {}).await;
    }

    /// The socket is lost; the place is kept for the grace time.
    pub async fn lost(&self) {
        let _ = self.room.send(Request::Lost { participant: self.participant, seat: self.number }).await;
    }
}
