//! One port for HTTP and TURN, further ports, and the way from plain HTTP to HTTPS.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get as on_get;
use crescendo::config::{self, Config};
use crescendo::listen::{Beyond, Listeners, StreamDoor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Certificate, get, rest};

/// A STUN binding request (RFC 8489 §5), which is what a TURN client begins with.
const BINDING: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Doors alone, with a site that says who asks and a TURN server that sends back what it got, with a mark in front.
struct Doors {
    https: SocketAddr,
    over: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Doors {
    async fn open(certificate: &Certificate) -> Self {
        let set = certificate
            .set()
            .into_iter()
            .chain(["http.listen=[]".into(), "sfu.tcp_on_https=true".into()])
            .collect::<Vec<_>>();
        let config: Config = config::load(None, &set).expect("valid");
        let listeners = Listeners::bind(&config).await.expect("free ports");
        let https = *listeners.https().first().expect("one");
        let site = Router::new()
            .route("/", on_get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| format!("you are {peer}")));
        let turn: StreamDoor = Arc::new(|mut stream, peer, local| {
            Box::pin(async move {
                let mut message = BINDING;
                if stream.read_exact(&mut message).await.is_ok() {
                    let _ = stream.write_all(format!("turn {peer} {local} ").as_bytes()).await;
                    let _ = stream.write_all(&message[8..]).await;
                    let _ = stream.shutdown().await;
                }
            })
        });
        let media: StreamDoor = Arc::new(|mut stream, _, _| {
            Box::pin(async move {
                let mut first = [0; 2];
                if stream.read_exact(&mut first).await.is_ok() {
                    let _ =
                        stream.write_all(format!("a packet of {} bytes", u16::from_be_bytes(first)).as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            })
        });
        let (over, is_over) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let over = async {
                let _ = is_over.await;
            };
            listeners.serve(&config, site, Beyond { turn: Some(turn), media: Some(media) }, over).await;
        });
        Self { https, over, serving }
    }

    async fn close(self) {
        let _ = self.over.send(());
        self.serving.await.expect("it ends");
    }
}

#[tokio::test]
async fn tls_and_its_first_byte_tell_turn_from_http_on_one_port() {
    let certificate = Certificate::new();
    let doors = Doors::open(&certificate).await;
    for alpn in [&[][..], &[&b"stun.turn"[..]], &[b"http/1.1", b"stun.turn"]] {
        let mut stream = certificate.connect(doors.https, alpn).await.expect("TLS");
        let me = stream.get_ref().0.local_addr().expect("connected");
        stream.write_all(&BINDING).await.expect("written");
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("turn {me} {} ", doors.https)), "{alpn:?}: {answer}");
        assert!(answer.as_bytes().ends_with(&BINDING[8..]), "no byte was lost");
    }
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        let mut stream = certificate.connect(doors.https, alpn).await.expect("TLS");
        let me = stream.get_ref().0.local_addr().expect("connected");
        let answer = get(&mut stream, "/").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("you are {me}")), "{alpn:?}: {answer}");
    }
    let refused = certificate.connect(doors.https, &[b"smtp"]).await;
    assert!(refused.is_err(), "a protocol that is not spoken here");
    doors.close().await;
}

#[tokio::test]
async fn without_tls_the_same_port_speaks_turn_and_sends_http_to_https() {
    let certificate = Certificate::new();
    let doors = Doors::open(&certificate).await;
    let mut stream = TcpStream::connect(doors.https).await.expect("connected");
    // The first byte alone decides.
    stream.set_nodelay(true).expect("set");
    stream.write_all(&BINDING[..1]).await.expect("written");
    stream.write_all(&BINDING[1..]).await.expect("written");
    assert!(rest(&mut stream).await.as_bytes().ends_with(&BINDING[8..]));

    // ICE over TCP: a length, and the check.
    let mut stream = TcpStream::connect(doors.https).await.expect("connected");
    stream.write_all(&[&[0, 20][..], &BINDING].concat()).await.expect("written");
    assert_eq!(rest(&mut stream).await, "a packet of 20 bytes");

    let mut stream = TcpStream::connect(doors.https).await.expect("connected");
    let answer = get(&mut stream, "/r/demo?x=1").await;
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    let target = format!("location: https://localhost:{}/r/demo?x=1\r\n", doors.https.port());
    assert!(answer.contains(&target), "{answer}");

    let mut stream = TcpStream::connect(doors.https).await.expect("connected");
    stream.write_all(b"\x80nonsense\r\n\r\n").await.expect("written");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    doors.close().await;
}

