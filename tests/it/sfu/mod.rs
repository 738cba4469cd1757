//! The media plane through real UDP sockets, with an independent client.

#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test says where")]

mod bandwidth;
mod begin;
pub(crate) mod client;
mod data;
mod feedback;
mod layers;
mod red;
mod repair;
mod sctp;
mod tcp;
mod voices;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Dtls};
use crescendo::config;
use crescendo::sfu::sdp::{Assigned, Down, Up};
use crescendo::sfu::tap::{self, Tapped};
use crescendo::sfu::{
    Codec, Command, Direction, Event, FailReason, Layer, PublicationId, Sfu, ShardId, Size, Source, TransportId,
    VideoCodec, Wish,
};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile as Profile;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc_rtp::header::{Extension, Header};
use rtc_rtp::packet::Packet;
use tokio::sync::mpsc;
use tokio::time::timeout;

const CODECS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];
const PATIENCE: Duration = Duration::from_secs(8);
const CAMERA_SSRC: u32 = 0x5000_0001;
const MICROPHONE_SSRC: u32 = 0x5000_0002;

struct Server {
    sfu: Sfu,
    shard: ShardId,
    /// Clients take retransmissions on streams of their own.
    rtx: bool,
}

/// A transport of the server with the client at its other end.
struct Link<D> {
    id: TransportId,
    description: D,
    events: mpsc::Receiver<Event>,
    client: Client,
}

impl Server {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut config::Sfu)) -> Self {
        let mut config = config::Sfu { listen: "127.0.0.1:0".parse().unwrap(), pin: false, ..Default::default() };
        change(&mut config);
        let sfu = Sfu::start(&config).unwrap();
        let shard = sfu.place(&"room".parse().unwrap());
        Self { sfu, shard, rtx: false }
    }

    fn send(&self, command: Command) {
        self.sfu.send(self.shard, command).unwrap();
    }

    async fn open<D>(
        &self,
        direction: Direction,
        dtls: Dtls,
        describe: impl FnOnce(crescendo::sfu::sdp::Local) -> D,
    ) -> Link<D> {
        let local = self.sfu.local(self.shard);
        let (to, events) = mpsc::channel(64);
        let id = self.sfu.next_transport_id();
        self.send(Command::Open { transport: id, direction, local: local.ice.clone(), events: to });
        let mut client = Client::new(&local, dtls).await;
        client.rtx = self.rtx;
        Link { id, description: describe(local), events, client }
    }

    /// An up transport whose answer has been taken; the publication of a source is its number plus `base`.
    async fn up(&self, dtls: Dtls, base: u64) -> Link<Up> {
        let mut link =
            self.open(Direction::Up, dtls, |local| Up::new(local, &CODECS, 1_500).with_simulcast(true)).await;
        let answer = link.client.answer(&link.description.offer());
        let remote = link.description.answer(&answer, |source| publication(source, base)).unwrap();
        self.send(Command::SetRemote { transport: link.id, remote });
        link
    }

    async fn down(&self, dtls: Dtls, wanted: &[(PublicationId, Source)]) -> Link<Down> {
        let mut link = self.open(Direction::Down, dtls, |local| Down::new(local, &CODECS, 1)).await;
        for (publication, source) in wanted {
            assert_eq!(link.description.assign(*publication, *source), Assigned::NeedsOffer);
        }
        let answer = link.client.answer(&link.description.offer().unwrap());
        let (remote, sends) = link.description.answer(&answer).unwrap();
        self.send(Command::SetRemote { transport: link.id, remote });
        for send in sends {
            self.send(Command::Subscribe { transport: link.id, send, wish: Wish::default() });
        }
        link
    }

    /// Both ends connected: a camera and a microphone, and somebody who gets both.
    async fn pair(&self) -> (Link<Up>, Link<Down>) {
        self.pair_of(0).await
    }

    /// The same with publications from `base` on.
    async fn pair_of(&self, base: u64) -> (Link<Up>, Link<Down>) {
        let mut up = self.up(Dtls::Passive, base).await;
        up.client.connect().await;
        let camera = (publication(Source::Camera, base), Source::Camera);
        let microphone = (publication(Source::Microphone, base), Source::Microphone);
        let mut down = self.down(Dtls::Passive, &[camera, microphone]).await;
        down.client.connect().await;
        assert!(matches!(up.event().await, Event::Connected { direction: Direction::Up, .. }));
        assert!(matches!(down.event().await, Event::Connected { direction: Direction::Down, .. }));
        (up, down)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.sfu.stop();
    }
}

