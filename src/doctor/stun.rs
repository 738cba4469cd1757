//! STUN messages (RFC 8489) as a client writes and reads them, and one question over UDP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{
    ATTR_ERROR_CODE, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USERNAME, ATTR_XORMAPPED_ADDRESS, AttrType,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{CLASS_REQUEST, METHOD_BINDING, Message, MessageType, Setter, TransactionId};
use rtc_stun::xoraddr::XorMappedAddress;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::sfu::IceCredential;

/// When a question is asked again over UDP (RFC 8489 section 6.2.1 begins with 500 ms; nobody waits behind us).
pub(super) const AGAIN: Duration = Duration::from_millis(300);
/// Largest answer.
pub(super) const BUFFER: usize = 2_048;
/// Any that is not a relay's: PRIORITY of a peer-reflexive candidate (RFC 8445 section 5.1.2).
const PRIORITY: u32 = 110 << 24;

/// A message of this type without attributes, under a transaction of its own.
pub(super) fn message(typ: MessageType) -> Message {
    let mut message = Message::new();
    message.typ = typ;
    message.transaction_id = TransactionId::new();
    message.write_header();
    message
}

pub(super) fn binding() -> Message {
    message(MessageType { method: METHOD_BINDING, class: CLASS_REQUEST })
}

/// A connectivity check (RFC 8445 section 7.2.2) for whoever has this credential.
pub(super) fn check(ice: &IceCredential) -> Message {
    let mut check = binding();
    check.add(ATTR_USERNAME, format!("{}:doctor", ice.ufrag).as_bytes());
    check.add(ATTR_PRIORITY, &PRIORITY.to_be_bytes());
    check.add(ATTR_ICE_CONTROLLING, &fastrand::u64(..).to_be_bytes());
    let crypto = AwsLcRsProvider::default();
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(ice.pwd.clone(), crypto.crypto());
    integrity.add_to(&mut check).expect("a message without a fingerprint takes an HMAC");
    FINGERPRINT.add_to(&mut check).expect("a checksum can be had of every message");
    check
}

/// Nothing when it is not STUN.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    message.raw = bytes.to_vec();
    message.decode().ok()?;
    Some(message)
}

/// Of an error answer: the code, and its phrase (RFC 8489 section 14.8).
pub(super) fn error(answer: &Message) -> Option<(u16, String)> {
    let value = answer.get(ATTR_ERROR_CODE).ok()?;
    let (&class, &number) = (value.get(2)?, value.get(3)?);
    Some((u16::from(class & 7) * 100 + u16::from(number), String::from_utf8_lossy(&value[4..]).into_owned()))
}

/// XOR-MAPPED-ADDRESS and its like.
pub(super) fn address(message: &Message, kind: AttrType) -> Option<SocketAddr> {
    let mut address = XorMappedAddress::default();
    address.get_from_as(message, kind).ok()?;
    Some(SocketAddr::new(address.ip, address.port))
}

pub(super) fn mapped(answer: &Message) -> Option<SocketAddr> {
    address(answer, ATTR_XORMAPPED_ADDRESS)
}

/// A socket that hears of one address alone.
pub(super) async fn udp_to(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    Ok(socket)
}

/// Asks, again and again, until there is an answer. The caller bounds the time.
pub(super) async fn ask_udp(to: SocketAddr, request: &Message) -> io::Result<Message> {
    let socket = udp_to(to).await?;
    let mut buffer = [0; BUFFER];
    loop {
        socket.send(&request.raw).await?;
        while let Ok(length) = timeout(AGAIN, socket.recv(&mut buffer)).await {
            let answer = read(&buffer[..length?]);
            if let Some(answer) = answer.filter(|answer| answer.transaction_id == request.transaction_id) {
                return Ok(answer);
            }
        }
    }
}
