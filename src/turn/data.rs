//! What is relayed, as it stands on the wire: ChannelData, Send and Data indications, and where one message ends on a stream
//! and the next begins. Read and written in place: this is done for every packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

/// Channel numbers that may be bound: those of RFC 5766 section 11, for clients that are older than RFC 8656, which ends them at
/// 0x4fff.
pub(super) const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7fff;

/// STUN (RFC 8489 section 5): type, length, cookie, transaction.
pub(super) const STUN_HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const SEND_INDICATION: u16 = 0x0016;
const DATA_INDICATION: u16 = 0x0017;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA: u16 = 0x0013;
const DONT_FRAGMENT: u16 = 0x001a;
/// Attributes below this must be understood (RFC 8489 section 14).
const OPTIONAL: u16 = 0x8000;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

/// What a client's message is by its first two bits (RFC 8656 section 12).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Send,
    OtherStun,
    Channel,
    Unknown,
}

pub(super) fn kind(message: &[u8]) -> Kind {
    match (message.first().map(|first| first >> 6), u16_at(message, 0)) {
        (Some(0), Some(SEND_INDICATION)) => Kind::Send,
        (Some(0), _) => Kind::OtherStun,
        (Some(1), _) => Kind::Channel,
        (_, _) => Kind::Unknown,
    }
}

/// Channel and where the payload is; nothing when it is cut short (RFC 8656 section 12.4).
pub(super) fn read_channel(message: &[u8]) -> Option<(u16, Range<usize>)> {
    let end = 4 + usize::from(u16_at(message, 2)?);
    (end <= message.len()).then_some((u16_at(message, 0)?, 4..end))
}

/// Peer and where the payload is (RFC 8656 section 11.2); nothing when one of them is missing or there is an attribute that
/// must be understood and is not.
pub(super) fn read_send(message: &[u8]) -> Option<(SocketAddr, Range<usize>)> {
    if message.get(4..8)? != COOKIE || STUN_HEADER + usize::from(u16_at(message, 2)?) != message.len() {
        return None;
    }
    let transaction = message.get(8..STUN_HEADER)?.try_into().ok()?;
    let (mut peer, mut data, mut at) = (None, None, STUN_HEADER);
    while at < message.len() {
        let (kind, length) = (u16_at(message, at)?, usize::from(u16_at(message, at + 2)?));
        let value = at + 4..at + 4 + length;
        let bytes = message.get(value.clone())?;
        match kind {
            XOR_PEER_ADDRESS => peer = peer.or(Some(read_address(bytes, transaction)?)),
            DATA => data = data.or(Some(value)),
            // No datagram is ever fragmented.
            DONT_FRAGMENT | OPTIONAL.. => {}
            ..OPTIONAL => return None,
        }
        at += 4 + length.next_multiple_of(4);
    }
    Some((peer?, data?))
}

/// An address that is XORed with cookie and transaction (RFC 8489 section 14.2).
pub(super) fn read_address(value: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let mask = mask(transaction);
    let port = u16_at(value, 2)? ^ u16::from_be_bytes([mask[0], mask[1]]);
    let ip = match (value.get(1)?, value.len()) {
        (1, 8) => IpAddr::V4(Ipv4Addr::from(std::array::from_fn(|i| value[4 + i] ^ mask[i]))),
        (2, 20) => IpAddr::V6(Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|i| value[4 + i] ^ mask[i]))),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// As [`read_address`] reads it: 8 or 20 bytes, of an array of the longer size.
pub(super) fn write_address(address: SocketAddr, transaction: &[u8; 12]) -> ([u8; 20], usize) {
    let mask = mask(transaction);
    let mut value = [0; 20];
    value[2..4].copy_from_slice(&(address.port() ^ u16::from_be_bytes([mask[0], mask[1]])).to_be_bytes());
    let xored =
        |into: &mut [u8], octets: &[u8]| into.iter_mut().zip(octets).zip(mask).for_each(|((i, o), m)| *i = o ^ m);
    match address.ip() {
        IpAddr::V4(v4) => {
            value[1] = 1;
            xored(&mut value[4..8], &v4.octets());
            (value, 8)
        }
        IpAddr::V6(v6) => {
            value[1] = 2;
            xored(&mut value[4..], &v6.octets());
            (value, 20)
        }
    }
}

fn mask(transaction: &[u8; 12]) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&COOKIE);
    mask[4..].copy_from_slice(transaction);
    mask
}

/// What goes before a peer's datagram on its way to the client, and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrapping {
    header: [u8; Self::LONGEST],
    length: usize,
    padding: usize,
}

impl Wrapping {
    /// A Data indication that names an IPv6 peer.
    const LONGEST: usize = STUN_HEADER + 24 + 4;

    /// ChannelData. On a stream it is padded to a multiple of four, which its length does not say (RFC 8656 section 12.5).
    /// `payload` is a datagram's length.
    pub(super) fn channel(number: u16, payload: usize, on_stream: bool) -> Option<Self> {
        let mut header = [0; Self::LONGEST];
        header[..2].copy_from_slice(&number.to_be_bytes());
        header[2..4].copy_from_slice(&u16::try_from(payload).ok()?.to_be_bytes());
        Some(Self { header, length: 4, padding: if on_stream { payload.next_multiple_of(4) - payload } else { 0 } })
    }

    /// A Data indication (RFC 8656 section 11.4). Nothing when the payload does not fit into one.
    pub(super) fn indication(peer: SocketAddr, payload: usize, transaction: [u8; 12]) -> Option<Self> {
        let (address, address_length) = write_address(peer, &transaction);
        let padding = payload.next_multiple_of(4) - payload;
        let attributes = u16::try_from(4 + address_length + 4 + payload + padding).ok()?;
        let (mut header, mut length) = ([0; Self::LONGEST], 0);
        let mut put = |bytes: &[u8]| {
            header[length..length + bytes.len()].copy_from_slice(bytes);
            length += bytes.len();
        };
        put(&DATA_INDICATION.to_be_bytes());
        put(&attributes.to_be_bytes());
        put(&COOKIE);
        put(&transaction);
        put(&XOR_PEER_ADDRESS.to_be_bytes());
        put(&(address_length as u16).to_be_bytes());
        put(&address[..address_length]);
        put(&DATA.to_be_bytes());
        put(&u16::try_from(payload).ok()?.to_be_bytes());
        Some(Self { header, length, padding })
    }

    pub(super) fn before(&self) -> &[u8] {
        &self.header[..self.length]
    }

    pub(super) fn after(&self) -> &'static [u8] {
        &[0; 3][..self.padding]
    }
}

/// What a stream's first bytes hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A message of so many bytes, and with how many of padding the next one begins.
    Whole { message: usize, with_padding: usize },
    /// More bytes have to come.
    Part,
    /// Neither STUN nor ChannelData: where the next message begins is not known any more.
    Broken,
}

/// Finds the end of the first message (RFC 8656 section 12.5).
pub(super) fn frame(stream: &[u8]) -> Frame {
    if stream.first().is_some_and(|first| first >> 6 > 1) {
        return Frame::Broken;
    }
    let (Some(first), Some(length)) = (stream.first(), u16_at(stream, 2)) else { return Frame::Part };
    let length = usize::from(length);
    let message = if first >> 6 == 0 {
        if length % 4 != 0 || stream.get(4..8).is_some_and(|cookie| cookie != COOKIE) {
            return Frame::Broken;
        }
        STUN_HEADER + length
    } else {
        4 + length
    };
    let with_padding = message.next_multiple_of(4);
    if stream.len() < with_padding { Frame::Part } else { Frame::Whole { message, with_padding } }
}
