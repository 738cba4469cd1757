//! Packets of SCTP from somebody who has joined a room, as they come out of DTLS: an association is up, and then the input is
//! what its far end sends. Each packet has its length in two bytes before it and is given a right header and checksum; numbers of
//! DATA and FORWARD TSN are counted from where the far end began, which else no input would hit.
#![no_main]

use std::time::{Duration, Instant};

use bytes::Bytes;
use crescendo::sfu::transport::data::{Channels, Kind, Limits, Opening};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits =
    Limits { message_bytes: 4_096, channels: 4, queue_bytes: 8_192, messages_per_second: 10_000, max_kbps: 1_000_000 };
/// More than is ever said at one time.
const MOST_PACKETS: usize = 1_000;
const DATA: u8 = 0;
const FORWARD_TSN: u8 = 192;

/// Both ends' associations are up; the far end's header, and the first number that it uses.
fn connected(opening: Opening, now: Instant) -> (Channels, [u8; 8], u32) {
    let (mut server, mut client) = (Channels::new(LIMITS, opening, now), Channels::new(LIMITS, Opening::Agreed, now));
    client.connect(now);
    let (mut header, mut first) = ([0; 8], None);
    loop {
        let sent: Vec<Bytes> = client.poll_transmit(now).into_iter().flatten().collect();
        let answered: Vec<Bytes> = server.poll_transmit(now).into_iter().flatten().collect();
        if sent.is_empty() && answered.is_empty() {
            break;
        }
        for packet in sent {
            header.copy_from_slice(&packet[..8]);
            // Initial TSN of the INIT (RFC 9260 section 3.3.2).
            first.get_or_insert_with(|| u32::from_be_bytes(packet[28..32].try_into().expect("four bytes")));
            server.read(packet, now);
        }
        answered.into_iter().for_each(|packet| client.read(packet, now));
    }
    (server, header, first.expect("an INIT was sent"))
}

/// RFC 9260 appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

fn packet(header: [u8; 8], first: u32, chunks: &[u8]) -> Bytes {
    let mut packet = [&header[..], &[0; 4], chunks].concat();
    let mut at = 12;
    while let Some(&[kind, _, high, low]) = packet.get(at..at + 4).and_then(|head| head.first_chunk::<4>()) {
        if let Some(number) = packet.get_mut(at + 4..at + 8).filter(|_| matches!(kind, DATA | FORWARD_TSN)) {
            let offset = u32::from_be_bytes((&*number).try_into().expect("four bytes")) & 0x8000_1fff;
            number.copy_from_slice(&first.wrapping_add(offset).to_be_bytes());
        }
        at += usize::from(u16::from_be_bytes([high, low])).max(4).next_multiple_of(4);
    }
    let sum = crc32c(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    Bytes::from(packet)
}

fuzz_target!(|input: &[u8]| run(input));

fn run(input: &[u8]) {
    let Some((&choice, mut rest)) = input.split_first() else { return };
    let opening = match choice % 3 {
        0 => Opening::Agreed,
        1 => Opening::Theirs,
        _ => Opening::Ours("room".into()),
    };
    let mut now = Instant::now();
    let (mut server, header, first) = connected(opening, now);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (chunks, after) = after.split_at(usize::from(u16::from_be_bytes(*length)).min(after.len()));
        rest = after;
        server.read(packet(header, first, chunks), now);
        while let Some(message) = server.poll_message(now) {
            assert!(message.bytes.len() <= LIMITS.message_bytes);
            assert!(message.kind == Kind::Binary || std::str::from_utf8(&message.bytes).is_ok());
            server.send(message.kind, &message.bytes, now);
        }
        now += Duration::from_millis(50);
        server.handle_timeout(now);
        // Nothing acknowledges it, so it comes to an end.
        let packets = std::iter::from_fn(|| server.poll_transmit(now)).take(MOST_PACKETS).count();
        assert!(packets < MOST_PACKETS, "it never falls silent");
    }
    // Without a header: what is no SCTP at all.
    server.read(Bytes::copy_from_slice(input), now);
}
