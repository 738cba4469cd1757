//! Connections to the server, plain or in TLS, and what is asked over HTTP.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::DoctorError;
use crate::listen::{Duplex, trusting};

/// A server, and whom to trust.
#[derive(Debug, Clone)]
pub(super) struct Site {
    host: String,
    port: u16,
    secure: bool,
    /// Before every path, without a slash at its end.
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReachError {
    #[error("{0}")]
    Connection(#[from] io::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("{0} is no path")]
    Request(#[from] axum::http::Error),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("HTTP status {0}, and not of this server")]
    Foreign(u16),
}

impl Site {
    /// `roots`, a PEM file, is read where the address is https.
    pub(super) async fn new(url: &Url, roots: &Path) -> Result<Self, DoctorError> {
        let address = || DoctorError::Address(url.clone());
        let (secure, usual) = match url.scheme() {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(address()),
        };
        let host = match url.host().ok_or_else(address)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(v4) => v4.to_string(),
            Host::Ipv6(v6) => v6.to_string(),
        };
        // TURN over TLS may be offered by a server whose pages are reached without: its line says so if nobody is trusted.
        let tls = match trusting(roots.to_owned()).await {
            Ok(tls) => Some(tls),
            Err(error) if secure => return Err(error.into()),
            Err(_) => None,
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(usual), secure, prefix, tls })
    }

    /// A connection to the server's pages.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Duplex>> {
        self.connect_to(&self.host, self.port, self.secure).await
    }

    /// A connection to anywhere.
    pub(super) async fn connect_to(&self, host: &str, port: u16, secure: bool) -> io::Result<Box<dyn Duplex>> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        if !secure {
            return Ok(Box::new(stream));
        }
        let trusted = self.tls.clone().ok_or_else(|| io::Error::other("nobody is trusted for TLS: see --roots"))?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(trusted).connect(name, stream).await?))
    }

    /// As a URL has it, and Host.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }

    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Asks, and wants one of these answers, with the header that `mark` names where it names one.
    pub(super) async fn get(
        &self,
        path: &str,
        wanted: &[u16],
        mark: Option<&HeaderName>,
    ) -> Result<String, ReachError> {
        let request = Request::get(self.path(path)).header(header::HOST, self.authority()).body(Body::empty())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
        let mut answered = std::pin::pin!(sender.send_request(request));
        let response = tokio::select! {
            response = &mut answered => response?,
            ended = connection => {
                ended?;
                // It was closed behind the answer.
                answered.await?
            }
        };
        let status = response.status().as_u16();
        match wanted.contains(&status) {
            true if mark.is_some_and(|mark| !response.headers().contains_key(mark)) => Err(ReachError::Foreign(status)),
            true => Ok(format!("{} answers with {status}", self.path(path))),
            false => Err(ReachError::Status(status)),
        }
    }
}
