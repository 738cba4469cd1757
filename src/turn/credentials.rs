//! Time-limited credentials: `expiry:who` as user name and its HMAC-SHA1 as password, the scheme that coturn calls
//! `use-auth-secret` (draft-uberti-behave-turn-rest-00). Whoever has the secret can check them; nothing is remembered.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest `who` that goes into a user name, in bytes; a longer one is cut. A user name may have 509 bytes in all (RFC 8489
/// section 14.3).
const WHO_BYTES: usize = 256;

/// How long a relay is kept beyond its credential. Browsers refresh with the credential that they began with, however many they
/// are given later. Longer: longer calls need no new path; shorter: who was given a credential once is gone sooner.
const KEPT: Duration = Duration::from_secs(12 * 3_600);

/// What credentials are made from; copies are the same secret.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    key: hmac::Key,
    lifetime: Duration,
}

/// What a client shows to be given a relay.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Seconds since 1970 at which it runs out, a colon, and for whom it was issued.
    pub username: String,
    pub password: String,
    /// From then on no allocation is made with it. One that was made before lives on for [`KEPT`].
    pub expires: SystemTime,
}

impl Secret {
    /// `configured` is what other issuers of credentials know as well; empty: a random one of this process.
    pub fn new(configured: &str, lifetime: Duration) -> Self {
        let mut random = [0; 32];
        let key = match configured.as_bytes() {
            [] => {
                aws_lc_rs::rand::fill(&mut random).expect("the system has randomness");
                &random[..]
            }
            text => text,
        };
        Self(Arc::new(Inner { key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), lifetime }))
    }

    /// Credentials for `who`. Quotas count by `who`, so it should name a person and not an attempt.
    pub fn issue(&self, now: SystemTime, who: &str) -> Credentials {
        let expires = now + self.0.lifetime;
        let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let username = format!("{seconds}:{}", &who[..who.floor_char_boundary(WHO_BYTES)]);
        Credentials { password: self.password(&username), username, expires }
    }

    /// Whether a relay that exists may still be refreshed with a credential that runs out at `expires`.
    pub(super) fn keeps(now: SystemTime, expires: SystemTime) -> bool {
        expires.checked_add(KEPT).is_none_or(|over| now < over)
    }

    /// How long what is issued now can be used.
    pub fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// The password that belongs to a user name, whoever made that up.
    pub(super) fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.0.key, username.as_bytes()))
    }
}

/// The parts of a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) expires: SystemTime,
    pub(super) who: &'a str,
}

impl<'a> Name<'a> {
    /// Nothing when the text has not the form `seconds:who`.
    pub(super) fn parse(username: &'a str) -> Option<Self> {
        let (seconds, who) = username.split_once(':')?;
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
        Some(Self { expires, who })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.username)
    }
}
