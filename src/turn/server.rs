//! What a TURN server answers and relays (RFC 8656), without sockets and without a clock: a client's message and its allocation
//! go in, one [`Step`] comes out. A client without an allocation is not known here at all.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_EVEN_PORT, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_USERNAME, ATTR_XOR_RELAYED_ADDRESS, ATTR_XORMAPPED_ADDRESS,
};

use super::allocation::{Allocation, LIFETIME_LEAST_S, LIFETIME_MOST_S, Transport};
use super::credentials::{Name, Secret};
use super::data::{self, Kind, Wrapping};
use super::filter::Filter;
use super::message::{ATTR_ADDITIONAL_ADDRESS_FAMILY, Key, Method, Refusal, Request};
use super::meters::{Dropped, Meters, Way};
use super::names::Names;
use super::nonce::Nonces;
use super::quota::{Place, Quotas};
use super::rate::Gate;

/// UDP, as REQUESTED-TRANSPORT names it.
const UDP: u8 = 17;
/// Address families on the wire (RFC 8489 section 14.1).
const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// Both times of one moment: timers run on the first, credentials run out by the second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) wall: SystemTime,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now() }
    }
}

/// What a server goes by; from configuration.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) realm: String,
    pub(super) names: Names,
    pub(super) permissions: usize,
    pub(super) channels: usize,
    pub(super) requests_per_second: u32,
    pub(super) request_burst: u32,
    pub(super) quotas: super::quota::Limits,
    /// Families that relayed addresses can be had of.
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
}

/// What the sockets' side is to do.
#[derive(Debug)]
pub(super) enum Step {
    Nothing,
    /// Send this to the client.
    Answer(Vec<u8>),
    /// Send this part of the message from the relayed address.
    Relay {
        to: SocketAddr,
        payload: Range<usize>,
    },
    /// Bind a relayed address, then call [`Server::opened`].
    Open(Box<Opening>),
    /// Send this to the client and drop its allocation.
    Close(Vec<u8>),
}

/// An Allocate request that everything speaks for but the socket.
#[derive(Debug)]
pub(super) struct Opening {
    request: Request,
    key: Key,
    place: Place,
    client: SocketAddr,
    lifetime_s: u32,
    additional: bool,
    pub(super) ipv6: bool,
    pub(super) even_port: bool,
}

/// Shared by all threads and tasks that serve clients.
#[derive(Debug)]
pub(super) struct Server {
    settings: Settings,
    secret: Secret,
    filter: Filter,
    nonces: Nonces,
    quotas: Arc<Quotas>,
    gate: Gate,
    pub(super) meters: Meters,
}

/// Who asks, once it is proven.
pub(super) struct User {
    pub(super) key: Key,
    pub(super) who: String,
    pub(super) expires: SystemTime,
}

impl Server {
    pub(super) fn new(now: Instant, settings: Settings, secret: Secret, filter: Filter) -> Self {
        Self {
            nonces: Nonces::new(now),
            quotas: Quotas::new(settings.quotas),
            gate: Gate::new(now, settings.requests_per_second, settings.request_burst),
            meters: Meters::new(),
            settings,
            secret,
            filter,
        }
    }

    /// These are the machine's addresses now: no relay sends to them, but to our own ports.
    /// Allocations: how many there are, and may be.
    pub(super) fn allocations(&self) -> (usize, usize) {
        self.quotas.taken()
    }

    pub(super) fn set_machine(&self, addresses: Vec<IpAddr>) {
        self.filter.set_machine(addresses);
    }

    /// Takes one message of the client at address `client`, and its allocation if it has one.
    pub(super) fn handle(
        &self,
        now: Now,
        client: SocketAddr,
        allocation: Option<&mut Allocation>,
        message: &[u8],
    ) -> Step {
        match data::kind(message) {
            Kind::Channel => self.channel_data(now.at, allocation, message),
            Kind::Send => self.send_indication(now.at, allocation, message),
            Kind::OtherStun => self.request(now, client, allocation, message),
            Kind::Unknown => self.drop(Dropped::Malformed),
        }
    }

