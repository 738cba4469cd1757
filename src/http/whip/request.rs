//! What WHIP and WHEP requests are made of, and the headers of their answers.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::host::{IfMatch, Refusal};
use crate::http::problem::{self, Problem};
use crate::sfu::sdp::SdpError;
use crate::signal::message::{ErrorCode, IceServer};

pub(super) const SDP: &str = "application/sdp";
/// RFC 8840 section 9.
pub(super) const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Entity tags of one request that are looked at. A client knows one.
const MAX_TAGS: usize = 8;

/// The body as text, if it is of this kind.
pub(super) fn body(
    headers: &HeaderMap,
    kind: &'static str,
    sent: Result<Bytes, BytesRejection>,
) -> Result<String, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(kind) {
        let accepted = match kind {
            SDP => "accept-post",
            _ => "accept-patch",
        };
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the body has to be {kind}"), None);
        return Err(problem.with(HeaderName::from_static(accepted), kind));
    }
    let bytes = sent.map_err(|bad| Problem::new(bad.status(), bad.body_text(), None))?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is no UTF-8", None))
}

/// RFC 9110 section 13.1.1; without it nobody knows which ICE session is meant.
pub(super) fn if_match(headers: &HeaderMap) -> Result<IfMatch, Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        let text = "If-Match has to name the ICE session, or be * to begin a new one";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, text, None));
    }
    let values = || headers.get_all(header::IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    let texts = || values().flat_map(|value| value.split(',')).map(str::trim);
    // `"*"` is how the examples of RFC 9725 write it.
    if texts().any(|tag| matches!(tag, "*" | "\"*\"")) {
        return Ok(IfMatch::Any);
    }
    // Weak ones never match (RFC 9110 section 8.8.3.2).
    let strong = texts().filter_map(|tag| tag.strip_prefix('"')?.strip_suffix('"')).take(MAX_TAGS);
    Ok(IfMatch::Tags(strong.map(str::to_owned).collect()))
}

/// `Link: <turn:host>; rel="ice-server"; …` for each of them (RFC 9725 section 4.6).
pub(super) fn links(servers: &[IceServer], headers: &mut HeaderMap) {
    for server in servers {
        for url in &server.urls {
            let mut link = format!("<{url}>; rel=\"ice-server\"");
            if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
                link +=
                    &format!("; username=\"{username}\"; credential=\"{credential}\"; credential-type=\"password\"");
            }
            // Names and credentials are ours, and have nothing that a header could not hold.
            if let Ok(link) = HeaderValue::from_str(&link) {
                headers.append(header::LINK, link);
            }
        }
    }
}

/// What cannot be read is a mistake; what can, and has nothing for this server, is another thing.
pub(super) fn refused_sdp(error: SdpError) -> Problem {
    let status = match error {
        SdpError::Nothing | SdpError::Section(_) | SdpError::Bundle => StatusCode::NOT_ACCEPTABLE,
        SdpError::TooLong
        | SdpError::TooManySections
        | SdpError::Line(_)
        | SdpError::Unasked
        | SdpError::Sections
        | SdpError::Ice
        | SdpError::Fingerprint
        | SdpError::Setup => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, error.to_string(), Some(ErrorCode::BadSdp))
}

/// A room's refusal, where it means something else to these clients than to back ends.
pub(super) fn refused(refusal: Refusal) -> Problem {
    let status = match refusal.code {
        ErrorCode::BadSdp => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::UnknownParticipant => StatusCode::CONFLICT,
        // Asking again helps nobody.
        ErrorCode::EncryptionDiffers => StatusCode::FORBIDDEN,
        ErrorCode::ServerFull | ErrorCode::ShuttingDown | ErrorCode::RoomFull => StatusCode::SERVICE_UNAVAILABLE,
        code => problem::status(code),
    };
    let text = match refusal.code == ErrorCode::EncryptionDiffers {
        true => "this room is encrypted end to end, which WHIP and WHEP cannot be".to_owned(),
        false => refusal.message,
    };
    let problem = Problem::new(status, text, Some(refusal.code));
    match status {
        StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => {
            problem.with(header::RETRY_AFTER, super::RETRY_AFTER_S)
        }
        _ => problem,
    }
}
