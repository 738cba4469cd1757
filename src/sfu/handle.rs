//! The media plane as the rest of the server holds it.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::bwe;
use super::data::HubId;
use super::place::{Load, Places, ShardLoad};
use super::publication::Limits;
use super::sdp::Local;
use super::shard::{Control, Ended, Settings, Shard};
use super::tap::TapId;
use super::tcp::{self, Inlet, StreamId};
use super::transport::data;
use super::transport::dtls::Identity;
use super::transport::ice;
use super::udp::{self, Socket};
use super::{Command, PublicationId, ShardId, TransportId};
use crate::config;
use crate::room::ids::RoomName;

/// The media plane could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "UDP port {address} for media cannot be had; does another server run here? `sfu.listen` names another port"
    )]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the addresses of this machine cannot be read")]
    Addresses(#[source] io::Error),
    #[error("the machine has no address that clients could be told of: set sfu.announce")]
    NoAddress,
    #[error("no DTLS certificate could be made: {0}")]
    Certificate(String),
    #[error("a media thread cannot be started")]
    Thread(#[source] io::Error),
}

/// A shard has as many commands waiting as `sfu.command_queue` allows, or has stopped. The command comes back.
#[derive(Debug, thiserror::Error)]
#[error("the media thread is not keeping up")]
pub struct ShardFull(pub Box<Command>);

/// A handle to all shards; copies are the same media plane.
#[derive(Debug, Clone)]
pub struct Sfu(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shards: Vec<Handle>,
    fingerprint: [u8; 32],
    max_message_bytes: usize,
    /// Where clients may come over TCP, once that is known.
    streams: OnceLock<Vec<SocketAddr>>,
    stream_limits: tcp::Limits,
    announce: Vec<IpAddr>,
    places: Mutex<Places>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    alive: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    transports: AtomicU64,
    publications: AtomicU64,
    taps: AtomicU64,
    hubs: AtomicU64,
    connections: AtomicU64,
}

#[derive(Debug)]
struct Handle {
    commands: SyncSender<Command>,
    inlet: Inlet,
    waker: Arc<Waker>,
    candidates: Vec<SocketAddr>,
}

/// Ends a shard's waiting.
#[derive(Debug)]
pub(crate) struct Waker(UnixStream);

impl Waker {
    /// A full pipe will wake the thread as well.
    pub(crate) fn wake(&self) {
        let _ = (&self.0).write(&[1]);
    }
}

impl Sfu {
    /// Binds the sockets and starts the threads. A metrics recorder has to be installed before, if there is to be one.
    pub fn start(config: &config::Sfu) -> Result<Self, StartError> {
        let retransmit = Duration::from_millis(config.dtls_retransmit_ms.into());
        let identity = Identity::new(retransmit).map_err(|error| StartError::Certificate(error.to_string()))?;
        let identity = Arc::new(identity);
        let stop = Arc::new(AtomicBool::new(false));
        let alive = Arc::new(AtomicBool::new(true));
        let settings = Settings {
            handshake: Duration::from_millis(config.handshake_ms.into()),
            consent: Duration::from_millis(config.consent_ms.into()),
            pli_interval: Duration::from_millis(config.pli_interval_ms.into()),
            publication: Limits {
                history_packets: config.history_packets,
                train: Duration::from_micros(config.train_us.into()),
                layer_enough: config.layer_enough,
                key_frame_reuse: Duration::from_millis(config.key_frame_reuse_ms.into()),
                key_frame_reuse_bytes: config.key_frame_reuse_bytes,
                estimates: config.bandwidth_estimation,
            },
            bandwidth: config.bandwidth_estimation.then(|| bwe::Limits {
                start: bwe::Rate::from_kbps(config.down_start_kbps),
                least: bwe::Rate::from_kbps(config.down_min_kbps),
                most: bwe::Rate::from_kbps(config.down_max_kbps),
            }),
            max_kbps: config.max_kbps,
            data: data::Limits {
                message_bytes: config.data_message_bytes,
                channels: config.data_channels,
                queue_bytes: config.data_queue_bytes,
                messages_per_second: config.data_messages_per_second,
                max_kbps: config.max_kbps,
            },
        };
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let count = if config.shards == 0 { cores.len().max(1) } else { config.shards };
        let mut shards = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        let loads: Vec<Load> = std::iter::repeat_with(Load::default).take(count).collect();
        for (number, load) in loads.iter().enumerate() {
            let socket = bind(config, number)?;
            let candidates = candidates(config, &socket)?;
            let (commands, inbox) = mpsc::sync_channel(config.command_queue);
            let (waker, woken) = wakers().map_err(StartError::Thread)?;
            let waker = Arc::new(Waker(waker));
            let (inlet, arrivals) = tcp::inlet(waker.clone());
            let control = Control { commands: inbox, arrivals, waker: woken, stop: stop.clone(), load: load.clone() };
            let core = cores.get(number).copied().filter(|_| config.pin);
            let (settings, identity, alive) = (settings.clone(), identity.clone(), alive.clone());
            let run = move || {
                if let Some(core) = core {
                    core_affinity::set_for_current(core);
                }
                watch(number, &alive, || Shard::new(socket, settings, identity).run(control));
            };
            threads
                .push(thread::Builder::new().name(format!("media-{number}")).spawn(run).map_err(StartError::Thread)?);
            shards.push(Handle { commands, inlet, waker, candidates });
        }
        Ok(Self(Arc::new(Inner {
            fingerprint: identity.fingerprint,
            max_message_bytes: config.data_message_bytes,
            streams: OnceLock::new(),
            stream_limits: tcp::Limits {
                handshake: Duration::from_millis(config.handshake_ms.into()),
                queue_bytes: config.tcp_queue_bytes,
            },
            announce: config.announce.clone(),
            places: Mutex::new(Places::new(loads)),
            threads: Mutex::new(threads),
            shards,
            alive,
            stop,
            transports: AtomicU64::new(1),
            publications: AtomicU64::new(1),
            taps: AtomicU64::new(1),
            hubs: AtomicU64::new(1),
            connections: AtomicU64::new(1),
        })))
    }

    /// Where clients are told to send to: the bound ports at every announced address.
    pub fn media_addresses(&self) -> Vec<SocketAddr> {
        self.0.shards.iter().flat_map(|shard| shard.candidates.iter().copied()).collect()
    }

    /// Offers ICE over TCP at `listeners`, whose connections [`Sfu::serve_stream`] gets. Counts once, for transports opened after.
    pub fn offer_tcp(&self, listeners: &[SocketAddr]) {
        let own = || self.0.shards.iter().flat_map(|shard| &shard.candidates).map(SocketAddr::ip).collect();
        let told = |bound: &SocketAddr| told(&self.0.announce, *bound, own);
        let mut all: Vec<SocketAddr> = listeners.iter().flat_map(told).collect();
        all.sort_unstable();
        all.dedup();
        let _ = self.0.streams.set(all);
    }

    /// Where clients are told to come over TCP.
    fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.0.streams.get().cloned().unwrap_or_default()
    }

    /// Serves a connection that speaks ICE over TCP (RFC 6544) to its end.
    pub async fn serve_stream<S: AsyncRead + AsyncWrite>(&self, stream: S, peer: SocketAddr) {
        let id = StreamId(self.0.connections.fetch_add(1, Ordering::Relaxed));
        let shard = |number: usize| self.0.shards.get(number).map(|shard| shard.inlet.clone());
        let end = tcp::serve(stream, peer, id, self.0.stream_limits, shard).await;
        metrics::counter!("crescendo_ice_tcp_connections_ended_total", "reason" => end.name()).increment(1);
        tracing::debug!(%peer, %end, "a connection with media is over");
    }

    /// The shard that the room lives on, until it is released.
    pub fn place(&self, room: &RoomName) -> ShardId {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner).place(room)
    }

    pub fn release(&self, room: &RoomName) {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner).release(room);
    }

    /// By number of the shard.
    pub fn loads(&self) -> Vec<ShardLoad> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner).loads()
    }

    /// Never blocks.
    pub fn send(&self, shard: ShardId, command: Command) -> Result<(), ShardFull> {
        let shard = &self.0.shards[shard.0];
        shard.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) | TrySendError::Disconnected(command) => ShardFull(Box::new(command)),
        })?;
        shard.waker.wake();
        Ok(())
    }

    /// What an offer of a new transport needs: a fresh ICE credential, the certificate's fingerprint, the candidates.
    pub fn local(&self, shard: ShardId) -> Local {
        Local {
            ice: ice::credential(shard.0),
            fingerprint: self.0.fingerprint,
            candidates: self.0.shards[shard.0].candidates.clone(),
            tcp_candidates: self.tcp_addresses(),
            max_message_bytes: self.0.max_message_bytes,
            session: fastrand::u64(..1 << 62),
        }
    }

    pub fn next_transport_id(&self) -> TransportId {
        TransportId(self.0.transports.fetch_add(1, Ordering::Relaxed))
    }

    pub fn next_publication_id(&self) -> PublicationId {
        PublicationId(self.0.publications.fetch_add(1, Ordering::Relaxed))
    }

    pub fn next_tap_id(&self) -> TapId {
        TapId(self.0.taps.fetch_add(1, Ordering::Relaxed))
    }

    pub fn next_hub_id(&self) -> HubId {
        HubId(self.0.hubs.fetch_add(1, Ordering::Relaxed))
    }

    /// False once a media thread has ended that was not told to: its calls are silent, and only a new process brings them back.
    pub fn is_alive(&self) -> bool {
        self.0.alive.load(Ordering::Acquire)
    }

    /// Closes every transport and waits for the threads to end. Blocks for a few milliseconds.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        self.0.shards.iter().for_each(|shard| shard.waker.wake());
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic was caught and logged in the thread.
            let _ = thread.join();
        }
    }
}