    /// The relayed address is `bound`, or could not be had. Gives the allocation and what to answer.
    pub(super) fn opened(
        &self,
        now: Instant,
        opening: Opening,
        transport: Transport,
        bound: Option<SocketAddr>,
    ) -> (Option<Allocation>, Vec<u8>) {
        let Opening { request, key, place, client, lifetime_s, additional, ipv6: _, even_port: _ } = opening;
        let Some(bound) = bound else {
            self.meters.refused(Refusal::InsufficientCapacity);
            return (None, request.error(Refusal::InsufficientCapacity).signed(&key));
        };
        let mut answer = request
            .success()
            .with_address(ATTR_XOR_RELAYED_ADDRESS, self.settings.names.outside(bound))
            .with_address(ATTR_XORMAPPED_ADDRESS, client)
            .with(ATTR_LIFETIME, &lifetime_s.to_be_bytes());
        if additional {
            answer = answer.with_address_error(IPV6, Refusal::AddressFamilyNotSupported);
        }
        let answer = answer.signed(&key);
        let made_by = (request.transaction(), answer.clone());
        let until = now + Duration::from_secs(lifetime_s.into());
        let relayed = self.filter.relays().add(bound);
        (Some(Allocation::new(relayed, place, transport, made_by, until)), answer)
    }

    /// How a datagram from `peer` is wrapped for the client; nothing when it goes no further.
    pub(super) fn wrap(
        &self,
        now: Instant,
        allocation: &Allocation,
        peer: SocketAddr,
        payload: usize,
    ) -> Option<Wrapping> {
        let wrapping = allocation.wrap(now, peer, self.settings.names.outside(peer), payload);
        if wrapping.is_none() {
            self.meters.dropped(Dropped::NoPermission);
        }
        wrapping.filter(|_| self.count(now, allocation, Way::ToClient, payload))
    }

    /// An allocation that nobody asked for.
    pub(super) fn trial_allocation(&self, now: Instant, bound: SocketAddr) -> Allocation {
        let place = self.quotas.take(now, "somebody", bound.ip()).expect("there is none yet");
        let relayed = self.filter.relays().add(bound);
        Allocation::new(relayed, place, Transport::Udp, ([0; 12], Vec::new()), now + Duration::from_secs(600))
    }

    fn drop(&self, why: Dropped) -> Step {
        self.meters.dropped(why);
        Step::Nothing
    }

    /// Whether the user may have this much more relayed.
    fn count(&self, now: Instant, allocation: &Allocation, way: Way, bytes: usize) -> bool {
        let within = allocation.place.budget.take(now, bytes);
        if within {
            self.meters.relayed(way, bytes)
        } else {
            self.meters.dropped(Dropped::Rate)
        }
        within
    }

    fn channel_data(&self, now: Instant, allocation: Option<&mut Allocation>, message: &[u8]) -> Step {
        let Some((number, payload)) = data::read_channel(message) else { return self.drop(Dropped::Malformed) };
        let Some(allocation) = allocation else { return self.drop(Dropped::Stranger) };
        match allocation.channel(now, number) {
            Some(peer) => self.relay(now, allocation, peer, payload),
            None => self.drop(Dropped::NoPermission),
        }
    }

    fn send_indication(&self, now: Instant, allocation: Option<&mut Allocation>, message: &[u8]) -> Step {
        let Some(allocation) = allocation else { return self.drop(Dropped::Stranger) };
        match data::read_send(message) {
            Some((peer, payload)) => self.relay(now, allocation, self.settings.names.inside(peer), payload),
            None => self.drop(Dropped::Malformed),
        }
    }

