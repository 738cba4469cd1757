//! ICE over TCP (RFC 6544), the client's end of which is written here once more: what it sends as datagrams goes through a
//! connection, with the length before each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use super::*;

/// The server with a door for connections.
struct Doors {
    server: Server,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Doors {
    async fn open(change: impl FnOnce(&mut config::Sfu)) -> Self {
        let server = Server::with(change);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        server.sfu.offer_tcp(&[address]);
        let sfu = server.sfu.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let sfu = sfu.clone();
                tokio::spawn(async move { sfu.serve_stream(stream, peer).await });
            }
        });
        Self { server, address, accepting }
    }

    /// Lets a client go by a connection. Ends with it, and gives back how many packets it brought.
    async fn bridge<D>(&self, link: &mut Link<D>) -> JoinHandle<usize> {
        self.bridge_until(link, Arc::default()).await
    }

    /// The same; nothing is read any more once `idle` is true.
    async fn bridge_until<D>(&self, link: &mut Link<D>, idle: Arc<AtomicBool>) -> JoinHandle<usize> {
        assert_eq!(self.server.sfu.local(self.server.shard).tcp_candidates, [self.address]);
        let outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        link.client.go_by(outside.local_addr().unwrap());
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(carry(outside, stream, idle))
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(outside: UdpSocket, stream: TcpStream, idle: Arc<AtomicBool>) -> usize {
    let (mut reader, mut writer) = stream.into_split();
    let (mut datagram, mut length) = ([0; 2_048], [0; 2]);
    let (count, client) = outside.recv_from(&mut datagram).await.unwrap();
    outside.connect(client).await.unwrap();
    writer.write_all(&(count as u16).to_be_bytes()).await.unwrap();
    writer.write_all(&datagram[..count]).await.unwrap();
    let there = async {
        loop {
            let Ok(count) = outside.recv(&mut datagram).await else { return };
            let framed = [&(count as u16).to_be_bytes()[..], &datagram[..count]].concat();
            if writer.write_all(&framed).await.is_err() {
                return;
            }
        }
    };
    let mut came = 0;
    let back = async {
        while reader.read_exact(&mut length).await.is_ok() {
            let mut packet = vec![0; u16::from_be_bytes(length).into()];
            reader.read_exact(&mut packet).await.unwrap();
            came += 1;
            let _ = outside.send(&packet).await;
            if idle.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
    came
}

/// A sender and a receiver, of whom those that are told go by connections.
async fn call(doors: &Doors, up_by_tcp: bool, down_by_tcp: bool) -> (Link<Up>, Link<Down>, Vec<JoinHandle<usize>>) {
    let mut bridges = Vec::new();
    let mut up = doors.server.up(Dtls::Passive, 0).await;
    if up_by_tcp {
        bridges.push(doors.bridge(&mut up).await);
    }
    up.client.connect().await;
    let camera = (publication(Source::Camera, 0), Source::Camera);
    let microphone = (publication(Source::Microphone, 0), Source::Microphone);
    let mut down = doors.server.down(Dtls::Passive, &[camera, microphone]).await;
    if down_by_tcp {
        bridges.push(doors.bridge(&mut down).await);
    }
    down.client.connect().await;
    assert!(matches!(up.event().await, Event::Connected { direction: Direction::Up, .. }));
    assert!(matches!(down.event().await, Event::Connected { direction: Direction::Down, .. }));
    (up, down, bridges)
}

#[tokio::test]
async fn packets_over_connections_arrive_once_in_order_and_unchanged() {
    for (up_by_tcp, down_by_tcp, shards) in [(true, false, 1), (false, true, 1), (true, true, 1), (true, true, 4)] {
        let doors = Doors::open(|sfu| sfu.shards = shards).await;
        let (mut up, mut down, bridges) = call(&doors, up_by_tcp, down_by_tcp).await;
        let sent: Vec<Packet> = (0..120).map(|n| video(65_500u16.wrapping_add(n), n == 0)).collect();
        for (n, packet) in sent.iter().enumerate() {
            up.client.send(packet).await;
            if n % 10 == 9 {
                up.client.send(&audio(n as u16)).await;
                up.client.run_for(Duration::from_millis(2)).await;
            }
        }
        let camera = |client: &Client| {
            let of_camera = client.rtp.iter().filter(|packet| packet.payload.len() > 1 && !of_sound(packet));
            of_camera.map(|packet| packet.payload.clone()).collect::<Vec<_>>()
        };
        down.client.until("all packets are there", |client| camera(client).len() >= sent.len()).await;
        let expected: Vec<Bytes> = sent.iter().map(|packet| packet.payload.clone()).collect();
        assert_eq!(camera(&down.client), expected, "up {up_by_tcp}, down {down_by_tcp}");
        let sound = down.client.rtp.iter().filter(|packet| of_sound(packet)).count();
        assert_eq!(sound, 12);
        // Connections end with their transports.
        doors.server.send(Command::Close { transport: up.id });
        doors.server.send(Command::Close { transport: down.id });
        for bridge in bridges {
            let came = timeout(PATIENCE, bridge).await.expect("the server closes it").unwrap();
            assert!(came > 2, "{came}");
        }
    }
}

fn of_sound(packet: &Packet) -> bool {
    packet.header.payload_type == audio(0).header.payload_type
}

#[tokio::test]
async fn who_does_not_read_holds_nobody_up() {
    let change = |sfu: &mut config::Sfu| (sfu.tcp_queue_bytes, sfu.max_kbps) = (65_536, 1_000_000);
    let doors = Doors::open(change).await;
    let (mut up, mut down, _bridges) = call(&doors, false, false).await;
    // A second receiver, whose connection stands still once it is open.
    let camera = (publication(Source::Camera, 0), Source::Camera);
    let mut lazy = doors.server.down(Dtls::Passive, &[camera]).await;
    let idle = Arc::new(AtomicBool::new(false));
    let bridge = doors.bridge_until(&mut lazy, idle.clone()).await;
    lazy.client.connect().await;
    idle.store(true, Ordering::Relaxed);
    // More than the kernel keeps for a connection.
    let mut sequence = 0u16;
    for _ in 0..1_000 {
        for _ in 0..20 {
            let mut packet = video(sequence, sequence == 0);
            packet.payload = [&packet.payload[..], &[9; 1_000]].concat().into();
            up.client.send(&packet).await;
            sequence += 1;
        }
        up.client.run_for(Duration::from_millis(1)).await;
        down.client.run_for(Duration::from_millis(1)).await;
    }
    down.client.until("others get everything", |client| client.rtp.len() >= usize::from(sequence)).await;
    assert!(!bridge.is_finished(), "slowness is no reason to be let go");
}

#[tokio::test]
async fn a_connection_with_a_wrong_password_is_let_go_and_one_after_it_is_served() {
    let doors = Doors::open(|sfu| sfu.handshake_ms = 1_500).await;
    let mut up = doors.server.up(Dtls::Passive, 0).await;
    let bridge = doors.bridge(&mut up).await;
    up.client.checks = false;
    up.client.check("not the password that was told").await;
    assert_eq!(timeout(PATIENCE, bridge).await.expect("in time").unwrap(), 0, "nothing is said to a stranger");
    let mut other = doors.server.up(Dtls::Passive, 100).await;
    let _bridge = doors.bridge(&mut other).await;
    other.client.connect().await;
}

#[tokio::test]
async fn a_call_goes_on_by_another_connection() {
    let doors = Doors::open(|_| {}).await;
    let (mut up, mut down, bridges) = call(&doors, true, false).await;
    up.client.send(&video(1, true)).await;
    down.client.until("the first one is there", |client| client.rtp.len() == 1).await;
    bridges.into_iter().for_each(|bridge| bridge.abort());
    let _bridge = doors.bridge(&mut up).await;
    up.client.nominate = true;
    let checked = up.client.checked;
    up.client.until("the new one is answered", |client| client.checked > checked).await;
    up.client.send(&video(2, false)).await;
    down.client.until("the second one is there", |client| client.rtp.len() == 2).await;
}
