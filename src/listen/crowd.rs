//! Who may come in: so many connections in all, and so many from one address.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::config::{Limits, Network, Origin, Origins};

#[cfg(test)]
mod tests;

/// Counts connections by those who hold a [`Place`].
#[derive(Debug, Clone)]
pub(super) struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_of_one: usize,
    exempt: Vec<Network>,
    there: Mutex<There>,
}

/// As many entries as there are connections at most.
#[derive(Debug, Default)]
struct There {
    all: usize,
    by_origin: Origins,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Server,
    Address,
}

impl Full {
    pub(super) fn count(self) {
        let limit = match self {
            Full::Server => "limits.connections",
            Full::Address => "limits.connections_per_address",
        };
        metrics::counter!("crescendo_refused_total", "limit" => limit).increment(1);
    }
}

impl Crowd {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Inner {
            most: limits.connections,
            most_of_one: limits.connections_per_address,
            exempt: limits.exempt_networks.clone(),
            there: Mutex::default(),
        }))
    }

    pub(super) fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let inner = &self.0;
        let exempt = inner.exempt.iter().any(|network| network.contains(address));
        let origin = (!exempt).then(|| Origin::of(address));
        let mut there = inner.there();
        if there.all >= inner.most {
            return Err(Full::Server);
        }
        if let Some(origin) = origin
            && !there.by_origin.take(origin, inner.most_of_one)
        {
            return Err(Full::Address);
        }
        there.all += 1;
        Ok(Place { crowd: self.clone(), origin, kind: OnceLock::new() })
    }
}

impl Inner {
    fn there(&self) -> MutexGuard<'_, There> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    Https,
    Turn,
    Turns,
    Media,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Turn => "turn",
            Kind::Turns => "turns",
            Kind::Media => "media",
        }
    }
}

/// One connection's place, for as long as it lives.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    /// Whom it is counted for; none when its network may have any number.
    origin: Option<Origin>,
    kind: OnceLock<Kind>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut there = self.crowd.0.there();
        there.all -= 1;
        if let Some(origin) = self.origin {
            there.by_origin.give_back(origin);
        }
        if let Some(kind) = self.kind.get() {
            metrics::gauge!("crescendo_connections", "kind" => kind.name()).decrement(1.0);
        }
    }
}

/// A connection together with its place, so that the place is held wherever the connection goes: into TLS, through HTTP, and
/// out of it again as a WebSocket.
#[derive(Debug)]
pub(super) struct Guest {
    stream: TcpStream,
    place: Place,
}

impl Guest {
    pub(super) fn new(stream: TcpStream, place: Place) -> Self {
        Self { stream, place }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    /// Says what the connection is, once.
    pub(super) fn is(&self, kind: Kind) {
        if self.place.kind.set(kind).is_ok() {
            metrics::counter!("crescendo_connections_total", "kind" => kind.name()).increment(1);
            metrics::gauge!("crescendo_connections", "kind" => kind.name()).increment(1.0);
        }
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
