//! What a room's task is asked.

use tokio::sync::oneshot;

use super::Refusal;
use super::ice::{IcePatch, Patched};
use super::seat::{Joining, Resuming};
use super::view::RoomView;
use crate::access::Access;
use crate::room::ids::{LegId, ParticipantId, RoomName, TrackId};
use crate::room::{LegPlan, Reach};
use crate::signal::message::{ClientMessage, Leg, Participant};
use crate::signal::outgoing::Payload;

pub(super) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// What a room's task is asked.
#[derive(Debug)]
pub(super) enum Request {
    Join(Joining, Reply<(ParticipantId, u64)>),
    Resume(Resuming, Reply<(ParticipantId, u64)>),
    Message {
        participant: ParticipantId,
        seat: u64,
        message: ClientMessage,
    },
    Lost {
        participant: ParticipantId,
        seat: u64,
    },
    /// A plain client sends or watches by way of the server from now on, or does so no more.
    Reach {
        participant: ParticipantId,
        seat: u64,
        reach: Reach,
    },
    /// A plain client's offer for its up transport, or the down transport that it plays.
    Offer {
        participant: ParticipantId,
        seat: u64,
        generation: u32,
        sdp: String,
    },
    /// A plain client says what has become of ICE. Not answered when its transport is gone.
    PatchIce {
        participant: ParticipantId,
        seat: u64,
        patch: IcePatch,
        reply: oneshot::Sender<Patched>,
    },
    /// A plain client wants a track forwarded, or no more.
    Forward {
        participant: ParticipantId,
        seat: u64,
        track: TrackId,
        on: bool,
    },
    /// For the data channel of a plain client.
    Data {
        participant: ParticipantId,
        seat: u64,
        payload: Payload,
    },
    /// Somebody has to go, and is told so.
    Expel {
        participant: ParticipantId,
        reply: Reply<()>,
    },
    /// Whether somebody could come in.
    Welcomes(Reply<()>),
    /// Somebody has to go to another room, and is told so.
    Move {
        participant: ParticipantId,
        to: RoomName,
        access: Access,
        reply: Reply<bool>,
    },
    /// Somebody's track is muted or unmuted by whoever runs the room.
    Silence {
        participant: ParticipantId,
        track: TrackId,
        muted: bool,
        reply: Reply<Participant>,
    },
    /// Everybody has to go, and the room ends.
    End,
    Inspect(oneshot::Sender<RoomView>),
    StartLeg {
        plan: LegPlan,
        reply: Reply<Leg>,
    },
    StopLeg {
        leg: LegId,
        reply: Reply<Leg>,
    },
    /// The recording of one participant, or of everybody.
    Recording {
        of: Option<ParticipantId>,
        reply: oneshot::Sender<Option<LegId>>,
    },
    /// The server will go: a room in which nobody is is not waited for.
    Drain,
    /// The server goes.
    Close,
}
