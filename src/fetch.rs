//! HTTP requests of the server's own, each over a connection of its own, to an address that was looked at.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use crate::turn::Filter;

/// How long one of several addresses may take to answer before the next is tried.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// Why there is no answer, or none that is of use.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0} has no address: {1}")]
    NoAddress(String, io::Error),
    #[error("{0} leads to addresses only that are not allowed")]
    NotAllowed(String),
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("it was answered with {0}")]
    Status(StatusCode),
    #[error("no answer in time")]
    Timeout,
    #[error("the answer is too long")]
    TooLong,
}

impl Failure {
    /// For the metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Failure::NoAddress(..) => "no address",
            Failure::NotAllowed(_) => "private address",
            Failure::Connect(_) => "connect",
            Failure::Http(_) => "http",
            Failure::Status(_) => "status",
            Failure::Timeout => "timeout",
            Failure::TooLong => "too long",
        }
    }
}

/// Why a text is not where a request could go, or nothing can be told from what is there.
#[derive(Debug, thiserror::Error)]
pub enum NoWay {
    #[error("{url}: {source}")]
    Url { url: String, source: url::ParseError },
    #[error("{url} is no address of http or https")]
    NoReceiver { url: String },
    #[error("{path}: {source}")]
    Roots { path: String, source: io::Error },
    #[error("{path} has no certificate")]
    NoRoots { path: String },
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Where a request goes: an address of http or https, read.
#[derive(Debug, Clone)]
pub struct Address {
    url: Url,
    host: Host,
    port: u16,
    /// The name that its certificate has to have, where it has one.
    tls: Option<ServerName<'static>>,
}

impl Address {
    /// # Errors
    /// It is none.
    pub fn parse(url: &str) -> Result<Self, NoWay> {
        let parsed = Url::parse(url).map_err(|source| NoWay::Url { url: url.to_owned(), source })?;
        let nowhere = || NoWay::NoReceiver { url: url.to_owned() };
        let host = parsed.host().ok_or_else(nowhere)?.to_owned();
        let port = parsed.port_or_known_default().ok_or_else(nowhere)?;
        let tls = match parsed.scheme() {
            "https" => Some(match &host {
                Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| nowhere())?,
                Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
                Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
            }),
            "http" => None,
            _ => return Err(nowhere()),
        };
        Ok(Self { url: parsed, host, port, tls })
    }

    /// As logs and metrics have it: what comes after the host may be a secret.
    pub fn name(&self) -> &str {
        &self.url[Position::BeforeHost..Position::BeforePath]
    }

    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The beginning of a request to it.
    pub fn request(&self, method: &str) -> Builder {
        Request::builder()
            .method(method)
            .uri(&self.url[Position::BeforePath..Position::AfterQuery])
            .header(header::HOST, self.name())
            .header(header::CONNECTION, "close")
            .header(header::USER_AGENT, concat!("crescendo/", env!("CARGO_PKG_VERSION")))
    }
}

/// Which addresses a name may lead to.
pub enum Allowed {
    Any,
    /// Neither this machine, nor private networks and the like.
    Public(Box<Filter>),
    /// This machine alone.
    Loopback,
}

impl std::fmt::Debug for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Allowed::Any => "Any",
            Allowed::Public(_) => "Public",
            Allowed::Loopback => "Loopback",
        })
    }
}

impl Allowed {
    pub fn public() -> Self {
        Self::Public(Box::new(Filter::new(Vec::new(), Vec::new(), Vec::new())))
    }

    fn permits(&self, address: SocketAddr) -> bool {
        match self {
            Allowed::Any => true,
            Allowed::Public(filter) => filter.permits(address),
            Allowed::Loopback => address.ip().to_canonical().is_loopback(),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How requests are made, whoever gets them.
pub struct Client {
    connector: Option<TlsConnector>,
    allowed: Allowed,
    time: Duration,
    /// Longest body of an answer, in bytes.
    most: usize,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// `roots` (PEM): whom to trust, where requests go to servers with a certificate; `time` for a whole request.
    ///
    /// # Errors
    /// These cannot be read.
    pub fn new(roots: Option<&Path>, allowed: Allowed, time: Duration, most: usize) -> Result<Self, NoWay> {
        Ok(Self { connector: roots.map(connector).transpose()?, allowed, time, most })
    }

    /// Makes a request. Redirects are not followed: they lead past the look at the address.
    ///
    /// # Errors
    /// There was no answer, or too much of it.
    pub async fn send(&self, to: &Address, request: Request<Body>) -> Result<Answer, Failure> {
        timeout(self.time, self.try_send(to, request)).await.unwrap_or(Err(Failure::Timeout))
    }

    async fn try_send(&self, to: &Address, request: Request<Body>) -> Result<Answer, Failure> {
        let stream = self.connect(to).await?;
        match &to.tls {
            None => self.exchange(stream, request).await,
            Some(name) => {
                let none = || Failure::Connect(ErrorKind::Unsupported.into());
                let connector = self.connector.as_ref().ok_or_else(none)?;
                let stream = connector.connect(name.clone(), stream).await.map_err(Failure::Connect)?;
                self.exchange(stream, request).await
            }
        }
    }

    /// To an address that has been looked at, and not to what the name may lead to a moment later.
    async fn connect(&self, to: &Address) -> Result<TcpStream, Failure> {
        let addresses: Vec<SocketAddr> = match &to.host {
            Host::Ipv4(address) => vec![SocketAddr::from((*address, to.port))],
            Host::Ipv6(address) => vec![SocketAddr::from((*address, to.port))],
            Host::Domain(name) => {
                let found = tokio::net::lookup_host((name.as_str(), to.port)).await;
                found.map_err(|error| Failure::NoAddress(name.clone(), error))?.collect()
            }
        };
        let mut failure = Failure::NotAllowed(to.name().to_owned());
        for address in addresses.into_iter().filter(|address| self.allowed.permits(*address)) {
            match timeout(CONNECT_TIME, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = Failure::Connect(error),
                Err(_) => failure = Failure::Timeout,
            }
        }
        Err(failure)
    }

    async fn exchange<S>(&self, stream: S, request: Request<Body>) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = match self.most {
            0 => Bytes::new(),
            most => to_bytes(Body::new(body), most).await.map_err(|_| Failure::TooLong)?,
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

fn connector(path: &Path) -> Result<TlsConnector, NoWay> {
    let shown = || path.display().to_string();
    let pem = std::fs::read(path).map_err(|source| NoWay::Roots { path: shown(), source })?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(NoWay::NoRoots { path: shown() });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(client)))
}
