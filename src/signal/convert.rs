//! Between the room's words and the wire's.

use super::message::{self as wire, Id, ServerMessage};
use crate::room;
use crate::room::ids::ParticipantId;

/// Enums that have the same variants on both sides.
macro_rules! same {
    ($($name:ident { $($variant:ident),* })*) => {$(
        impl From<room::$name> for wire::$name {
            fn from(from: room::$name) -> Self {
                match from { $(room::$name::$variant => wire::$name::$variant),* }
            }
        }
        impl From<wire::$name> for room::$name {
            fn from(from: wire::$name) -> Self {
                match from { $(wire::$name::$variant => room::$name::$variant),* }
            }
        }
    )*};
}

same! {
    Source { Microphone, Camera, Screen, ScreenAudio }
    Carrier { Mesh, Sfu }
    Mode { Mesh, Promoting, Sfu, Demoting }
    Direction { Up, Down }
    VideoCodec { H264, Vp8, Vp9, Av1 }
    LegKind { Hls, Record, Other }
}

impl From<room::Departure> for wire::LeaveReason {
    fn from(from: room::Departure) -> Self {
        match from {
            room::Departure::Left => wire::LeaveReason::Left,
            room::Departure::Removed => wire::LeaveReason::Removed,
            room::Departure::Moved => wire::LeaveReason::Moved,
            room::Departure::Vanished => wire::LeaveReason::Vanished,
            room::Departure::SfuUnreachable => wire::LeaveReason::SfuUnreachable,
        }
    }
}

impl From<room::TrackInfo> for wire::Track {
    fn from(from: room::TrackInfo) -> Self {
        Self { id: Id(from.id), source: from.source.into(), muted: from.muted }
    }
}

impl From<room::ParticipantInfo> for wire::Participant {
    fn from(from: room::ParticipantInfo) -> Self {
        Self {
            id: Id(from.id),
            name: from.name,
            tracks: from.tracks.into_iter().map(Into::into).collect(),
            away: from.away,
        }
    }
}

/// `relayed`: what is known of the mesh link of the two.
pub fn path(
    receiver: ParticipantId,
    sender: ParticipantId,
    path: room::PathInfo,
    relayed: Option<bool>,
) -> wire::PathView {
    let (state, carrier) = match path {
        room::PathInfo::None => (wire::PathStatus::None, None),
        room::PathInfo::Arriving(carrier) => (wire::PathStatus::Arriving, Some(carrier)),
        room::PathInfo::On(carrier) => (wire::PathStatus::Shown, Some(carrier)),
        room::PathInfo::MovingTo(carrier) => (wire::PathStatus::Moving, Some(carrier)),
    };
    wire::PathView { receiver: Id(receiver), sender: Id(sender), state, carrier: carrier.map(Into::into), relayed }
}

/// `room` names the room whose leg it is, for the address of its output.
impl From<wire::Layout> for room::Layout {
    fn from(layout: wire::Layout) -> Self {
        match layout {
            wire::Layout::Single => Self::Single,
            wire::Layout::Grid => Self::Grid,
            wire::Layout::Speaker => Self::Speaker,
        }
    }
}

impl From<room::Layout> for wire::Layout {
    fn from(layout: room::Layout) -> Self {
        match layout {
            room::Layout::Single => Self::Single,
            room::Layout::Grid => Self::Grid,
            room::Layout::Speaker => Self::Speaker,
        }
    }
}

impl From<wire::Format> for room::Format {
    fn from(format: wire::Format) -> Self {
        match format {
            wire::Format::Mp4 => Self::Mp4,
            wire::Format::WebM => Self::WebM,
        }
    }
}

impl From<room::Format> for wire::Format {
    fn from(format: room::Format) -> Self {
        match format {
            room::Format::Mp4 => Self::Mp4,
            room::Format::WebM => Self::WebM,
        }
    }
}

pub fn leg(room: &room::ids::RoomName, from: room::LegInfo) -> wire::Leg {
    let (state, reason) = match from.state {
        room::LegState::Starting => (wire::LegStatus::Starting, None),
        room::LegState::Running => (wire::LegStatus::Running, None),
        room::LegState::Waiting(reason) => (wire::LegStatus::Waiting, Some(reason)),
        room::LegState::Failed(reason) => (wire::LegStatus::Failed, Some(reason)),
        room::LegState::Stopped => (wire::LegStatus::Stopped, None),
    };
    let url = match from.plan.kind {
        room::LegKind::Hls => format!("/hls/{room}/index.m3u8"),
        room::LegKind::Record => format!("/api/v1/rooms/{room}/recordings"),
        room::LegKind::Other => format!("/api/v1/rooms/{room}/legs/{}", from.id),
    };
    let (started_by, layout, ladder) =
        (from.started_by.map(Id), from.plan.layout.into(), wire::Ladder(from.plan.ladder));
    wire::Leg {
        id: Id(from.id),
        kind: from.plan.kind.into(),
        state,
        reason,
        url,
        started_by,
        layout,
        ladder,
        format: from.plan.format.into(),
    }
}

/// What a participant is told, but for `Welcome` and `OpenLink`, which the host completes with what the room does not know.
pub fn event(room: &room::ids::RoomName, from: room::Event) -> Option<ServerMessage> {
    use room::Event;
    Some(match from {
        Event::Welcome { .. } | Event::OpenLink { .. } => return None,
        Event::ParticipantJoined(participant) => ServerMessage::ParticipantJoined { participant: participant.into() },
        Event::ParticipantLeft { participant, reason } => {
            ServerMessage::ParticipantLeft { participant: Id(participant), reason: reason.into() }
        }
        Event::ParticipantAway { participant, away } => {
            ServerMessage::ParticipantAway { participant: Id(participant), away }
        }
        Event::TrackPublished { participant, track } => {
            ServerMessage::TrackPublished { participant: Id(participant), track: track.into() }
        }
        Event::TrackUnpublished { participant, track } => {
            ServerMessage::TrackUnpublished { participant: Id(participant), track: Id(track) }
        }
        Event::TrackMuted { participant, track, muted } => {
            ServerMessage::TrackMuted { participant: Id(participant), track: Id(track), muted }
        }
        Event::Mode { mode, epoch } => ServerMessage::Mode { mode: mode.into(), epoch: epoch.0 },
        Event::CloseLink { peer, link } => ServerMessage::LinkClose { peer: Id(peer), link: link.0 },
        Event::SendUp { active } => ServerMessage::SendUp { active },
        Event::Path { peer, carrier, epoch } => {
            ServerMessage::Path { peer: Id(peer), carrier: carrier.into(), epoch: epoch.0 }
        }
        Event::PathStuck { peer, carrier } => ServerMessage::PathStuck { peer: Id(peer), carrier: carrier.into() },
        Event::Leg(info) => ServerMessage::Leg { leg: leg(room, info), request: None },
        Event::SfuUnreachable => sfu_unreachable(),
    })
}

fn sfu_unreachable() -> ServerMessage {
    ServerMessage::Error {
        code: wire::ErrorCode::SfuUnreachable,
        message: "This call is too large to run peer to peer, and the media server's UDP port could not be reached \
                  in time. Check that the firewall lets UDP through to the server, or join while fewer people are in."
            .into(),
        fatal: true,
        request: None,
    }
}
