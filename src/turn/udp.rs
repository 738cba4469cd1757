//! The thread that serves all clients that come over UDP: their port and the relayed ports of their allocations.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::allocation::{Allocation, Transport};
use super::server::{Now, Opening, Server, Step};
use super::socket::{Batch, Ports, Socket, Train};
use crate::sfu::machine_addresses;

const LISTEN: Token = Token(0);
pub(super) const WAKE: Token = Token(1);
/// Tokens of relays begin here.
const FIRST: usize = 2;
/// How often it is looked for allocations that have run out.
const SWEEP: Duration = Duration::from_secs(1);
/// How often the machine's addresses are read. More often: a relay reaches the ports of a new one for a shorter time.
const LOOK: Duration = Duration::from_secs(60);
/// Events taken from the kernel at once.
const EVENTS: usize = 256;

/// A client's end of the 5-tuple: its address, and which of ours it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Client {
    address: SocketAddr,
    ours: Option<IpAddr>,
}

#[derive(Debug)]
struct Relay {
    client: Client,
    allocation: Allocation,
    socket: Arc<Socket>,
}

/// Everything the thread owns. Only clients with an allocation are in it.
#[derive(Debug)]
pub(super) struct UdpServer {
    server: Arc<Server>,
    ports: Ports,
    poll: Poll,
    listen: Arc<Socket>,
    clients: HashMap<Client, usize>,
    relays: Vec<Option<Relay>>,
    free: Vec<usize>,
    train: Train,
}

impl UdpServer {
    pub(super) fn new(server: Arc<Server>, ports: Ports, poll: Poll, listen: Socket) -> io::Result<Self> {
        poll.registry().register(&mut SourceFd(&listen.as_raw_fd()), LISTEN, Interest::READABLE)?;
        Ok(Self {
            server,
            ports,
            poll,
            listen: Arc::new(listen),
            clients: HashMap::new(),
            relays: Vec::new(),
            free: Vec::new(),
            train: Train::default(),
        })
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut batch = Batch::default();
        // Sockets that may have more to read. Each has its turn for one batch, so that none keeps the others waiting.
        let mut ready: VecDeque<Token> = VecDeque::new();
        let begun = Instant::now();
        let (mut next_sweep, mut next_look) = (begun + SWEEP, begun + LOOK);
        while !stop.load(Ordering::Acquire) {
            let now = Instant::now();
            if now >= next_sweep {
                self.sweep(now);
                next_sweep = now + SWEEP;
                if now >= next_look {
                    self.look();
                    next_look = now + LOOK;
                }
            }
            let idle = if ready.is_empty() { next_sweep.saturating_duration_since(now) } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(idle)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for token in events.iter().map(mio::event::Event::token).filter(|token| *token != WAKE) {
                if !ready.contains(&token) {
                    ready.push_back(token);
                }
            }
            for _ in 0..ready.len() {
                let Some(token) = ready.pop_front() else { break };
                if self.receive(token, &mut batch) {
                    ready.push_back(token);
                }
            }
        }
        Ok(())
    }

    /// One batch of one socket; true when there may be more.
    fn receive(&mut self, token: Token, batch: &mut Batch) -> bool {
        let now = Now::read();
        let more = if token == LISTEN {
            let more = received(&self.listen, batch);
            for (address, ours, message) in batch.iter() {
                self.client_message(now, Client { address, ours }, message);
            }
            more
        } else {
            let Some(Relay { client, allocation, socket }) = self.relays.get(token.0 - FIRST).and_then(Option::as_ref)
            else {
                return false;
            };
            let more = received(socket, batch);
            for (peer, _, payload) in batch.iter() {
                if let Some(wrapping) = self.server.wrap(now.at, allocation, peer, payload.len()) {
                    let parts = [wrapping.before(), payload, wrapping.after()];
                    self.train.push(&self.listen, client.address, client.ours, &parts, &self.server.meters);
                }
            }
            more
        };
        self.train.flush(&self.server.meters);
        more
    }

    fn client_message(&mut self, now: Now, client: Client, message: &[u8]) {
        let relay = self.clients.get(&client).copied();
        let known = relay.and_then(|relay| self.relays[relay].as_mut());
        let (allocation, socket) =
            known.map_or((None, None), |relay| (Some(&mut relay.allocation), Some(&relay.socket)));
        match (self.server.handle(now, client.address, allocation, message), socket) {
            (Step::Nothing, _) => {}
            (Step::Relay { to, payload }, Some(socket)) => {
                self.train.push(socket, to, None, &[&message[payload]], &self.server.meters);
            }
            (Step::Relay { .. }, None) => unreachable!("only a client with an allocation has anything relayed"),
            (Step::Answer(answer), _) => self.answer(client, &answer),
            (Step::Open(opening), _) => self.open(now.at, client, *opening),
            (Step::Close(answer), _) => {
                self.answer(client, &answer);
                relay.into_iter().for_each(|relay| self.close(relay));
            }
        }
    }

    fn answer(&mut self, client: Client, answer: &[u8]) {
        self.train.push(&self.listen, client.address, client.ours, &[answer], &self.server.meters);
    }

    fn open(&mut self, now: Instant, client: Client, opening: Opening) {
        let index = self.free.last().copied().unwrap_or(self.relays.len());
        let bound = self.ports.bind(opening.ipv6, opening.even_port).filter(|(socket, _)| {
            let fd = socket.as_raw_fd();
            let registered =
                self.poll.registry().register(&mut SourceFd(&fd), Token(FIRST + index), Interest::READABLE);
            registered.is_ok()
        });
        let address = bound.as_ref().map(|(_, address)| *address);
        let (allocation, answer) = self.server.opened(now, opening, Transport::Udp, address);
        self.answer(client, &answer);
        let (Some(allocation), Some((socket, _))) = (allocation, bound) else { return };
        let relay = Some(Relay { client, allocation, socket });
        match self.free.pop() {
            Some(index) => self.relays[index] = relay,
            None => self.relays.push(relay),
        }
        self.clients.insert(client, index);
    }

    /// The socket leaves the poll by being closed, unless it is needed for a train that has yet to leave.
    fn close(&mut self, index: usize) {
        self.train.flush(&self.server.meters);
        if let Some(relay) = self.relays[index].take() {
            self.clients.remove(&relay.client);
            self.free.push(index);
        }
    }

    /// Addresses may have come since the start: of a container network, a tunnel, a cloud's second interface.
    fn look(&self) {
        match machine_addresses() {
            Ok(addresses) => self.server.set_machine(addresses),
            Err(error) => {
                tracing::warn!(%error, "the addresses of this machine cannot be read; the last ones are kept")
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        let over = |relay: &Option<Relay>| relay.as_ref().is_some_and(|relay| relay.allocation.is_over(now));
        let ended: Vec<usize> = (0..self.relays.len()).filter(|index| over(&self.relays[*index])).collect();
        ended.into_iter().for_each(|index| self.close(index));
    }
}

/// True when there may be more.
fn received(socket: &Socket, batch: &mut Batch) -> bool {
    match socket.receive(batch) {
        Ok(more) => more,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        // A peer that is not there, as ICMP reports it: what came after it can still be read.
        Err(error) => {
            tracing::trace!(%error, "receive");
            true
        }
    }
}
