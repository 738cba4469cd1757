//! Keys as the configuration names them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use super::key::{ApiKey, Key, SECRET_BYTES};
use super::key_set::KeySet;
use super::once::Once;
use super::{Access, Inner};
use crate::config::{self, Algorithm, Config};

/// Longest id of a key, in characters.
const ID_CHARS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("cannot read {path} (`access.api_keys_file`): {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("line {line} of {path} (`access.api_keys_file`) is not of the form id:secret")]
    Line { path: PathBuf, line: usize },
    #[error("the key {0:?} of `access`: an id has 1 to {ID_CHARS} characters of A-Z a-z 0-9 _ -")]
    Id(String),
    #[error(
        "the key {0:?} of `access`: a secret has at least {SECRET_BYTES} characters, all visible ASCII, and no dot"
    )]
    Secret(String),
    #[error("the key {0:?} of `access` is there twice")]
    Twice(String),
    #[error("the key {kid:?} of `access.token_keys`: {path} holds no public key of {algorithm} in PEM")]
    PublicKey { kid: String, path: PathBuf, algorithm: &'static str },
    #[error(
        "the key {0:?} of `access.token_keys`: HS256 has a `secret`, ES256, EdDSA and RS256 a `public_key`, and no key has both"
    )]
    Material(String),
    #[error(
        "anybody who reaches {0} could join and record every room. Give `access.api_keys` (or `access.token_keys`), listen on \
         loopback only, or say `access.open = true` if that is what you want"
    )]
    Open(SocketAddr),
    #[error("`access.{0}` has at least {SECRET_BYTES} characters")]
    StreamSecret(&'static str),
    #[error("`access.{0}` is the secret of {1} as well: what is signed for one door would open the other")]
    SameSecret(&'static str, String),
    #[error("`access.open` is true, and there are keys: take away one or the other")]
    OpenAndLocked,
}

impl Access {
    /// Reads all keys, and sees to it that a server without any is for its own machine alone or meant to be open.
    ///
    /// # Errors
    /// A key cannot be used, or the server would be open to others and nobody has said that it should be.
    pub fn load(config: &Config) -> Result<Self, AccessError> {
        let access = Self::new(&config.access)?;
        let mut listeners = config.http.listen.iter().chain(&config.tls.listen);
        let elsewhere = listeners.find(|address| !address.ip().to_canonical().is_loopback());
        match (access.is_open(), config.access.open, elsewhere) {
            (true, false, Some(address)) => Err(AccessError::Open(*address)),
            (false, true, _) => Err(AccessError::OpenAndLocked),
            (true, true, _) | (true, false, None) | (false, false, _) => Ok(access),
        }
    }

    /// # Errors
    /// A key cannot be used.
    pub fn new(config: &config::Access) -> Result<Self, AccessError> {
        let (mut api_keys, mut token_keys, mut others) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let given = config.api_keys.iter().map(|key| (key.id.clone(), key.secret.0.clone()));
        for (id, secret) in given.chain(from_file(&config.api_keys_file)?) {
            check_id(&id)?;
            let is_visible = secret.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
            if secret.len() < SECRET_BYTES || !is_visible {
                return Err(AccessError::Secret(id));
            }
            let key = Key::hs256(secret.as_bytes());
            api_keys.insert(id.clone(), ApiKey::new(id.clone(), &secret));
            if token_keys.insert(id.clone(), key).is_some() {
                return Err(AccessError::Twice(id));
            }
            others.insert(secret, format!("the key {id:?}"));
        }
        for key in &config.token_keys {
            if token_keys.insert(key.kid.clone(), token_key(key)?).is_some() {
                return Err(AccessError::Twice(key.kid.clone()));
            }
            others.insert(key.secret.0.clone(), format!("the key {:?}", key.kid));
        }
        let (stream, rest) = (&config.stream_secret, &config.rest_secret);
        for (name, secret) in [("stream_secret", stream), ("rest_secret", rest)] {
            let other = others.insert(secret.0.clone(), format!("`access.{name}`"));
            if let Some(other) = other.filter(|_| !secret.0.is_empty()) {
                return Err(AccessError::SameSecret(name, other));
            }
        }
        Ok(Self(Arc::new(Inner {
            api_keys,
            token_keys,
            stream_key: unnamed_key("stream_secret", stream)?,
            rest_key: unnamed_key("rest_secret", rest)?,
            once: Once::new(config.one_time_tokens),
            fetched: (!config.jwks_url.is_empty()).then(KeySet::new),
            audience: config.audience.clone(),
            leeway: Duration::from_secs(config.leeway_s.into()),
            max_token_bytes: config.max_token_bytes,
        })))
    }
}

fn check_id(id: &str) -> Result<(), AccessError> {
    let fits = (1..=ID_CHARS).contains(&id.len());
    let allowed = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if fits && allowed { Ok(()) } else { Err(AccessError::Id(id.to_owned())) }
}

/// A line `id:secret` each; empty lines and those that begin with `#` say nothing.
fn from_file(path: &PathBuf) -> Result<Vec<(String, String)>, AccessError> {
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path).map_err(|source| AccessError::Read { path: path.clone(), source })?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            let (id, secret) =
                line.split_once(':').ok_or_else(|| AccessError::Line { path: path.clone(), line: at + 1 })?;
            Ok((id.to_owned(), secret.to_owned()))
        })
        .collect()
}

/// None where there is no secret.
fn unnamed_key(name: &'static str, secret: &config::Hidden) -> Result<Option<Key>, AccessError> {
    match secret.0.len() {
        0 => Ok(None),
        SECRET_BYTES.. => Ok(Some(Key::hs256(secret.0.as_bytes()))),
        _ => Err(AccessError::StreamSecret(name)),
    }
}

fn token_key(key: &config::TokenKey) -> Result<Key, AccessError> {
    let config::TokenKey { kid, algorithm, secret, public_key } = key;
    let (has_secret, has_public) = (!secret.0.is_empty(), !public_key.as_os_str().is_empty());
    match (algorithm, has_secret, has_public) {
        (Algorithm::Hs256, true, false) if secret.0.len() < SECRET_BYTES => Err(AccessError::Secret(kid.clone())),
        (Algorithm::Hs256, true, false) => Ok(Key::hs256(secret.0.as_bytes())),
        (Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Rs256, false, true) => {
            let spki = SubjectPublicKeyInfoDer::from_pem_file(public_key).ok();
            let key = spki.and_then(|spki| Key::public(*algorithm, spki.as_ref()));
            let (kid, path) = (kid.clone(), public_key.clone());
            key.ok_or_else(|| AccessError::PublicKey { kid, path, algorithm: algorithm.name() })
        }
        (Algorithm::Hs256 | Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Rs256, _, _) => {
            Err(AccessError::Material(kid.clone()))
        }
    }
}
