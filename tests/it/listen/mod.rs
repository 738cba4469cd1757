//! How connections reach the server.

mod acme;
mod limits;
mod one_port;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{PATIENCE, Server, Socket, join};

/// PEM files that a server can be given, and that the client here trusts.
pub(crate) struct Certificate {
    directory: tempfile::TempDir,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let certificate = Self { directory: tempfile::tempdir().expect("a directory") };
        certificate.renew();
        certificate
    }

    /// Writes a new pair over the old one; gives the certificate.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(self.key(), made.signing_key.serialize_pem()).expect("written");
        std::fs::write(self.cert(), made.cert.pem()).expect("written");
        made.cert.der().clone()
    }

    fn cert(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// For a server with TLS on a free port.
    pub(crate) fn set(&self) -> [String; 3] {
        [
            "tls.listen=127.0.0.1:0".into(),
            format!("tls.cert={}", self.cert().display()),
            format!("tls.key={}", self.key().display()),
        ]
    }

    async fn server(&self, set: &[&str]) -> Server {
        let own = self.set();
        let all: Vec<&str> = own.iter().map(String::as_str).chain(set.iter().copied()).collect();
        Server::start(&all).await
    }

    /// A TLS connection that offers these protocols.
    async fn connect(&self, to: SocketAddr, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        connect(&std::fs::read(self.cert()).expect("readable"), "localhost", to, alpn).await
    }
}

/// A TLS connection that trusts the certificates in `roots` alone.
async fn connect(roots: &[u8], name: &str, to: SocketAddr, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    handshake(roots, name, TcpStream::connect(to).await?, alpn).await
}

/// The same over any connection.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    roots: &[u8],
    name: &str,
    over: S,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<S>> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        store.add(root.expect("PEM")).expect("a certificate");
    }
    let mut config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, over)).await.expect("in time")
}

/// A call of Ann's over this connection to `name`.
async fn call(stream: TlsStream<TcpStream>, name: &str) -> Socket<TlsStream<TcpStream>> {
    let url = format!("wss://{name}/signal");
    let (stream, _) = tokio_tungstenite::client_async(url, stream).await.expect("the socket opens");
    let mut ann = Socket { stream };
    ann.send(join("demo", "Ann")).await;
    ann.until("welcome").await;
    ann
}

fn own_certificate(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("after the handshake");
    chain.first().expect("one at least").clone().into_owned()
}

/// Everything up to the end of the connection, however it ends.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4_096];
    while let Ok(n @ 1..) = timeout(PATIENCE, stream.read(&mut piece)).await.expect("the connection ends") {
        all.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The answer to a GET on this connection, which ends with it.
async fn get(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    stream.flush().await.expect("sent");
    rest(stream).await
}
