//! The server's certificate: from files, read anew when they change, or from a certificate authority (ACME, RFC 8555).
//!
//! rustls asks for the certificate at each handshake, so a new one is used from the next connection on and those that are
//! there notice nothing.

mod acme;
mod files;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::CertificateDer;
use rustls::server::ResolvesServerCert;
use tokio_rustls::TlsAcceptor;

use super::tell::{ACME, HTTP1, HTTP2, TURN};
use crate::config;
use acme::Acme;
use files::Files;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} has no certificate in PEM")]
    NoCertificate { path: PathBuf },
    #[error("{path} has no private key in PEM: {source}")]
    NoKey { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{cert} and {key} cannot be used together: {source}")]
    Pair { cert: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("cannot keep certificates in {path} (`tls.acme_cache`): {source}")]
    Cache { path: PathBuf, source: std::io::Error },
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// TLS for every door that has it.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ServerConfig>,
    certificate: Certificate,
}

/// Where the certificate comes from.
#[derive(Debug)]
enum Certificate {
    Files(Arc<Files>),
    Acme(Acme),
}

impl Tls {
    /// Reads the certificate, or begins to ask for one.
    pub(super) async fn open(config: &config::Tls) -> Result<Self, TlsError> {
        let (certificate, resolver): (_, Arc<dyn ResolvesServerCert>) = if config.acme_domains.is_empty() {
            let files = Arc::new(Files::open(config.cert.clone(), config.key.clone()).await?);
            (Certificate::Files(files.clone()), files)
        } else {
            let acme = Acme::open(config).await?;
            let resolver = acme.resolver();
            (Certificate::Acme(acme), resolver)
        };
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        server.alpn_protocols = [HTTP2, HTTP1, TURN].map(<[u8]>::to_vec).into();
        if let Certificate::Acme(_) = certificate {
            server.alpn_protocols.push(ACME.to_vec());
        }
        // Who comes back needs no second full handshake, and nothing is kept here for it.
        server.ticketer = Ticketer::new()?;
        Ok(Self { config: Arc::new(server), certificate })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.config.clone().into()
    }

    /// Keeps the certificate fresh; never ends.
    pub(super) async fn keep(self) {
        match self.certificate {
            Certificate::Files(files) => files.keep().await,
            Certificate::Acme(acme) => acme.keep().await,
        }
    }
}

/// The cryptography, named because the process has two: a dependency of the media plane brings another.
fn provider() -> Arc<CryptoProvider> {
    aws_lc_rs::default_provider().into()
}

/// Puts the end of a certificate's life into the metrics, in seconds since 1970.
fn show_expiry(certificate: &CertificateDer) {
    if let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) {
        let end = parsed.validity().not_after.timestamp();
        metrics::gauge!("crescendo_tls_certificate_expiry_timestamp_seconds").set(end as f64);
    }
}