impl<D> Link<D> {
    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("an event comes").expect("the shard lives")
    }

    /// The event while the client goes on working.
    async fn event_meanwhile(&mut self) -> Event {
        let mut event = None;
        let (client, events) = (&mut self.client, &mut self.events);
        client
            .until("an event comes", |_| {
                event = event.take().or_else(|| events.try_recv().ok());
                event.is_some()
            })
            .await;
        event.expect("it came")
    }
}

fn publication(source: Source, base: u64) -> PublicationId {
    PublicationId(base + source as u64)
}

/// A VP8 packet: a frame of its own, a key frame on demand.
fn video(sequence: u16, key: bool) -> Packet {
    let frame = [0x10, if key { 0 } else { 1 }, (sequence >> 8) as u8, sequence as u8];
    packet(CAMERA_SSRC, 96, "1", sequence, u32::from(sequence).wrapping_mul(3_000), &frame)
}

fn audio(sequence: u16) -> Packet {
    let timestamp = u32::from(sequence).wrapping_mul(960);
    packet(MICROPHONE_SSRC, 111, "0", sequence, timestamp, format!("opus {sequence}").as_bytes())
}

fn packet(ssrc: u32, payload_type: u8, mid: &str, sequence_number: u16, timestamp: u32, payload: &[u8]) -> Packet {
    let extension = |id, payload: &[u8]| Extension { id, payload: Bytes::copy_from_slice(payload) };
    let extensions =
        vec![extension(1, mid.as_bytes()), extension(4, &sequence_number.to_be_bytes()), extension(7, &[0x85])];
    let header = Header {
        version: 2,
        marker: true,
        payload_type,
        sequence_number,
        timestamp,
        ssrc,
        extension: true,
        extension_profile: 0xbede,
        extensions,
        ..Default::default()
    };
    Packet { header, payload: Bytes::copy_from_slice(payload) }
}

fn of_type(client: &Client, payload_type: u8) -> Vec<&Packet> {
    client.rtp.iter().filter(|packet| packet.header.payload_type == payload_type).collect()
}

fn count<P: 'static>(client: &Client) -> usize {
    client.rtcp.iter().filter(|packet| packet.as_any().is::<P>()).count()
}

#[tokio::test]
async fn packets_arrive_once_in_order_and_unchanged_across_a_roll_over() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    assert!(up.client.has_gcm() && down.client.has_gcm());
    up.client.send(&video(65_498, false)).await; // nothing to decode it with: not forwarded
    for n in 0..200_u16 {
        up.client.send(&video(65_499_u16.wrapping_add(n), n == 0)).await;
        up.client.send(&audio(65_300_u16.wrapping_add(n))).await;
        // Not all at once: the kernel keeps only so much.
        if n % 20 == 19 {
            let sent = 2 * (usize::from(n) + 1);
            down.client.until("the packets are there", |client| client.rtp.len() >= sent).await;
        }
    }
    let (got_video, got_audio) = (of_type(&down.client, 96), of_type(&down.client, 111));
    assert_eq!((got_video.len(), got_audio.len()), (200, 200));
    for (n, (picture, sound)) in (0_u16..).zip(got_video.iter().zip(&got_audio)) {
        let (sent_picture, sent_sound) = (video(65_499_u16.wrapping_add(n), n == 0), audio(65_300_u16.wrapping_add(n)));
        assert_eq!((&picture.payload, &sound.payload), (&sent_picture.payload, &sent_sound.payload));
        assert_eq!(picture.header.timestamp, sent_picture.header.timestamp);
        assert_eq!(picture.header.sequence_number, got_video[0].header.sequence_number.wrapping_add(n));
        assert_eq!(sound.header.sequence_number, got_audio[0].header.sequence_number.wrapping_add(n));
        assert_eq!((picture.header.ssrc, picture.header.marker), (got_video[0].header.ssrc, true));
        let ids: Vec<u8> = sound.header.extensions.iter().map(|extension| extension.id).collect();
        assert_eq!(ids, [4, 7], "its own transport's number and the audio level are for the receiver; all else is not");
    }
    assert_ne!(got_video[0].header.ssrc, CAMERA_SSRC);
    let mut media = [up.event().await, up.event().await];
    media.sort_by_key(|event| matches!(event, Event::Media { codec: Codec::Opus, .. }));
    let codec = Codec::Video(VideoCodec::Vp8);
    assert_eq!(media[0], Event::Media { publication: publication(Source::Camera, 0), codec });
    assert_eq!(media[1], Event::Media { publication: publication(Source::Microphone, 0), codec: Codec::Opus });
}

