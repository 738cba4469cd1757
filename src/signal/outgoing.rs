//! A message on its way to sockets: written as JSON once, however many it goes to.

use axum::extract::ws::Utf8Bytes;

use super::message::ServerMessage;

#[derive(Debug, Clone)]
pub struct Outgoing {
    pub(super) text: Utf8Bytes,
    /// A fatal error: the socket closes after it.
    pub(super) last: bool,
}

impl From<&ServerMessage> for Outgoing {
    fn from(message: &ServerMessage) -> Self {
        let text = serde_json::to_string(message).expect("a message of ours has text keys only");
        Self { text: text.into(), last: matches!(message, ServerMessage::Error { fatal: true, .. }) }
    }
}

impl From<ServerMessage> for Outgoing {
    fn from(message: ServerMessage) -> Self {
        Self::from(&message)
    }
}
