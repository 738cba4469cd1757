//! STUN and TURN servers (RFC 8489, RFC 8656), asked as a browser would: an allocation, a permission, and a packet that comes back.

use std::io;
use std::net::SocketAddr;

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{
    ATTR_DATA, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS,
    ATTR_XOR_RELAYED_ADDRESS, AttrType,
};
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH,
    METHOD_SEND, Message, MessageType, Method, Setter,
};
use rtc_stun::xoraddr::XorMappedAddress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::reach::Site;
use super::{advice, stun};
use crate::listen::Duplex;

/// REQUESTED-TRANSPORT: UDP (RFC 8656 section 18.6).
const UDP: [u8; 4] = [17, 0, 0, 0];
/// Requests with new realms and nonces: one is usual, a nonce may run out once more.
const LESSONS: usize = 3;
const STUN_HEADER: usize = 20;
/// Of what is sent through the relay.
const PAYLOAD_BYTES: usize = 16;

/// An entry of `iceServers` (RFC 7064, RFC 7065).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IceUrl {
    host: String,
    port: u16,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Stun,
    TurnUdp,
    TurnTcp,
    TurnTls,
}

impl IceUrl {
    /// Nothing for what is not `stun:`, `turn:` or `turns:` over a transport that there is.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let way = match (scheme, query) {
            ("stun", "") => Way::Stun,
            ("turn", "" | "transport=udp") => Way::TurnUdp,
            ("turn", "transport=tcp") => Way::TurnTcp,
            ("turns", "" | "transport=tcp") => Way::TurnTls,
            (_, _) => return None,
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (place, None),
        };
        let usual = if way == Way::TurnTls { 5_349 } else { 3_478 };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { host, port: port.unwrap_or(usual), way })
    }

    /// What to do when it does not answer.
    pub(super) fn advice(&self) -> &'static str {
        match self.way {
            Way::Stun => advice::STUN,
            Way::TurnUdp => advice::TURN_UDP,
            Way::TurnTcp => advice::TURN_TCP,
            Way::TurnTls => advice::TURN_TLS,
        }
    }

    async fn address(&self) -> io::Result<SocketAddr> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", self.host));
        // Where there are both, IPv4: a machine that cannot do IPv6 often knows of it all the same.
        lookup_host((self.host.as_str(), self.port)).await?.min_by_key(SocketAddr::is_ipv6).ok_or_else(unknown)
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error("{0}")]
    Connection(#[from] io::Error),
    #[error("the server names no credentials for it")]
    NoCredentials,
    #[error("{what} is refused: {code} {phrase}")]
    Refused { what: Method, code: u16, phrase: String },
    #[error("the answer to {0} makes no sense")]
    Senseless(Method),
}

/// Tries one server; says what came of it. The caller bounds the time.
pub(super) async fn examine(
    site: &Site,
    url: &IceUrl,
    credentials: Option<&(String, String)>,
) -> Result<String, RelayError> {
    let path = match url.way {
        Way::Stun => {
            let answer = stun::ask_udp(url.address().await?, &stun::binding()).await?;
            let seen = stun::mapped(&answer).ok_or(RelayError::Senseless(answer.typ.method))?;
            return Ok(format!("this machine is seen as {seen}"));
        }
        Way::TurnUdp => Path::Udp(stun::udp_to(url.address().await?).await?),
        Way::TurnTcp => Path::stream(site.connect_to(&url.host, url.port, false).await?),
        Way::TurnTls => Path::stream(site.connect_to(&url.host, url.port, true).await?),
    };
    let (username, password) = credentials.cloned().ok_or(RelayError::NoCredentials)?;
    let mut client = Client { path, username, password, realm: String::new(), nonce: Vec::new() };
    let allocated = client.request(METHOD_ALLOCATE, &[Part::Plain(ATTR_REQUESTED_TRANSPORT, UDP.to_vec())]).await?;
    let relayed = stun::address(&allocated, ATTR_XOR_RELAYED_ADDRESS).ok_or(RelayError::Senseless(METHOD_ALLOCATE))?;
    client.request(METHOD_CREATE_PERMISSION, &[Part::Peer(relayed)]).await?;
    client.echo(relayed).await?;
    // It would run out by itself.
    client.request(METHOD_REFRESH, &[Part::Plain(ATTR_LIFETIME, vec![0; 4])]).await?;
    Ok(format!("relayed by {relayed}, a packet went out and came back"))
}

