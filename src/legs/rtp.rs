//! The fixed header of an RTP packet (RFC 3550 section 5.1), as far as a leg asks.

use bytes::Bytes;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) marker: bool,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) payload: Bytes,
}

/// None where the packet is cut off or of another version. Padding is gone already, so its bit says nothing.
pub(super) fn parse(packet: &Bytes) -> Option<Packet> {
    let fixed: &[u8; 12] = packet.first_chunk()?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let mut payload = 12 + 4 * usize::from(fixed[0] & 0x0f);
    if fixed[0] & 0x10 != 0 {
        // Section 5.3.1: a profile's 16 bits, then the extension's length in words.
        let words = packet.get(payload + 2..payload + 4)?;
        payload += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    if payload > packet.len() {
        return None;
    }
    Some(Packet {
        marker: fixed[1] & 0x80 != 0,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        payload: packet.slice(payload..),
    })
}
