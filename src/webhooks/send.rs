//! One delivery: a POST, signed where there is a secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{Request, header};

use super::WebhooksError;
use super::sign::signature;
use crate::config::{self, WebhookFormat};
use crate::fetch::{Address, Allowed, Client, Failure};

/// How messages are sent, whoever gets them.
#[derive(Debug)]
pub(super) struct Sender {
    format: WebhookFormat,
    key: Option<hmac::Key>,
    client: Client,
}

impl Sender {
    /// `tls`: to receivers with a certificate, too.
    pub(super) fn new(config: &config::Webhooks, format: WebhookFormat, tls: bool) -> Result<Self, WebhooksError> {
        let key = config.key();
        if key.is_none() && format == WebhookFormat::Standard {
            return Err(WebhooksError::Secret);
        }
        let allowed = if config.allow_private { Allowed::Any } else { Allowed::public() };
        let (roots, time) = (tls.then_some(config.roots.as_path()), Duration::from_millis(config.timeout_ms.into()));
        // Nobody reads what receivers have to say.
        let client = Client::new(roots, allowed, time, 0)?;
        Ok(Self { format, key: key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key)), client })
    }

    pub(super) fn format(&self) -> WebhookFormat {
        self.format
    }

    /// Taken is what is answered with 2xx.
    pub(super) async fn send(&self, to: &Address, id: u64, body: Vec<u8>) -> Result<(), Failure> {
        let status = self.client.send(to, self.request(to, id, body)).await?.status;
        if status.is_success() { Ok(()) } else { Err(Failure::Status(status)) }
    }

    fn request(&self, to: &Address, id: u64, body: Vec<u8>) -> Request<Body> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut request = to
            .request("POST")
            .header(header::CONTENT_TYPE, self.format.content_type())
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, id, timestamp, &body));
        }
        request.body(Body::from(body)).expect("the path and the host come from a parsed URL")
    }
}
