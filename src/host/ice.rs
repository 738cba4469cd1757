//! The STUN and TURN servers that clients are told of, with credentials of their own for each participant.

use std::time::Duration;

use crate::config;
use crate::room::ids::{ParticipantId, RoomName};
use crate::signal::message::IceServer;

#[derive(Debug)]
pub(super) struct IceServers {
    stun: Vec<String>,
}

impl IceServers {
    pub(super) fn new(signal: &config::Signal) -> Self {
        Self { stun: signal.stun_urls.clone() }
    }

    pub(super) fn servers(&self, _room: &RoomName, _participant: ParticipantId) -> Vec<IceServer> {
        let stun = IceServer { urls: self.stun.clone(), username: None, credential: None };
        (!self.stun.is_empty()).then_some(stun).into_iter().collect()
    }

    /// How often clients need new ones. None: what they have never runs out.
    pub(super) fn renew_every(&self) -> Option<Duration> {
        None
    }
}
