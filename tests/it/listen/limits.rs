//! So many connections, for so long.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Certificate, get, rest};
use crate::support::Server;

/// Opens a connection that asks for nothing.
async fn idle(server: &Server) -> TcpStream {
    TcpStream::connect(server.http).await.expect("the server listens")
}

async fn refused(server: &Server) -> bool {
    get(&mut idle(server).await, "/healthz").await.starts_with("HTTP/1.1 503")
}

#[tokio::test]
async fn a_thousand_slow_heads_keep_nobody_from_an_answer_and_are_closed() {
    let server = Server::start(&["http.read_timeout_ms=3000", "log.filter=warn"]).await;
    let mut slow = Vec::new();
    for _ in 0..1_000 {
        let mut stream = idle(&server).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await.expect("written");
        slow.push(stream);
    }
    let mut drip = 0;
    while server.metric(r#"crescendo_refused_total{limit="http.read_timeout_ms"}"#).await < 1_000.0 {
        // A byte now and then buys no time.
        for stream in slow.iter_mut().skip(drip % 100).step_by(100) {
            let _ = stream.write_all(b"x").await;
        }
        drip += 1;
        assert_eq!(server.get("/api/v1/rooms").await.0, 200);
        let (mut ann, _) = server.join("demo", "Ann").await;
        ann.send(serde_json::json!({ "type": "leave" })).await;
        assert_eq!(ann.rest().await.len(), 0);
    }
    for mut stream in slow {
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn the_connection_beyond_the_limit_is_told_and_a_place_that_is_free_again_is_given_again() {
    for (set, limit) in [
        (&["limits.connections=2"][..], "limits.connections"),
        (&["limits.connections_per_address=2", "limits.exempt_networks=[]"], "limits.connections_per_address"),
    ] {
        let server = Server::start(set).await;
        let mut first = idle(&server).await;
        let second = idle(&server).await;
        assert!(refused(&server).await, "{limit}");
        assert!(get(&mut first, "/healthz").await.starts_with("HTTP/1.1 200"), "{limit}");
        drop((first, second));
        while refused(&server).await {}
        let counted = server.metric(&format!("crescendo_refused_total{{limit=\"{limit}\"}}")).await;
        assert!(counted >= 1.0, "{limit}: {counted}");
    }
}

#[tokio::test]
async fn a_websocket_keeps_its_place_until_it_ends() {
    let server = Server::start(&["limits.connections=1"]).await;
    let (ann, _) = server.join("demo", "Ann").await;
    assert!(refused(&server).await);
    drop(ann);
    while refused(&server).await {}
    assert_eq!(server.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(&["http.max_header_bytes=4096"]).await;
    let padding = |bytes: usize| format!("x-padding: {}\r\n", "x".repeat(bytes));
    assert_eq!(server.request("GET", "/healthz", None, &padding(3_000)).await.0, 200);
    assert_eq!(server.request("GET", "/healthz", None, &padding(5_000)).await.0, 431);
}

#[tokio::test]
async fn a_body_that_stops_coming_ends_its_request() {
    let server = Server::start(&["http.read_timeout_ms=500"]).await;
    let (_ann, _) = server.join("demo", "Ann").await;
    let mut stream = idle(&server).await;
    let head = "POST /api/v1/rooms/demo/legs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("written");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_closed_and_others_are_answered_meanwhile() {
    let certificate = Certificate::new();
    let server = certificate.server(&["tls.handshake_timeout_ms=1500"]).await;
    let https = server.https.expect("a listener");
    let mut slow = Vec::new();
    for first_bytes in [&b""[..], b"\x16", b"\x16\x03\x01\x07\x00\x01"] {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(https).await.expect("connected");
            stream.write_all(first_bytes).await.expect("written");
            slow.push(stream);
        }
    }
    // Who shakes hands and then says nothing is no better.
    let mut mute = certificate.connect(https, &[b"http/1.1"]).await.expect("TLS");
    let mut stream = certificate.connect(https, &[b"http/1.1"]).await.expect("TLS");
    assert!(get(&mut stream, "/healthz").await.starts_with("HTTP/1.1 200"));
    for mut stream in slow {
        assert_eq!(rest(&mut stream).await, "");
    }
    assert!(!matches!(mute.read(&mut [0]).await, Ok(1..)));
    server.counts(r#"crescendo_tls_handshakes_failed_total{reason="late"}"#, 151.0).await;

    let mut junk = TcpStream::connect(https).await.expect("connected");
    junk.write_all(&[0x16; 2_000]).await.expect("written");
    rest(&mut junk).await;
    server.counts(r#"crescendo_tls_handshakes_failed_total{reason="broken"}"#, 1.0).await;
}