/// Runs a shard, and says so when it ended and was not told to.
fn watch(number: usize, alive: &AtomicBool, run: impl FnOnce() -> Ended) {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ended::Stopped) => {}
        Ok(Ended::Broken) | Err(_) => {
            alive.store(false, Ordering::Release);
            tracing::error!(number, "a media thread has ended, and every call on it");
        }
    }
}

fn bind(config: &config::Sfu, number: usize) -> Result<Socket, StartError> {
    let mut address = config.listen;
    if address.port() != 0 {
        let port = u16::try_from(number).ok().and_then(|number| address.port().checked_add(number));
        let beyond = || StartError::Bind { address, source: io::ErrorKind::AddrNotAvailable.into() };
        address.set_port(port.ok_or_else(beyond)?);
    }
    Socket::bind(address, config.socket_buffer_bytes).map_err(|source| StartError::Bind { address, source })
}

fn candidates(config: &config::Sfu, socket: &Socket) -> Result<Vec<SocketAddr>, StartError> {
    let bound = socket.local_addr().map_err(StartError::Addresses)?;
    let machine = match bound.ip().is_unspecified() {
        true => udp::machine_addresses().map_err(StartError::Addresses)?,
        false => Vec::new(),
    };
    let told = told(&config.announce, bound, || machine);
    if told.is_empty() { Err(StartError::NoAddress) } else { Ok(told) }
}

/// Where clients are told to send what is for a port: at every announced address, else where it is bound, which is everywhere that
/// `machine` says where that is unspecified.
fn told(announce: &[IpAddr], bound: SocketAddr, machine: impl FnOnce() -> Vec<IpAddr>) -> Vec<SocketAddr> {
    let ips = match (announce, bound.ip().is_unspecified()) {
        ([], false) => vec![bound.ip()],
        ([], true) => machine().into_iter().filter(|ip| ip.is_ipv4() || bound.is_ipv6()).collect(),
        (announced, _) => announced.to_vec(),
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

fn wakers() -> io::Result<(UnixStream, UnixStream)> {
    let (waker, woken) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    Ok((waker, woken))
}

#[cfg(test)]
mod tests;
