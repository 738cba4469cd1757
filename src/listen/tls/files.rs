//! A certificate from PEM files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use super::{TlsError, provider, show_expiry};

/// How often the files are looked at. They are small, and links that are turned to other files are seen too. Higher: a new
/// certificate is used later (SIGHUP does it at once); lower: more reads for nothing.
const LOOK: Duration = Duration::from_secs(5);

/// The certificate in use, and the files it came from.
#[derive(Debug)]
pub(super) struct Files {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    first: Pem,
}

/// What the two files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    pub(super) async fn open(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let first = read(&cert, &key).await?;
        let current = RwLock::new(Arc::new(parse(&cert, &key, &first)?));
        Ok(Self { cert, key, current, first })
    }

    /// Looks at the files now and then, and on SIGHUP. What cannot be used is reported, once, and the certificate that works
    /// stays.
    pub(super) async fn keep(&self) {
        let mut seen = Ok(self.first.clone());
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = hangup => info!("SIGHUP: looking at the certificate"),
                _ = ticks.tick() => {}
            }
            let found = read(&self.cert, &self.key).await.map_err(|error| error.to_string());
            if found == seen {
                continue;
            }
            let fresh = match &found {
                Ok(pem) => parse(&self.cert, &self.key, pem).map_err(|error| error.to_string()),
                Err(error) => Err(error.clone()),
            };
            match fresh {
                Ok(fresh) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                    info!("new certificate in use");
                }
                Err(error) => error!(error, "the new certificate cannot be used; the old one stays"),
            }
            seen = found;
        }
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The server's own certificate, of a pair that can be used.
pub(super) async fn own(cert: &Path, key: &Path) -> Result<CertificateDer<'static>, TlsError> {
    let pair = pair(cert, key, &read(cert, key).await?)?;
    pair.cert.into_iter().next().ok_or_else(|| TlsError::NoCertificate { path: cert.to_owned() })
}

async fn read(cert: &Path, key: &Path) -> Result<Pem, TlsError> {
    let file = async |path: &Path| {
        tokio::fs::read(path).await.map_err(|source| TlsError::Read { path: path.to_owned(), source })
    };
    Ok(Pem { cert: file(cert).await?, key: file(key).await? })
}

/// The chain and its key, which belong together.
fn parse(cert: &Path, key: &Path, pem: &Pem) -> Result<CertifiedKey, TlsError> {
    let loaded = pair(cert, key, pem);
    let result = if loaded.is_ok() { "ok" } else { "failed" };
    metrics::counter!("crescendo_tls_certificate_loads_total", "result" => result).increment(1);
    if let Ok(CertifiedKey { cert: chain, .. }) = &loaded
        && let Some(own) = chain.first()
    {
        show_expiry(own);
    }
    loaded
}

fn pair(cert: &Path, key: &Path, pem: &Pem) -> Result<CertifiedKey, TlsError> {
    let none = || TlsError::NoCertificate { path: cert.to_owned() };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.cert).collect::<Result<_, _>>().map_err(|_| none())?;
    if chain.is_empty() {
        return Err(none());
    }
    let secret =
        PrivateKeyDer::from_pem_slice(&pem.key).map_err(|source| TlsError::NoKey { path: key.to_owned(), source })?;
    CertifiedKey::from_der(chain, secret, &provider()).map_err(|source| TlsError::Pair {
        cert: cert.to_owned(),
        key: key.to_owned(),
        source,
    })
}
