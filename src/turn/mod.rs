//! STUN and TURN (RFC 8489, RFC 8656): how participants who cannot reach each other, or the media port, do it all the same.
//!
//! [`server`] decides, without sockets and without a clock. Two shells carry it out: [`udp`], one thread for everybody who comes
//! over UDP, and [`stream`], one task for each who comes over TCP or TLS. Nothing is remembered of a client before it has an
//! allocation: nonces prove themselves, passwords are computed from user names, and the request rate is held in fixed memory.
//!
//! Left out, as no browser asks for it: relays over TCP (RFC 6062), ports reserved for later, mobility (RFC 8016).

mod allocation;
pub mod credentials;
mod data;
mod filter;
mod message;
mod meters;
mod names;
mod nonce;
mod places;
mod quota;
mod rate;
mod server;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
pub mod trial;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use mio::{Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use credentials::{Credentials, Secret};
pub use filter::Filter;
pub use rate::Gate;
pub use stream::Pieces;

use self::names::Names;
use self::places::Places;
use self::server::Server;
use self::socket::{Ports, Socket};
use self::udp::UdpServer;
use crate::config;
use crate::sfu::machine_addresses;

/// After an error of accept(2), such as too many open files, the listener rests this long: asking again at once would only burn
/// the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A stream that comes when more than half of the places are taken has this part of the time to get an allocation. More: who
/// only connects keeps others out for a shorter time; less: slow networks have time for the three round trips it takes.
const HURRY: u32 = 4;
/// Connections that the kernel keeps before they are accepted. More: a larger rush is taken without resets.
const BACKLOG: i32 = 1_024;

/// Ports that are tried when any will do.
const PORT_TRIES: usize = 16;

/// The TURN server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} (`turn.listen`; `turn.enabled=false` does without)")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the addresses of this machine cannot be read")]
    Addresses(#[source] io::Error),
    #[error("the machine has no address that could be relayed from: set `turn.relay`")]
    NoAddress,
    #[error("the TURN thread cannot be started")]
    Thread(#[source] io::Error),
}

/// An entry of a browser's `iceServers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    pub urls: Vec<String>,
    /// Nothing for STUN, which needs none.
    pub credentials: Option<Credentials>,
}

/// A handle to the TURN server; copies are the same.
#[derive(Debug, Clone)]
pub struct Turn(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Arc<Server>,
    secret: Secret,
    ports: Ports,
    streams: stream::Settings,
    places: Places,
    /// Where clients are told to come.
    addresses: Vec<SocketAddr>,
    /// Addresses, or the one name, for URLs.
    hosts: Vec<String>,
    tls_ports: Mutex<Vec<u16>>,
    stopping: Arc<AtomicBool>,
    stopped: watch::Sender<bool>,
    waker: Waker,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Turn {
    /// Binds UDP and TCP and starts to serve them. `media` are our own media addresses, which relays may always send to.
    /// Call it after the metrics recorder was installed.
    pub fn start(config: &config::Turn, media: Vec<SocketAddr>) -> Result<Self, StartError> {
        let machine = machine_addresses().map_err(StartError::Addresses)?;
        let bind_error = |source| StartError::Bind { address: config.listen, source };
        let (udp, tcp) = listen(config).map_err(bind_error)?;
        let bound = udp.local_addr().map_err(bind_error)?;
        let here = if bound.ip().is_unspecified() { machine.clone() } else { vec![bound.ip()] };
        let here: Vec<_> = here.into_iter().filter(|ip| ip.is_ipv4() || bound.is_ipv6()).collect();

        let from = if config.relay.is_empty() { &here } else { &config.relay };
        let ports = Ports {
            ipv4: from.iter().copied().find(IpAddr::is_ipv4),
            ipv6: from.iter().copied().find(IpAddr::is_ipv6),
            range: (config.first_port != 0).then_some(config.first_port..=config.last_port),
            buffer_bytes: config.socket_buffer_bytes,
        };
        let relays: Vec<IpAddr> = [ports.ipv4, ports.ipv6].into_iter().flatten().collect();
        if relays.is_empty() {
            return Err(StartError::NoAddress);
        }
        let announced = |ip: IpAddr| config.announce.iter().copied().find(|other| other.is_ipv4() == ip.is_ipv4());
        let names = Names::new(relays.iter().filter_map(|ip| Some((*ip, announced(*ip)?))).collect());
        let media = names.in_both_forms(media);
        let addresses: Vec<_> = [here.iter().find(|ip| ip.is_ipv4()), here.iter().find(|ip| ip.is_ipv6())]
            .into_iter()
            .flatten()
            .map(|ip| SocketAddr::new(announced(*ip).unwrap_or(*ip), bound.port()))
            .collect();

        let own = config.announce.iter().copied().chain(relays).collect();
        let secret = Secret::new(&config.secret.0, Duration::from_secs(config.credential_ttl_s.into()));
        let settings = server::Settings {
            realm: config.realm.clone(),
            names,
            permissions: config.permissions,
            channels: config.channels,
            requests_per_second: config.requests_per_second,
            request_burst: config.request_burst,
            quotas: quota::Limits {
                total: config.allocations,
                per_user: config.user_allocations,
                per_address: config.address_allocations,
                user_kbps: config.user_kbps,
            },
            ipv4: ports.ipv4.is_some(),
            ipv6: ports.ipv6.is_some(),
        };
        let server =
            Server::new(Instant::now(), settings, secret.clone(), Filter::new(config.allow_peers.clone(), own, media));
        server.set_machine(machine);
        let server = Arc::new(server);
        let idle = Duration::from_millis(config.stream_idle_ms.into());

        let poll = Poll::new().map_err(StartError::Thread)?;
        let waker = Waker::new(poll.registry(), udp::WAKE).map_err(StartError::Thread)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = UdpServer::new(server.clone(), ports.clone(), poll, udp).map_err(StartError::Thread)?;
        let thread = spawn(thread, config.pin, stopping.clone()).map_err(StartError::Thread)?;
        let turn = Self(Arc::new(Inner {
            server,
            secret,
            ports,
            streams: stream::Settings { stranger: idle, idle, buffer_bytes: config.stream_buffer_bytes },
            places: Places::new(config.streams, config.streams_per_address),
            hosts: match &config.public_host[..] {
                "" => addresses.iter().map(|address| host(address.ip())).collect(),
                name => vec![name.to_owned()],
            },
            addresses,
            tls_ports: Mutex::default(),
            stopping,
            stopped: watch::Sender::new(false),
            waker,
            threads: Mutex::new(vec![thread]),
        }));
        let tcp = spawn_tcp(turn.clone(), tcp).map_err(StartError::Thread)?;
        turn.0.threads.lock().unwrap_or_else(PoisonError::into_inner).push(tcp);
        Ok(turn)
    }

    /// Where clients are told to come, over UDP and TCP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.addresses.clone()
    }

    /// How many allocations there are, and how many there may be.
    pub fn allocations(&self) -> (usize, usize) {
        self.0.server.allocations()
    }

    /// From now on clients are told that TURN is to be had over TLS on these ports: whoever ends TLS there gives the streams to
    /// [`Self::serve_stream`].
    pub fn offer_tls(&self, ports: Vec<u16>) {
        *self.0.tls_ports.lock().unwrap_or_else(PoisonError::into_inner) = ports;
    }

    /// How long the credentials of [`Self::ice_servers`] can be used for a new allocation.
    pub fn credential_lifetime(&self) -> Duration {
        self.0.secret.lifetime()
    }

    /// What `who` is told: our STUN without credentials, our TURN with fresh ones. Quotas count by `who`.
    pub fn ice_servers(&self, who: &str) -> Vec<IceServer> {
        let Inner { hosts, addresses, tls_ports, secret, .. } = &*self.0;
        let Some(port) = addresses.first().map(SocketAddr::port) else { return Vec::new() };
        let stun = hosts.iter().map(|host| format!("stun:{host}:{port}")).collect();
        let tls_ports = tls_ports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let turn = hosts.iter().flat_map(|host| {
            let plain = ["udp", "tcp"].map(|transport| format!("turn:{host}:{port}?transport={transport}"));
            let tls = tls_ports.iter().map(move |port| format!("turns:{host}:{port}?transport=tcp"));
            plain.into_iter().chain(tls)
        });
        let credentials = secret.issue(SystemTime::now(), who);
        vec![
            IceServer { urls: stun, credentials: None },
            IceServer { urls: turn.collect(), credentials: Some(credentials) },
        ]
    }

    /// Serves one client on a stream that was accepted already, plain or out of TLS, from its first byte to its end. The
    /// allocation goes with it. `peer` is what the client is told its address is.
    pub async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        pieces: Pieces,
        peer: SocketAddr,
        local: SocketAddr,
    ) {
        let Inner { server, ports, streams, places, stopped, .. } = &*self.0;
        let place = match places.take(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                let limit = full.limit();
                metrics::counter!("crescendo_refused_total", "limit" => limit).increment(1);
                return tracing::debug!(%peer, %local, limit, "refused a TURN stream: there are as many as are allowed");
            }
        };
        let stranger = if place.crowded { streams.idle / HURRY } else { streams.idle };
        let streams = &stream::Settings { stranger, ..streams.clone() };
        let mut stopped = stopped.subscribe();
        tokio::select! {
            end = stream::serve(server, ports, streams, stream, pieces, peer) => {
                tracing::debug!(%peer, %local, %end, "TURN stream");
            }
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    /// Ends every allocation, and waits for the threads. Blocks for a few milliseconds.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        // `send` would change nothing while nobody listens, and the thread of TCP may not have begun to.
        self.0.stopped.send_replace(true);
        let _ = self.0.waker.wake();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic was reported by the thread.
            let _ = thread.join();
        }
    }
}

