//! A camera in three sizes (simulcast by RID), of which each receiver gets one.

use super::*;

const SSRCS: [u32; 3] = [0x6000_0001, 0x6000_0002, 0x6000_0003];
const RIDS: [&[u8]; 3] = [b"l", b"m", b"h"];
/// Where the clock of each layer begins, and how far apart its frames are.
const CLOCKS: [u32; 3] = [1_000, 2_000_000_000, u32::MAX - 30_000];
const STEP: u32 = 3_000;

/// Frame `n` of a layer: VP8 with a picture id and TL0PICIDX, one packet. A key frame tells its size.
fn frame(layer: usize, n: u16, key: bool) -> Packet {
    let id = (n + 100 * layer as u16) | 0x8000;
    let mut payload = vec![0x90, 0xe0, (id >> 8) as u8, id as u8, (n as u8).wrapping_add(layer as u8), 0x20];
    payload.push(if key { 0x00 } else { 0x01 });
    if key {
        let (width, height) = (320_u16 << layer, 180_u16 << layer);
        payload.extend_from_slice(&[0, 0, 0x9d, 0x01, 0x2a]);
        payload.extend_from_slice(&width.to_le_bytes());
        payload.extend_from_slice(&height.to_le_bytes());
    }
    payload.extend_from_slice(&[layer as u8, (n >> 8) as u8, n as u8]);
    let sequence = n.wrapping_add(65_500).wrapping_add(1_000 * layer as u16);
    let timestamp = CLOCKS[layer].wrapping_add(u32::from(n) * STEP);
    let mut packet = packet(SSRCS[layer], 96, "1", sequence, timestamp, &payload);
    packet.header.extensions.push(Extension { id: 2, payload: Bytes::from_static(RIDS[layer]) });
    packet
}

/// (layer, frame) as the sender made it.
fn made(packet: &Packet) -> (u8, u16) {
    let [.., layer, high, low] = packet.payload[..] else { panic!("a frame") };
    (layer, u16::from_be_bytes([high, low]))
}

fn wish(width: u32, height: u32) -> Wish {
    Wish { shown: Some(Size { width, height }), most: None }
}

/// Which layers the sender is asked for key frames of, since packet `from`.
fn asked(client: &Client, from: usize) -> Vec<usize> {
    let all = client.rtcp[from..].iter().filter_map(|p| p.as_any().downcast_ref::<PictureLossIndication>());
    all.filter_map(|pli| SSRCS.iter().position(|ssrc| *ssrc == pli.media_ssrc)).collect()
}

struct Scene {
    server: Server,
    up: Link<Up>,
    down: Link<Down>,
    /// Of the next frame.
    next: u16,
    heard: usize,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::with(|config| config.pli_interval_ms = 50);
        let mut up = server.up(Dtls::Passive, 0).await;
        up.client.connect().await;
        let camera = publication(Source::Camera, 0);
        let mut down = server.down(Dtls::Passive, &[(camera, Source::Camera)]).await;
        down.client.connect().await;
        Self { server, up, down, next: 0, heard: 0 }
    }

    fn wish(&self, wish: Wish) {
        let mid = "1".to_owned();
        self.server.send(Command::Wish { transport: self.down.id, mid, wish });
    }

    /// A camera that sends these layers, and answers every request for a key frame with one on all of them, as browsers do.
    async fn film(&mut self, layers: &[usize], frames: u16) {
        for _ in 0..frames {
            let key = self.next == 0 || !asked(&self.up.client, self.heard).is_empty();
            self.heard = self.up.client.rtcp.len();
            for layer in layers {
                self.up.client.send(&frame(*layer, self.next, key)).await;
            }
            self.next += 1;
            self.up.client.run_for(Duration::from_millis(5)).await;
            self.down.client.run_for(Duration::from_millis(5)).await;
        }
    }

    /// The layer of the last frame that came.
    fn gets(&self) -> u8 {
        made(self.down.client.rtp.last().expect("something came")).0
    }
}

