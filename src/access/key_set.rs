//! Keys that come from elsewhere (RFC 7517, RFC 7518 section 6, RFC 8037): public ones only, each for one algorithm.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::sync::{Notify, watch};
use tokio::time::timeout_at;

use super::key::Key;
use super::token;
use crate::config::Algorithm;

/// Most keys of a set. Issuers have two or three: the one that they sign with, the one before, and the next.
const KEYS: usize = 64;
/// Longest `kid`, in bytes.
const KID_BYTES: usize = 256;
/// Between two questions that tokens are the reason for. Higher: tokens that somebody has made up cost less; lower: a new key is
/// taken sooner, when the one before was asked for just now.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long somebody waits for the answer.
const WAIT: Duration = Duration::from_secs(6);

/// An answer that is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    #[error("it is no JSON object with a list of `keys`")]
    NoSet,
    #[error("it has more than {KEYS} keys")]
    TooMany,
    #[error("it has no key that tokens could be checked with: ES256, EdDSA (Ed25519) or RS256, with a `kid`")]
    Empty,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// One key; what it has besides is passed over.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(default, rename = "use")]
    used_for: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

impl Jwk {
    /// None for one that is for something else. Secrets (`oct`) are never taken: what is published is none.
    fn key(&self) -> Option<Key> {
        let bytes = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_ref()?).ok();
        if self.used_for.as_ref().is_some_and(|used_for| used_for != "sig") || self.kid.len() > KID_BYTES {
            return None;
        }
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                // SEC 1 section 2.3.3: uncompressed.
                let point = (x.len() == 32 && y.len() == 32).then(|| [&[4][..], &x, &y].concat())?;
                Key::public(Algorithm::Es256, &point)?
            }
            ("OKP", Some("Ed25519")) => Key::public(Algorithm::EdDsa, &bytes(&self.x).filter(|x| x.len() == 32)?)?,
            ("RSA", _) => Key::public(Algorithm::Rs256, &rsa(&bytes(&self.n)?, &bytes(&self.e)?)?)?,
            _ => return None,
        };
        let is_meant = self.alg.as_ref().is_none_or(|alg| alg == key.algorithm().name());
        is_meant.then_some(key)
    }
}

/// RSAPublicKey in DER (RFC 8017 appendix A.1.1).
fn rsa(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    let tagged = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).ok()?.to_be_bytes();
        let head = match content.len() {
            ..0x80 => vec![tag, length[1]],
            0x80..0x100 => vec![tag, 0x81, length[1]],
            _ => vec![tag, 0x82, length[0], length[1]],
        };
        Some([&head[..], content].concat())
    };
    let integer = |bytes: &[u8]| {
        let digits = &bytes[bytes.iter().position(|byte| *byte != 0)?..];
        // A first bit that is set would make it negative.
        let sign: &[u8] = if digits[0] & 0x80 == 0 { &[] } else { &[0] };
        tagged(0x02, &[sign, digits].concat())
    };
    tagged(0x30, &[integer(n)?, integer(e)?].concat())
}

fn parse(set: &[u8]) -> Result<BTreeMap<String, Key>, BadKeySet> {
    let Set { keys } = token::object(set).ok_or(BadKeySet::NoSet)?;
    if keys.len() > KEYS {
        return Err(BadKeySet::TooMany);
    }
    let mut found = BTreeMap::new();
    for key in keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok()) {
        if let Some(checked) = key.key() {
            found.insert(key.kid, checked);
        }
    }
    if found.is_empty() { Err(BadKeySet::Empty) } else { Ok(found) }
}

#[cfg(test)]
mod tests;

/// The set that was read last, and who waits for the next one.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: RwLock<Arc<BTreeMap<String, Key>>>,
    wanted: Notify,
    asking: Mutex<Asking>,
    /// How often it was asked for.
    asked: watch::Sender<u64>,
}

#[derive(Debug)]
struct Asking {
    /// It is being asked for; so it is from the start.
    now: bool,
    /// When a token was the reason for it last.
    last: Option<Instant>,
}

impl KeySet {
    pub(super) fn new() -> Self {
        Self {
            keys: RwLock::default(),
            wanted: Notify::new(),
            asking: Mutex::new(Asking { now: true, last: None }),
            asked: watch::Sender::new(0),
        }
    }

    pub(super) fn keys(&self) -> Arc<BTreeMap<String, Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many there are now.
    pub(super) fn take(&self, set: &[u8]) -> Result<usize, BadKeySet> {
        let keys = parse(set)?;
        let count = keys.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(count)
    }

    pub(super) fn asking(&self) {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).now = true;
    }

    pub(super) fn asked(&self) {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).now = false;
        self.asked.send_modify(|times| *times += 1);
    }

    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Waits a while until this key is there: for the answer that is under way, and then, unless a token was the reason for that
    /// just now, for that to another question.
    pub(super) async fn want(&self, kid: &str) {
        let until = tokio::time::Instant::now() + WAIT;
        loop {
            let mut asked = self.asked.subscribe();
            if !self.may_come(kid) || timeout_at(until, asked.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Whether a key that is not there is in an answer to come. Has the set asked for anew where that is due.
    fn may_come(&self, kid: &str) -> bool {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.keys().contains_key(kid) {
            return false;
        }
        let is_due = asking.last.is_none_or(|last| last.elapsed() >= ASK_AGAIN);
        if !asking.now && is_due {
            *asking = Asking { now: true, last: Some(Instant::now()) };
            self.wanted.notify_one();
        }
        asking.now
    }
}