#[tokio::test]
async fn what_a_receiver_misses_is_sent_again_the_same_to_the_byte() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    for n in 0..20 {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    down.client.until("the packets are there", |client| client.rtp.len() == 20).await;
    let first = down.client.rtp[0].header.sequence_number;
    let lost = [first, first + 3, first + 17];
    let request = |sequences: &[u16]| TransportLayerNack {
        sender_ssrc: 1,
        media_ssrc: 0,
        nacks: nack_pairs_from_sequence_numbers(sequences),
    };
    let media_ssrc = down.client.rtp[0].header.ssrc;
    let never_sent = TransportLayerNack { media_ssrc, ..request(&[first - 1, first + 20]) };
    down.client.send_rtcp(&never_sent).await;
    down.client.send_rtcp(&TransportLayerNack { media_ssrc, ..request(&lost) }).await;
    down.client.until("they have come again", |client| client.rtp.len() == 23).await;
    for (again, sequence) in down.client.rtp[20..].iter().zip(lost) {
        assert_eq!(again, &down.client.rtp[usize::from(sequence - first)]);
    }
}

/// Packets of a payload type that nobody knows take the sender's roll-over counter round, so that its SRTP knows nothing of the
/// sequence numbers that come again.
#[tokio::test]
async fn no_number_is_ever_sent_with_two_plaintexts() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    up.client.send(&video(100, true)).await;
    up.client.send(&video(101, false)).await;
    down.client.until("the packets are there", |client| client.rtp.len() == 2).await;
    for ahead in [30_000, 60_000, 65_535] {
        up.client.send(&packet(CAMERA_SSRC, 127, "1", 100_u16.wrapping_add(ahead), 0, b"unknown")).await;
    }
    up.client.send(&packet(CAMERA_SSRC, 96, "1", 100, 300_000, b"another picture")).await;
    up.client.send(&packet(CAMERA_SSRC, 96, "1", 101, 303_000, b"")).await;
    up.client.send(&video(102, false)).await;
    down.client
        .until("the last is there", |client| client.rtp.last().unwrap().payload == video(102, false).payload)
        .await;
    let Header { ssrc: media_ssrc, sequence_number: first, .. } = down.client.rtp[0].header;
    let nacks = nack_pairs_from_sequence_numbers(&[first, first + 1, first + 2]);
    down.client.send_rtcp(&TransportLayerNack { sender_ssrc: 1, media_ssrc, nacks }).await;
    let sent = down.client.rtp.len();
    down.client.until("they have come again", |client| client.rtp.len() >= sent + 3).await;

    let mut sealed = HashMap::new();
    for datagram in &down.client.datagrams {
        let once = *sealed.entry(&datagram[2..4]).or_insert(datagram);
        assert_eq!(datagram, once, "one number, two plaintexts");
    }
    assert_eq!(sealed.len(), 3);
}