    fn relay(&self, now: Instant, allocation: &Allocation, to: SocketAddr, payload: Range<usize>) -> Step {
        match allocation.permission(now, to.ip()) {
            None => self.drop(Dropped::NoPermission),
            Some(own) if to.port() == 0 || own && !self.filter.permits(to) => self.drop(Dropped::Forbidden),
            Some(_) if self.count(now, allocation, Way::ToPeer, payload.len()) => Step::Relay { to, payload },
            Some(_) => Step::Nothing,
        }
    }

    fn request(&self, now: Now, client: SocketAddr, allocation: Option<&mut Allocation>, message: &[u8]) -> Step {
        if !self.gate.lets_in(now.at, client.ip()) {
            return self.drop(Dropped::TooManyRequests);
        }
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let Some(mut request) = Request::parse(message) else { return self.drop(Dropped::Malformed) };
        if request.method == Method::Binding {
            return Step::Answer(self.binding(&request, client));
        }
        let user = match self.authenticate(now, client, allocation.as_deref(), &mut request) {
            Ok(user) => user,
            Err(answer) => return Step::Answer(answer),
        };
        let key = user.key.clone();
        self.authentic(now, client, allocation, request, user).unwrap_or_else(|(request, refusal)| {
            self.meters.refused(refusal);
            Step::Answer(request.error(refusal).signed(&key))
        })
    }

    fn binding(&self, request: &Request, client: SocketAddr) -> Vec<u8> {
        self.meters.binding();
        let unknown = !request.not_understood().is_empty();
        let answer = if unknown {
            request.error(Refusal::UnknownAttribute)
        } else {
            request.success().with_address(ATTR_XORMAPPED_ADDRESS, client)
        };
        answer.with_fingerprint()
    }

    /// RFC 8489 section 9.2.4. The error is the whole answer.
    fn authenticate(
        &self,
        now: Now,
        client: SocketAddr,
        allocation: Option<&Allocation>,
        request: &mut Request,
    ) -> Result<User, Vec<u8>> {
        let refuse = |request: &Request, refusal: Refusal| {
            self.meters.refused(refusal);
            let answer = request.error(refusal);
            match refusal {
                Refusal::BadRequest => answer.plain(),
                _ => answer
                    .with(ATTR_REALM, self.settings.realm.as_bytes())
                    .with(ATTR_NONCE, self.nonces.issue(now.at, client).as_bytes())
                    .plain(),
            }
        };
        if !request.has_integrity() {
            return Err(refuse(request, Refusal::Unauthenticated));
        }
        let (Some(username), Some(_), Some(nonce)) =
            (request.text(ATTR_USERNAME), request.get(ATTR_REALM), request.get(ATTR_NONCE))
        else {
            return Err(refuse(request, Refusal::BadRequest));
        };
        if !self.nonces.accepts(now.at, client, nonce) {
            return Err(refuse(request, Refusal::StaleNonce));
        }
        let Some(name) = Name::parse(username) else { return Err(refuse(request, Refusal::Unauthenticated)) };
        let key = Key::new(username, &self.settings.realm, self.secret.password(username));
        let user = User { key, who: name.who.to_owned(), expires: name.expires };
        // A call that lasts longer than its credential keeps its relay for a while; nobody gets a new one with it.
        let is_theirs = allocation.is_some_and(|allocation| allocation.place.who == user.who);
        let is_good = now.wall < user.expires || is_theirs && Secret::keeps(now.wall, user.expires);
        if !request.is_authentic(&user.key) || !is_good {
            return Err(refuse(request, Refusal::Unauthenticated));
        }
        Ok(user)
    }

