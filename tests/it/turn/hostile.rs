//! What strangers and bad clients do to the real server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quinn_udp::{Transmit, UdpSocketState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::client::{Client, channel_data};
use crate::support::{PATIENCE, Server};

const SECRET: &str = "a secret of this test";
const ANYWHERE: [&str; 2] = ["turn.secret=a secret of this test", "turn.allow_peers=['127.0.0.0/8']"];

/// Where no relay may send, in every form that leads there.
const FORBIDDEN: &str = include_str!("../../data/forbidden-peers.txt");

/// Resident memory of the server in KiB.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is said");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// One sample of a metric, 0 while there is none.
async fn metric(server: &Server, name: &str) -> f64 {
    let (_, text) = server.get("/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Waits until a metric is what it should be.
async fn until(server: &Server, name: &str, wanted: impl Fn(f64) -> bool) {
    let asked = async {
        while !wanted(metric(server, name).await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{name} never was as it should be"));
}

/// A message of each kind from each of these many addresses of 127.0.0.0/8, and how many answers came back.
fn from_many_addresses(to: SocketAddr, first: u32, addresses: u32, messages: &[Vec<u8>]) -> u32 {
    const AT_ONCE: u32 = 64;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a free port");
    let state = UdpSocketState::new((&socket).into()).expect("a socket");
    socket.set_nonblocking(false).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let (mut answers, mut buffer) = (0, [0; 2_048]);
    for chunk in (0..addresses).step_by(AT_ONCE as usize) {
        let sources = chunk..addresses.min(chunk + AT_ONCE);
        for n in sources.clone() {
            let contents = &messages[n as usize % messages.len()];
            let src_ip = Some(IpAddr::V4(Ipv4Addr::from_bits(0x7f01_0001 + first + n)));
            let transmit = Transmit { destination: to, ecn: None, contents, segment_size: None, src_ip };
            state.try_send((&socket).into(), &transmit).expect("loopback takes it");
        }
        // So that no queue overflows.
        answers += sources.take_while(|_| socket.recv_from(&mut buffer).is_ok()).count() as u32;
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_million_unauthenticated_sources_leave_memory_where_it_was() {
    let server = Server::start(&ANYWHERE).await;
    let to = server.turn[0];
    let mut client = Client::new(SECRET, "nobody");
    let messages = vec![client.request(0x001, &[]), client.allocate(), client.refresh_with_a_wrong_password()];
    let flood = move |first, addresses| {
        let messages = messages.clone();
        tokio::task::spawn_blocking(move || from_many_addresses(to, first, addresses, &messages))
    };
    let warm = flood(0, 20_000).await.expect("no panic");
    let before = memory(&server);
    let answered = flood(20_000, 500_000).await.expect("no panic");
    let after = memory(&server);
    assert!(warm > 19_000 && answered > 490_000, "{warm}, {answered} answers");
    assert!(after < before + 2_048, "{before} KiB before, {after} KiB after");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allocation_goes_with_its_connection() {
    let server = Server::start(&ANYWHERE).await;
    let mut stream = TcpStream::connect(server.turn[0]).await.expect("it listens");
    let mut client = Client::new(SECRET, "ann");
    let relayed = client.allocate_on(&mut stream).await;
    until(&server, "crescendo_turn_allocations", |n| n == 1.0).await;
    assert!(std::net::UdpSocket::bind(relayed).is_err(), "the port is taken");
    drop(stream);
    until(&server, "crescendo_turn_allocations", |n| n == 0.0).await;
    std::net::UdpSocket::bind(relayed).expect("the port is free");
}

/// RFC 8656 section 7.2: 486 beyond a user's quota, whatever addresses it comes from, and nobody else is any worse off.
#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_relays_one_user_gets_its_quota_and_others_theirs() {
    const TRIED: usize = 10_000;
    let set = ["turn.user_allocations=100", "turn.address_allocations=20000"];
    let server = Server::start(&[&ANYWHERE[..], &set].concat()).await;
    let to = server.turn[0];
    let (mut eve, mut held, mut refused) = (Client::new(SECRET, "eve"), Vec::new(), 0);
    let before = memory(&server);
    for at in 0..TRIED {
        // Each from another address, as far as there are any.
        let from = Ipv4Addr::from_bits(0x7f03_0001 + at as u32);
        let socket = UdpSocket::bind((from, 0)).await.expect("an address of loopback");
        match eve.tries_to_allocate_over(&socket, to).await {
            0 => held.push(socket),
            code => {
                assert_eq!(code, 486);
                refused += 1;
            }
        }
        if at % 1_000 == 500 {
            let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
            assert_eq!(Client::new(SECRET, &format!("ann{at}")).tries_to_allocate_over(&socket, to).await, 0);
        }
    }
    assert_eq!((held.len(), refused), (100, TRIED - 100));
    assert_eq!(metric(&server, "crescendo_turn_allocations").await, 110.0);
    let after = memory(&server);
    assert!(after < before + 16_384, "{before} KiB before, {after} KiB after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_nothing_or_speaks_something_else_is_closed() {
    let server = Server::start(&[&ANYWHERE[..], &["turn.stream_idle_ms=1000"]].concat()).await;
    // Nothing; half a message; something else; a message larger than a stranger needs.
    let half_a_binding = &Client::new(SECRET, "ann").request(0x001, &[])[..10];
    let large = &channel_data(0x4000, &[0; 60_000])[..4_000];
    for said in [&b""[..], half_a_binding, b"GET / HTTP/1.1\r\n\r\n", large] {
        let mut stream = TcpStream::connect(server.turn[0]).await.expect("it listens");
        stream.write_all(said).await.expect("written");
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("closed in time");
        assert!(rest.is_empty());
    }
    until(&server, "crescendo_turn_streams", |n| n == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_connections_than_allowed_and_udp_does_not_mind() {
    for limit in ["turn.streams=3", "turn.streams_per_address=3"] {
        the_fourth_stream_is_refused(limit).await;
    }
}

async fn the_fourth_stream_is_refused(limit: &str) {
    let server = Server::start(&[&ANYWHERE[..], &[limit]].concat()).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.turn[0]).await.expect("it listens");
        Client::new(SECRET, "eve").allocate_on(&mut stream).await;
        held.push(stream);
    }
    let mut refused = TcpStream::connect(server.turn[0]).await.expect("the kernel takes it");
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, refused.read_to_end(&mut rest)).await.expect("closed at once");
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    Client::new(SECRET, "ann").allocate_over(&socket, server.turn[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_costs_no_more_than_its_buffer_and_is_closed() {
    let set = ["turn.user_kbps=10000000", "turn.stream_buffer_bytes=65536", "turn.stream_idle_ms=2000"];
    let server = Server::start(&[&ANYWHERE[..], &set].concat()).await;
    let mut stream = TcpStream::connect(server.turn[0]).await.expect("it listens");
    let mut client = Client::new(SECRET, "eve");
    let relayed = client.allocate_on(&mut stream).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    client.permit_on(&mut stream, peer.local_addr().expect("bound")).await;
    let before = memory(&server);
    // More than the kernel's buffers for a connection hold, until the server has seen enough of it.
    let flood = tokio::spawn(async move {
        loop {
            for _ in 0..32 {
                let _ = peer.send_to(&[0; 1_200], relayed).await;
            }
            tokio::task::yield_now().await;
        }
    });
    until(&server, "crescendo_turn_dropped_total{reason=\"slow-client\"}", |n| n > 1_000.0).await;
    assert!(memory(&server) < before + 8_192, "{before} KiB before, {} KiB after", memory(&server));
    // Others are served meanwhile.
    let mut other = TcpStream::connect(server.turn[0]).await.expect("it listens");
    Client::new(SECRET, "ann").allocate_on(&mut other).await;
    until(&server, "crescendo_turn_allocations", |n| n == 1.0).await;
    flood.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn not_one_datagram_reaches_a_peer_that_is_not_allowed() {
    let server = Server::start(&ANYWHERE[..1]).await;
    let victim = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let forbidden = victim.local_addr().expect("bound");
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let mut client = Client::new(SECRET, "eve");
    client.allocate_over(&socket, server.turn[0]).await;
    socket.connect(server.turn[0]).await.expect("a socket");
    // The media port is on this address as well, and is allowed.
    let media = server.media[0];
    for (peer, code) in [(forbidden, 403), (server.http, 403), (server.turn[0], 403), (media, 0)] {
        assert_eq!(client.permit_over(&socket, peer).await, code, "{peer}");
        assert_eq!(client.bind_over(&socket, 0x4000, peer).await, code, "{peer}");
    }
    for _ in 0..100 {
        socket.send(&client.send(forbidden, b"data")).await.expect("sent");
        socket.send(&client.send(media, b"data")).await.expect("sent");
        socket.send(&channel_data(0x4001, b"data")).await.expect("sent");
    }
    until(&server, "crescendo_turn_dropped_total{reason=\"forbidden\"}", |n| n == 100.0).await;
    until(&server, "crescendo_turn_relayed_packets_total{to=\"peer\"}", |n| n == 100.0).await;
    assert_eq!(victim.try_recv(&mut [0; 16]).expect_err("nothing came").kind(), std::io::ErrorKind::WouldBlock);
}

/// Each of them by CreatePermission, ChannelBind, Send and a channel that was refused.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_opens_a_way_to_a_forbidden_peer() {
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let listen = format!("turn.listen={}", SocketAddr::new(ip, 0));
        let server = Server::start(&[ANYWHERE[0], &listen]).await;
        let peers = FORBIDDEN.lines().map(|peer| peer.parse::<SocketAddr>().expect("an address"));
        let peers: Vec<_> = peers.filter(|peer| peer.is_ipv4() == ip.is_ipv4()).collect();
        assert!(peers.len() > 20, "{peers:?}");
        let socket = UdpSocket::bind((ip, 0)).await.expect("a free port");
        let mut client = Client::new(SECRET, "eve");
        client.allocate_over(&socket, server.turn[0]).await;
        for (peer, number) in peers.iter().zip(0x4000..) {
            assert_eq!(client.permit_over(&socket, *peer).await, 403, "CreatePermission {peer}");
            assert_eq!(client.bind_over(&socket, number, *peer).await, 403, "ChannelBind {peer}");
            socket.send(&client.send(*peer, b"data")).await.expect("sent");
            socket.send(&channel_data(number, b"data")).await.expect("sent");
        }
        let dropped = 2.0 * peers.len() as f64;
        until(&server, "crescendo_turn_dropped_total{reason=\"no-permission\"}", |n| n == dropped).await;
        assert_eq!(metric(&server, "crescendo_turn_relayed_packets_total{to=\"peer\"}").await, 0.0, "0 datagrams out");
    }
}
