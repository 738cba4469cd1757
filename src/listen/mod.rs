//! How connections reach the server.
//!
//! [`Listeners::bind`] opens the ports, [`Listeners::serve`] lets connections in until the server is over. Each goes the same
//! way: `door` takes it from the kernel, `crowd` has a place for it or has none, `tell` finds out what it speaks, and
//! `http`, the TURN server or the media plane has it from there. `tls` keeps the certificate.

mod crowd;
mod door;
mod http;
mod open_files;
mod redirect;
mod tell;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::warn;

use crate::config::Config;
use crowd::Crowd;
use door::{Door, Hall, Way};
use tls::Tls;

pub use open_files::allow_open_files;
pub use tls::{TlsError, Validity, certificate, trusting};

/// How long requests that are under way may take once the server is over. Higher: slow downloads are finished; lower: a
/// client that does not read holds nobody up.
const FINISH: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {address} (`{key}`): {source}")]
    Bind { address: SocketAddr, key: &'static str, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A connection, over TCP or TLS.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Runs one connection to its end that does not speak HTTP: the stream, the peer's address, and the server's own.
pub type StreamDoor =
    Arc<dyn Fn(Box<dyn Duplex>, SocketAddr, SocketAddr) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Bound ports, which nobody is let in by so far.
#[derive(Debug)]
pub struct Listeners {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    turns: Vec<TcpListener>,
    media: Vec<TcpListener>,
    /// Media may come at `https` as well.
    media_on_https: bool,
    tls: Option<Tls>,
}

/// Who has the connections that do not speak HTTP. Where there is nobody they are closed.
#[derive(Clone, Default)]
#[expect(missing_debug_implementations, reason = "doors are functions")]
pub struct Beyond {
    pub turn: Option<StreamDoor>,
    /// ICE over TCP (RFC 6544).
    pub media: Option<StreamDoor>,
}

impl Listeners {
    /// Opens `http.listen`, `tls.listen`, `turn.tls_listen` and `sfu.tcp_listen`, and reads the certificate.
    pub async fn bind(config: &Config) -> Result<Self, ListenError> {
        // A hangup asks for files to be read anew. Where there are none it is no reason to end, which is what it does by default.
        // Once listened for, it never does that again.
        drop(signal(SignalKind::hangup()));
        let http = bind_all(&config.http.listen, "http.listen").await?;
        let https = bind_all(&config.tls.listen, "tls.listen").await?;
        let turns = match config.turn.enabled {
            true => bind_all(&config.turn.tls_listen, "turn.tls_listen").await?,
            false => Vec::new(),
        };
        let media = bind_all(&config.sfu.tcp_listen, "sfu.tcp_listen").await?;
        let tls = if https.is_empty() && turns.is_empty() { None } else { Some(Tls::open(&config.tls).await?) };
        Ok(Self { http, https, turns, media, media_on_https: config.sfu.tcp_on_https, tls })
    }

    /// Addresses of plain HTTP, as bound.
    pub fn http(&self) -> Vec<SocketAddr> {
        addresses(&self.http)
    }

    /// Addresses of HTTPS, as bound.
    pub fn https(&self) -> Vec<SocketAddr> {
        addresses(&self.https)
    }

    /// Addresses of TURN over TLS, as bound.
    pub fn turns(&self) -> Vec<SocketAddr> {
        addresses(&self.turns)
    }

    /// Addresses where media may come over TCP, as bound.
    pub fn media(&self) -> Vec<SocketAddr> {
        let shared = if self.media_on_https { self.https() } else { Vec::new() };
        [addresses(&self.media), shared].concat()
    }

    /// Where clients can be sent for TURN over TLS: its own port, and that of HTTPS, which is open in most firewalls.
    pub fn turn_ports(&self) -> Vec<u16> {
        let firsts = [self.turns(), self.https()].into_iter().filter_map(|addresses| addresses.first().copied());
        firsts.map(|address| address.port()).collect()
    }

    /// Lets connections in until `over` resolves; then nobody new, and requests that are under way are finished, within
    /// [`FINISH`]. `site` is what HTTP is answered with.
    pub async fn serve(self, config: &Config, site: Router, beyond: Beyond, over: impl Future<Output = ()>) {
        let https_port = self.https().first().map(SocketAddr::port);
        let elsewhere = redirect::router(https_port);
        let redirects = |listener: &TcpListener| {
            config.http.redirect_to_https && listener.local_addr().is_ok_and(|here| !here.ip().is_loopback())
        };
        let hall = Arc::new(Hall {
            crowd: Crowd::new(&config.limits),
            http: http::Server::new(&config.http),
            handshake_time: Duration::from_millis(config.tls.handshake_timeout_ms.into()),
            beyond,
        });
        let (end, _) = watch::channel(false);
        let acceptor = self.tls.as_ref().map(Tls::acceptor);
        let keeping = self.tls.map(|tls| tokio::spawn(tls.keep()));
        for listener in self.http {
            let site = if https_port.is_some() && redirects(&listener) { &elsewhere } else { &site };
            let door = Door { way: Way::Http, site: site.clone(), elsewhere: elsewhere.clone() };
            tokio::spawn(door.open(listener, hall.clone(), end.subscribe()));
        }
        for listener in self.media {
            let door = Door { way: Way::Media, site: Router::new(), elsewhere: Router::new() };
            tokio::spawn(door.open(listener, hall.clone(), end.subscribe()));
        }
        let secure = site.layer(Extension(Secure));
        let https = self.https.into_iter().map(|listener| (listener, self.media_on_https));
        let turns = self.turns.into_iter().map(|listener| (listener, false));
        for (listener, media) in https.chain(turns) {
            let Some(acceptor) = acceptor.clone() else { continue };
            let way = Way::Tls { acceptor, media };
            let door = Door { way, site: secure.clone(), elsewhere: elsewhere.clone() };
            tokio::spawn(door.open(listener, hall.clone(), end.subscribe()));
        }
        over.await;
        end.send_replace(true);
        if tokio::time::timeout(FINISH, end.closed()).await.is_err() {
            warn!("requests that did not end were cut off");
        }
        if let Some(keeping) = keeping {
            keeping.abort();
        }
    }
}

/// Among the extensions of a request that came over TLS.
#[derive(Debug, Clone, Copy)]
pub struct Secure;

/// Says true once the server is over.
type Over = watch::Receiver<bool>;

async fn ended(over: &mut Over) {
    let _ = over.wait_for(|over| *over).await;
}

async fn bind_all(addresses: &[SocketAddr], key: &'static str) -> Result<Vec<TcpListener>, ListenError> {
    let mut bound = Vec::new();
    for &address in addresses {
        let listener = TcpListener::bind(address).await;
        bound.push(listener.map_err(|source| ListenError::Bind { address, key, source })?);
    }
    Ok(bound)
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}
