//! A call of the doctor's own, in a room that nobody else is in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::reach::Site;
use super::stun;
use crate::listen::Duplex;
use crate::sfu::IceCredential;
use crate::signal::message::{ClientMessage, Direction, IceServer, ServerMessage, VERSION, VideoCodec};

/// So many come into the room at most until the server offers a transport: it does so from `room.warm_at` on, and beyond
/// `room.mesh_limit` at the latest. More: servers with larger meshes are examined in full, for more sockets.
const MOST_PEOPLE: usize = 8;
/// How long one waits for the server to close a socket that leaves.
const FAREWELL: Duration = Duration::from_secs(1);
/// Largest message that is read.
const MESSAGE_BYTES: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("{0}")]
    Connection(#[from] io::Error),
    #[error("WebSocket: {0}")]
    WebSocket(#[from] Box<tungstenite::Error>),
    #[error("the server closed the socket")]
    Closed,
    #[error("the server says {code}: {message}")]
    Refused { code: String, message: String },
    #[error("no transport is offered to a room of {MOST_PEOPLE} (`room.mesh_limit`)")]
    NoOffer,
    #[error("the offer has no address to send to")]
    NoCandidate,
}

impl From<tungstenite::Error> for CallError {
    fn from(error: tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

pub(super) struct Call {
    site: Site,
    room: String,
    token: Option<String>,
    /// The first one looks for an offer.
    first: Socket,
    others: Vec<Socket>,
    pub(super) ice_servers: Vec<IceServer>,
}

impl Call {
    /// Takes the first place in `room`, and says which.
    pub(super) async fn join(site: &Site, room: &str, token: Option<&str>) -> Result<(Self, String), CallError> {
        let mut first = Socket::open(site).await?;
        first.join(room, token).await?;
        let welcome = first.until(|message| {
            if let ServerMessage::Welcome { you, ice_servers, .. } = message {
                Some((you.id, ice_servers))
            } else {
                None
            }
        });
        let (id, ice_servers) = welcome.await?;
        let (site, token) = (site.clone(), token.map(str::to_owned));
        let call = Self { site, room: room.to_owned(), token, first, others: Vec::new(), ice_servers };
        Ok((call, format!("joined {room} as {}", id.0)))
    }

    /// Brings people in until the server offers to carry media.
    pub(super) async fn offer(&mut self) -> Result<Offer, CallError> {
        while self.others.len() + 1 < MOST_PEOPLE {
            let mut another = Socket::open(&self.site).await?;
            another.join(&self.room, self.token.as_deref()).await?;
            another.until(|message| matches!(message, ServerMessage::Welcome { .. }).then_some(())).await?;
            self.others.push(another);
            // What the newcomer meant for the first one is before the answer to this.
            let at = self.others.len() as f64;
            self.first.say(&ClientMessage::Ping { at }).await?;
            let offered = self.first.until(|message| {
                if let ServerMessage::Offer { transport: Direction::Up, sdp, .. } = message {
                    return Some(Some(sdp));
                }
                matches!(message, ServerMessage::Pong { .. }).then_some(None)
            });
            if let Some(sdp) = offered.await? {
                return Offer::parse(&sdp).ok_or(CallError::NoCandidate);
            }
        }
        Err(CallError::NoOffer)
    }

    /// Nothing is left of the room, unless the server is very slow. Who is gone already need not leave.
    pub(super) async fn leave(self) {
        for mut socket in self.others.into_iter().chain([self.first]) {
            let _ = tokio::time::timeout(FAREWELL, socket.leave()).await;
        }
    }
}

/// What an offer says of ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    ice: IceCredential,
    candidates: Vec<SocketAddr>,
}

impl Offer {
    /// Nothing when there is no credential or no candidate.
    pub(super) fn parse(sdp: &str) -> Option<Self> {
        let line = |prefix: &str| sdp.lines().find_map(|line| line.trim_end().strip_prefix(prefix)).map(str::to_owned);
        let ice = IceCredential { ufrag: line("a=ice-ufrag:")?, pwd: line("a=ice-pwd:")? };
        let mut candidates: Vec<SocketAddr> = Vec::new();
        for candidate in sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:")) {
            // foundation component transport priority address port (RFC 8839 section 5.1)
            let mut parts = candidate.split_whitespace().skip(4);
            let (Some(Ok(ip)), Some(Ok(port))) = (parts.next().map(str::parse), parts.next().map(str::parse)) else {
                continue;
            };
            let address = SocketAddr::new(ip, port);
            if !candidates.contains(&address) {
                candidates.push(address);
            }
        }
        (!candidates.is_empty()).then_some(Self { ice, candidates })
    }

    /// Sends a connectivity check to each of the addresses; one that answers is enough.
    pub(super) async fn check(self, patience: Duration) -> Result<String, CallError> {
        let mut checks = JoinSet::new();
        for address in self.candidates {
            let check = stun::check(&self.ice);
            checks.spawn(async move {
                // A little less than the whole attempt, so that the ones that answer are told.
                let asking = stun::ask_udp(address, &check);
                (address, tokio::time::timeout(patience * 4 / 5, asking).await.is_ok_and(|answer| answer.is_ok()))
            });
        }
        let (good, bad): (Vec<_>, Vec<_>) = checks.join_all().await.into_iter().partition(|(_, answers)| *answers);
        let names = |of: &[(SocketAddr, bool)]| of.iter().map(|(at, _)| at.to_string()).collect::<Vec<_>>().join(", ");
        match (&good[..], &bad[..]) {
            ([], bad) => Err(io::Error::other(format!("no answer over UDP from {}", names(bad))).into()),
            (good, []) => Ok(format!("UDP {} answers", names(good))),
            (good, bad) => Ok(format!("UDP {} answers; {} does not", names(good), names(bad))),
        }
    }
}

/// A signaling socket.
struct Socket(WebSocketStream<Box<dyn Duplex>>);

impl Socket {
    async fn open(site: &Site) -> Result<Self, CallError> {
        // The scheme plays no part on a connection that is there.
        let url = format!("ws://{}{}", site.authority(), site.path("/signal"));
        let limits =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES)).max_frame_size(Some(MESSAGE_BYTES));
        let (stream, _) = client_async_with_config(url, site.connect().await?, Some(limits)).await?;
        Ok(Self(stream))
    }

    async fn join(&mut self, room: &str, token: Option<&str>) -> Result<(), CallError> {
        let join = ClientMessage::Join {
            version: VERSION,
            room: room.to_owned(),
            name: "crescendo doctor".into(),
            token: token.map(str::to_owned),
            resume: None,
            tracks: Vec::new(),
            decodes: vec![VideoCodec::Vp8, VideoCodec::H264],
            encrypted: false,
        };
        self.say(&join).await
    }

    async fn say(&mut self, message: &ClientMessage) -> Result<(), CallError> {
        let text = serde_json::to_string(message).expect("a message of ours has text keys only");
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// Reads to the end: closed with unread data, TCP would take back what was said last.
    async fn leave(&mut self) -> Result<(), CallError> {
        self.say(&ClientMessage::Leave {}).await?;
        while let Some(Ok(_)) = self.0.next().await {}
        Ok(())
    }

    /// Reads on to what is wanted. A fatal error ends it; what is not understood is passed over.
    async fn until<T>(&mut self, wanted: impl Fn(ServerMessage) -> Option<T>) -> Result<T, CallError> {
        loop {
            let Message::Text(text) = self.0.next().await.ok_or(CallError::Closed)?? else { continue };
            match serde_json::from_str::<ServerMessage>(&text) {
                Ok(ServerMessage::Error { code, message, fatal: true, .. }) => {
                    let code = serde_json::to_value(code).ok().and_then(|code| code.as_str().map(str::to_owned));
                    return Err(CallError::Refused { code: code.unwrap_or_default(), message });
                }
                Ok(message) => {
                    if let Some(found) = wanted(message) {
                        return Ok(found);
                    }
                }
                Err(_) => {}
            }
        }
    }
}