/// Numbers go on without a gap, pictures are in order, each new layer begins with a key frame, and time never stands still.
fn assert_seamless(packets: &[Packet]) {
    let picture = |packet: &Packet| (u16::from_be_bytes([packet.payload[2], packet.payload[3]]), packet.payload[4]);
    let mut switches = 0;
    for pair in packets.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.header.sequence_number, before.header.sequence_number.wrapping_add(1));
        let step = after.header.timestamp.wrapping_sub(before.header.timestamp);
        let ((layer, n), (next_layer, next)) = (made(before), made(after));
        assert!(next >= n, "{next} after {n}");
        assert_eq!(picture(after).0, (picture(before).0.wrapping_add(1)) | 0x8000, "picture ids count on");
        assert_eq!(picture(after).1, picture(before).1.wrapping_add(1));
        if layer == next_layer {
            assert_eq!(step, STEP);
        } else {
            switches += 1;
            assert_eq!(after.payload[6] & 1, 0, "a layer begins with a key frame");
            assert!((1..2 * 90_000).contains(&step), "{step} ticks from layer {layer} to {next_layer}");
        }
        assert_eq!(after.header.ssrc, before.header.ssrc);
    }
    assert!(switches > 0);
}

#[tokio::test]
async fn each_receiver_gets_the_layer_that_fits_and_sees_no_seam() {
    let mut scene = Scene::new().await;
    scene.film(&[0, 1, 2], 30).await;
    assert_eq!(scene.gets(), 2, "who says nothing gets all there is");
    for (shown, layer) in [((330, 186), 0), ((1_300, 700), 2), ((600, 338), 1), ((320, 180), 0), ((640, 360), 1)] {
        scene.wish(wish(shown.0, shown.1));
        scene.film(&[0, 1, 2], 40).await;
        assert_eq!(scene.gets(), layer, "shown at {shown:?}");
    }
    scene.wish(Wish { most: Some(Layer::LOW), ..wish(1_280, 720) });
    scene.film(&[0, 1, 2], 40).await;
    assert_eq!(scene.gets(), 0, "no more than is wished for");
    assert_seamless(&scene.down.client.rtp);

    let mut told = Vec::new();
    while let Ok(event) = scene.down.events.try_recv() {
        if let Event::Layer { layer, .. } = event {
            told.push(layer.index());
        }
    }
    assert_eq!(told.last(), Some(&0));
    assert!(told.len() >= 7, "{told:?}");

    // Every packet that was sent can be had again, whichever layer it was of.
    let sent = scene.down.client.rtp.len();
    let media_ssrc = scene.down.client.rtp[0].header.ssrc;
    let recent = &scene.down.client.rtp[sent - 60..];
    let numbers: Vec<u16> = recent.iter().map(|packet| packet.header.sequence_number).collect();
    let nacks = nack_pairs_from_sequence_numbers(&numbers);
    scene.down.client.send_rtcp(&TransportLayerNack { sender_ssrc: 1, media_ssrc, nacks }).await;
    scene.down.client.until("they have come again", |client| client.rtp.len() >= sent + 40).await;
    for again in &scene.down.client.rtp[sent..] {
        let first =
            scene.down.client.rtp[..sent].iter().find(|p| p.header.sequence_number == again.header.sequence_number);
        assert_eq!(Some(again), first);
    }
}