#[tokio::test]
async fn what_a_sender_lost_is_asked_for_again_and_again_and_then_a_key_frame_is() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    for n in (0..10).filter(|n| *n != 4) {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    up.client.until("it is asked for six times", |client| count::<TransportLayerNack>(client) == 6).await;
    for packet in &up.client.rtcp {
        if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() {
            assert_eq!((nack.media_ssrc, nack.nacks[0].packet_list()), (CAMERA_SSRC, vec![104]));
        }
    }
    let before = count::<PictureLossIndication>(&up.client);
    up.client.until("a key frame is asked for", |client| count::<PictureLossIndication>(client) > before).await;
    assert_eq!(count::<TransportLayerNack>(&up.client), 6);
    up.client.send(&video(104, false)).await;
    down.client.until("the late one is forwarded", |client| client.rtp.len() == 10).await;
    let numbers: Vec<u16> = down.client.rtp.iter().map(|packet| packet.header.sequence_number).collect();
    assert_eq!(numbers[9], numbers[0] + 4, "into the gap that was left for it");
}

#[tokio::test]
async fn key_frames_are_asked_for_until_one_comes() {
    let server = Server::with(|config| (config.pli_interval_ms, config.key_frame_reuse_ms) = (50, 0));
    let (mut up, mut down) = server.pair().await;
    for n in 0..5 {
        up.client.send(&video(100 + n, false)).await;
    }
    up.client.until("it is asked again", |client| count::<PictureLossIndication>(client) >= 3).await;
    up.client.send(&video(105, true)).await;
    down.client.until("the key frame is there", |client| client.rtp.len() == 1).await;
    up.client.run_for(Duration::from_millis(100)).await;
    let asked = count::<PictureLossIndication>(&up.client);
    up.client.run_for(Duration::from_millis(200)).await;
    assert_eq!(count::<PictureLossIndication>(&up.client), asked, "nobody wants another one");

    let media_ssrc = down.client.rtp[0].header.ssrc;
    down.client.send_rtcp(&PictureLossIndication { sender_ssrc: 1, media_ssrc }).await;
    up.client.until("the receiver's wish comes through", |client| count::<PictureLossIndication>(client) > asked).await;
}

#[tokio::test]
async fn both_ends_are_told_how_the_media_goes() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    for n in 0..10 {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    let report = SenderReport { ssrc: CAMERA_SSRC, ntp_time: 5 << 32, rtp_time: 300_000, ..Default::default() };
    up.client.send_rtcp(&report).await;
    up.client.until("it is told when packets came", |client| count::<TransportLayerCc>(client) > 0).await;
    up.client.until("it is told how many", |client| count::<ReceiverReport>(client) > 0).await;
    let mut reports = up.client.rtcp.iter().filter_map(|packet| packet.as_any().downcast_ref::<ReceiverReport>());
    let block = reports.next_back().unwrap().reports[0].clone();
    assert_eq!((block.ssrc, block.fraction_lost, block.last_sender_report), (CAMERA_SSRC, 0, 5 << 16));
    down.client.until("the sender's clock is told", |client| count::<SenderReport>(client) > 0).await;
    let report = down.client.rtcp.iter().find_map(|packet| packet.as_any().downcast_ref::<SenderReport>()).unwrap();
    assert_eq!((report.ssrc, report.packet_count), (down.client.rtp[0].header.ssrc, 10));
    let (seconds, ticks) = ((report.ntp_time - (5 << 32)) as f64 / (1_u64 << 32) as f64, report.rtp_time - 300_000);
    assert!((seconds * 90_000.0 - f64::from(ticks)).abs() < 2.0, "{seconds} s are {ticks} ticks");
}

