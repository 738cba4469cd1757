//! Redundant sound (RFC 2198), written and read here once more.

use rtc_rtcp::reception_report::ReceptionReport;

use super::*;

const RED: u8 = 63;
const OPUS: u8 = 111;

/// A packet of sound with `earlier` ones once more, each 960 units after the one before it; the oldest first.
fn redundant(sequence: u16, earlier: &[u16]) -> Packet {
    let mut payload = Vec::new();
    for before in earlier {
        let (behind, length) = (u32::from(sequence - before) * 960, audio(*before).payload.len() as u32);
        let word = 1 << 31 | u32::from(OPUS) << 24 | behind << 10 | length;
        payload.extend_from_slice(&word.to_be_bytes());
    }
    payload.push(OPUS);
    for number in earlier.iter().chain([&sequence]) {
        payload.extend_from_slice(&audio(*number).payload);
    }
    let mut packet = audio(sequence);
    packet.header.payload_type = RED;
    packet.payload = payload.into();
    packet
}

/// (how many units behind, payload) of each block, the packet's own last.
fn blocks(mut payload: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut lengths = Vec::new();
    while payload[0] & 0x80 != 0 {
        let word = u32::from_be_bytes(payload[..4].try_into().unwrap());
        assert_eq!(word >> 24 & 0x7f, u32::from(OPUS));
        lengths.push((word >> 10 & 0x3fff, (word & 0x3ff) as usize));
        payload = &payload[4..];
    }
    assert_eq!(payload[0], OPUS);
    payload = &payload[1..];
    let mut blocks = Vec::new();
    for (behind, length) in lengths {
        blocks.push((behind, payload[..length].to_vec()));
        payload = &payload[length..];
    }
    blocks.push((0, payload.to_vec()));
    blocks
}

/// A microphone, and somebody who hears it; each may take redundant sound.
async fn call(server: &Server, sends: bool, takes: bool) -> (Link<Up>, Link<Down>) {
    let mut up =
        server.open(Direction::Up, Dtls::Passive, |local| Up::new(local, &CODECS, 1_500).with_red(sends)).await;
    let offer = up.description.offer();
    assert_eq!(offer.contains("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"), sends, "what is to be sent is first");
    let answer = up.client.answer(&offer);
    let remote = up.description.answer(&answer, |source| publication(source, 0)).unwrap();
    server.send(Command::SetRemote { transport: up.id, remote });
    let mut down =
        server.open(Direction::Down, Dtls::Passive, |local| Down::new(local, &CODECS, 1).with_red(takes)).await;
    let microphone = publication(Source::Microphone, 0);
    assert_eq!(down.description.assign(microphone, Source::Microphone), Assigned::NeedsOffer);
    let offer = down.description.offer().unwrap();
    assert_eq!(offer.contains("a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"), takes);
    let (remote, sends) = down.description.answer(&down.client.answer(&offer)).unwrap();
    assert_eq!(sends[0].red, takes);
    server.send(Command::SetRemote { transport: down.id, remote });
    for send in sends {
        server.send(Command::Subscribe { transport: down.id, send, wish: Wish::default() });
    }
    up.client.connect().await;
    down.client.connect().await;
    (up, down)
}

#[tokio::test]
async fn what_is_lost_on_the_way_in_is_heard_once_and_plain() {
    let server = Server::start();
    let (mut up, mut down) = call(&server, true, false).await;
    let (tap, mut tapped, _) = tap::channel(server.sfu.next_tap_id(), 64);
    server.send(Command::Tap { publication: publication(Source::Microphone, 0), tap });
    let first = 65_500;
    up.client.send(&redundant(first, &[])).await;
    down.client.until("it begins", |client| !client.rtp.is_empty()).await;
    // Every third and its neighbour never come; each packet brings two.
    for n in (1..60).filter(|n| n % 4 < 2) {
        up.client.send(&redundant_around(first, n)).await;
        up.client.run_for(Duration::from_millis(1)).await;
    }
    down.client.until("all is there", |client| client.rtp.len() >= 58).await;
    down.client.run_for(Duration::from_millis(30)).await;
    let heard: Vec<&Packet> = down.client.rtp.iter().collect();
    assert!(heard.iter().all(|packet| packet.header.payload_type == OPUS));
    let expected: Vec<Bytes> = (0..58).map(|n: u16| audio(first.wrapping_add(n)).payload.clone()).collect();
    let payloads: Vec<Bytes> = heard.iter().map(|packet| packet.payload.clone()).collect();
    assert_eq!(payloads, expected, "each once, in order");
    for pair in heard.windows(2) {
        assert_eq!(pair[1].header.sequence_number, pair[0].header.sequence_number.wrapping_add(1));
        assert_eq!(pair[1].header.timestamp, pair[0].header.timestamp.wrapping_add(960));
    }
    let mut copied = 0;
    while let Ok(Some(Tapped::Rtp { codec, packet, .. })) = timeout(Duration::from_millis(20), tapped.recv()).await {
        assert_eq!(codec, Codec::Opus);
        assert!(packet.ends_with(&expected[copied]), "legs hear the same");
        copied += 1;
    }
    assert_eq!(copied, expected.len());
}

