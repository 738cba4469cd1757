//! One listener: takes connections from the kernel and sees each of them to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, trace, warn};

use super::crowd::{Crowd, Guest, Kind};
use super::http::Server;
use super::tell::{Protocol, Told, Untold, tell};
use super::{Beyond, Duplex, Over, StreamDoor, ended};

/// Pause after the kernel has refused to hand out a connection, most likely for want of file descriptors, which come back
/// when others close. Higher: newcomers wait longer; lower: a full server spends its time asking.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whoever takes nothing that was sent for this long, not even a byte, is gone: the TCP user timeout (RFC 5482). Higher:
/// outages are survived; lower: those who do not read hold memory and a place for a shorter time.
const UNREAD: Duration = Duration::from_secs(30);

/// After this much silence the kernel asks whether the other end is still there.
const SILENCE: Duration = Duration::from_secs(30);

/// What a plain connection beyond a limit is told. A TLS one cannot be told anything.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 35\r\nconnection: close\r\nretry-after: 5\r\n\r\n\
                      this server is full; try again soon";

/// What all doors lead to.
pub(super) struct Hall {
    pub(super) crowd: Crowd,
    pub(super) http: Server,
    /// For TLS to come up and the first byte in it to arrive.
    pub(super) handshake_time: Duration,
    pub(super) beyond: Beyond,
}

/// What a door is for.
#[derive(Clone)]
pub(super) enum Way {
    Http,
    /// For HTTP and TURN, in TLS, and for what tells itself from it; `media`: for ICE over TCP as well.
    Tls {
        acceptor: TlsAcceptor,
        media: bool,
    },
    Media,
}

#[derive(Clone)]
pub(super) struct Door {
    pub(super) way: Way,
    pub(super) site: Router,
    /// What plain HTTP is answered with at a door for TLS: where to go.
    pub(super) elsewhere: Router,
}

impl Door {
    /// Lets connections in until `over` says true.
    pub(super) async fn open(self, listener: TcpListener, hall: Arc<Hall>, mut over: Over) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = ended(&mut over) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match hall.crowd.enter(peer.ip()) {
                    Ok(place) => {
                        let guest = Guest::new(stream, place);
                        tokio::spawn(self.clone().receive(guest, peer, hall.clone(), over.clone()));
                    }
                    Err(full) => {
                        full.count();
                        if matches!(self.way, Way::Http) {
                            let _ = stream.try_write(FULL);
                        }
                    }
                },
                // The other end went away while it waited.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(%error, "no connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn receive(self, guest: Guest, peer: SocketAddr, hall: Arc<Hall>, mut over: Over) {
        if let Err(error) = tune(guest.tcp()) {
            trace!(%error, "a connection that is gone already");
            return;
        }
        let Ok(local) = guest.tcp().local_addr() else { return };
        let (tls, media) = match &self.way {
            Way::Tls { acceptor, media } => (acceptor, *media),
            Way::Http => {
                guest.is(Kind::Http);
                return hall.http.serve_one(Box::new(guest), peer, self.site, over).await;
            }
            Way::Media => {
                guest.is(Kind::Media);
                return pass(hall.beyond.media.as_ref(), Box::new(guest), peer, local, &mut over).await;
            }
        };
        let told = tokio::select! {
            told = timeout(hall.handshake_time, tell(guest, tls, media)) => told.unwrap_or(Err(Untold::Late)),
            () = ended(&mut over) => return,
        };
        match told {
            Ok(Told { protocol, secure, stream }) => match protocol {
                Protocol::Http1 => {
                    let site = if secure { self.site } else { self.elsewhere };
                    hall.http.serve_one(stream, peer, site, over).await;
                }
                Protocol::Http2 => hall.http.serve_two(stream, peer, self.site, over).await,
                Protocol::Turn => pass(hall.beyond.turn.as_ref(), stream, peer, local, &mut over).await,
                Protocol::Media => pass(hall.beyond.media.as_ref(), stream, peer, local, &mut over).await,
            },
            Err(untold) => {
                debug!(%untold, "a connection came to nothing");
                untold.count();
            }
        }
    }
}

/// To whom it is for, until the server is over.
async fn pass(to: Option<&StreamDoor>, stream: Box<dyn Duplex>, peer: SocketAddr, local: SocketAddr, over: &mut Over) {
    let Some(to) = to else { return };
    tokio::select! {
        () = to(stream, peer, local) => {}
        () = ended(over) => {}
    }
}

/// Small messages leave at once, and the kernel notices who is gone.
fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(UNREAD))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 3))
}