    /// Carries out what a user may ask for (RFC 8656).
    pub(super) fn authentic(
        &self,
        now: Now,
        client: SocketAddr,
        allocation: Option<&mut Allocation>,
        request: Request,
        user: User,
    ) -> Result<Step, (Request, Refusal)> {
        if !request.not_understood().is_empty() {
            return Err((request, Refusal::UnknownAttribute));
        }
        if allocation.as_ref().is_some_and(|allocation| allocation.place.who != user.who) {
            return Err((request, Refusal::WrongCredentials));
        }
        let done = match (request.method, allocation) {
            (Method::Allocate, None) => return self.allocate(now, client, request, user),
            (Method::Allocate, Some(allocation)) if allocation.made_by.0 == request.transaction() => {
                return Ok(Step::Answer(allocation.made_by.1.clone()));
            }
            (Method::Refresh, Some(allocation)) => match self.refresh(now.at, allocation, &request) {
                Ok(0) => {
                    let answer = request.success().with(ATTR_LIFETIME, &0_u32.to_be_bytes());
                    return Ok(Step::Close(answer.signed(&user.key)));
                }
                Ok(seconds) => Ok(request.success().with(ATTR_LIFETIME, &seconds.to_be_bytes())),
                Err(refusal) => Err(refusal),
            },
            (Method::CreatePermission, Some(allocation)) => {
                self.create_permission(now.at, allocation, &request).map(|()| request.success())
            }
            (Method::ChannelBind, Some(allocation)) => {
                self.channel_bind(now.at, allocation, &request).map(|()| request.success())
            }
            // Binding was answered before.
            (Method::Allocate | Method::Binding, Some(_))
            | (Method::Refresh | Method::CreatePermission | Method::ChannelBind | Method::Binding, None) => {
                Err(Refusal::AllocationMismatch)
            }
        };
        match done {
            Ok(answer) => Ok(Step::Answer(answer.signed(&user.key))),
            Err(refusal) => Err((request, refusal)),
        }
    }

    /// RFC 8656 section 7.2.
    fn allocate(&self, now: Now, client: SocketAddr, request: Request, user: User) -> Result<Step, (Request, Refusal)> {
        let wanted = match self.wanted(&request) {
            Ok(wanted) => wanted,
            Err(refusal) => return Err((request, refusal)),
        };
        let place = match self.quotas.take(now.at, &user.who, client.ip()) {
            Ok(place) => place,
            Err(exceeded) => {
                self.meters.exceeded(exceeded);
                return Err((request, Refusal::AllocationQuotaReached));
            }
        };
        let Wanted { lifetime_s, ipv6, even_port, additional } = wanted;
        let opening = Opening { request, key: user.key, place, client, lifetime_s, additional, ipv6, even_port };
        Ok(Step::Open(Box::new(opening)))
    }

    fn wanted(&self, request: &Request) -> Result<Wanted, Refusal> {
        match request.get(ATTR_REQUESTED_TRANSPORT) {
            Some([UDP, ..]) => {}
            Some([_, ..]) => return Err(Refusal::UnsupportedTransport),
            Some([]) | None => return Err(Refusal::BadRequest),
        }
        let reserve = match request.get(ATTR_EVEN_PORT) {
            Some([flags, ..]) => flags & 0x80 != 0,
            Some([]) => return Err(Refusal::BadRequest),
            None => false,
        };
        let family = request.get(ATTR_REQUESTED_ADDRESS_FAMILY).map(|value| value.first().copied());
        let token = request.get(ATTR_RESERVATION_TOKEN).is_some();
        let additional = request.get(ATTR_ADDITIONAL_ADDRESS_FAMILY).is_some();
        let even_port = request.get(ATTR_EVEN_PORT).is_some();
        if (token && (even_port || family.is_some())) || (additional && (token || reserve || family.is_some())) {
            return Err(Refusal::BadRequest);
        }
        // Ports are not reserved for later, so that no token can be good.
        if reserve || token {
            return Err(Refusal::InsufficientCapacity);
        }
        let ipv6 = match family {
            None | Some(Some(IPV4)) => false,
            Some(Some(IPV6)) => true,
            Some(_) => return Err(Refusal::AddressFamilyNotSupported),
        };
        if !(if ipv6 { self.settings.ipv6 } else { self.settings.ipv4 }) {
            return Err(Refusal::AddressFamilyNotSupported);
        }
        let lifetime_s = lifetime(request)?.unwrap_or(LIFETIME_LEAST_S).clamp(LIFETIME_LEAST_S, LIFETIME_MOST_S);
        Ok(Wanted { lifetime_s, ipv6, even_port, additional })
    }

