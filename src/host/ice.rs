//! ICE: the STUN and TURN servers that clients are told of, with credentials of their own for each participant, and what
//! clients say of it who offer their transports themselves.

use std::time::Duration;

use super::member::Member;
use crate::config;
use crate::room::ids::{ParticipantId, RoomName};
use crate::sfu::sdp::Fragment;
use crate::signal::message::IceServer;
use crate::turn::{self, Turn};

#[derive(Debug)]
pub(super) struct IceServers {
    /// Others' servers, from the configuration.
    stun: Vec<String>,
    /// Our own.
    turn: Option<Turn>,
}

impl IceServers {
    pub(super) fn new(signal: &config::Signal, turn: Option<Turn>) -> Self {
        Self { stun: signal.stun_urls.clone(), turn }
    }

    /// What a participant is told. Its quota is its own: it is one user of the relay for as long as it is in the room. A room
    /// that is made anew has the same identifiers for others; the member's number tells them apart.
    pub(super) fn servers(&self, room: &RoomName, participant: ParticipantId, member: &Member) -> Vec<IceServer> {
        self.servers_for(&format!("{room}/{participant}/{:016x}", member.relay_user))
    }

    /// What the relay's user `who` is told.
    pub(super) fn servers_for(&self, who: &str) -> Vec<IceServer> {
        let stun = IceServer { urls: self.stun.clone(), username: None, credential: None };
        let others = (!self.stun.is_empty()).then_some(stun);
        let own = self.turn.iter().flat_map(|turn| turn.ice_servers(who));
        others.into_iter().chain(own.map(IceServer::from)).collect()
    }

    /// How many allocations our own relay has, and may have.
    pub(super) fn allocations(&self) -> Option<(usize, usize)> {
        self.turn.as_ref().map(Turn::allocations)
    }

    /// How often clients need new ones: twice in the life of their credentials, so that a restart of ICE at any time has
    /// some that are good. None: what they have never runs out.
    pub(super) fn renew_every(&self) -> Option<Duration> {
        self.turn.as_ref().map(|turn| turn.credential_lifetime() / 2)
    }
}

/// Which sessions of ICE a client's word is for (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    Any,
    /// Entity tags without their quotes.
    Tags(Vec<String>),
}

/// A client's word on its end of the transport of this generation.
#[derive(Debug)]
pub(super) struct IcePatch {
    pub(super) generation: u32,
    pub(super) tags: IfMatch,
    pub(super) fragment: Fragment,
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patched {
    /// There were candidates, of which nothing has to be told.
    Taken,
    /// ICE has begun anew; the client needs the server's half.
    Restarted { entity_tag: String, fragment: String },
    /// It was for another session of ICE.
    Stale,
}

impl From<turn::IceServer> for IceServer {
    fn from(from: turn::IceServer) -> Self {
        let (username, credential) = from.credentials.map(|given| (given.username, given.password)).unzip();
        Self { urls: from.urls, username, credential }
    }
}