#[tokio::test]
async fn a_client_hello_may_come_byte_by_byte() {
    let certificate = Certificate::new();
    let doors = Doors::open(&certificate).await;
    let (near, far) = tokio::io::duplex(1);
    let server = TcpStream::connect(doors.https).await.expect("connected");
    server.set_nodelay(true).expect("set");
    // One byte at a time in each direction.
    let carrying = tokio::spawn(async move {
        let (mut far, mut server) = (far, server);
        let _ = tokio::io::copy_bidirectional_with_sizes(&mut far, &mut server, 1, 1).await;
    });
    let mut stream = super::handshake(&std::fs::read(certificate.cert()).expect("readable"), "localhost", near, &[])
        .await
        .expect("TLS");
    let answer = get(&mut stream, "/").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(stream);
    carrying.await.expect("no panic");
    doors.close().await;
}

#[tokio::test]
async fn further_addresses_are_served_and_announced() {
    let certificate = Certificate::new();
    let two = "['127.0.0.1:0', '127.0.0.1:0']";
    let server = certificate.server(&[&format!("http.listen={two}"), &format!("tls.listen={two}")]).await;
    let [http, https] = &server.more[..] else { panic!("{:?}", server.more) };
    let address = |url: &str, scheme: &str| -> SocketAddr {
        url.strip_prefix(scheme).expect("its scheme").parse().expect("an address")
    };
    let mut stream = TcpStream::connect(address(http, "http://")).await.expect("connected");
    assert!(get(&mut stream, "/healthz").await.starts_with("HTTP/1.1 200"));
    let mut stream = certificate.connect(address(https, "https://"), &[]).await.expect("TLS");
    assert!(get(&mut stream, "/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn plain_http_from_elsewhere_is_sent_to_https_where_that_is_wanted() {
    let certificate = Certificate::new();
    let listen = "http.listen=['0.0.0.0:0', '127.0.0.1:0']";
    let server = certificate.server(&[listen, "http.redirect_to_https=true", "access.open=true"]).await;
    let https = server.https.expect("a listener").port();
    let mut stream = TcpStream::connect(("127.0.0.1", server.http.port())).await.expect("connected");
    let answer = get(&mut stream, "/watch/demo").await;
    assert!(answer.contains(&format!("location: https://localhost:{https}/watch/demo\r\n")), "{answer}");

    let own: SocketAddr = server.more[0].strip_prefix("http://").expect("plain").parse().expect("an address");
    let mut stream = TcpStream::connect(own).await.expect("connected");
    assert!(get(&mut stream, "/watch/demo").await.starts_with("HTTP/1.1 200"), "the machine itself is not sent away");
}

#[tokio::test]
async fn the_servers_own_turn_answers_on_both_ports_for_tls() {
    let certificate = Certificate::new();
    let server = certificate.server(&["turn.tls_listen=127.0.0.1:0"]).await;
    let [turns] = &server.more[..] else { panic!("{:?}", server.more) };
    let turns: SocketAddr = turns.strip_prefix("turns://").expect("TURN over TLS").parse().expect("an address");
    for port in [turns, server.https.expect("a listener")] {
        let mut stream = certificate.connect(port, &[]).await.expect("TLS");
        let me = stream.get_ref().0.local_addr().expect("connected");
        stream.write_all(&BINDING).await.expect("written");
        let mut head = [0; 20];
        stream.read_exact(&mut head).await.expect("an answer");
        assert_eq!(head[..2], [1, 1], "a binding success (RFC 8489 §5)");
        assert_eq!(head[4..], BINDING[4..], "of our request");
        let mut attributes = vec![0; u16::from_be_bytes([head[2], head[3]]).into()];
        stream.read_exact(&mut attributes).await.expect("whole");
        // XOR-MAPPED-ADDRESS (RFC 8489 §14.2): type, length, family, then the port with the first half of the cookie.
        let at = attributes.windows(2).position(|bytes| bytes == [0x00, 0x20]).expect("who we are");
        let port = u16::from_be_bytes([attributes[at + 6], attributes[at + 7]]) ^ 0x2112;
        assert_eq!(port, me.port());
    }
    server.counts(r#"crescendo_connections_total{kind="turns"}"#, 2.0).await;
}