    /// Gives the new lifetime in seconds; 0 is the end (RFC 8656 section 8.2).
    fn refresh(&self, now: Instant, allocation: &mut Allocation, request: &Request) -> Result<u32, Refusal> {
        let ours = if allocation.relayed.address().is_ipv4() { IPV4 } else { IPV6 };
        if request.get(ATTR_REQUESTED_ADDRESS_FAMILY).is_some_and(|family| family.first() != Some(&ours)) {
            return Err(Refusal::PeerAddressFamilyMismatch);
        }
        let seconds = match lifetime(request)? {
            Some(0) => 0,
            asked => asked.unwrap_or(LIFETIME_LEAST_S).clamp(LIFETIME_LEAST_S, LIFETIME_MOST_S),
        };
        allocation.until = now + Duration::from_secs(seconds.into());
        Ok(seconds)
    }

    /// The peers of a request, as they are called inside, all of which a relay may talk to.
    fn peers(&self, allocation: &Allocation, request: &Request) -> Result<Vec<SocketAddr>, Refusal> {
        let peers = request.peers().filter(|peers| !peers.is_empty()).ok_or(Refusal::BadRequest)?;
        let peers: Vec<_> = peers.into_iter().map(|peer| self.settings.names.inside(peer)).collect();
        if peers.iter().any(|peer| !self.filter.permits(*peer)) {
            return Err(Refusal::Forbidden);
        }
        if peers.iter().any(|peer| peer.is_ipv4() != allocation.relayed.address().is_ipv4()) {
            return Err(Refusal::PeerAddressFamilyMismatch);
        }
        Ok(peers)
    }

    /// RFC 8656 section 10.2.
    fn create_permission(&self, now: Instant, allocation: &mut Allocation, request: &Request) -> Result<(), Refusal> {
        for peer in self.peers(allocation, request)? {
            self.permit(now, allocation, peer)?;
        }
        Ok(())
    }

    fn permit(&self, now: Instant, allocation: &mut Allocation, peer: SocketAddr) -> Result<(), Refusal> {
        allocation
            .permit(now, peer.ip(), self.filter.is_own(peer.ip()), self.settings.permissions)
            .map_err(|_| Refusal::InsufficientCapacity)
    }

    /// RFC 8656 section 12.2.
    fn channel_bind(&self, now: Instant, allocation: &mut Allocation, request: &Request) -> Result<(), Refusal> {
        let number = match request.get(ATTR_CHANNEL_NUMBER) {
            Some([high, low, _, _]) => u16::from_be_bytes([*high, *low]),
            Some(_) | None => return Err(Refusal::BadRequest),
        };
        let peers = self.peers(allocation, request)?;
        let &[peer] = &peers[..] else { return Err(Refusal::BadRequest) };
        if !data::CHANNELS.contains(&number) || !allocation.can_bind(now, number, peer) {
            return Err(Refusal::BadRequest);
        }
        self.permit(now, allocation, peer)?;
        allocation.bind(now, number, peer, self.settings.channels).map_err(|_| Refusal::InsufficientCapacity)
    }
}

/// What an Allocate request asks for.
struct Wanted {
    lifetime_s: u32,
    ipv6: bool,
    even_port: bool,
    /// A relay of the other family as well, which it does not get.
    additional: bool,
}

/// LIFETIME in seconds, if there is one.
fn lifetime(request: &Request) -> Result<Option<u32>, Refusal> {
    match request.get(ATTR_LIFETIME) {
        None => Ok(None),
        Some(value) => value.try_into().map(|bytes| Some(u32::from_be_bytes(bytes))).map_err(|_| Refusal::BadRequest),
    }
}
