//! The doors of back ends: the REST API and webhooks.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::Hidden;

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Events that are kept for readers that come back.
    pub events_kept: usize,
    pub event_streams: usize,
    pub keep_alive_ms: u32,
    /// Answers that are kept for requests that are made again.
    pub idempotency_keys: usize,
    pub idempotency_s: u32,
    pub max_body_bytes: usize,
}

/// `[webhooks]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    pub urls: Vec<Receiver>,
    /// How addresses are told that broadcasts of Ant Media's apps name (`listenerHookURL`).
    pub broadcast_hooks: BroadcastHooks,
    /// `whsec_` and base64.
    pub secret: Hidden,
    pub directory: PathBuf,
    pub allow_private: bool,
    /// PEM: whom to trust.
    pub roots: PathBuf,
    pub timeout_ms: u32,
    pub retry_ms: u32,
    pub give_up_s: u32,
    /// Of one receiver.
    pub at_once: usize,
    /// Of all addresses that broadcasts name.
    pub broadcasts_at_once: usize,
    /// Of one receiver.
    pub queue_events: usize,
    /// Of one receiver.
    pub queue_mib: u64,
}

/// Who is told, and in which words: a bare address in the configuration, or a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "GivenReceiver")]
pub struct Receiver {
    pub url: String,
    pub format: WebhookFormat,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GivenReceiver {
    Address(String),
    Table(ReceiverTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiverTable {
    url: String,
    #[serde(default)]
    format: WebhookFormat,
}

impl From<GivenReceiver> for Receiver {
    fn from(given: GivenReceiver) -> Self {
        match given {
            GivenReceiver::Address(url) => Self { url, format: WebhookFormat::Standard },
            GivenReceiver::Table(ReceiverTable { url, format }) => Self { url, format },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookFormat {
    /// Our own events, as Standard Webhooks has it.
    #[default]
    Standard,
    /// Ant Media's actions, as JSON.
    Antmedia,
    /// The same as a form.
    AntmediaForm,
}

impl WebhookFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            WebhookFormat::Standard | WebhookFormat::Antmedia => "application/json",
            WebhookFormat::AntmediaForm => "application/x-www-form-urlencoded",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum BroadcastHooks {
    /// They are passed over.
    #[default]
    Off,
    Json,
    Form,
}

impl BroadcastHooks {
    pub fn format(self) -> Option<WebhookFormat> {
        match self {
            BroadcastHooks::Off => None,
            BroadcastHooks::Json => Some(WebhookFormat::Antmedia),
            BroadcastHooks::Form => Some(WebhookFormat::AntmediaForm),
        }
    }
}

/// Longest address of a receiver, in bytes.
const ADDRESS_BYTES: usize = 2_048;

/// Whether something can be sent there: an address of http or https, without a user and a password.
pub fn is_receiver(text: &str) -> bool {
    text.len() <= ADDRESS_BYTES
        && url::Url::parse(text).is_ok_and(|url| {
            let plain = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && plain
        })
}

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";

impl Webhooks {
    pub fn is_on(&self) -> bool {
        !self.urls.is_empty() || self.broadcast_hooks != BroadcastHooks::Off
    }

    /// Nobody can tell our own messages from others' without.
    pub fn needs_secret(&self) -> bool {
        self.urls.iter().any(|receiver| receiver.format == WebhookFormat::Standard)
    }

    /// The key of the signatures; None when the secret is not one of 24 to 64 bytes.
    pub fn key(&self) -> Option<Vec<u8>> {
        let key = BASE64_STANDARD.decode(self.secret.0.strip_prefix(SECRET_PREFIX)?).ok()?;
        (24..=64).contains(&key.len()).then_some(key)
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            events_kept: 4_096,
            event_streams: 100,
            keep_alive_ms: 15_000,
            idempotency_keys: 10_000,
            idempotency_s: 86_400,
            max_body_bytes: 64 * 1024,
        }
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            broadcast_hooks: BroadcastHooks::Off,
            secret: Hidden::default(),
            directory: "webhooks".into(),
            allow_private: false,
            roots: "/etc/ssl/certs/ca-certificates.crt".into(),
            timeout_ms: 10_000,
            retry_ms: 1_000,
            give_up_s: 86_400,
            at_once: 8,
            broadcasts_at_once: 512,
            queue_events: 100_000,
            queue_mib: 256,
        }
    }
}
