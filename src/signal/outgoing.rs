//! What a room says to a socket: messages of the protocol, and what only some sockets have to know.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::message::{ErrorCode, ServerMessage};
use crate::room::Direction;
use crate::websocket::Utf8Bytes;

#[derive(Debug, Clone)]
pub enum Outgoing {
    Message(Written),
    /// What a socket has missed that takes the place of a lost one. However many they are, they are not more than a room keeps.
    Missed(Vec<Written>),
    /// For sockets that see nothing of their transports themselves.
    Notice(Notice),
    /// A message that has come over a data channel of the client.
    Data(Payload),
    /// To a client's offer for one of its transports; with the name of the ICE session that begins.
    Answer {
        generation: u32,
        sdp: Arc<str>,
        entity_tag: Arc<str>,
    },
}

/// What a data channel carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    Text(String),
    Bytes(Bytes),
}

/// What the media plane has seen of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The transport that it offers for is there.
    MayOffer { generation: u32 },
    /// A server transport is up.
    Connected(Direction),
    /// Something that it publishes arrives.
    Media,
}

/// A message on its way: written as JSON once, however many sockets it goes to.
#[derive(Debug, Clone)]
pub struct Written(Arc<(ServerMessage, OnceLock<Utf8Bytes>)>);

impl Written {
    pub fn new(message: ServerMessage) -> Self {
        Self(Arc::new((message, OnceLock::new())))
    }

    pub fn message(&self) -> &ServerMessage {
        &self.0.0
    }

    pub(super) fn text(&self) -> Utf8Bytes {
        let (message, text) = &*self.0;
        let write = || serde_json::to_string(message).expect("a message of ours has text keys only").into();
        text.get_or_init(write).clone()
    }

    /// Its length as JSON.
    pub fn bytes(&self) -> usize {
        self.text().len()
    }

    /// Of a fatal error, after which the socket closes.
    pub(super) fn fatal(&self) -> Option<ErrorCode> {
        if let ServerMessage::Error { code, fatal: true, .. } = self.message() { Some(*code) } else { None }
    }
}

impl Outgoing {
    /// What it takes to write, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Message(written) => written.bytes(),
            Self::Missed(written) => written.iter().map(Written::bytes).sum(),
            Self::Data(Payload::Text(text)) => text.len(),
            Self::Data(Payload::Bytes(bytes)) => bytes.len(),
            Self::Answer { sdp, .. } => sdp.len(),
            Self::Notice(_) => 0,
        }
    }
}

impl From<ServerMessage> for Outgoing {
    fn from(message: ServerMessage) -> Self {
        Self::Message(Written::new(message))
    }
}

impl From<Written> for Outgoing {
    fn from(written: Written) -> Self {
        Self::Message(written)
    }
}
