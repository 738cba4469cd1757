//! Large rooms, in which only the loudest are forwarded.

use crescendo::sfu::data::HubId;

use super::*;

/// A packet of a microphone that tells its level, in -dBov.
fn voice(name: u8, level: u8, sequence: u16) -> Packet {
    let mut packet = audio(sequence);
    packet.payload = Bytes::copy_from_slice(&[name, (sequence >> 8) as u8, sequence as u8]);
    let told = packet.header.extensions.iter_mut().find(|extension| extension.id == 7).unwrap();
    told.payload = Bytes::copy_from_slice(&[level]);
    packet
}

struct Scene {
    server: Server,
    ups: Vec<Link<Up>>,
    down: Link<Down>,
    /// Of the next packets.
    next: u16,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::start();
        let mut ups = vec![server.up(Dtls::Passive, 0).await, server.up(Dtls::Passive, 100).await];
        for up in &mut ups {
            up.client.connect().await;
        }
        let microphones = [0, 100].map(|base| publication(Source::Microphone, base));
        let wanted = microphones.map(|microphone| (microphone, Source::Microphone));
        let mut down = server.down(Dtls::Passive, &wanted).await;
        down.client.connect().await;
        server.send(Command::Loudest { room: HubId(1), most: 1, among: microphones.to_vec() });
        Self { server, ups, down, next: 0 }
    }

    /// A packet of each; whose arrived.
    async fn say(&mut self, levels: [u8; 2]) -> Vec<u8> {
        let before = self.down.client.rtp.len();
        for ((up, level), name) in self.ups.iter_mut().zip(levels).zip(*b"ab") {
            up.client.send(&voice(name, level, self.next)).await;
        }
        self.next += 1;
        self.down.client.run_for(Duration::from_millis(10)).await;
        self.down.client.rtp[before..].iter().map(|packet| packet.payload[0]).collect()
    }

    /// Sequence numbers of what arrived of one, in order.
    fn numbers(&self, name: u8) -> Vec<u16> {
        let of = self.down.client.rtp.iter().filter(|packet| packet.payload[0] == name);
        of.map(|packet| packet.header.sequence_number).collect()
    }
}

#[tokio::test]
async fn only_the_loudest_go_on_once_their_paths_are_proven_and_a_louder_one_is_heard_at_once() {
    let mut scene = Scene::new().await;
    assert!(timeout(PATIENCE, async { while scene.say([20, 60]).await.len() < 2 {} }).await.is_ok(), "both are new");
    // A machine that is busy may bring a packet a round later.
    let mut alone = 0;
    let left_out = async {
        while alone < 20 {
            alone = if scene.say([20, 60]).await.contains(&b'b') { 0 } else { alone + 1 };
        }
    };
    assert!(timeout(PATIENCE, left_out).await.is_ok(), "the quiet one is left out");

    let heard = scene.numbers(b'b').len();
    let louder = async {
        while scene.numbers(b'b').len() < heard + 20 {
            scene.say([90, 5]).await;
        }
    };
    assert!(timeout(PATIENCE, louder).await.is_ok(), "it is louder now");
    let first = &scene.down.client.rtp.iter().filter(|p| p.payload[0] == b'b').nth(heard).unwrap().payload;
    let silent = scene.down.client.rtp.iter().rev().find(|p| p.payload[0] == b'a').unwrap();
    let (first, last) =
        (u16::from_be_bytes([first[1], first[2]]), u16::from_be_bytes([silent.payload[1], silent.payload[2]]));
    assert!(first <= last + 1, "nothing of it was lost: b from {first} on, a until {last}");
    let numbers = scene.numbers(b'b');
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");

    scene.server.send(Command::Loudest { room: HubId(1), most: 1, among: Vec::new() });
    let both = async { while scene.say([90, 5]).await.len() < 2 {} };
    assert!(timeout(PATIENCE, both).await.is_ok(), "the room is small again");
}
