//! Errors as HTTP tells them: `application/problem+json` (RFC 9457).

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::host::Refusal;
use crate::room::ids::RoomName;
use crate::signal::message::ErrorCode;

#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    code: Option<ErrorCode>,
    header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>, code: Option<ErrorCode>) -> Self {
        Self { status, detail: detail.into(), code, header: None }
    }

    /// Says how to ask better.
    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = serde_json::json!({
            "title": title, "status": self.status.as_u16(), "detail": self.detail, "code": self.code,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

pub(super) fn refused(refusal: Refusal) -> Problem {
    Problem::new(status(refusal.code), refusal.message, Some(refusal.code))
}

pub(super) fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::UnknownLeg | ErrorCode::UnknownParticipant | ErrorCode::UnknownTrack => StatusCode::NOT_FOUND,
        ErrorCode::TooManyLegs
        | ErrorCode::ServerFull
        | ErrorCode::RoomFull
        | ErrorCode::EncryptionDiffers
        | ErrorCode::RoomEncrypted => StatusCode::CONFLICT,
        ErrorCode::LegUnsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::Internal | ErrorCode::ShuttingDown => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::BadMessage
        | ErrorCode::TooLarge
        | ErrorCode::TooFast
        | ErrorCode::BadVersion
        | ErrorCode::BadRoomName
        | ErrorCode::NotJoined
        | ErrorCode::AlreadyJoined
        | ErrorCode::ResumeRefused
        | ErrorCode::MessagesMissed
        | ErrorCode::SourceTaken
        | ErrorCode::TooManyTracks
        | ErrorCode::BadSdp
        | ErrorCode::SfuUnreachable
        | ErrorCode::Replaced
        | ErrorCode::Timeout => StatusCode::BAD_REQUEST,
    }
}

pub(super) fn room_name(text: &str) -> Result<RoomName, Problem> {
    text.parse().map_err(|bad| Problem::new(StatusCode::BAD_REQUEST, format!("{bad}"), Some(ErrorCode::BadRoomName)))
}
