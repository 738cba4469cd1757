//! Tokens as Ant Media's apps have them: for one stream, and for one of two things to be done with it.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::claims::{Audience, is_ours, until};
use super::refused::Refused;
use super::{Grants, Pass, Scope, Sources};
use crate::room::ids::RoomName;

#[cfg(test)]
mod tests;

/// A stream, and the room that it is in or is to be in. A stream of its own is a room of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream<'a> {
    pub id: &'a RoomName,
    pub room: &'a RoomName,
}

/// What a token of Ant Media's is for: its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamUse {
    Publish,
    Play,
}

impl StreamUse {
    pub fn name(self) -> &'static str {
        match self {
            StreamUse::Publish => "publish",
            StreamUse::Play => "play",
        }
    }

    pub(super) fn grants(self) -> Grants {
        let (publish, subscribe) = match self {
            StreamUse::Publish => (Sources::All, false),
            StreamUse::Play => (Sources::none(), true),
        };
        Grants { join: true, publish, subscribe, legs: false, admin: false, hidden: false }
    }
}

impl fmt::Display for StreamUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a stream token is made to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamToken {
    pub stream: RoomName,
    pub used_to: StreamUse,
    /// The conference that the stream is in.
    pub room: Option<RoomName>,
    /// Seconds since 1970.
    pub expires_s: u64,
}

impl StreamToken {
    pub(super) fn pass(&self) -> Pass {
        let scope = Scope::Stream { id: self.stream.clone(), room: self.room.clone() };
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(self.expires_s);
        Pass { scope, identity: None, grants: self.used_to.grants(), expires }
    }

    pub(super) fn claims(&self) -> StreamClaims {
        StreamClaims {
            stream_id: self.stream.to_string(),
            used_to: self.used_to,
            room_id: self.room.as_ref().map(RoomName::to_string),
            exp: Some(self.expires_s.into()),
            nbf: None,
            aud: None,
        }
    }
}

/// The payload of such a token as a JWT. What else is in it is passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamClaims {
    stream_id: String,
    #[serde(rename = "type")]
    used_to: StreamUse,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<Audience>,
}

impl StreamClaims {
    pub(super) fn into_pass(self, audience: &str, leeway: Duration, now: SystemTime) -> Result<Pass, Refused> {
        let exp = self.exp.as_ref().ok_or(Refused::NoExpiry)?;
        let expires = until(exp, self.nbf.as_ref(), leeway, now)?;
        if self.aud.is_some() && !is_ours(self.aud.as_ref(), audience) {
            return Err(Refused::Audience);
        }
        let name = |text: String| text.parse::<RoomName>().map_err(|_| Refused::Room);
        // An empty one is none: that is how forms say it.
        let room = self.room_id.filter(|room| !room.is_empty()).map(name).transpose()?;
        let scope = Scope::Stream { id: name(self.stream_id)?, room };
        Ok(Pass { scope, identity: None, grants: self.used_to.grants(), expires })
    }
}

/// What is read of a token for Ant Media's REST: that it is for now. The secret that it is signed with says all else.
#[derive(Debug, Deserialize)]
pub(super) struct RestClaims {
    #[serde(default)]
    exp: Option<Number>,
    #[serde(default)]
    nbf: Option<Number>,
}

impl RestClaims {
    /// One without `exp` is for ever, as in the original; so is an API key.
    pub(super) fn check(&self, leeway: Duration, now: SystemTime) -> Result<(), Refused> {
        let for_ever = Number::from(u32::MAX);
        until(self.exp.as_ref().unwrap_or(&for_ever), self.nbf.as_ref(), leeway, now).map(drop)
    }
}
