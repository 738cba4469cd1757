//! coturn's `turnutils_uclient` against the real binary: whatever it sends through the relay comes back.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crescendo::config;
use crescendo::turn::Turn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UdpSocket};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

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

/// Puts each message into a TLS record of its own. coturn's client takes what one `SSL_read` gives, which is a record, for one message
/// (its `recv_buffer`); of two that leave at once, as on a busy machine, and so in one record, it never sees the second.
struct RecordEach<S> {
    stream: S,
    /// Bytes of the message that is being written.
    left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordEach<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordEach<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            // A STUN message (RFC 8489 section 5), or ChannelData with its padding (RFC 8656 section 12.5).
            self.left = if bytes[0] < 0x40 { 20 + length } else { 4 + length.next_multiple_of(4) };
        }
        let message = &bytes[..self.left.min(bytes.len())];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, message))?;
        self.left -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// TURN in this process, and TLS in front of it, as the listeners have it.
async fn over_tls() -> (Turn, SocketAddr) {
    let set = ["turn.listen=127.0.0.1:0", "turn.pin=false", "turn.allow_peers=['127.0.0.0/8']"].map(String::from);
    let config = config::load(None, &[&set[..], &[format!("turn.secret={SECRET}")]].concat()).expect("valid");
    let turn = Turn::start(&config.turn, Vec::new()).expect("it starts");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let tls =
        ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("key and certificate belong together");
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let served = turn.clone();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let (turn, acceptor) = (served.clone(), acceptor.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    turn.serve_stream(RecordEach { stream, left: 0 }, peer, address).await;
                }
            });
        }
    });
    (turn, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_over_tls() {
    let (turn, address) = over_tls().await;
    all_comes_back_from(address, &["-t", "-S"]).await;
    turn.stop();
}

/// One message at a time, so that no two are in a record.
#[tokio::test(flavor = "multi_thread")]
async fn both_ports_for_tls_take_it_for_a_client_of_turn() {
    let certificate = Certificate::new();
    let [listen, cert, key] = certificate.set();
    let server = server("127.0.0.1:0", &[&listen, &cert, &key, "turn.tls_listen=127.0.0.1:0"]).await;
    let turns = server.more.iter().find_map(|url| url.strip_prefix("turns://")).expect("TURN over TLS");
    for door in [turns.parse().expect("an address"), server.https.expect("a listener")] {
        let peer = echo(door.ip()).await;
        let (sent, received) = uclient(door, peer, &["-t", "-S", "-m", "1", "-n", "5"]).await;
        assert!(sent > 0 && sent == received, "{door}: {received} of {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_of_every_way_there_is() {
    let (turn, address) = over_tls().await;
    turn.offer_tls(vec![address.port()]);
    let [stun, relay] = &turn.ice_servers("ann")[..] else { panic!("STUN and TURN") };
    let port = turn.addresses()[0].port();
    assert_eq!((&stun.urls[..], &stun.credentials), (&[format!("stun:127.0.0.1:{port}")][..], &None));
    let wanted = [
        format!("turn:127.0.0.1:{port}?transport=udp"),
        format!("turn:127.0.0.1:{port}?transport=tcp"),
        format!("turns:127.0.0.1:{}?transport=tcp", address.port()),
    ];
    assert_eq!(relay.urls, wanted);
    assert!(relay.credentials.as_ref().expect("credentials").username.ends_with(":ann"));
    turn.stop();
}