#[tokio::test]
async fn a_tap_gets_packets_sender_reports_and_the_end() {
    let server = Server::start();
    let mut up = server.up(Dtls::Passive, 0).await;
    let camera = publication(Source::Camera, 0);
    let (tap, mut tapped, _) = tap::channel(server.sfu.next_tap_id(), 64);
    server.send(Command::Tap { publication: camera, tap });
    up.client.connect().await;
    assert!(matches!(up.event().await, Event::Connected { .. }));
    up.client.send(&video(100, true)).await;
    let report = SenderReport { ssrc: CAMERA_SSRC, ntp_time: 9, rtp_time: 8, ..Default::default() };
    up.client.send_rtcp(&report).await;
    let mut next = async || timeout(PATIENCE, tapped.recv()).await.expect("it comes").expect("the shard lives");
    let Tapped::Rtp { publication, codec, packet, .. } = next().await else { panic!("a packet first") };
    assert_eq!((publication, codec), (camera, Codec::Video(VideoCodec::Vp8)));
    assert!(packet.ends_with(&video(100, true).payload));
    assert!(matches!(next().await, Tapped::SenderReport { ntp: 9, rtp: 8, .. }));
    server.send(Command::Close { transport: up.id });
    assert!(matches!(next().await, Tapped::Ended { publication } if publication == camera));
    up.client.until("the goodbye is there", |client| client.closed).await;
}

#[tokio::test]
async fn a_publication_goes_on_when_its_transport_is_opened_anew() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    for n in 0..5 {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    down.client.until("the packets are there", |client| client.rtp.len() == 5).await;
    server.send(Command::Close { transport: up.id });
    let mut again = server.up(Dtls::Passive, 0).await;
    again.client.connect().await;
    for n in 0..5 {
        again.client.send(&video(40_000 + n, n == 1)).await;
    }
    down.client.until("the others as well", |client| client.rtp.len() == 9).await;
    let headers: Vec<_> = down.client.rtp.iter().map(|packet| &packet.header).collect();
    for (n, pair) in headers.windows(2).enumerate() {
        assert_eq!(pair[1].sequence_number, pair[0].sequence_number + 1);
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(if n == 4 { (1..90_000 * 10).contains(&step) } else { step == 3_000 }, "{step} at {n}");
    }
}

/// A VP8 packet of so many bytes of payload, not the first of its frame.
fn part(sequence: u16, length: usize) -> Packet {
    packet(CAMERA_SSRC, 96, "1", sequence, 3_000, &vec![sequence as u8; length])
}

#[tokio::test]
async fn a_frame_leaves_as_a_train_of_padded_packets_that_are_sent_again_the_same_to_the_byte() {
    let server = Server::with(|config| config.train_us = 5_000);
    let (mut up, mut down) = server.pair().await;
    let lengths = [1_000, 1_001, 990, 300, 301];
    up.client.send(&video(99, true)).await;
    for (sequence, length) in (100..).zip(lengths) {
        up.client.send(&part(sequence, length)).await;
    }
    down.client.until("the packets are there", |client| client.rtp.len() == 6).await;
    let first = down.client.rtp[0].header.sequence_number;
    for ((packet, sequence), length) in down.client.rtp[1..].iter().zip(100..).zip(lengths) {
        assert_eq!(packet.payload, part(sequence, length).payload);
        assert_eq!(packet.header.sequence_number, first.wrapping_add(sequence - 99));
    }
    let once = down.client.datagrams.clone();
    let long = once.iter().filter(|datagram| datagram.len() > 900).count();
    let longest = once.iter().map(Vec::len).max().unwrap();
    assert_eq!(long, 3);
    assert!(once.iter().all(|datagram| datagram.len() <= 900 || datagram.len() == longest), "all are as long");

    let media_ssrc = down.client.rtp[0].header.ssrc;
    let all: Vec<u16> = (0..6).map(|n| first.wrapping_add(n)).collect();
    let nacks = nack_pairs_from_sequence_numbers(&all);
    down.client.send_rtcp(&TransportLayerNack { sender_ssrc: 1, media_ssrc, nacks }).await;
    down.client.until("they have come again", |client| client.rtp.len() == 12).await;
    assert_eq!(down.client.datagrams[6..], once);
}

