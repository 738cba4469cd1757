//! A TURN client's messages.

use std::net::{IpAddr, SocketAddr};

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::AttrType;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{Message, Setter};

use crate::turn::credentials::Credentials;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Every request of a test has this transaction, unless it says otherwise: addresses in it are XORed with it.
const TRANSACTION: [u8; 12] = *b"transactions";

pub(super) struct Client {
    pub(super) address: SocketAddr,
    credentials: Credentials,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    pub(super) transaction: [u8; 12],
}

impl Client {
    pub(super) fn new(address: SocketAddr, credentials: Credentials) -> Self {
        Self { address, credentials, realm: Vec::new(), nonce: Vec::new(), transaction: TRANSACTION }
    }

    /// Takes realm and nonce of a 401 or 438; true if the request should be repeated with them.
    pub(super) fn learns(&mut self, reply: &Reply) -> bool {
        if ![401, 438].contains(&reply.code) {
            return false;
        }
        self.realm = reply.get(0x0014).expect("a realm").to_vec();
        self.nonce = reply.get(0x0015).expect("a nonce").to_vec();
        true
    }

    /// Signed as soon as realm and nonce are known.
    pub(super) fn request(&self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = self.unsigned(method, attributes);
        if self.nonce.is_empty() {
            return message.raw;
        }
        let Credentials { username, password, .. } = &self.credentials;
        message.add(AttrType(0x0006), username.as_bytes());
        message.add(AttrType(0x0014), &self.realm);
        message.add(AttrType(0x0015), &self.nonce);
        let crypto = AwsLcRsProvider::default();
        let realm = String::from_utf8(self.realm.clone()).unwrap();
        let key = MessageIntegrity::new_long_term_integrity_with_provider(
            username.clone(),
            realm,
            password.clone(),
            crypto.crypto(),
        );
        key.unwrap().add_to(&mut message).unwrap();
        message.raw
    }

    pub(super) fn send(&self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        self.unsigned(0x016, &[self.peer(peer), (0x0013, payload.to_vec())]).raw
    }

    /// `method` with the class's bits.
    pub(super) fn unsigned(&self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Message {
        let mut message = Message::new();
        message.transaction_id.0 = self.transaction;
        message.typ.read_value(method);
        message.write_header();
        attributes.iter().for_each(|(kind, value)| message.add(AttrType(*kind), value));
        message
    }

    /// XOR-PEER-ADDRESS.
    pub(super) fn peer(&self, peer: SocketAddr) -> (u16, Vec<u8>) {
        let mask = [&COOKIE[..], &self.transaction].concat();
        let (family, octets) = match peer.ip() {
            IpAddr::V4(v4) => (1, v4.octets().to_vec()),
            IpAddr::V6(v6) => (2, v6.octets().to_vec()),
        };
        let port = (peer.port() ^ 0x2112).to_be_bytes();
        let ip = octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask);
        (0x0012, [0, family].into_iter().chain(port).chain(ip).collect())
    }
}

/// REQUESTED-TRANSPORT.
pub(super) fn udp() -> (u16, Vec<u8>) {
    (0x0019, vec![17, 0, 0, 0])
}

pub(super) fn channel_number(number: u16) -> (u16, Vec<u8>) {
    (0x000c, [&number.to_be_bytes()[..], &[0, 0]].concat())
}

pub(super) fn lifetime(seconds: u32) -> (u16, Vec<u8>) {
    (0x000d, seconds.to_be_bytes().to_vec())
}

/// REQUESTED-ADDRESS-FAMILY; 1 is IPv4, 2 is IPv6.
pub(super) fn family(family: u8) -> (u16, Vec<u8>) {
    (0x0017, vec![family, 0, 0, 0])
}

pub(super) fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// 0 for success.
    pub(super) code: u16,
    pub(super) message: Message,
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        self.message.raw == other.message.raw
    }
}

impl Reply {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut message = Message::new();
        message.raw = bytes.to_vec();
        message.decode().expect("an answer is STUN");
        let code = match message.get(AttrType(0x0009)) {
            Ok(value) => u16::from(value[2]) * 100 + u16::from(value[3]),
            Err(_) => 0,
        };
        Self { code, message }
    }

    pub(super) fn get(&self, kind: u16) -> Option<&[u8]> {
        self.message.attributes.0.iter().find(|a| a.typ == AttrType(kind)).map(|a| &a.value[..])
    }

    /// LIFETIME in seconds.
    pub(super) fn lifetime(&self) -> Option<u32> {
        self.get(0x000d).map(|value| u32::from_be_bytes(value.try_into().expect("four bytes")))
    }

    /// XOR-MAPPED-ADDRESS (0x0020) or XOR-RELAYED-ADDRESS (0x0016).
    pub(super) fn address(&self, kind: u16) -> Option<SocketAddr> {
        crate::turn::data::read_address(self.get(kind)?, &self.message.transaction_id.0)
    }
}

impl Reply {
    /// A Data indication, of which only what comes before its payload is at hand.
    pub(super) fn read_indication(before: &[u8], payload: usize) -> Self {
        Self::read(&[before, &vec![0; payload.next_multiple_of(4)]].concat())
    }
}