/// An attribute.
enum Part {
    Plain(AttrType, Vec<u8>),
    /// XOR-PEER-ADDRESS, which depends on the transaction.
    Peer(SocketAddr),
}

struct Client {
    path: Path,
    username: String,
    password: String,
    realm: String,
    nonce: Vec<u8>,
}

impl Client {
    /// Asks, learns realm and nonce when it has to, and gives the answer.
    async fn request(&mut self, method: Method, parts: &[Part]) -> Result<Message, RelayError> {
        let mut refused = RelayError::Senseless(method);
        for _ in 0..LESSONS {
            let request = self.write(method, CLASS_REQUEST, parts);
            let answer = self.path.ask(&request.raw, |answer| answer.transaction_id == request.transaction_id).await?;
            let Some((code, phrase)) = stun::error(&answer) else { return Ok(answer) };
            refused = RelayError::Refused { what: method, code, phrase };
            let (Ok(realm), Ok(nonce), 401 | 438) = (answer.get(ATTR_REALM), answer.get(ATTR_NONCE), code) else {
                break;
            };
            self.realm = String::from_utf8_lossy(&realm).into_owned();
            self.nonce = nonce;
        }
        Err(refused)
    }

    /// Has the relay send to itself, until it comes back.
    async fn echo(&mut self, relayed: SocketAddr) -> Result<(), RelayError> {
        let payload: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(PAYLOAD_BYTES).collect();
        let parts = [Part::Peer(relayed), Part::Plain(ATTR_DATA, payload.clone())];
        let send = self.write(METHOD_SEND, CLASS_INDICATION, &parts);
        let comes_back = |message: &Message| {
            message.typ == MessageType { method: METHOD_DATA, class: CLASS_INDICATION }
                && message.get(ATTR_DATA).is_ok_and(|data| data == payload)
        };
        self.path.ask(&send.raw, comes_back).await?;
        Ok(())
    }

    /// Requests are signed as soon as there is a nonce.
    fn write(&self, method: Method, class: rtc_stun::message::MessageClass, parts: &[Part]) -> Message {
        let mut message = stun::message(MessageType { method, class });
        for part in parts {
            match part {
                Part::Plain(kind, value) => message.add(*kind, value),
                Part::Peer(peer) => {
                    let address = XorMappedAddress { ip: peer.ip(), port: peer.port() };
                    address.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS).expect("an address fits");
                }
            }
        }
        if class == CLASS_REQUEST && !self.nonce.is_empty() {
            message.add(ATTR_USERNAME, self.username.as_bytes());
            message.add(ATTR_REALM, self.realm.as_bytes());
            message.add(ATTR_NONCE, &self.nonce);
            let crypto = AwsLcRsProvider::default();
            let (name, realm, password) = (self.username.clone(), self.realm.clone(), self.password.clone());
            MessageIntegrity::new_long_term_integrity_with_provider(name, realm, password, crypto.crypto())
                .and_then(|integrity| integrity.add_to(&mut message))
                .expect("the crypto provider has MD5 and HMAC");
        }
        message
    }
}

/// How messages reach the server.
enum Path {
    Udp(UdpSocket),
    Stream { stream: Box<dyn Duplex>, received: Vec<u8> },
}

impl Path {
    fn stream(stream: Box<dyn Duplex>) -> Self {
        Self::Stream { stream, received: Vec::new() }
    }

    /// Says something until what is wanted comes; on a stream once is enough.
    async fn ask(&mut self, bytes: &[u8], wanted: impl Fn(&Message) -> bool) -> io::Result<Message> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; stun::BUFFER];
                loop {
                    socket.send(bytes).await?;
                    while let Ok(length) = timeout(stun::AGAIN, socket.recv(&mut buffer)).await {
                        if let Some(message) = stun::read(&buffer[..length?]).filter(&wanted) {
                            return Ok(message);
                        }
                    }
                }
            }
            Self::Stream { stream, received } => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
                loop {
                    if let Some(message) = stun::read(&next_message(stream, received).await?).filter(&wanted) {
                        return Ok(message);
                    }
                }
            }
        }
    }
}

/// A STUN message says how long it is, in its third and fourth byte (RFC 8489 section 5). Nothing else comes to who binds no channel.
async fn next_message(stream: &mut Box<dyn Duplex>, received: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(&[_, _, high, low]) = received.first_chunk::<4>() {
            let length = STUN_HEADER + usize::from(u16::from_be_bytes([high, low]));
            if received.len() >= length {
                return Ok(received.drain(..length).collect());
            }
        }
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
