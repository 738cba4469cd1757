//! coturn's `turnutils_uclient` against the real binary: whatever it sends through the relay comes back.

use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;

use crescendo::config;
use crescendo::turn::Turn;
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::time::timeout;

use crate::listen::Certificate;
use crate::support::{PATIENCE, Server};

const SECRET: &str = "a secret of this test";

/// Sends every datagram back.
async fn echo(ip: IpAddr) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).await.expect("a free port");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    address
}

async fn server(ip: &str, set: &[&str]) -> Server {
    let secret = format!("turn.secret={SECRET}");
    let listen = format!("turn.listen={ip}");
    let mut all = vec![&secret[..], &listen, "turn.allow_peers=['127.0.0.0/8', '::1']"];
    all.extend(set);
    Server::start(&all).await
}

/// What the client says when it has tripped over itself:
///
/// - It binds two peers to channels that it draws at random (coturn's `start_connection`, which says that it plays with the server
///   there). Once in thousands of allocations it draws one twice, is answered with 400, as RFC 8656 section 12.2 has it, and gives up.
const TRIPPED: [&str; 1] = ["channel bind: error 400"];
const TRIES: usize = 8;

/// Runs the client and gives (sent, received) of all its messages. Where it trips over itself it may try again.
async fn uclient(turn: SocketAddr, peer: SocketAddr, flags: &[&str]) -> (u64, u64) {
    let mut text = said_by_uclient(turn, peer, flags).await;
    for _ in 1..TRIES {
        let Some(why) = TRIPPED.iter().find(|why| text.contains(**why)) else { break };
        eprintln!("uclient {flags:?} trips: {why}");
        text = said_by_uclient(turn, peer, flags).await;
    }
    // The last line of its kind counts everything.
    let count = |name: &str| {
        let at = text.rfind(name).unwrap_or_else(|| panic!("uclient {flags:?} said nothing of {name}: {text}"));
        let digits = text[at + name.len()..].trim_start_matches([' ', '=']);
        digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).expect("a number")
    };
    (count("tot_send_msgs"), count("tot_recv_msgs"))
}

async fn said_by_uclient(turn: SocketAddr, peer: SocketAddr, flags: &[&str]) -> String {
    let mut command = Command::new("turnutils_uclient");
    command.args(["-c", "-u", "somebody", "-W", SECRET, "-n", "30", "-m", "2", "-z", "5"]).args(flags);
    command.args(["-e", &peer.ip().to_string(), "-r", &peer.port().to_string(), "-p", &turn.port().to_string()]);
    command.arg(turn.ip().to_string()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("in time").expect("coturn is installed");
    (String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)).into_owned()
}

async fn all_of_it_comes_back(ip: &str, transport: &[&str]) {
    let server = server(ip, &[]).await;
    let [turn] = server.turn[..] else { panic!("{:?}", server.turn) };
    all_comes_back_from(turn, transport).await;
}

async fn all_comes_back_from(turn: SocketAddr, transport: &[&str]) {
    let peer = echo(turn.ip()).await;
    let family: &[&str] = if turn.is_ipv6() { &["-x"] } else { &[] };
    // By channel and by Send indication; the odd lengths need padding.
    for how in [&["-l", "200"][..], &["-l", "171"], &["-l", "1201"], &["-s", "-l", "200"], &["-s", "-l", "173"]] {
        let flags = [transport, family, how].concat();
        assert_eq!(uclient(turn, peer, &flags).await, (60, 60), "{flags:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_over_udp() {
    all_of_it_comes_back("127.0.0.1:0", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_over_tcp() {
    all_of_it_comes_back("127.0.0.1:0", &["-t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_over_udp_and_tcp_on_ipv6() {
    all_of_it_comes_back("[::1]:0", &[]).await;
    all_of_it_comes_back("[::1]:0", &["-t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_reach_each_other_through_their_relays_and_no_network_is_allowed() {
    let server = server("127.0.0.1:0", &["turn.allow_peers=[]"]).await;
    for flags in [&["-y"][..], &["-y", "-s"], &["-y", "-t"]] {
        let (sent, received) = uclient(server.turn[0], server.turn[0], flags).await;
        assert!(sent > 0 && sent == received, "{flags:?}: {received} of {sent}");
    }
}

/// On the port of its own and on that of the pages. The client names HTTP/1.1 beside `stun.turn`, and takes a TLS record for a message.
#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_over_tls() {
    let certificate = Certificate::new();
    let [listen, cert, key] = certificate.set();
    let server = server("127.0.0.1:0", &[&listen, &cert, &key, "turn.tls_listen=127.0.0.1:0"]).await;
    let turns = server.more.iter().find_map(|url| url.strip_prefix("turns://")).expect("TURN over TLS");
    for door in [turns.parse().expect("an address"), server.https.expect("a listener")] {
        all_comes_back_from(door, &["-t", "-S"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_of_every_way_there_is() {
    let set = ["turn.listen=127.0.0.1:0", "turn.pin=false"].map(String::from);
    let config = config::load(None, &[&set[..], &[format!("turn.secret={SECRET}")]].concat()).expect("valid");
    let turn = Turn::start(&config.turn, Vec::new()).expect("it starts");
    turn.offer_tls(vec![5349]);
    let [stun, relay] = &turn.ice_servers("ann")[..] else { panic!("STUN and TURN") };
    let port = turn.addresses()[0].port();
    assert_eq!((&stun.urls[..], &stun.credentials), (&[format!("stun:127.0.0.1:{port}")][..], &None));
    let wanted = [
        format!("turn:127.0.0.1:{port}?transport=udp"),
        format!("turn:127.0.0.1:{port}?transport=tcp"),
        "turns:127.0.0.1:5349?transport=tcp".to_owned(),
    ];
    assert_eq!(relay.urls, wanted);
    assert!(relay.credentials.as_ref().expect("credentials").username.ends_with(":ann"));
    turn.stop();
}
