//! Errors as HTTP tells them: `application/problem+json` (RFC 9457).

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use utoipa::ToSchema;

use crate::host::Refusal;
use crate::room::ids::RoomName;
use crate::signal::message::ErrorCode;

/// RFC 9457 section 3.
pub(super) const PROBLEM: &str = "application/problem+json";

/// What went wrong.
#[derive(Debug, ToSchema)]
pub(super) struct Problem {
    /// As in the status line.
    #[schema(value_type = u16)]
    status: StatusCode,
    /// For people.
    detail: String,
    /// For programs, where the status does not say it all.
    code: Option<ErrorCode>,
    #[schema(ignore)]
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
        let kind = [(header::CONTENT_TYPE, PROBLEM)];
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
        | ErrorCode::TooManyPublishers
        | ErrorCode::EncryptionDiffers
        | ErrorCode::RoomEncrypted
        // Not 501, which is about methods (RFC 9110 section 15.6.2), and which clients take for a fault of the server.
        | ErrorCode::LegUnsupported => StatusCode::CONFLICT,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::TokenRefused => StatusCode::UNAUTHORIZED,
        ErrorCode::NotGranted => StatusCode::FORBIDDEN,
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
        | ErrorCode::Removed
        | ErrorCode::Timeout => StatusCode::BAD_REQUEST,
    }
}

/// The body of a request.
pub(super) fn json<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    let bad = |bad: JsonRejection| Problem::new(bad.status(), bad.body_text(), Some(ErrorCode::BadMessage));
    body.map(|Json(body)| body).map_err(bad)
}

pub(super) fn room_name(text: &str) -> Result<RoomName, Problem> {
    text.parse().map_err(|bad| Problem::new(StatusCode::BAD_REQUEST, format!("{bad}"), Some(ErrorCode::BadRoomName)))
}
