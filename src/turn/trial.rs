//! The server without sockets and with one client, for fuzzing: hand it bytes, and it checks what would be done with them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use super::allocation::{Allocation, Transport};
use super::credentials::Secret;
use super::data::{self, Frame};
use super::filter::Filter;
use super::message::{Key, Request};
use super::names::Names;
use super::quota::Limits;
use super::server::{Now, Server, Settings, Step, User};

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 1_000);
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)), 9);
const RELAYED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 1)), 20_000);
const CHANNEL: u16 = 0x4000;
const PERMISSIONS: usize = 4;

/// A client with an allocation, a permission and a channel.
#[derive(Debug)]
pub struct Trial {
    server: Server,
    now: Now,
    allocation: Allocation,
}

impl Default for Trial {
    fn default() -> Self {
        let now = Now { at: Instant::now(), wall: SystemTime::now() };
        let settings = Settings {
            realm: "trial".into(),
            names: Names::default(),
            permissions: PERMISSIONS,
            channels: 4,
            requests_per_second: u32::MAX,
            request_burst: u32::MAX,
            quotas: Limits { total: 4, per_user: 4, per_address: 4, user_kbps: u32::MAX },
            ipv4: true,
            ipv6: true,
        };
        let filter = Filter::new(Vec::new(), vec![RELAYED.ip()], Vec::new());
        let server = Server::new(now.at, settings, Secret::new("", Duration::from_secs(60)), filter);
        let mut allocation = server.trial_allocation(now.at, RELAYED);
        allocation.permit(now.at, PEER.ip(), false, PERMISSIONS).expect("the first one");
        allocation.bind(now.at, CHANNEL, PEER, 1).expect("the first one");
        Self { server, now, allocation }
    }
}

impl Trial {
    /// One message, from somebody unknown and from the client.
    pub fn message(&mut self, bytes: &[u8]) {
        let unknown = self.server.handle(self.now, CLIENT, None, bytes);
        assert!(matches!(unknown, Step::Nothing | Step::Answer(_)), "nobody unknown gets anything but an answer");
        let step = self.server.handle(self.now, CLIENT, Some(&mut self.allocation), bytes);
        Self::check(step, bytes);
    }

    /// One request as if its integrity had been proven.
    pub fn authentic(&mut self, bytes: &[u8]) {
        for known in [true, false] {
            let Some(request) = Request::parse(bytes) else { return };
            let key = Key::new("somebody", "trial", String::new());
            let user = User { key, who: self.allocation.place.who.clone(), expires: self.now.wall };
            let allocation = known.then_some(&mut self.allocation);
            match self.server.authentic(self.now, CLIENT, allocation, request, user) {
                Ok(Step::Open(opening)) => drop(self.server.opened(self.now.at, *opening, Transport::Stream, None)),
                Ok(step) => Self::check(step, bytes),
                Err((request, refusal)) => assert!(request.error(refusal).plain().len() >= data::STUN_HEADER),
            }
        }
    }

    /// What a TCP connection brings.
    pub fn stream(&mut self, mut bytes: &[u8]) {
        while let Frame::Whole { message, with_padding } = data::frame(bytes) {
            assert!(message <= with_padding && with_padding <= bytes.len() && with_padding > 0);
            self.message(&bytes[..message]);
            bytes = &bytes[with_padding..];
        }
    }

    fn check(step: Step, bytes: &[u8]) {
        match step {
            Step::Relay { to, payload } => {
                assert!(payload.end <= bytes.len());
                assert!(to.is_ipv4() && to.port() != 0);
            }
            Step::Answer(answer) | Step::Close(answer) => assert!(answer.len() >= data::STUN_HEADER),
            Step::Nothing | Step::Open(_) => {}
        }
    }
}
