//! A certificate from an authority, asked for and renewed by TLS-ALPN-01 on the server's own port (RFC 8555, RFC 8737).
//!
//! Nothing but port 443 has to be reachable: the authority connects to it and asks for the protocol `acme-tls/1`, which the
//! resolver answers with the challenge's certificate.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_acme::caches::DirCache;
use rustls_acme::{AccountCache, AcmeConfig, AcmeState, CertCache, ResolvesServerCertAcme};
use tracing::{error, info};

use super::{TlsError, provider, show_expiry};
use crate::config;

/// The conversation with the authority.
#[derive(Debug)]
pub(super) struct Acme(AcmeState<io::Error, io::Error>);

impl Acme {
    /// Makes the cache directory, which only this user may read: it holds private keys.
    pub(super) async fn open(config: &config::Tls) -> Result<Self, TlsError> {
        let cache = config.acme_cache.clone();
        let made = tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&cache).await;
        made.map_err(|source| TlsError::Cache { path: cache.clone(), source })?;
        let contacts = config.acme_contact.iter().map(|address| format!("mailto:{address}"));
        let acme = AcmeConfig::new_with_client_config(&config.acme_domains, trusting(config.acme_root.clone()).await?)
            .directory(&config.acme_url)
            .contact(contacts);
        Ok(Self(acme.cache(Shown(DirCache::new(cache))).state()))
    }

    pub(super) fn resolver(&self) -> Arc<ResolvesServerCertAcme> {
        self.0.resolver()
    }

    /// Asks, waits until two thirds of the certificate's life are over, and asks again.
    pub(super) async fn keep(mut self) {
        while let Some(event) = self.0.next().await {
            match event {
                Ok(event) => info!(?event, "ACME"),
                Err(error) => error!(%error, "ACME; it is tried again"),
            }
        }
    }
}

/// A client that trusts the certificates in a PEM file. Those of them that rustls cannot use are left out: a system's list
/// has some of all ages.
pub async fn trusting(file: PathBuf) -> Result<Arc<ClientConfig>, TlsError> {
    let pem = tokio::fs::read(&file).await.map_err(|source| TlsError::Read { path: file.clone(), source })?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(TlsError::NoCertificate { path: file });
    }
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(client.into())
}

/// The cache of certificates and of the account, through which every certificate passes on its way into use.
struct Shown(DirCache<PathBuf>);

#[async_trait]
impl CertCache for Shown {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory_url: &str) -> io::Result<Option<Vec<u8>>> {
        let pem = self.0.load_cert(domains, directory_url).await?;
        if let Some(pem) = &pem {
            show(pem);
        }
        Ok(pem)
    }

    async fn store_cert(&self, domains: &[String], directory_url: &str, pem: &[u8]) -> io::Result<()> {
        show(pem);
        self.0.store_cert(domains, directory_url, pem).await
    }
}

#[async_trait]
impl AccountCache for Shown {
    type EA = io::Error;

    async fn load_account(&self, contact: &[String], directory_url: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.load_account(contact, directory_url).await
    }

    async fn store_account(&self, contact: &[String], directory_url: &str, account: &[u8]) -> io::Result<()> {
        self.0.store_account(contact, directory_url, account).await
    }
}

fn show(pem: &[u8]) {
    if let Some(Ok(own)) = CertificateDer::pem_slice_iter(pem).next() {
        show_expiry(&own);
    }
}
