//! What tokens say (RFC 7519 section 4), as JSON and as it is meant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;

use super::grants::{Grants, Sources};
use super::refused::Refused;
use super::{Pass, Scope};
use crate::room::Source;
use crate::room::names::is_unseen;

/// Longest identity, in characters: a mail address or a UUID, and room to spare.
const IDENTITY_CHARS: usize = 128;

/// A token's payload. What else is in it is passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// A room's name, or `*` for every room.
    pub room: String,
    /// How others see its bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    #[serde(default)]
    pub join: bool,
    #[serde(default)]
    pub publish: Publish,
    #[serde(default)]
    pub subscribe: bool,
    #[serde(default)]
    pub legs: bool,
    #[serde(default)]
    pub admin: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Seconds since 1970, like `nbf`; may have a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
}

/// `true` for everything, or a list of sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Publish {
    All(bool),
    Only(Vec<ClaimedSource>),
}

impl Default for Publish {
    fn default() -> Self {
        Self::All(false)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimedSource {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

impl From<ClaimedSource> for Source {
    fn from(source: ClaimedSource) -> Self {
        match source {
            ClaimedSource::Microphone => Self::Microphone,
            ClaimedSource::Camera => Self::Camera,
            ClaimedSource::Screen => Self::Screen,
            ClaimedSource::ScreenAudio => Self::ScreenAudio,
        }
    }
}

/// For whom a token is (RFC 7519 section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

impl From<String> for Audience {
    fn from(one: String) -> Self {
        Self::One(one)
    }
}

impl Claims {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Refused> {
        super::token::object(payload).ok_or(Refused::Claims)
    }

    /// # Errors
    /// It is not for now, not for us, or says what no token may.
    pub(super) fn into_pass(self, audience: &str, leeway: Duration, now: SystemTime) -> Result<Pass, Refused> {
        let expires = until(self.exp.as_ref().ok_or(Refused::NoExpiry)?, self.nbf.as_ref(), leeway, now)?;
        if !is_ours(self.aud.as_ref(), audience) {
            return Err(Refused::Audience);
        }
        Ok(Pass { expires, ..self.judged()? })
    }

    /// What it says of room, identity and grants.
    ///
    /// # Errors
    /// No token may say so.
    pub fn check(&self) -> Result<(), Refused> {
        self.clone().judged().map(drop)
    }

    fn judged(self) -> Result<Pass, Refused> {
        let Self { room, identity, join, publish, subscribe, legs, admin, hidden, .. } = self;
        let scope = match room.as_str() {
            "*" => Scope::EveryRoom,
            name => Scope::Room(name.parse().map_err(|_| Refused::Room)?),
        };
        if identity.as_ref().is_some_and(|identity| !is_identity(identity)) {
            return Err(Refused::Identity);
        }
        let publish = match publish {
            Publish::All(true) => Sources::All,
            Publish::All(false) => Sources::none(),
            Publish::Only(sources) => Sources::Only(sources.into_iter().map(Source::from).collect()),
        };
        let grants = Grants { join, publish, subscribe, legs, admin, hidden };
        Ok(Pass { scope, identity, grants, expires: UNIX_EPOCH })
    }
}

/// When a token ends that is good now.
///
/// # Errors
/// It is not.
pub(super) fn until(
    exp: &Number,
    nbf: Option<&Number>,
    leeway: Duration,
    now: SystemTime,
) -> Result<SystemTime, Refused> {
    let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let leeway_s = leeway.as_secs_f64();
    let exp = exp.as_f64().ok_or(Refused::Claims)?;
    if exp + leeway_s <= now_s {
        return Err(Refused::Expired);
    }
    if nbf.and_then(Number::as_f64).is_some_and(|nbf| nbf - leeway_s > now_s) {
        return Err(Refused::NotYet);
    }
    // A time beyond what can be told is none that a session could reach.
    let left = Duration::try_from_secs_f64(exp + leeway_s - now_s).unwrap_or(Duration::MAX);
    Ok(now.checked_add(left).unwrap_or(now + Duration::from_secs(u32::MAX.into())))
}

/// Who does not find itself in `aud` must refuse the token, whatever it expects.
pub(super) fn is_ours(aud: Option<&Audience>, audience: &str) -> bool {
    match aud {
        None => audience.is_empty(),
        Some(Audience::One(one)) => one == audience,
        Some(Audience::Many(many)) => many.iter().any(|one| one == audience),
    }
}

fn is_identity(text: &str) -> bool {
    (1..=IDENTITY_CHARS).contains(&text.chars().count()) && !text.chars().any(is_unseen)
}
