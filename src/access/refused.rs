//! Why somebody is not let in.

use super::grants::Grant;

/// In the order in which it is found out. The text is for who was refused, and says nothing that they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a token is needed here")]
    Missing,
    #[error("no API key of this server")]
    ApiKey,
    #[error("the token is longer than this server reads")]
    TooLong,
    #[error("not a token: three parts of base64url without padding, with dots between them")]
    Form,
    #[error("the token's header is no JSON object with `alg` and `kid` once each")]
    Header,
    #[error("the token's `typ` is not JWT")]
    Type,
    #[error("the token has a `crit` that is not understood")]
    Critical,
    #[error("the token names no key (`kid`)")]
    NoKeyId,
    #[error("the token is not, or no longer, one that this server has given out")]
    Unknown,
    #[error("the token is signed with a key that this server does not know")]
    UnknownKey,
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    #[error("the token's signature is wrong")]
    Signature,
    #[error(
        "the token's claims cannot be read: `room` (or `streamId` and `type`) is needed, each may come once, and times are numbers"
    )]
    Claims,
    #[error("the token's `room` is neither a room's name nor *")]
    Room,
    #[error("the token's `identity` is empty, too long or has control characters")]
    Identity,
    #[error("the token has no `exp`")]
    NoExpiry,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is meant for somebody else (`aud`)")]
    Audience,
    #[error("the token is for another room or stream")]
    OtherRoom,
    #[error("this was not granted: {0}")]
    NotGranted(Grant),
    #[error("only an API key opens this, or a token with `admin` of every room (`*`)")]
    EveryRoomOnly,
    #[error("only an API key opens this")]
    BackEndsOnly,
}

impl Refused {
    /// For metrics: a fixed set of names.
    pub fn reason(self) -> &'static str {
        match self {
            Refused::Missing => "missing",
            Refused::ApiKey => "api-key",
            Refused::TooLong => "too-long",
            Refused::Form => "form",
            Refused::Header => "header",
            Refused::Type => "type",
            Refused::Critical => "critical",
            Refused::NoKeyId => "no-key-id",
            Refused::Unknown => "unknown-token",
            Refused::UnknownKey => "unknown-key",
            Refused::Algorithm => "algorithm",
            Refused::Signature => "signature",
            Refused::Claims => "claims",
            Refused::Room => "room",
            Refused::Identity => "identity",
            Refused::NoExpiry => "no-expiry",
            Refused::Expired => "expired",
            Refused::NotYet => "not-yet",
            Refused::Audience => "audience",
            Refused::OtherRoom => "other-room",
            Refused::NotGranted(_) => "not-granted",
            Refused::EveryRoomOnly => "every-room-only",
            Refused::BackEndsOnly => "back-ends-only",
        }
    }

    /// The credential is good, and not for this.
    pub fn is_about_grants(self) -> bool {
        match self {
            Refused::OtherRoom | Refused::NotGranted(_) | Refused::EveryRoomOnly | Refused::BackEndsOnly => true,
            Refused::Missing
            | Refused::ApiKey
            | Refused::TooLong
            | Refused::Form
            | Refused::Header
            | Refused::Type
            | Refused::Critical
            | Refused::NoKeyId
            | Refused::Unknown
            | Refused::UnknownKey
            | Refused::Algorithm
            | Refused::Signature
            | Refused::Claims
            | Refused::Room
            | Refused::Identity
            | Refused::NoExpiry
            | Refused::Expired
            | Refused::NotYet
            | Refused::Audience => false,
        }
    }

    /// Counts it by door and reason. The token itself is in no log line.
    pub fn count(self, door: &'static str) {
        metrics::counter!("crescendo_tokens_refused_total", "door" => door, "reason" => self.reason()).increment(1);
        tracing::debug!(door, reason = self.reason(), "refused");
    }
}
