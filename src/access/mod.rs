//! Who may do what: tokens, the keys that they are signed with, and what they grant.
//!
//! Pure: the time is an argument, and nothing is read or sent, but for [`load`], which reads the files that the
//! configuration names; keys that are published elsewhere are handed to it ([`Access::take_key_set`]). Doors ask [`Access::admit`] (somebody with a token) or [`Access::back_end`] (an API key); what a token
//! grants beyond the door is a [`Grants`], which goes with its bearer into the room.

mod claims;
mod grants;
mod key;
mod key_set;
mod load;
mod once;
mod refused;
mod stream;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use claims::{Audience, ClaimedSource, Claims, Publish};
pub use grants::{Grant, Grants, Sources};
pub use key_set::BadKeySet;
pub use load::AccessError;
pub use once::{Admitted, is_once};
pub use refused::Refused;
pub use stream::{Stream, StreamToken, StreamUse};

use crate::room::ids::RoomName;
use key::{ApiKey, Key};
use key_set::KeySet;
use once::Once;
use stream::{RestClaims, StreamClaims};

/// The keys of this server and how tokens are judged; copies are the same.
#[derive(Debug, Clone)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// By id.
    api_keys: BTreeMap<String, ApiKey>,
    /// By `kid`. Those of back ends are among them.
    token_keys: BTreeMap<String, Key>,
    /// Keys that are published elsewhere; none where nobody looks for any.
    fetched: Option<KeySet>,
    /// Of stream tokens as Ant Media has them, which name no key.
    stream_key: Option<Key>,
    /// Of what opens Ant Media's REST, and nothing else.
    rest_key: Option<Key>,
    once: Once,
    audience: String,
    leeway: Duration,
    max_token_bytes: usize,
}

/// The id of an API key that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackEnd(String);

impl fmt::Display for BackEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a token says that was signed by somebody who may.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    pub scope: Scope,
    /// How others see its bearer.
    pub identity: Option<String>,
    pub grants: Grants,
    pub expires: SystemTime,
}

/// Which rooms a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Room(RoomName),
    /// `*`
    EveryRoom,
    /// One stream of Ant Media's apps, and the conference that it is in.
    Stream {
        id: RoomName,
        room: Option<RoomName>,
    },
}

impl Pass {
    /// Everything, everywhere, for ever: what somebody has whom nobody asks for a token.
    fn open() -> Self {
        let expires = UNIX_EPOCH + Duration::from_secs(u32::MAX.into());
        Self { scope: Scope::EveryRoom, identity: None, grants: Grants::everything(), expires }
    }

    pub fn is_for(&self, room: &RoomName) -> bool {
        self.is_for_stream(Stream { id: room, room })
    }

    fn is_for_stream(&self, stream: Stream<'_>) -> bool {
        match &self.scope {
            Scope::Room(own) => own == stream.room,
            Scope::EveryRoom => true,
            // Who sends does so under this id, in the stream's own room or the one that is named.
            Scope::Stream { id, room } if self.grants.publishes() => {
                id == stream.id && (stream.room == id || room.as_ref() == Some(stream.room))
            }
            Scope::Stream { id, room } => id == stream.id || room.as_ref() == Some(stream.room),
        }
    }

    /// # Errors
    /// It is for another room, or does not grant this.
    pub fn check(&self, room: &RoomName, grant: Grant) -> Result<(), Refused> {
        self.permits(Stream { id: room, room }, &[grant])
    }

    /// # Errors
    /// It is for something else, or does not grant all of this.
    pub fn permits(&self, stream: Stream<'_>, wanted: &[Grant]) -> Result<(), Refused> {
        if !self.is_for_stream(stream) {
            return Err(Refused::OtherRoom);
        }
        let sends = wanted.iter().any(|grant| matches!(grant, Grant::Publish(_)));
        // Peer to peer, who sends is sent to: there is no third type of stream tokens for that.
        let is_met =
            |grant: &&Grant| **grant == Grant::Subscribe && sends && matches!(self.scope, Scope::Stream { .. });
        wanted.iter().filter(|grant| !is_met(grant)).try_for_each(|grant| self.grants.check(*grant))
    }

