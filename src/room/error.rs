//! Why a room refused an input.

use super::Source;
use super::ids::{LegId, ParticipantId, TrackId};

/// The input was refused: nothing has changed and there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    #[error("the room is full")]
    RoomFull,
    #[error("a track of source {0:?} is published already")]
    SourceTaken(Source),
    #[error("as many publish in this room as may; others can watch")]
    TooManyPublishers,
    #[error("no more tracks are allowed")]
    TooManyTracks,
    #[error("no more legs are allowed in this room")]
    TooManyLegs,
    #[error("{0} is not in the room")]
    UnknownParticipant(ParticipantId),
    #[error("there is no track {0}")]
    UnknownTrack(TrackId),
    #[error("there is no leg {0}")]
    UnknownLeg(LegId),
    #[error("track {0} is another participant's")]
    NotYourTrack(TrackId),
    #[error("this room is encrypted end to end: its participants have to be, and this one is not")]
    RoomEncrypted,
    #[error("this room is not encrypted end to end, as this participant wants it")]
    RoomNotEncrypted,
    #[error("the room is encrypted end to end: there is nothing that a leg could read")]
    LegOfEncrypted,
    #[error("who is hidden takes part unseen: it sends nothing, and no room is encrypted end to end with it")]
    Hidden,
    /// A leg does not keep a room alive, so it cannot start one.
    #[error("nobody is in the room")]
    NobodyHere,
}
