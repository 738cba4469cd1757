//! Nonces that need no memory: the time they were made, and an HMAC over it and the client's address (RFC 8489 section 9.2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

/// How long a nonce is taken. Longer: fewer 438 answers, each of which costs a round trip; shorter: an overheard request can be
/// repeated for less long.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Characters of the time, and bytes of the HMAC that follow it: 80 bits cannot be guessed in an hour.
const TIME_CHARS: usize = 8;
const TAG_BYTES: usize = 10;

#[derive(Debug)]
pub(super) struct Nonces {
    key: hmac::Key,
    started: Instant,
}

impl Nonces {
    pub(super) fn new(started: Instant) -> Self {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).expect("the system has randomness");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), started }
    }

    /// A fresh one for this client.
    pub(super) fn issue(&self, now: Instant, client: SocketAddr) -> String {
        self.made_at(now.saturating_duration_since(self.started).as_secs(), client)
    }

    /// Whether the text is a nonce of this client's that has not run out.
    pub(super) fn accepts(&self, now: Instant, client: SocketAddr, nonce: &[u8]) -> bool {
        let made = nonce.get(..TIME_CHARS).and_then(|text| std::str::from_utf8(text).ok());
        let Some(made) = made.and_then(|text| u64::from_str_radix(text, 16).ok()) else { return false };
        let age = now.saturating_duration_since(self.started).as_secs().saturating_sub(made);
        age < LIFETIME.as_secs()
            && aws_lc_rs::constant_time::verify_slices_are_equal(self.made_at(made, client).as_bytes(), nonce).is_ok()
    }

    fn made_at(&self, seconds: u64, client: SocketAddr) -> String {
        let tag = hmac::sign(&self.key, format!("{seconds} {client}").as_bytes());
        tag.as_ref()[..TAG_BYTES]
            .iter()
            .fold(format!("{seconds:0TIME_CHARS$x}"), |text, byte| format!("{text}{byte:02x}"))
    }
}