#[tokio::test]
async fn another_layer_is_asked_for_and_the_old_one_goes_on_until_it_comes() {
    let mut scene = Scene::new().await;
    scene.wish(wish(320, 180));
    scene.film(&[0, 1, 2], 30).await;
    assert_eq!(scene.gets(), 0);
    scene.wish(wish(1_280, 720));
    let before = scene.down.client.rtp.len();
    scene.up.client.run_for(Duration::from_millis(30)).await;
    // The sender does not answer for a while.
    for _ in 0..20 {
        for layer in 0..3 {
            scene.up.client.send(&frame(layer, scene.next, false)).await;
        }
        scene.next += 1;
        scene.up.client.run_for(Duration::from_millis(5)).await;
        scene.down.client.run_for(Duration::from_millis(5)).await;
    }
    assert!(scene.down.client.rtp.len() >= before + 19);
    assert!(scene.down.client.rtp[before..].iter().all(|packet| made(packet).0 == 0));
    let asked = asked(&scene.up.client, scene.heard);
    assert!(asked.contains(&2) && asked.iter().all(|layer| *layer == 2), "{asked:?}");
    scene.film(&[0, 1, 2], 20).await;
    assert_eq!(scene.gets(), 2);
    assert_seamless(&scene.down.client.rtp);
}

#[tokio::test]
async fn a_layer_that_its_sender_leaves_out_is_replaced_and_comes_back() {
    let mut scene = Scene::new().await;
    scene.film(&[0, 1, 2], 30).await;
    assert_eq!(scene.gets(), 2);
    // Some 10 ms a frame: longer than a layer may be silent.
    scene.film(&[0, 1], 120).await;
    assert_eq!(scene.gets(), 1);
    scene.film(&[0, 1, 2], 60).await;
    assert_eq!(scene.gets(), 2);
    assert_seamless(&scene.down.client.rtp);
}

#[tokio::test]
async fn a_tap_gets_the_largest_layer_alone_and_is_told_when_it_is_another() {
    let mut scene = Scene::new().await;
    let camera = publication(Source::Camera, 0);
    let (tap, mut tapped, _) = tap::channel(scene.server.sfu.next_tap_id(), 4_096);
    scene.wish(wish(320, 180));
    scene.film(&[0, 1, 2], 10).await;
    scene.server.send(Command::Tap { publication: camera, tap });
    scene.film(&[0, 1, 2], 30).await;
    scene.film(&[0, 1], 130).await;
    scene.film(&[0, 1, 2], 60).await;
    let mut runs: Vec<Vec<u8>> = vec![Vec::new()];
    while let Ok(item) = tapped.try_recv() {
        match item {
            Tapped::Rtp { packet, .. } => runs.last_mut().unwrap().push(packet[packet.len() - 3]),
            Tapped::Ended { .. } => runs.push(Vec::new()),
            Tapped::SenderReport { .. } => {}
        }
    }
    for run in &mut runs {
        assert!(run.len() > 10, "{runs:?}");
        run.dedup();
    }
    assert_eq!(runs, [[2], [1], [2]]);
    assert_eq!(scene.gets(), 0, "receivers get theirs all the while");
}

#[tokio::test]
async fn a_retransmission_repairs_the_layer_that_it_names() {
    let mut scene = Scene::new().await;
    scene.wish(wish(320, 180));
    scene.film(&[0, 1, 2], 20).await;
    let (n, sent) = (scene.next, scene.down.client.rtp.len());
    for layer in [1, 2] {
        scene.up.client.send(&frame(layer, n, false)).await;
    }
    for layer in 0..3 {
        scene.up.client.send(&frame(layer, n + 1, false)).await;
    }
    let lost = frame(0, n, false);
    let payload = [&lost.header.sequence_number.to_be_bytes()[..], &lost.payload].concat();
    let mut repair = packet(0x6000_0009, 97, "1", 7, lost.header.timestamp, &payload);
    repair.header.extensions.push(Extension { id: 3, payload: Bytes::from_static(RIDS[0]) });
    scene.up.client.send(&repair).await;
    scene.down.client.until("both are there", |client| client.rtp.len() == sent + 2).await;
    let mut got: Vec<_> = scene.down.client.rtp[sent - 1..].to_vec();
    got.sort_by_key(|packet| made(packet).1);
    assert_eq!(got.iter().map(made).collect::<Vec<_>>(), [(0, n - 1), (0, n), (0, n + 1)]);
    let first = got[0].header.sequence_number;
    assert!(got.iter().zip(first..).all(|(packet, sequence)| packet.header.sequence_number == sequence));
}
