//! The server without sockets: what a client says goes in, what would be done comes out.

mod client;
mod filter;
mod hostile;
mod rules;
mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use self::client::{Client, Reply};
use super::allocation::{Allocation, Transport};
use super::credentials::{Credentials, Secret};
use super::filter::Filter;
use super::names::Names;
use super::quota::Limits;
use super::server::{Now, Server, Settings, Step};
use crate::config::Network;

const ALLOCATE: u16 = 0x003;
const REFRESH: u16 = 0x004;
const CREATE_PERMISSION: u16 = 0x008;
const CHANNEL_BIND: u16 = 0x009;

/// Type and value.
type Attribute = (u16, Vec<u8>);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// One server and its sockets' side, which never has to wait: relayed ports are counted up.
struct World {
    server: Server,
    secret: Secret,
    now: Now,
    next_port: u16,
    can_bind: bool,
}

/// One client's end of it.
struct Seat {
    client: Client,
    allocation: Option<Allocation>,
}

impl World {
    fn new() -> Self {
        Self::with(&[], |_| ())
    }

    fn with(allowed: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let now = Now { at: Instant::now(), wall: SystemTime::now() };
        let mut settings = Settings {
            realm: "here".into(),
            names: Names::default(),
            permissions: 8,
            channels: 8,
            requests_per_second: 100_000,
            request_burst: 100_000,
            quotas: Limits { total: 1_000, per_user: 100, per_address: 500, user_kbps: 1_000 },
            ipv4: true,
            ipv6: true,
        };
        change(&mut settings);
        let secret = Secret::new("secret", Duration::from_secs(600));
        let allowed = allowed.iter().map(|net| net.parse::<Network>().expect("a network")).collect();
        let own = ["192.0.2.1".parse().expect("an address"), "9.9.9.1".parse().expect("an address")];
        let media = settings.names.in_both_forms(vec![address("9.9.9.1:50000"), address("7.7.7.7:50001")]);
        let filter = Filter::new(allowed, own.to_vec(), media);
        let server = Server::new(now.at, settings, secret.clone(), filter);
        Self { server, secret, now, next_port: 20_000, can_bind: true }
    }

    fn seat(&self, from: &str, who: &str) -> Seat {
        self.seat_with(from, self.secret.issue(self.now.wall, who))
    }

    fn seat_with(&self, from: &str, credentials: Credentials) -> Seat {
        Seat { client: Client::new(address(from), credentials), allocation: None }
    }

    fn pass(&mut self, seconds: u64) {
        let passed = Duration::from_secs(seconds);
        self.now = Now { at: self.now.at + passed, wall: self.now.wall + passed };
    }

    /// Hands a message in and does what the sockets' side does.
    fn give(&mut self, seat: &mut Seat, message: &[u8]) -> Done {
        match self.server.handle(self.now, seat.client.address, seat.allocation.as_mut(), message) {
            Step::Nothing => Done::Nothing,
            Step::Answer(answer) => Done::Answer(Reply::read(&answer)),
            Step::Relay { to, payload } => Done::Relayed(to, message[payload].to_vec()),
            Step::Open(opening) => {
                let ip = if opening.ipv6 { "2606::9" } else { "9.9.9.1" };
                self.next_port += 1;
                let bound = self.can_bind.then(|| SocketAddr::new(ip.parse().expect("an address"), self.next_port));
                let (allocation, answer) = self.server.opened(self.now.at, *opening, Transport::Udp, bound);
                seat.allocation = allocation;
                Done::Answer(Reply::read(&answer))
            }
            Step::Close(answer) => {
                seat.allocation = None;
                Done::Answer(Reply::read(&answer))
            }
        }
    }

    /// Sends a request with credentials, and once more with the nonce that the first answer brought.
    fn ask(&mut self, seat: &mut Seat, method: u16, attributes: &[Attribute]) -> Reply {
        let mut reply = None;
        for _ in 0..2 {
            let message = seat.client.request(method, attributes);
            let Done::Answer(answer) = self.give(seat, &message) else { panic!("every request is answered") };
            if !seat.client.learns(&answer) {
                return answer;
            }
            reply = Some(answer);
        }
        reply.expect("two were asked")
    }

    fn allocate(&mut self, seat: &mut Seat) -> Reply {
        self.ask(seat, ALLOCATE, &[client::udp()])
    }

    fn permit(&mut self, seat: &mut Seat, peer: SocketAddr) -> u16 {
        let attributes = [seat.client.peer(peer)];
        self.ask(seat, CREATE_PERMISSION, &attributes).code
    }

    fn bind(&mut self, seat: &mut Seat, number: u16, peer: SocketAddr) -> u16 {
        let attributes = [client::channel_number(number), seat.client.peer(peer)];
        self.ask(seat, CHANNEL_BIND, &attributes).code
    }

    fn send(&mut self, seat: &mut Seat, peer: SocketAddr, payload: &[u8]) -> Done {
        let message = seat.client.send(peer, payload);
        self.give(seat, &message)
    }
}

/// What came of a message.
#[derive(Debug, PartialEq)]
enum Done {
    Nothing,
    Answer(Reply),
    Relayed(SocketAddr, Vec<u8>),
}
