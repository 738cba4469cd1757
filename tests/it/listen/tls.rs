//! HTTPS, wss, and certificates that change.

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use serde_json::json;

use super::{Certificate, call, get, own_certificate};

const FAILED: &str = r#"crescendo_tls_certificate_loads_total{result="failed"}"#;

#[tokio::test]
async fn pages_and_the_api_are_there_over_http_1_and_http_2() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]).await;
    let https = server.https.expect("a listener");

    let mut stream = certificate.connect(https, &[b"http/1.1"]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let answer = get(&mut stream, "/api/v1/rooms").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let stream = certificate.connect(https, &[b"h2", b"http/1.1"]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut requests, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    for (url, status) in [
        ("https://localhost/r/demo", 200),
        ("https://localhost/api/v1/rooms", 200),
        ("https://evil.example/api/v1/rooms", 403),
        ("https://localhost/nowhere", 404),
    ] {
        let request = hyper::Request::get(url).body(axum::body::Body::empty()).expect("a request");
        let answer = requests.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{url}");
    }
    let end = server.metric("crescendo_tls_certificate_expiry_timestamp_seconds").await;
    assert!(end > 1.7e9, "the end of the certificate's life is shown: {end}");
    server.counts(r#"crescendo_connections_total{kind="https"}"#, 2.0).await;
}

#[tokio::test]
async fn a_call_over_wss_goes_on_while_the_certificate_changes_and_a_broken_one_is_not_used() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]).await;
    let https = server.https.expect("a listener");
    let stream = certificate.connect(https, &[b"http/1.1"]).await.expect("TLS");
    let old = own_certificate(&stream);
    let mut ann = call(stream, "localhost").await;

    let new = certificate.renew();
    server.signal(Signal::HUP);
    // The client trusts the new one alone.
    let stream = loop {
        match certificate.connect(https, &[b"http/1.1"]).await {
            Ok(stream) => break stream,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}"),
        }
    };
    assert_eq!(own_certificate(&stream), new);
    assert_ne!(old, new);

    let good = std::fs::read(certificate.cert()).expect("readable");
    for broken in [&b"nonsense"[..], b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let failed = server.metric(FAILED).await;
        std::fs::write(certificate.cert(), broken).expect("written");
        server.signal(Signal::HUP);
        server.counts(FAILED, failed + 1.0).await;
        let stream = super::connect(&good, "localhost", https, &[]).await.expect("the old one is still in use");
        assert_eq!(own_certificate(&stream), new);
    }

    // Without a signal, too.
    let newest = certificate.renew();
    server.counts(r#"crescendo_tls_certificate_loads_total{result="ok"}"#, 3.0).await;
    let stream = certificate.connect(https, &[]).await.expect("the newest one is in use");
    assert_eq!(own_certificate(&stream), newest);

    ann.send(json!({ "type": "ping", "at": 7 })).await;
    assert_eq!(ann.until("pong").await["at"], 7.0, "the call noticed nothing");
}

#[tokio::test]
async fn a_key_that_is_not_the_certificates_is_refused_at_the_start() {
    let (one, other) = (Certificate::new(), Certificate::new());
    std::fs::copy(other.key(), one.key()).expect("copied");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_crescendo"));
    command.arg("serve");
    for assignment in one.set().iter().map(String::as_str).chain(["http.listen=127.0.0.1:0", "sfu.listen=127.0.0.1:0"])
    {
        command.args(["--set", assignment]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be used together"), "{output:?}");
}

#[tokio::test]
async fn connections_that_ask_for_nothing_do_not_hold_up_the_end() {
    let certificate = Certificate::new();
    let mut server = certificate.server(&[]).await;
    let https = server.https.expect("a listener");
    let _idle = certificate.connect(https, &[b"http/1.1"]).await.expect("TLS");
    let _idle_too = certificate.connect(https, &[b"h2"]).await.expect("TLS");
    let _shaking = tokio::net::TcpStream::connect(https).await.expect("connected");
    let _silent = tokio::net::TcpStream::connect(server.http).await.expect("connected");
    server.counts(r#"crescendo_connections_total{kind="http"}"#, 1.0).await;
    server.signal(Signal::TERM);
    assert_eq!(server.exit().await, Some(0));
}

#[tokio::test]
async fn a_hangup_without_files_to_read_changes_nothing() {
    let server = crate::support::Server::start(&[]).await;
    server.signal(Signal::HUP);
    assert_eq!(server.get("/healthz").await.0, 200);
    server.signal(Signal::HUP);
    assert_eq!(server.get("/healthz").await.0, 200);
}
