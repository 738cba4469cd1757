//! Keys of others from where they are published: a set of JSON Web Keys (RFC 7517) at a URL.
//!
//! It is asked for when the server starts, again and again, and when a token names a key that nobody knows. What was read last
//! is kept while the address does not answer.

use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use tracing::{info, warn};
use url::{Host, Url};

use crate::access::{Access, BadKeySet};
use crate::config;
use crate::fetch::{Address, Allowed, Client, Failure, NoWay};

/// Longest set, in bytes. One key of RSA has some 500.
const BYTES: usize = 64 * 1024;
/// How long an answer may take. Who waits for a key that is new waits for it, too.
const TIME: Duration = Duration::from_secs(5);
/// After a failure it is asked again this soon, and after each further one twice as late, up to `access.jwks_cache_s`.
const RETRY: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("`access.jwks_url` or `access.jwks_roots`: {0}")]
    NoWay(#[from] NoWay),
    #[error(
        "`access.jwks_url` is plain HTTP: whoever is on the way there could make tokens. That is for this machine's own addresses"
    )]
    Plain,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub enum NoKeys {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    BadKeySet(#[from] BadKeySet),
}

/// Where the keys are.
#[derive(Debug)]
pub struct Jwks {
    client: Client,
    address: Address,
    cache: Duration,
    /// Of what was read last (RFC 9110 section 8.8.3).
    tag: Option<header::HeaderValue>,
    failing: bool,
}

impl Jwks {
    /// None where no URL is set.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn new(config: &config::Access) -> Result<Option<Self>, JwksError> {
        if config.jwks_url.is_empty() {
            return Ok(None);
        }
        let address = Address::parse(&config.jwks_url)?;
        let (roots, allowed) = match address.is_tls() {
            true => (Some(config.jwks_roots.as_path()), Allowed::Any),
            false if is_local(&config.jwks_url) => (None, Allowed::Loopback),
            false => return Err(JwksError::Plain),
        };
        let client = Client::new(roots, allowed, TIME, BYTES)?;
        let cache = Duration::from_secs(config.jwks_cache_s.into());
        Ok(Some(Self { client, address, cache, tag: None, failing: false }))
    }

    /// Keeps the keys of `access` as new as they are there, for ever.
    pub async fn tend(mut self, access: Access) {
        let mut wait = RETRY.min(self.cache);
        loop {
            let next = match self.refresh(&access).await {
                Ok(()) => {
                    wait = RETRY.min(self.cache);
                    self.cache
                }
                Err(_) => {
                    let twice = (wait * 2).min(self.cache);
                    std::mem::replace(&mut wait, twice)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = access.keys_wanted() => {}
            }
        }
    }

    /// Asks once, and tells those who wait for it.
    ///
    /// # Errors
    /// There was no set of keys; those that are there stay.
    pub async fn refresh(&mut self, access: &Access) -> Result<(), NoKeys> {
        access.keys_asking();
        let asked = self.ask(access).await;
        let result = match &asked {
            Ok(true) => "changed",
            Ok(false) => "unchanged",
            Err(_) => "failed",
        };
        metrics::counter!("crescendo_jwks_fetches_total", "result" => result).increment(1);
        metrics::gauge!("crescendo_jwks_keys").set(access.fetched_keys() as f64);
        access.keys_asked();
        let was_failing = std::mem::replace(&mut self.failing, asked.is_err());
        match &asked {
            Err(error) if !was_failing => {
                warn!(from = self.address.name(), %error, keys = access.fetched_keys(), "no keys from `access.jwks_url`; those that were there stay");
            }
            Ok(_) if was_failing => info!(from = self.address.name(), "`access.jwks_url` answers again"),
            Ok(_) | Err(_) => {}
        }
        asked.map(drop)
    }

    /// Whether there are others now.
    async fn ask(&mut self, access: &Access) -> Result<bool, NoKeys> {
        let mut request = self.address.request("GET").header(header::ACCEPT, "application/json");
        if let Some(tag) = &self.tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).expect("the path and the host come from a parsed URL");
        let answer = self.client.send(&self.address, request).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED if self.tag.is_some() => Ok(false),
            StatusCode::OK => {
                let keys = access.take_key_set(&answer.body)?;
                self.tag = answer.headers.get(header::ETAG).cloned();
                info!(from = self.address.name(), keys, "keys of tokens");
                Ok(true)
            }
            status => Err(Failure::Status(status).into()),
        }
    }
}

/// An address of this machine by itself, or its own name for itself.
fn is_local(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
