//! The data channels of one transport: SCTP over DTLS (RFC 8261), opened as RFC 8832 has it or agreed on beforehand.
//!
//! Without a socket and without a clock. The SCTP library does what RFC 9260 asks of it; [`guard`] looks at every packet before,
//! and what no limit holds back there ends the association here. Media goes on without it.

mod chunk;
mod guard;
mod held;
mod opening;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc_sctp::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, EndpointEvent, Event,
    Payload, PayloadProtocolIdentifier as Protocol, ServerConfig, StreamEvent, TimerConfig, TransportConfig,
};
use rtc_shared::TransportProtocol;

use self::guard::{Guard, Verdict};
use crate::sfu::forward::bucket::Bucket;
use crate::sfu::sdp::tables::SCTP_PORT;

/// DTLS carries the packets, so SCTP has no addresses; this stands for both ends.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 9);
/// The channel that native clients and the server agree on beforehand: unordered, and nothing is sent again.
const AGREED: u16 = 0;
/// The window that is granted is this many messages of the largest size. More: a far away sender is faster; fewer: less memory
/// for what somebody sends in pieces.
const WINDOW_MESSAGES: u32 = 2;

/// What is sent may be so many bytes longer than what may come: a shard puts more before a message that it forwards than was there.
const HEADROOM: usize = 3;

/// From configuration.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of one message that comes, in bytes.
    pub message_bytes: usize,
    /// Of one transport.
    pub channels: u16,
    /// What may wait for a far end that is slow to take it, in bytes.
    pub queue_bytes: usize,
    /// That a far end may send.
    pub messages_per_second: u32,
    /// That a far end may send, in kbit/s: acknowledgements, repetitions and all.
    pub max_kbps: u32,
}

/// Who opens channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// There is one, [`AGREED`] on beforehand.
    Agreed,
    /// The far end, in-band.
    Theirs,
    /// The server opens a reliable one with this label; others of the far end are taken as well.
    Ours(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

/// A message that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    pub bytes: Bytes,
}

/// Why something was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It is no packet or no message.
    Malformed,
    /// It came too soon after others.
    Rate,
    /// The far end does not keep up with an unreliable channel, or there is no channel.
    Slow,
    /// The far end does not keep up with a reliable channel, and the association is over.
    Overrun,
}

