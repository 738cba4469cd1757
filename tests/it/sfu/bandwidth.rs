//! A receiver whose link becomes thin and wide again, as far as the server can tell: its feedback says when packets would have come
//! through such a link.

use std::collections::VecDeque;
use std::time::Instant;

use super::feedback::arrivals;
use super::*;

const SSRCS: [u32; 3] = [0x6100_0001, 0x6100_0002, 0x6100_0003];
const RIDS: [&[u8]; 3] = [b"l", b"m", b"h"];
const FRAME_TIME: Duration = Duration::from_millis(10);
/// Bytes of a frame of each layer.
const FRAME: [usize; 3] = [80, 400, 1_150];
/// What a link takes that takes everything, in bit/s.
const WIDE: f64 = 50_000_000.0;
/// What a thin one takes of the largest layer: more than the one below needs.
const THIN: f64 = 0.5;
/// Frames that say how fast this machine films at present.
const PACE: usize = 50;
const FEEDBACK: Duration = Duration::from_millis(100);
/// Packets that wait longer are lost.
const QUEUE: Duration = Duration::from_millis(400);
const TRANSPORT_CC: u8 = 4;

fn frame(layer: usize, n: u16, key: bool) -> Packet {
    let mut payload = vec![0x10, if key { 0x00 } else { 0x01 }, 0, 0];
    if key {
        let (width, height) = (320_u16 << layer, 180_u16 << layer);
        payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
        payload.extend_from_slice(&width.to_le_bytes());
        payload.extend_from_slice(&height.to_le_bytes());
    }
    payload.resize(FRAME[layer], layer as u8);
    let timestamp = u32::from(n) * 900;
    let mut packet = packet(SSRCS[layer], 96, "1", n, timestamp, &payload);
    packet.header.extensions.push(Extension { id: 2, payload: Bytes::from_static(RIDS[layer]) });
    packet
}

/// The link to a receiver, and what the receiver tells.
struct Thin {
    bits_per_second: f64,
    epoch: Instant,
    free: Instant,
    seen: usize,
    /// (number, when it comes) of what has not been told; nothing for what is lost.
    pending: Vec<(u16, Option<Instant>)>,
    next: Instant,
    count: u8,
}

impl Thin {
    fn new() -> Self {
        let now = Instant::now();
        Self { bits_per_second: WIDE, epoch: now, free: now, seen: 0, pending: Vec::new(), next: now, count: 0 }
    }

    async fn tell(&mut self, client: &mut Client) {
        let now = Instant::now();
        for (packet, came) in client.rtp.iter().zip(&client.came).skip(self.seen) {
            let number = packet.header.extensions.iter().find(|extension| extension.id == TRANSPORT_CC);
            let [high, low] = number.expect("a transport-wide number").payload[..] else { panic!("two bytes") };
            let lost = self.free > *came + QUEUE;
            if !lost {
                let bits = (packet.payload.len() + 40) as f64 * 8.0;
                self.free = self.free.max(*came) + Duration::from_secs_f64(bits / self.bits_per_second);
            }
            self.pending.push((u16::from_be_bytes([high, low]), (!lost).then_some(self.free)));
        }
        self.seen = client.rtp.len();
        if now < self.next {
            return;
        }
        self.next = now + FEEDBACK;
        let there = |(_, at): &(u16, Option<Instant>)| at.is_none_or(|at| at <= now);
        let told: Vec<_> = self.pending.extract_if(.., |packet| there(packet)).collect();
        for told in told.chunks(200) {
            self.count = self.count.wrapping_add(1);
            let feedback = arrivals(self.epoch, told, self.count);
            client.send_rtcp(&feedback).await;
        }
    }
}

struct Scene {
    up: Link<Up>,
    down: Link<Down>,
    thin: Thin,
    next: u16,
    heard: usize,
    is_thin: bool,
    /// When the last frames were filmed.
    filmed: VecDeque<Instant>,
    /// Keeps the server.
    _server: Server,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut config::Sfu)) -> Self {
        let mut server = Server::with(|config| {
            config.pli_interval_ms = 50;
            config.bandwidth_estimation = true;
            change(config);
        });
        server.rtx = true;
        let mut up = server.up(Dtls::Passive, 0).await;
        up.client.connect().await;
        let camera = publication(Source::Camera, 0);
        let mut down = server.down(Dtls::Passive, &[(camera, Source::Camera)]).await;
        down.client.connect().await;
        let filmed = VecDeque::with_capacity(PACE + 1);
        Self { up, down, thin: Thin::new(), next: 1, heard: 0, is_thin: false, filmed, _server: server }
    }

    /// Films until the receiver gets what `done` wants; its layer and how many frames came meanwhile.
    async fn film_until(&mut self, what: &str, done: impl Fn(u8) -> bool) -> Duration {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < 3 * PATIENCE, "waited in vain until {what}");
            self.film().await;
            if self.layer().is_some_and(&done) {
                return begun.elapsed();
            }
        }
    }

    async fn film(&mut self) {
        let key = self.next == 1
            || self.up.client.rtcp[self.heard..].iter().any(|packet| packet.as_any().is::<PictureLossIndication>());
        self.heard = self.up.client.rtcp.len();
        for layer in 0..3 {
            self.up.client.send(&frame(layer, self.next, key)).await;
        }
        self.next += 1;
        self.filmed.push_back(Instant::now());
        if self.filmed.len() > PACE {
            self.filmed.pop_front();
        }
        self.thin.bits_per_second = if self.is_thin { THIN * self.largest() } else { WIDE };
        tokio::join!(self.up.client.run_for(FRAME_TIME), self.down.client.run_for(FRAME_TIME));
        self.thin.tell(&mut self.down.client).await;
    }

    /// What the largest layer takes, in bit/s, as fast as this machine films: it is not alone here.
    fn largest(&self) -> f64 {
        let (Some(first), Some(last)) = (self.filmed.front(), self.filmed.back()) else { return WIDE };
        let frames = (self.filmed.len() - 1) as f64 / (*last - *first).as_secs_f64().max(0.001);
        frames * (FRAME[2] + 40) as f64 * 8.0
    }

    /// How many of the next frames go with the largest layer.
    async fn film_large(&mut self, frames: usize) -> usize {
        let mut large = 0;
        for _ in 0..frames {
            self.film().await;
            large += usize::from(self.layer() == Some(2));
        }
        large
    }

    /// Of the last frame that came.
    fn layer(&self) -> Option<u8> {
        let frames = self.down.client.rtp.iter().rev().filter(|packet| packet.header.payload_type == 96);
        frames.filter_map(|packet| packet.payload.last()).next().copied()
    }
}