#[tokio::test]
async fn packets_larger_than_networks_carry_are_dropped() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    up.client.send(&video(100, true)).await;
    up.client.send(&part(101, 2_000)).await;
    up.client.send(&part(102, 1_400)).await;
    down.client.until("the last is there", |client| client.rtp.last().is_some_and(|p| p.payload.len() == 1_400)).await;
    assert_eq!(down.client.rtp.len(), 2);
}

#[tokio::test]
async fn rooms_are_served_on_any_number_of_shards() {
    for shards in [1, 2, 4] {
        let mut server = Server::with(|config| config.shards = shards);
        let mut ports = std::collections::BTreeSet::new();
        let mut rooms = Vec::new();
        for room in 0..6 {
            server.shard = server.sfu.place(&format!("room{room}").parse().unwrap());
            ports.insert(server.sfu.local(server.shard).candidates[0].port());
            rooms.push(server.pair_of(10 * (room + 1)).await);
        }
        assert_eq!(ports.len(), shards, "every shard has rooms");
        for (up, _) in &mut rooms {
            for n in 0..10 {
                up.client.send(&video(100 + n, n == 0)).await;
                up.client.send(&audio(100 + n)).await;
            }
        }
        for (_, down) in &mut rooms {
            down.client.until("the packets are there", |client| client.rtp.len() == 20).await;
            let numbers: Vec<u16> = of_type(&down.client, 96).iter().map(|p| p.header.sequence_number).collect();
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
        }
    }
}

#[tokio::test]
async fn sound_does_not_wait_for_the_picture() {
    let server = Server::with(|config| config.train_us = 10_000);
    let (mut up, mut down) = server.pair().await;
    for n in 0..20 {
        up.client.send(&video(100 + n, n == 0)).await;
        up.client.send(&audio(100 + n)).await;
    }
    down.client.until("the packets are there", |client| client.rtp.len() == 40).await;
    let kinds: Vec<u8> = down.client.rtp.iter().map(|packet| packet.header.payload_type).collect();
    assert!(kinds[..10].iter().filter(|kind| **kind == 111).count() > 6, "{kinds:?}");
}

#[tokio::test]
async fn another_certificate_than_the_described_one_is_refused() {
    let server = Server::start();
    for dtls in [Dtls::Passive, Dtls::Active(Profile::Srtp_Aead_Aes_128_Gcm)] {
        let mut link = server.open(Direction::Up, dtls, |local| Up::new(local, &CODECS, 1_500)).await;
        let answer = link.client.answer(&link.description.offer());
        let mut remote = link.description.answer(&answer, |source| publication(source, 0)).unwrap();
        remote.fingerprint[31] ^= 1;
        server.send(Command::SetRemote { transport: link.id, remote });
        let reason = FailReason::Fingerprint;
        let failed = Event::Failed { transport: link.id, direction: Direction::Up, reason };
        assert_eq!(link.event_meanwhile().await, failed);
    }
}

#[tokio::test]
async fn nothing_is_taken_or_sent_before_the_answer_has_proven_the_far_end() {
    let server = Server::start();
    let dtls = Dtls::Active(Profile::Srtp_Aead_Aes_128_Gcm);
    let mut up = server.open(Direction::Up, dtls, |local| Up::new(local, &CODECS, 1_500)).await;
    let answer = up.client.answer(&up.description.offer());
    up.client.connect().await;
    let (tap, mut tapped, _) = tap::channel(server.sfu.next_tap_id(), 64);
    server.send(Command::Tap { publication: publication(Source::Camera, 0), tap });
    up.client.send(&video(100, true)).await;
    up.client.run_for(Duration::from_millis(100)).await;
    assert!(up.events.try_recv().is_err() && tapped.try_recv().is_err());

    let remote = up.description.answer(&answer, |source| publication(source, 0)).unwrap();
    server.send(Command::SetRemote { transport: up.id, remote });
    assert!(matches!(up.event().await, Event::Connected { .. }));
    up.client.send(&video(101, true)).await;
    let Some(Tapped::Rtp { packet, .. }) = timeout(PATIENCE, tapped.recv()).await.unwrap() else { panic!("a packet") };
    assert!(packet.ends_with(&video(101, true).payload));
}