/// The packet `n` after the first, with two before it, across the roll-over of sequence numbers.
fn redundant_around(first: u16, n: u16) -> Packet {
    let mut packet = redundant(n + 2, &[n, n + 1]);
    let named = |n: u16| audio(first.wrapping_add(n)).payload.to_vec();
    let mut payload = Vec::new();
    for (by, before) in [(2u32, n.wrapping_sub(2)), (1, n - 1)] {
        if n < 2 && by == 2 {
            continue;
        }
        let word = 1 << 31 | u32::from(OPUS) << 24 | (by * 960) << 10 | named(before).len() as u32;
        payload.extend_from_slice(&word.to_be_bytes());
    }
    payload.push(OPUS);
    for before in [n.wrapping_sub(2), n - 1, n].iter().skip(usize::from(n < 2)) {
        payload.extend_from_slice(&named(*before));
    }
    let plain = audio(first.wrapping_add(n));
    packet.header.sequence_number = plain.header.sequence_number;
    // The clock goes on beyond 2^16 packets.
    packet.header.timestamp = (u32::from(first) + u32::from(n)).wrapping_mul(960);
    packet.payload = payload.into();
    packet
}

#[tokio::test]
async fn who_loses_some_gets_what_was_before_once_more_and_nobody_else_does() {
    let server = Server::start();
    let (mut up, mut down) = call(&server, false, true).await;
    for n in 100..110 {
        up.client.send(&audio(n)).await;
    }
    down.client.until("all is there", |client| client.rtp.len() == 10).await;
    assert_eq!(of_type(&down.client, OPUS).len(), 10, "nothing was lost");
    let ssrc = down.client.rtp[0].header.ssrc;
    let block = ReceptionReport { ssrc, total_lost: 1, fraction_lost: 25, ..Default::default() };
    down.client.send_rtcp(&ReceiverReport { ssrc: 1, reports: vec![block], ..Default::default() }).await;
    // Until the report was heard; packets are sent meanwhile.
    let mut n = 110;
    while of_type(&down.client, RED).len() < 5 {
        assert!(n < 2_000, "nothing became redundant");
        up.client.send(&audio(n)).await;
        down.client.run_for(Duration::from_millis(2)).await;
        n += 1;
    }
    let first = down.client.rtp[0].header.clone();
    for packet in of_type(&down.client, RED) {
        let number = 100 + packet.header.sequence_number.wrapping_sub(first.sequence_number);
        let blocks = blocks(&packet.payload);
        let expected: Vec<(u32, Vec<u8>)> =
            (0..=2).rev().map(|by: u16| (u32::from(by) * 960, audio(number - by).payload.to_vec())).collect();
        assert_eq!(blocks, expected);
        assert_eq!(packet.header.timestamp.wrapping_sub(first.timestamp), u32::from(number - 100) * 960);
    }
    // A packet that went out redundantly is not sent again as something else (RFC 3711 section 9.1).
    let (before, asked) = (down.client.rtp.len(), down.client.rtp.last().unwrap().header.sequence_number);
    let nacks = nack_pairs_from_sequence_numbers(&[asked]);
    down.client.send_rtcp(&TransportLayerNack { sender_ssrc: 1, media_ssrc: ssrc, nacks }).await;
    down.client.run_for(Duration::from_millis(50)).await;
    assert_eq!(down.client.rtp.len(), before);
}

#[tokio::test]
async fn what_is_no_redundant_sound_ends_here() {
    let server = Server::start();
    let (mut up, mut down) = call(&server, true, true).await;
    up.client.send(&redundant(100, &[])).await;
    for (n, payload) in
        [&[][..], &[0xef], &[0xef, 0, 0], &[0xef, 0xff, 0xff, 0xff, 111, 1], &[0xef; 400]].iter().enumerate()
    {
        let mut packet = redundant(101 + n as u16, &[]);
        packet.payload = Bytes::copy_from_slice(payload);
        up.client.send(&packet).await;
    }
    up.client.send(&redundant(110, &[])).await;
    down.client.until("what is well-formed is there", |client| client.rtp.len() == 2).await;
    assert!(down.client.rtp[1].payload.ends_with(&audio(110).payload));
}