/// UDP and TCP on the same address and port. A free one of UDP may be taken in TCP: then another one is tried.
fn listen(config: &config::Turn) -> io::Result<(Socket, std::net::TcpListener)> {
    let mut tries = if config.listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        let udp = Socket::bind(config.listen, config.socket_buffer_bytes)?;
        tries -= 1;
        match listen_tcp(udp.local_addr()?) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            tcp => return Ok((udp, tcp?)),
        }
    }
}

fn listen_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let tcp = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    if address.is_ipv6() {
        tcp.set_only_v6(!address.ip().is_unspecified())?;
    }
    tcp.set_reuse_address(true)?;
    tcp.set_nonblocking(true)?;
    tcp.bind(&address.into())?;
    tcp.listen(BACKLOG)?;
    Ok(tcp.into())
}

/// The UDP thread. It takes the last core, media threads the first.
fn spawn(server: UdpServer, pin: bool, stopping: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    let core = core_affinity::get_core_ids().and_then(|cores| cores.last().copied()).filter(|_| pin);
    thread::Builder::new().name("turn".into()).spawn(move || {
        if let Some(core) = core {
            core_affinity::set_for_current(core);
        }
        if let Err(error) = server.run(&stopping) {
            tracing::error!(%error, "the TURN thread has ended: nobody is relayed over UDP any more");
        }
    })
}

/// The thread of everybody who comes over plain TCP. A runtime of one thread wakes no other for a packet, which the server's
/// own would do for nearly every one.
fn spawn_tcp(turn: Turn, listener: std::net::TcpListener) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _within = runtime.enter();
        TcpListener::from_std(listener)?
    };
    thread::Builder::new().name("turn-tcp".into()).spawn(move || runtime.block_on(accept(turn, listener)))
}

async fn accept(turn: Turn, listener: TcpListener) {
    let mut stopped = turn.0.stopped.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (turn, local) = (turn.clone(), stream.local_addr().unwrap_or(peer));
                // Without it packets would wait for each other.
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move { turn.serve_stream(stream, Pieces::Any, peer, local).await });
            }
            Err(error) => {
                tracing::warn!(%error, "accept on `turn.listen`");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}