#[tokio::test]
async fn a_client_without_gcm_is_served() {
    let server = Server::start();
    let mut up = server.up(Dtls::Active(Profile::Srtp_Aes128_Cm_Hmac_Sha1_80), 0).await;
    up.client.connect().await;
    let wanted = [(publication(Source::Camera, 0), Source::Camera)];
    let mut down = server.down(Dtls::Active(Profile::Srtp_Aes128_Cm_Hmac_Sha1_80), &wanted).await;
    down.client.connect().await;
    assert!(matches!(down.event().await, Event::Connected { .. }));
    assert!(!up.client.has_gcm() && !down.client.has_gcm());
    for n in 0..5 {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    down.client.until("the packets are there", |client| client.rtp.len() == 5).await;
    up.client.until("a key frame was asked for", |client| count::<TransportLayerCc>(client) > 0).await;
}

#[tokio::test]
async fn junk_and_strangers_are_passed_over() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    let stranger = Client::new(&server.sfu.local(server.shard), Dtls::Passive).await;
    for first in 0..=255_u8 {
        for length in [1, 2, 3, 12, 13, 20, 28, 60, 1_200] {
            let mut junk: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect();
            junk[0] = first;
            stranger.send_raw(&junk).await;
            // From a known address as well, though not what DTLS would take for its own.
            up.client.send_raw(&junk).await;
        }
        // The kernel's buffer would drop the rest otherwise, and with it what is to be tested.
        up.client.run_for(Duration::from_millis(1)).await;
    }
    stranger.check("not the password at all!!").await;
    let mut checked = Client::new(&server.sfu.local(server.shard), Dtls::Passive).await;
    checked.run_for(Duration::from_millis(50)).await;
    assert_eq!(checked.checked, 0, "a credential that nobody opened is not answered");
    for n in 0..5 {
        up.client.send(&video(100 + n, n == 0)).await;
    }
    down.client.until("the packets are there", |client| client.rtp.len() == 5).await;
}

#[tokio::test]
async fn a_far_end_that_is_silent_is_forgotten() {
    let server = Server::with(|config| (config.consent_ms, config.handshake_ms) = (500, 500));
    let (mut up, mut down) = server.pair().await;
    up.client.checks = false;
    up.client.send(&video(100, true)).await;
    let failing = async { vec![up.event_meanwhile().await, up.event_meanwhile().await] };
    let mut events = tokio::select! {
        events = failing => events,
        () = down.client.run_for(2 * PATIENCE) => panic!("nobody was forgotten"),
    };
    events.retain(|event| !matches!(event, Event::Media { .. }));
    let failed = |link: TransportId, direction, reason| Event::Failed { transport: link, direction, reason };
    assert_eq!(events, [failed(up.id, Direction::Up, FailReason::Consent)]);
    assert!(down.client.is_open());
    while let Ok(event) = down.events.try_recv() {
        assert!(matches!(event, Event::Layer { .. }), "{event:?}");
    }

    let mut never = server.up(Dtls::Passive, 10).await;
    assert_eq!(never.event().await, failed(never.id, Direction::Up, FailReason::NoCheck));
    let mut half = server.open(Direction::Up, Dtls::Passive, |local| Up::new(local, &CODECS, 1_500)).await;
    assert_eq!(half.event_meanwhile().await, failed(half.id, Direction::Up, FailReason::Handshake));
    assert!(half.client.checked > 0);
}

#[tokio::test]
async fn stopping_says_goodbye() {
    let server = Server::start();
    let (mut up, mut down) = server.pair().await;
    server.sfu.stop();
    up.client.until("the goodbye is there", |client| client.closed).await;
    down.client.until("the goodbye is there", |client| client.closed).await;
}
