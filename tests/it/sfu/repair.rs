//! Retransmissions on streams of their own (RFC 4588), both ways.

use std::collections::HashSet;

use super::*;

const RTX_SSRC: u32 = 0x5000_0003;

fn start() -> Server {
    let mut server = Server::start();
    server.rtx = true;
    server
}

/// What a client sends in answer to a NACK: `sequence` counts its retransmissions.
fn retransmission(sequence: u16, of: &Packet) -> Packet {
    let payload = [&of.header.sequence_number.to_be_bytes()[..], &of.payload].concat();
    packet(RTX_SSRC, 97, "1", sequence, of.header.timestamp, &payload)
}

fn nack(media_ssrc: u32, sequences: &[u16]) -> TransportLayerNack {
    TransportLayerNack { sender_ssrc: 1, media_ssrc, nacks: nack_pairs_from_sequence_numbers(sequences) }
}

#[tokio::test]
async fn what_a_receiver_misses_comes_again_on_a_stream_of_its_own() {
    let server = start();
    let (mut up, mut down) = server.pair().await;
    for n in 0..20 {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    down.client.until("the packets are there", |client| client.rtp.len() == 20).await;
    let Header { ssrc: media_ssrc, sequence_number: first, .. } = down.client.rtp[0].header;
    let lost = [first, first + 3, first + 17];
    for round in 1..=2 {
        down.client.send_rtcp(&nack(media_ssrc, &lost)).await;
        down.client.until("they have come again", |client| client.rtp.len() == 20 + 3 * round).await;
    }
    let again = of_type(&down.client, 97);
    for (again, sequence) in again.iter().zip(lost.iter().cycle()) {
        let original = &down.client.rtp[usize::from(sequence - first)];
        assert_eq!(again.payload, [&sequence.to_be_bytes()[..], &original.payload].concat());
        assert_eq!(again.header.timestamp, original.header.timestamp);
        assert_eq!(again.header.marker, original.header.marker);
        assert_ne!(again.header.ssrc, media_ssrc);
    }
    let numbers: Vec<u16> = again.iter().map(|packet| packet.header.sequence_number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
    assert_eq!(again.iter().map(|packet| packet.header.ssrc).collect::<HashSet<_>>().len(), 1);
}

#[tokio::test]
async fn a_retransmission_of_the_sender_fills_the_gap() {
    let server = start();
    let (mut up, mut down) = server.pair().await;
    for n in (0..10).filter(|n| *n != 4) {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    up.client.until("it is asked for", |client| count::<TransportLayerNack>(client) > 0).await;
    // What senders probe with: padding, a packet that has come, and one that nobody has seen and cannot be placed.
    up.client.send(&packet(RTX_SSRC, 97, "1", 1, 0, b"")).await;
    up.client.send(&retransmission(2, &video(103, false))).await;
    up.client.send(&retransmission(3, &video(20_000, false))).await;
    up.client.send(&retransmission(4, &video(104, false))).await;
    up.client.send(&video(110, false)).await;
    down.client.until("all are there", |client| client.rtp.len() == 11).await;
    let mut got = of_type(&down.client, 96);
    assert_eq!(got[9].payload, video(104, false).payload, "as the packet that it repairs");
    got.sort_by_key(|packet| packet.header.sequence_number);
    for (n, packet) in (0..).zip(got) {
        let sent = video(100 + n, n == 0);
        assert_eq!((&packet.payload, packet.header.timestamp), (&sent.payload, sent.header.timestamp));
    }
    up.client.until("its arrival is told", |client| count::<TransportLayerCc>(client) > 0).await;
}

#[tokio::test]
async fn with_packets_lost_on_both_ways_every_picture_arrives() {
    const FRAMES: u16 = 400;
    let server = start();
    let (mut up, mut down) = server.pair().await;
    let mut dice = fastrand::Rng::with_seed(7);
    let (mut repairs, mut answered) = (0, 0);
    let mut got = HashMap::new();
    let mut lost_down = HashSet::new();
    let mut seen = 0;
    for n in 0..FRAMES + 40 {
        // One in ten is lost on the way up; what is asked for may be lost again.
        if n < FRAMES && (n == 0 || n + 1 == FRAMES || dice.u8(..10) > 0) {
            up.client.send(&video(n, n == 0)).await;
        }
        up.client.run_for(Duration::from_millis(2)).await;
        let asked: Vec<u16> = up.client.rtcp[answered..]
            .iter()
            .filter_map(|packet| packet.as_any().downcast_ref::<TransportLayerNack>())
            .flat_map(|nack| nack.nacks.iter().flat_map(|pair| pair.packet_list()))
            .collect();
        answered = up.client.rtcp.len();
        for sequence in asked {
            repairs += 1;
            if dice.u8(..10) > 0 {
                up.client.send(&retransmission(repairs, &video(sequence, sequence == 0))).await;
            }
        }
        down.client.run_for(Duration::from_millis(2)).await;
        let Some(first) = down.client.rtp.first().map(|packet| packet.header.clone()) else { continue };
        for packet in &down.client.rtp[seen..] {
            let (sequence, payload) = match packet.header.payload_type {
                97 => (u16::from_be_bytes([packet.payload[0], packet.payload[1]]), packet.payload.slice(2..)),
                _ => (packet.header.sequence_number, packet.payload.clone()),
            };
            let index = sequence.wrapping_sub(first.sequence_number);
            // And one in ten on the way down, retransmissions among them; of the last one nothing tells.
            if index > 0 && index + 1 < FRAMES && dice.u8(..10) == 0 {
                lost_down.insert(index);
            } else if let Some(before) = got.insert(index, payload.clone()) {
                assert_eq!(before, payload, "the same packet, however it came");
            }
        }
        seen = down.client.rtp.len();
        let missing: Vec<u16> = (0..got.keys().max().map_or(0, |last| *last))
            .filter(|index| !got.contains_key(index))
            .map(|index| first.sequence_number.wrapping_add(index))
            .take(50)
            .collect();
        if n % 4 == 0 && !missing.is_empty() {
            down.client.send_rtcp(&nack(first.ssrc, &missing)).await;
        }
    }
    assert!(repairs > 20 && lost_down.len() > 20, "{repairs} asked for, {} lost", lost_down.len());
    for n in 0..FRAMES {
        let expected = video(n, n == 0).payload;
        assert_eq!(got.get(&n), Some(&expected), "picture {n}");
    }
}