    /// As a stream token says it; None for one that is for a room.
    pub fn stream_token(&self) -> Option<StreamToken> {
        let Scope::Stream { id, room } = &self.scope else { return None };
        let used_to = if self.grants.publishes() { StreamUse::Publish } else { StreamUse::Play };
        let expires_s = self.expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Some(StreamToken { stream: id.clone(), used_to, room: room.clone(), expires_s })
    }

    /// # Errors
    /// It is for one room only, or does not grant this.
    pub fn check_everywhere(&self, grant: Grant) -> Result<(), Refused> {
        match &self.scope {
            Scope::Room(_) | Scope::Stream { .. } => Err(Refused::EveryRoomOnly),
            Scope::EveryRoom => self.grants.check(grant),
        }
    }
}

impl Access {
    /// There is no key: nobody is asked for a token.
    pub fn is_open(&self) -> bool {
        self.0.token_keys.is_empty()
            && self.0.fetched.is_none()
            && self.0.stream_key.is_none()
            && self.0.rest_key.is_none()
    }

    /// Lets the bearer of `token` into `room` for what `wanted` names. Where the server is open everybody is let in, and
    /// tokens are not looked at.
    ///
    /// # Errors
    /// There is no token, it is not one of ours or not for now, or it does not grant that.
    pub fn admit(
        &self,
        token: Option<&str>,
        room: &RoomName,
        wanted: &[Grant],
        now: SystemTime,
    ) -> Result<Admitted, Refused> {
        self.admit_to(token, Stream { id: room, room }, wanted, now)
    }

    /// The same for a stream of a room. A token that is good for one time is used up when what comes of this is kept.
    ///
    /// # Errors
    /// As [`Access::admit`].
    pub fn admit_to(
        &self,
        token: Option<&str>,
        stream: Stream<'_>,
        wanted: &[Grant],
        now: SystemTime,
    ) -> Result<Admitted, Refused> {
        if self.is_open() {
            return Ok(Admitted::again(Pass::open()));
        }
        let token = token.filter(|token| !token.is_empty()).ok_or(Refused::Missing)?;
        if is_once(token) {
            let pass = self.0.once.take(token, stream, wanted, now)?;
            return Ok(Admitted::once(pass, self.clone(), token));
        }
        let pass = self.read(token, now)?;
        pass.permits(stream, wanted)?;
        Ok(Admitted::again(pass))
    }

    /// Whether a token is good for this, on an open server too. One that is good for one time is used up by it.
    pub fn is_good(&self, token: &str, stream: Stream<'_>, wanted: &[Grant], now: SystemTime) -> bool {
        match is_once(token) {
            true => self.0.once.take(token, stream, wanted, now).inspect(|_| self.0.once.use_up(token)).is_ok(),
            false => self.read(token, now).is_ok_and(|pass| pass.permits(stream, wanted).is_ok()),
        }
    }

    /// Reads a token: form, key, signature and time, in this order, and only then what it says.
    ///
    /// # Errors
    /// The first of these that is not right.
    pub fn read(&self, token: &str, now: SystemTime) -> Result<Pass, Refused> {
        if token.len() > self.0.max_token_bytes {
            return Err(Refused::TooLong);
        }
        let token = token::Token::parse(token)?;
        let Some(kid) = &token.header.kid else {
            token.verify(self.0.stream_key.as_ref().ok_or(Refused::NoKeyId)?)?;
            let claims: StreamClaims = token::object(&token.payload).ok_or(Refused::Claims)?;
            return claims.into_pass(&self.0.audience, self.0.leeway, now);
        };
        match (self.0.token_keys.get(kid), &self.0.fetched) {
            (Some(key), _) => token.verify(key)?,
            // Keys of the configuration come first: nobody else can take their names.
            (None, Some(set)) => token.verify(set.keys().get(kid).ok_or(Refused::UnknownKey)?)?,
            (None, None) => return Err(Refused::UnknownKey),
        }
        Claims::parse(&token.payload)?.into_pass(&self.0.audience, self.0.leeway, now)
    }

    /// Before a token is looked at: when it names a key that is not known and may be published by now, waits for it a few seconds.
    /// However many such tokens come, the keys are asked for once in a while.
    pub async fn learn(&self, token: Option<&str>) {
        let Some((set, token)) = self.0.fetched.as_ref().zip(token) else { return };
        if token.len() > self.0.max_token_bytes {
            return;
        }
        let Some(kid) = token::Token::parse(token).ok().and_then(|token| token.header.kid) else { return };
        if !self.0.token_keys.contains_key(&kid) {
            set.want(&kid).await;
        }
    }