impl Dropped {
    pub const ALL: [Self; 4] = [Self::Malformed, Self::Rate, Self::Slow, Self::Overrun];

    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Rate => "rate",
            Self::Slow => "slow",
            Self::Overrun => "overrun",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Channel {
    reliable: bool,
}

/// The association of a transport and its channels.
pub struct Channels {
    limits: Limits,
    opening: Opening,
    config: TransportConfig,
    endpoint: Endpoint,
    state: State,
    guard: Guard,
    /// Who began: this end, as the DTLS client, or the far one.
    connects: bool,
    /// Those that are open, by stream.
    channels: BTreeMap<u16, Channel>,
    /// Streams on which something may be read.
    readable: BTreeSet<u16>,
    /// What waits for a channel to be sent on, not more than `queue_bytes`.
    waiting: VecDeque<Message>,
    waiting_bytes: usize,
    bucket: Bucket,
    /// Messages that may be taken now.
    tokens: f64,
    filled: Instant,
    /// What was dropped since [`Self::take_dropped`].
    dropped: [u64; Dropped::ALL.len()],
}

enum State {
    /// Nobody has begun.
    Idle,
    Live {
        handle: AssociationHandle,
        association: Box<Association>,
        is_up: bool,
    },
    /// Over; there is no other for this transport.
    Over,
}

impl Channels {
    pub fn new(limits: Limits, opening: Opening, now: Instant) -> Self {
        let message_bytes = u32::try_from(limits.message_bytes).unwrap_or(u32::MAX);
        let window = message_bytes.saturating_mul(WINDOW_MESSAGES);
        let config = TransportConfig::default()
            .with_sctp_port(SCTP_PORT)
            // That it sends.
            .with_max_message_size(u32::try_from(limits.message_bytes + HEADROOM).unwrap_or(u32::MAX))
            .with_max_receive_buffer_size(window)
            // The transport's consent says when a far end is gone.
            .with_timer_config(TimerConfig { max_t3_rtx_retrans: usize::MAX, ..TimerConfig::default() });
        let server = Arc::new(ServerConfig::new(config.clone()));
        let endpoint_config = Arc::new(EndpointConfig::new());
        Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, endpoint_config, Some(server)),
            guard: Guard::new(limits, window),
            config,
            opening,
            state: State::Idle,
            connects: false,
            channels: BTreeMap::new(),
            readable: BTreeSet::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            bucket: Bucket::new(limits.max_kbps, now),
            tokens: f64::from(limits.messages_per_second),
            filled: now,
            dropped: [0; Dropped::ALL.len()],
            limits,
        }
    }

    /// Begins an association, as the DTLS client does. Browsers begin one too, whoever that is, and join the two.
    pub fn connect(&mut self, now: Instant) {
        if let State::Idle = self.state {
            self.connects = true;
            self.endpoint.set_server_config(None);
            let config = ClientConfig::new(self.config.clone());
            self.state = match self.endpoint.connect(now, config, PEER) {
                Ok((handle, association)) => State::Live { handle, association: Box::new(association), is_up: false },
                Err(_) => State::Over,
            };
        }
    }

    /// A packet of the far end.
    pub fn read(&mut self, packet: Bytes, now: Instant) {
        if !self.bucket.take(packet.len(), now) {
            return self.count(Dropped::Rate);
        }
        // The far end begins one too, and its answer to ours joins the two (RFC 9260 section 5.2.1).
        if self.connects && chunk::begins(&packet) {
            return;
        }
        if !chunk::is_well_formed(&packet) {
            return self.count(Dropped::Malformed);
        }
        match (self.endpoint.handle(now, PEER, None, packet.clone()), &mut self.state) {
            (Some((to, DatagramEvent::AssociationEvent(event))), State::Live { handle, association, .. })
                if to == *handle =>
            {
                match self.guard.admit(&packet) {
                    Verdict::Pass => association.handle_event(event),
                    Verdict::Drop => return self.count(Dropped::Malformed),
                    Verdict::Full => return self.count(Dropped::Rate),
                    Verdict::End => return self.end(Dropped::Malformed),
                }
            }
            (Some((new, DatagramEvent::NewAssociation(association))), _) => match self.guard.admit_first(&packet) {
                Verdict::Pass => self.begun(new, association),
                Verdict::Drop | Verdict::Full | Verdict::End => {
                    self.endpoint.handle_event(new, EndpointEvent::drained());
                    return self.count(Dropped::Malformed);
                }
            },
            (Some(_) | None, _) => return self.count(Dropped::Malformed),
        }
        self.settle(now);
    }

    /// The far end has begun an association.
    fn begun(&mut self, new: AssociationHandle, association: Association) {
        let live = State::Live { handle: new, association: Box::new(association), is_up: false };
        if let State::Live { handle, .. } = std::mem::replace(&mut self.state, live) {
            self.endpoint.handle_event(handle, EndpointEvent::drained());
        }
    }

    /// Takes what the association has to say.
    fn settle(&mut self, now: Instant) {
        let State::Live { association, is_up, .. } = &mut self.state else { return };
        let mut came_up = false;
        let mut is_over = false;
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => came_up = !*is_up,
                Event::HandshakeFailed { .. } => is_over = true,
                Event::AssociationLost { id, .. } => {
                    self.channels.remove(&id);
                    self.readable.remove(&id);
                    self.guard.reset(id);
                }
                Event::Stream(StreamEvent::Readable { id }) => drop(self.readable.insert(id)),
                _ => {}
            }
        }
        is_over |= association.is_closed();
        if came_up {
            *is_up = true;
            self.endpoint.reject_new_associations();
            self.open(now);
        } else if is_over && (*is_up || self.connects) {
            self.state = State::Over;
        }
    }

    /// Sends on the channel there is; waits for one that is still to be opened in-band.
    pub fn send(&mut self, kind: Kind, bytes: &Bytes, now: Instant) {
        if bytes.len() > self.limits.message_bytes + HEADROOM {
            return self.count(Dropped::Malformed);
        }
        let Some((&id, &channel)) = self.channels.first_key_value() else { return self.wait(kind, bytes) };
        let State::Live { association, .. } = &mut self.state else { return self.count(Dropped::Slow) };
        let Ok(mut stream) = association.stream(id) else { return self.count(Dropped::Slow) };
        let waits = stream.buffered_amount().unwrap_or(usize::MAX).saturating_add(bytes.len());
        if waits > self.limits.queue_bytes + HEADROOM {
            return match channel.reliable {
                true => self.end(Dropped::Overrun),
                false => self.count(Dropped::Slow),
            };
        }
        // SCTP has no empty messages (RFC 8831 section 6.6).
        let nothing = Bytes::from_static(&[0]);
        let (protocol, bytes) = match (kind, bytes.is_empty()) {
            (Kind::Text, false) => (Protocol::String, bytes),
            (Kind::Text, true) => (Protocol::StringEmpty, &nothing),
            (Kind::Binary, false) => (Protocol::Binary, bytes),
            (Kind::Binary, true) => (Protocol::BinaryEmpty, &nothing),
        };
        if stream.write_chunk_with_ppi(now, bytes, protocol).is_err() {
            self.count(Dropped::Slow);
        }
    }

    fn wait(&mut self, kind: Kind, bytes: &Bytes) {
        let is_over = matches!(self.state, State::Over);
        match &self.opening {
            Opening::Theirs | Opening::Ours(_) if !is_over => {
                if self.waiting_bytes + bytes.len() > self.limits.queue_bytes {
                    return self.end(Dropped::Overrun);
                }
                self.waiting_bytes += bytes.len();
                self.waiting.push_back(Message { kind, bytes: bytes.clone() });
            }
            Opening::Agreed | Opening::Theirs | Opening::Ours(_) => self.count(Dropped::Slow),
        }
    }

    /// The next message of the far end. One that comes too soon waits on a reliable channel, until its window is full, and is
    /// dropped on others.
    pub fn poll_message(&mut self, now: Instant) -> Option<Message> {
        self.fill(now);
        while let Some(&id) = self.readable.first() {
            let reliable = self.channels.get(&id).is_none_or(|channel| channel.reliable);
            if reliable && self.tokens < 1.0 {
                // The others' turn comes with the next token.
                return None;
            }
            let State::Live { association, .. } = &mut self.state else { return None };
            let chunks = association.stream(id).ok().and_then(|mut stream| stream.read_sctp().ok()).flatten();
            let Some(chunks) = chunks else {
                self.readable.remove(&id);
                self.guard.emptied(id);
                continue;
            };
            self.guard.took(id);
            let Ok(bytes) = chunks.to_payload(self.limits.message_bytes) else {
                self.count(Dropped::Malformed);
                continue;
            };
            let kind = match chunks.ppi {
                Protocol::Dcep => {
                    self.control(id, bytes, now);
                    continue;
                }
                Protocol::String | Protocol::StringEmpty => Kind::Text,
                Protocol::Binary | Protocol::BinaryEmpty => Kind::Binary,
                _ => {
                    self.count(Dropped::Malformed);
                    continue;
                }
            };
            let is_empty = matches!(chunks.ppi, Protocol::StringEmpty | Protocol::BinaryEmpty);
            let is_text = kind == Kind::Binary || std::str::from_utf8(&bytes).is_ok();
            if !self.channels.contains_key(&id) || !is_text {
                self.count(Dropped::Malformed);
                continue;
            }
            if self.tokens < 1.0 {
                self.count(Dropped::Rate);
                continue;
            }
            self.tokens -= 1.0;
            return Some(Message { kind, bytes: if is_empty { Bytes::new() } else { bytes.freeze() } });
        }
        None
    }

    fn fill(&mut self, now: Instant) {
        let rate = f64::from(self.limits.messages_per_second);
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        self.tokens = (self.tokens + passed * rate).min(rate.max(1.0));
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Live { association, .. } = &mut self.state
            && association.poll_timeout().is_some_and(|at| at <= now)
        {
            association.handle_timeout(now);
            self.settle(now);
        }
    }

    /// Packets for the far end, as long as there are any.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<Bytes>> {
        let State::Live { association, is_up, .. } = &mut self.state else { return None };
        let transmit = association.poll_transmit(now);
        match transmit.map(|transmit| transmit.message) {
            Some(Payload::RawEncode(packets)) => {
                packets.iter().for_each(|packet| self.guard.sent(packet));
                Some(packets)
            }
            Some(_) | None => {
                if association.is_closed() && (*is_up || self.connects) {
                    self.state = State::Over;
                }
                None
            }
        }
    }

    /// A channel to send on is open.
    pub fn is_open(&self) -> bool {
        !self.channels.is_empty() && matches!(self.state, State::Live { .. })
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// How often something was dropped since this was asked last, by reason.
    pub fn take_dropped(&mut self) -> impl Iterator<Item = (Dropped, u64)> + use<> {
        let dropped = std::mem::take(&mut self.dropped);
        Dropped::ALL.into_iter().zip(dropped).filter(|(_, times)| *times > 0)
    }

    fn count(&mut self, why: Dropped) {
        self.dropped[why as usize] += 1;
    }

    /// Ends the association. The far end is told by the packets that are still to be sent.
    fn end(&mut self, why: Dropped) {
        self.count(why);
        self.channels.clear();
        self.readable.clear();
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.opening = Opening::Agreed;
        self.endpoint.reject_new_associations();
        match &mut self.state {
            State::Live { association, .. } => drop(association.abort()),
            State::Idle | State::Over => self.state = State::Over,
        }
    }
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channels").field("opening", &self.opening).field("channels", &self.channels).finish()
    }
}

#[cfg(test)]
mod tests;
