//! Why somebody does not get what it asks for.

use crate::access::Refused;
use crate::room::RoomError;
use crate::signal::message::{ErrorCode, ServerMessage};

/// Why a request was refused, in the words of the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What would be one too many; counted under the key that says how many may be.
    pub fn at_limit(limit: &'static str, code: ErrorCode, message: impl Into<String>) -> Self {
        metrics::counter!("crescendo_refused_total", "limit" => limit).increment(1);
        Self::new(code, message)
    }

    /// What a room refuses, in the words of the wire.
    pub(super) fn of_room(error: RoomError) -> Self {
        let code = match error {
            RoomError::RoomFull => ErrorCode::RoomFull,
            RoomError::SourceTaken(_) => ErrorCode::SourceTaken,
            RoomError::TooManyPublishers => ErrorCode::TooManyPublishers,
            RoomError::TooManyTracks => ErrorCode::TooManyTracks,
            RoomError::UnknownParticipant(_) | RoomError::NobodyHere => ErrorCode::UnknownParticipant,
            RoomError::UnknownTrack(_) | RoomError::NotYourTrack(_) => ErrorCode::UnknownTrack,
            RoomError::UnknownLeg(_) => ErrorCode::UnknownLeg,
            RoomError::TooManyLegs => ErrorCode::TooManyLegs,
            RoomError::RoomEncrypted | RoomError::RoomNotEncrypted => ErrorCode::EncryptionDiffers,
            RoomError::Hidden => ErrorCode::NotGranted,
            RoomError::LegOfEncrypted => ErrorCode::RoomEncrypted,
        };
        match limit_met(error) {
            Some(limit) => Self::at_limit(limit, code, error.to_string()),
            None => Self::new(code, error.to_string()),
        }
    }

    /// Somebody is not let in, or may not do what it asks for.
    pub fn of_access(refused: Refused) -> Self {
        let code = if refused.is_about_grants() { ErrorCode::NotGranted } else { ErrorCode::TokenRefused };
        Self::new(code, refused.to_string())
    }

    pub fn into_message(self, fatal: bool, request: Option<u32>) -> ServerMessage {
        ServerMessage::Error { code: self.code, message: self.message, fatal, request }
    }
}

fn limit_met(error: RoomError) -> Option<&'static str> {
    match error {
        RoomError::RoomFull => Some("room.capacity"),
        RoomError::TooManyPublishers => Some("room.publishers"),
        RoomError::TooManyTracks => Some("room.tracks_per_participant"),
        RoomError::TooManyLegs => Some("room.max_legs"),
        RoomError::SourceTaken(_)
        | RoomError::UnknownParticipant(_)
        | RoomError::UnknownTrack(_)
        | RoomError::UnknownLeg(_)
        | RoomError::NotYourTrack(_)
        | RoomError::RoomEncrypted
        | RoomError::RoomNotEncrypted
        | RoomError::LegOfEncrypted
        | RoomError::Hidden
        | RoomError::NobodyHere => None,
    }
}