    /// Whether [`Access::learn`] has anything to do.
    pub fn learns(&self) -> bool {
        self.0.fetched.is_some()
    }

    /// For whoever asks for the published keys: waits until a token needs them.
    pub async fn keys_wanted(&self) {
        match &self.0.fetched {
            Some(set) => set.wanted().await,
            None => std::future::pending().await,
        }
    }

    /// Takes a set of keys (RFC 7517) in the place of the one before; how many can be used.
    ///
    /// # Errors
    /// It is none; the one before stays.
    pub fn take_key_set(&self, set: &[u8]) -> Result<usize, BadKeySet> {
        self.0.fetched.as_ref().map_or(Ok(0), |fetched| fetched.take(set))
    }

    /// The keys are being asked for: who needs them waits for that.
    pub fn keys_asking(&self) {
        if let Some(set) = &self.0.fetched {
            set.asking();
        }
    }

    /// The keys were asked for, whatever came of it.
    pub fn keys_asked(&self) {
        if let Some(set) = &self.0.fetched {
            set.asked();
        }
    }

    /// How many published keys there are.
    pub fn fetched_keys(&self) -> usize {
        self.0.fetched.as_ref().map_or(0, |set| set.keys().len())
    }

    /// Reads what Ant Media's REST is opened with beside our own keys: a JWT of any claims.
    ///
    /// # Errors
    /// It is not signed with the secret of that, or not for now.
    pub fn read_rest(&self, token: &str, now: SystemTime) -> Result<(), Refused> {
        if token.len() > self.0.max_token_bytes {
            return Err(Refused::TooLong);
        }
        let token = token::Token::parse(token)?;
        token.verify(self.0.rest_key.as_ref().ok_or(Refused::UnknownKey)?)?;
        let claims: RestClaims = token::object(&token.payload).ok_or(Refused::Claims)?;
        claims.check(self.0.leeway, now)
    }

    /// Makes a token that is good for one time. None where as many are out as may be.
    pub fn give_once(&self, token: &StreamToken, now: SystemTime) -> Option<String> {
        self.give_pass(token.pass(), now)
    }

    /// The same for whatever a pass says.
    pub fn give_pass(&self, pass: Pass, now: SystemTime) -> Option<String> {
        self.0.once.give(pass, now)
    }

    /// Those of a stream that have not been used, the first to end first.
    pub fn given(&self, stream: &RoomName, now: SystemTime) -> Vec<(String, StreamToken)> {
        let given = self.0.once.of(stream, now).into_iter();
        given.filter_map(|(token, pass)| Some((token, pass.stream_token()?))).collect()
    }

    /// Takes back those of a stream; how many there were.
    pub fn revoke(&self, stream: &RoomName) -> usize {
        self.0.once.revoke(stream)
    }

    /// Makes a stream token that is a JWT. None where there is no secret for these.
    pub fn sign_stream(&self, stream: &StreamToken) -> Option<String> {
        token::sign(None, self.0.stream_key.as_ref()?, &stream.claims())
    }

    /// Whose API key this is: `{id}.{secret}`, as it comes in `Authorization: Bearer`.
    ///
    /// # Errors
    /// It is nobody's.
    pub fn back_end(&self, credential: &str) -> Result<BackEnd, Refused> {
        let (id, secret) = credential.split_once('.').ok_or(Refused::ApiKey)?;
        let key = self.0.api_keys.get(id).filter(|key| key.is(secret)).ok_or(Refused::ApiKey)?;
        Ok(BackEnd(key.id.clone()))
    }

    /// Makes a token that is signed with a back end's key. None when that key is gone.
    pub fn mint(&self, by: &BackEnd, claims: &Claims) -> Option<String> {
        let key = self.0.token_keys.get(&by.0)?;
        token::sign(Some(&by.0), key, claims)
    }
}

/// Whether this could be an API key: a token has two dots, an API key one.
pub fn is_api_key(credential: &str) -> bool {
    credential.bytes().filter(|byte| *byte == b'.').count() == 1
}
