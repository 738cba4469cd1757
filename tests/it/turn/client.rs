//! A TURN client as small as the tests need it, on whatever carries its bytes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use crescendo::turn::{Credentials, Secret};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::AttrType;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{Message, Setter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::support::PATIENCE;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

pub(super) struct Client {
    credentials: Credentials,
    /// Realm and nonce.
    known: Option<(Vec<u8>, Vec<u8>)>,
    transaction: [u8; 12],
}

impl Client {
    pub(super) fn new(secret: &str, who: &str) -> Self {
        let credentials = Secret::new(secret, Duration::from_secs(600)).issue(SystemTime::now(), who);
        Self { credentials, known: None, transaction: *b"transactions" }
    }

    /// Signed when realm and nonce are known.
    pub(super) fn request(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = Message::new();
        message.transaction_id.0 = self.transaction;
        message.typ.read_value(method);
        message.write_header();
        attributes.iter().for_each(|(kind, value)| message.add(AttrType(*kind), value));
        if let Some((realm, nonce)) = &self.known {
            let Credentials { username, password, .. } = &self.credentials;
            message.add(AttrType(0x0006), username.as_bytes());
            message.add(AttrType(0x0014), realm);
            message.add(AttrType(0x0015), nonce);
            let crypto = AwsLcRsProvider::default();
            let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
                username.clone(),
                String::from_utf8(realm.clone()).expect("text"),
                password.clone(),
                crypto.crypto(),
            );
            integrity.expect("a key").add_to(&mut message).expect("signed");
        }
        message.raw
    }

    pub(super) fn allocate(&mut self) -> Vec<u8> {
        self.request(0x003, &[udp()])
    }

    /// Of the family of an address.
    fn allocate_like(&mut self, address: SocketAddr) -> Vec<u8> {
        match address.is_ipv4() {
            true => self.allocate(),
            false => self.request(0x003, &[udp(), (0x0017, vec![2, 0, 0, 0])]),
        }
    }

    /// It looks as if it were signed.
    pub(super) fn refresh_with_a_wrong_password(&mut self) -> Vec<u8> {
        self.known = Some((b"crescendo".to_vec(), b"000000000123456789abcdef0123".to_vec()));
        let message = self.request(0x004, &[]);
        self.known = None;
        message
    }

    pub(super) fn send(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let known = self.known.take();
        let message = self.request(0x016, &[self.peer(peer), (0x0013, payload.to_vec())]);
        self.known = known;
        message
    }

    fn peer(&self, peer: SocketAddr) -> (u16, Vec<u8>) {
        let (family, ip) = match peer.ip() {
            IpAddr::V4(ip) => (1, ip.octets().to_vec()),
            IpAddr::V6(ip) => (2, ip.octets().to_vec()),
        };
        let ip = ip.into_iter().zip(COOKIE.into_iter().chain(self.transaction)).map(|(octet, mask)| octet ^ mask);
        (0x0012, [0, family].into_iter().chain((peer.port() ^ 0x2112).to_be_bytes()).chain(ip).collect())
    }

    /// The code of an answer; 401 and 438 teach realm and nonce.
    fn learn(&mut self, answer: &Message) -> u16 {
        let Ok(value) = answer.get(AttrType(0x0009)) else { return 0 };
        let code = u16::from(value[2]) * 100 + u16::from(value[3]);
        if [401, 438].contains(&code) {
            let given = |kind| answer.get(AttrType(kind)).expect("realm and nonce");
            self.known = Some((given(0x0014), given(0x0015)));
        }
        code
    }

    fn relayed(answer: &Message) -> SocketAddr {
        let value = answer.get(AttrType(0x0016)).expect("a relayed address");
        let ip: [u8; 4] = std::array::from_fn(|i| value[4 + i] ^ COOKIE[i]);
        SocketAddr::new(ip.into(), u16::from_be_bytes([value[2], value[3]]) ^ 0x2112)
    }

    pub(super) async fn allocate_on(&mut self, stream: &mut TcpStream) -> SocketAddr {
        for code in [401, 0] {
            stream.write_all(&self.allocate()).await.expect("written");
            let answer = read(stream).await;
            assert_eq!(self.learn(&answer), code);
            if code == 0 {
                return Self::relayed(&answer);
            }
        }
        unreachable!("the second answer was a success")
    }

    pub(super) async fn permit_on(&mut self, stream: &mut TcpStream, peer: SocketAddr) {
        let peer = self.peer(peer);
        stream.write_all(&self.request(0x008, &[peer])).await.expect("written");
        assert_eq!(self.learn(&read(stream).await), 0);
    }

    /// A relay of the family that `to` is of.
    pub(super) async fn allocate_over(&mut self, socket: &UdpSocket, to: SocketAddr) {
        socket.connect(to).await.expect("a socket");
        for code in [401, 0] {
            let request = self.allocate_like(to);
            assert_eq!(self.learn(&ask(socket, &request).await), code);
        }
    }

    /// What the server says to a wish for a relay: an error's code, 0 when there is one.
    pub(super) async fn tries_to_allocate_over(&mut self, socket: &UdpSocket, to: SocketAddr) -> u16 {
        socket.connect(to).await.expect("a socket");
        for _ in 0..2 {
            let request = self.allocate_like(to);
            match self.learn(&ask(socket, &request).await) {
                // A nonce is good for one address.
                401 | 438 => {}
                code => return code,
            }
        }
        401
    }

    pub(super) async fn permit_over(&mut self, socket: &UdpSocket, peer: SocketAddr) -> u16 {
        let request = self.request(0x008, &[self.peer(peer)]);
        let answer = ask(socket, &request).await;
        self.learn(&answer)
    }

    pub(super) async fn bind_over(&mut self, socket: &UdpSocket, number: u16, peer: SocketAddr) -> u16 {
        let channel = (0x000c, [&number.to_be_bytes()[..], &[0, 0]].concat());
        let request = self.request(0x009, &[channel, self.peer(peer)]);
        let answer = ask(socket, &request).await;
        self.learn(&answer)
    }
}

/// REQUESTED-TRANSPORT (RFC 8656 section 18.7).
fn udp() -> (u16, Vec<u8>) {
    (0x0019, vec![17, 0, 0, 0])
}

pub(super) fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn decoded(bytes: &[u8]) -> Message {
    let mut message = Message::new();
    message.raw = bytes.to_vec();
    message.decode().expect("an answer is STUN");
    message
}

async fn ask(socket: &UdpSocket, request: &[u8]) -> Message {
    socket.send(request).await.expect("sent");
    let mut buffer = [0; 2_048];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("in time").expect("an answer");
    decoded(&buffer[..length])
}

async fn read(stream: &mut TcpStream) -> Message {
    let mut message = vec![0; 20];
    timeout(PATIENCE, stream.read_exact(&mut message)).await.expect("in time").expect("an answer");
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    message.resize(20 + length, 0);
    timeout(PATIENCE, stream.read_exact(&mut message[20..])).await.expect("in time").expect("an answer");
    decoded(&message)
}
