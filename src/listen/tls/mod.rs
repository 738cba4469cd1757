//! The server's certificate: from files, read anew when they change, or from a certificate authority (ACME, RFC 8555).
//!
//! rustls asks for the certificate at each handshake, so a new one is used from the next connection on and those that are
//! there notice nothing.

mod acme;
mod files;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::CertificateDer;
use rustls::server::ResolvesServerCert;
use tokio_rustls::TlsAcceptor;
use x509_parser::extensions::GeneralName;

use super::tell::{ACME, HTTP1, HTTP2, TURN};
use crate::config;
use acme::Acme;
pub use acme::trusting;
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
        server.alpn_protocols = [TURN, HTTP2, HTTP1].map(<[u8]>::to_vec).into();
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

/// When a certificate is good, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    pub from: SystemTime,
    pub until: SystemTime,
    /// DNS names, as they stand in it: `*.` for any label.
    pub names: Vec<String>,
}

/// Reads `tls.cert` and `tls.key` as a server would, and says what the certificate is good for.
pub async fn certificate(config: &config::Tls) -> Result<Validity, TlsError> {
    let own = files::own(&config.cert, &config.key).await?;
    let malformed = || TlsError::NoCertificate { path: config.cert.clone() };
    let (_, parsed) = x509_parser::parse_x509_certificate(&own).map_err(|_| malformed())?;
    let names = parsed.subject_alternative_name().map_err(|_| malformed())?.map(|names| &names.value.general_names);
    let dns =
        |name: &GeneralName<'_>| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None };
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let validity = parsed.validity();
    Ok(Validity {
        from: at(validity.not_before.timestamp()),
        until: at(validity.not_after.timestamp()),
        names: names.into_iter().flatten().filter_map(dns).collect(),
    })
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