#[tokio::test]
async fn a_thin_link_gets_a_smaller_layer_and_a_wide_one_the_largest_again() {
    let mut scene = Scene::new(|config| config.down_start_kbps = 5_000).await;
    scene.film_until("the largest layer comes", |layer| layer == 2).await;
    let large = scene.film_large(200).await;
    assert!(large > 150, "a wide link keeps it: {large} of 200");
    scene.is_thin = true;
    let smaller = scene.film_until("a smaller layer comes", |layer| layer < 2).await;
    let before = scene.down.client.rtp.len();
    let large = scene.film_large(300).await;
    assert!(large < 60, "hardly anything larger is sent: {large} of 300");
    assert!(scene.down.client.rtp.len() > before + 100, "pictures go on");
    scene.is_thin = false;
    let back = scene.film_until("the largest layer is back", |layer| layer == 2).await;
    println!("smaller after {smaller:?}, back after {back:?}");
    let mut padding = of_type(&scene.down.client, 97).into_iter().filter(|packet| packet.payload.is_empty());
    assert!(padding.next().is_some(), "the way back was probed for");
}

#[tokio::test]
async fn a_large_picture_leaves_at_the_pace_of_a_link_that_is_known_to_be_thin_whole_and_in_order() {
    const PARTS: u16 = 40;
    let mut scene = Scene::new(|config| config.down_start_kbps = 5_000).await;
    scene.film_until("the largest layer comes", |layer| layer == 2).await;
    scene.is_thin = true;
    scene.film_until("a smaller layer comes", |layer| layer < 2).await;
    scene.film_large(100).await;
    let layer = scene.layer().expect("pictures come");
    let (first, timestamp) = (scene.next, u32::from(scene.next) * 900);
    for part in 0..PARTS {
        let mut payload = vec![if part == 0 { 0x10 } else { 0 }, 1, 0, 0];
        payload.resize(1_100, 200 + layer);
        let ssrc = SSRCS[usize::from(layer)];
        scene.up.client.send(&packet(ssrc, 96, "1", first + part, timestamp, &payload)).await;
    }
    let parts = |client: &Client| {
        let parts =
            client.rtp.iter().zip(&client.came).filter(|(packet, _)| packet.payload.last() == Some(&(200 + layer)));
        parts.map(|(packet, came)| (packet.header.sequence_number, *came)).collect::<Vec<_>>()
    };
    scene.down.client.until("all of it", |client| parts(client).len() >= usize::from(PARTS)).await;
    scene.down.client.run_for(Duration::from_millis(50)).await;
    let parts = parts(&scene.down.client);
    assert_eq!(parts.len(), usize::from(PARTS), "each once");
    assert!(parts.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)), "{parts:?}");
    // 44 kB; half a second at 700 kbit/s, and no longer than that in any case.
    let took = parts[parts.len() - 1].1 - parts[0].1;
    assert!(took > Duration::from_millis(100), "it left at once: {took:?}");
}

#[tokio::test]
async fn numbers_count_every_packet_of_a_transport_and_none_where_they_are_switched_off() {
    let mut scene = Scene::new(|_| {}).await;
    scene.film_until("pictures come", |_| true).await;
    for _ in 0..20 {
        scene.film().await;
    }
    let (media_ssrc, sequence) = {
        let packet = of_type(&scene.down.client, 96)[3];
        (packet.header.ssrc, packet.header.sequence_number)
    };
    let nacks = nack_pairs_from_sequence_numbers(&[sequence]);
    scene.down.client.send_rtcp(&TransportLayerNack { sender_ssrc: 1, media_ssrc, nacks }).await;
    scene.down.client.until("it comes again", |client| !of_type(client, 97).is_empty()).await;
    let number = |packet: &Packet| {
        let found = packet.header.extensions.iter().find(|extension| extension.id == TRANSPORT_CC)?;
        Some(u16::from_be_bytes([found.payload[0], found.payload[1]]))
    };
    let numbers: Vec<u16> = scene.down.client.rtp.iter().filter_map(number).collect();
    assert_eq!(numbers.len(), scene.down.client.rtp.len());
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");

    let mut off = Scene::new(|config| config.bandwidth_estimation = false).await;
    off.thin.next += Duration::from_secs(60);
    while off.down.client.rtp.is_empty() {
        off.up.client.send(&frame(2, off.next, true)).await;
        off.next += 1;
        off.down.client.run_for(Duration::from_millis(20)).await;
    }
    assert!(off.down.client.rtp.iter().all(|packet| number(packet).is_none()));
}
