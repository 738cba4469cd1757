//! Events of the real binary, as streams and as webhooks, with a receiver of this test's own.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server};

/// What one who comes and goes with a track makes happen.
const STORY: [&str; 6] =
    ["room-opened", "participant-joined", "track-published", "track-unpublished", "participant-left", "room-closed"];

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/// Something that came, and whether its signature was right.
struct Delivery {
    id: String,
    event: Value,
    signed: bool,
}

/// Answers every request with what `answer` says of it, and passes it on.
fn receive(
    listener: TcpListener,
    mut answer: impl FnMut(&Value) -> u16 + Send + 'static,
) -> mpsc::UnboundedReceiver<(u16, Delivery)> {
    let (to, from) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let (mut line, mut head, mut length) = (String::new(), Vec::new(), 0);
            while stream.read_line(&mut line).await.is_ok_and(|count| count > 2) {
                let (name, value) = line.trim_end().split_once(": ").unwrap_or((line.trim_end(), ""));
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.parse().expect("a number");
                }
                head.push((name.to_lowercase(), value.to_owned()));
                line.clear();
            }
            let mut body = vec![0; length];
            if stream.read_exact(&mut body).await.is_err() {
                continue;
            }
            let header = |name: &str| {
                head.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
            };
            // By the words of the specification, section "Signature scheme".
            let key = BASE64_STANDARD.decode(SECRET.trim_start_matches("whsec_")).expect("base64");
            let mut content = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
            content.extend_from_slice(&body);
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content);
            let signed = header("webhook-signature") == format!("v1,{}", BASE64_STANDARD.encode(tag));
            let event: Value = serde_json::from_slice(&body).expect("JSON");
            let status = answer(&event);
            let _ = to.send((status, Delivery { id: header("webhook-id"), event, signed }));
            let text = format!("HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    from
}

async fn next(deliveries: &mut mpsc::UnboundedReceiver<(u16, Delivery)>) -> (u16, Delivery) {
    timeout(PATIENCE, deliveries.recv()).await.expect("in time").expect("the receiver runs")
}

fn settings(url: &str, directory: &std::path::Path) -> Vec<String> {
    vec![
        format!("webhooks.urls=['{url}']"),
        format!("webhooks.secret={SECRET}"),
        format!("webhooks.directory={}", directory.display()),
        "webhooks.retry_ms=20".into(),
    ]
}

async fn start(set: &[String], more: &[&str]) -> Server {
    let set: Vec<&str> = set.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::start(&set).await
}

#[tokio::test]
async fn webhooks_are_signed_come_in_the_order_of_their_room_and_again_after_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?a=b", listener.local_addr().expect("bound"));
    // Each event fails once: with a server's error, a redirect that is not to be followed, and so on.
    let mut failures = [500, 302, 404].into_iter().cycle();
    let mut seen = std::collections::BTreeSet::new();
    let mut came = receive(listener, move |event| match seen.insert(event["id"].as_u64()) {
        true => failures.next().expect("a cycle"),
        false => 204,
    });
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&settings(&url, directory.path()), &["webhooks.allow_private=true"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    ann.send(json!({ "type": "leave" })).await;

    let mut taken = Vec::new();
    while taken.last() != Some(&json!("room-closed")) {
        let (status, delivery) = next(&mut came).await;
        assert!(delivery.signed, "{}", delivery.event);
        assert_eq!((&delivery.event["room"], delivery.event["id"].to_string()), (&json!("demo"), delivery.id));
        if status == 204 {
            taken.push(delivery.event["type"].clone());
        }
    }
    assert_eq!(taken, STORY);
    let at = url.trim_start_matches("http://").trim_end_matches("/hook?a=b");
    server.counts(&format!("crescendo_webhooks_sent_total{{receiver=\"{at}\"}}"), 6.0).await;
    server.counts(&format!("crescendo_webhooks_failed_total{{receiver=\"{at}\",why=\"status\"}}"), 6.0).await;
}

#[tokio::test]
async fn what_a_dead_receiver_did_not_take_comes_after_a_restart_and_delays_nobody_else() {
    let [dead, alive] = [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await]
        .map(|bound| bound.expect("a port"));
    let [of_dead, of_alive] = [&dead, &alive].map(|listener| listener.local_addr().expect("bound"));
    // It takes connections, as its backlog does, and never answers.
    let urls = format!("webhooks.urls=['http://{of_dead}/', 'http://{of_alive}/']");
    let mut came = receive(alive, |_| 200);
    let directory = tempfile::tempdir().expect("a directory");
    let mut set = settings("http://127.0.0.1:1/", directory.path());
    set[0] = urls;
    let allowed = ["webhooks.allow_private=true"];
    let mut server = start(&set, &allowed).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    for kind in &STORY[..3] {
        assert_eq!(next(&mut came).await.1.event["type"], *kind);
    }
    ann.send(json!({ "type": "leave" })).await;
    for kind in &STORY[3..] {
        assert_eq!(next(&mut came).await.1.event["type"], *kind);
    }
    // Both have put everything on the disk when the server has ended.
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.exit().await, Some(0));

    drop(dead);
    let mut late = receive(TcpListener::bind(of_dead).await.expect("the port is free again"), |_| 200);
    let _server = start(&set, &allowed).await;
    let mut kinds = Vec::new();
    while kinds.len() < STORY.len() {
        let (_, delivery) = next(&mut late).await;
        assert!(delivery.signed);
        kinds.push(delivery.event["type"].clone());
    }
    assert_eq!(kinds, STORY);
}

#[tokio::test]
async fn private_addresses_are_refused_unless_they_are_allowed_however_they_are_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"];
    let mut came = receive(listener, |_| 200);
    let mut set = settings("http://127.0.0.1:1/", directory.path());
    let urls: Vec<_> = hosts.iter().map(|host| format!("'http://{host}:{port}/'")).collect();
    set[0] = format!("webhooks.urls=[{}]", urls.join(","));
    let server = start(&set, &[]).await;
    let (_ann, _) = server.join("demo", "Ann").await;
    for host in ["127.0.0.1", "localhost", "[::ffff:7f00:1]", "10.0.0.1", "169.254.169.254"] {
        let failed = format!("crescendo_webhooks_failed_total{{receiver=\"{host}:{port}\",why=\"private address\"}}");
        server.counts(&failed, 1.0).await;
    }
    assert!(came.try_recv().is_err(), "nothing has come");
}

/// Lines of a stream of events.
struct Stream(BufReader<TcpStream>);

impl Stream {
    async fn open(server: &Server, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.http).await.expect("the server listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", server.http);
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut stream = Self(BufReader::new(stream));
        assert!(stream.line().await.contains("200"));
        while !stream.line().await.is_empty() {}
        stream
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("in time").expect("text");
        line.trim_end().to_owned()
    }

    async fn event(&mut self) -> Value {
        loop {
            if let Some(data) = self.line().await.strip_prefix("data: ") {
                return serde_json::from_str(data).expect("JSON");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_of_events_shows_one_room_and_goes_on_where_it_was() {
    let server = Server::start(&["api.event_streams=2", "api.keep_alive_ms=100"]).await;
    let mut all = Stream::open(&server, "/api/v1/events", "").await;
    let mut demo = Stream::open(&server, "/api/v1/events?room=demo", "").await;
    assert_eq!(server.get("/api/v1/events").await.0, 503, "there are two streams");
    let (_other, _) = server.join("other", "Ben").await;
    let (_ann, _) = server.join("demo", "Ann").await;
    assert_eq!(all.event().await["room"], "other");
    let opened = demo.event().await;
    assert_eq!((&opened["room"], &opened["type"]), (&json!("demo"), &json!("room-opened")));
    let joined = demo.event().await;
    assert_eq!((&joined["type"], &joined["name"]), (&json!("participant-joined"), &json!("Ann")));
    while demo.line().await != ":" {}

    drop(demo);
    let last = format!("last-event-id: {}\r\n", opened["id"]);
    // The place of the stream that is gone is free once the server has found out, by its keep-alive.
    let mut again = timeout(PATIENCE, async {
        while server.request("GET", "/api/v1/events?room=a%2Fb", None, "").await.0 != 400 {}
        loop {
            let mut stream = TcpStream::connect(server.http).await.expect("the server listens");
            let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\n{last}\r\n", server.http);
            stream.write_all(request.as_bytes()).await.expect("written");
            let mut stream = Stream(BufReader::new(stream));
            if stream.line().await.contains("200") {
                return stream;
            }
        }
    })
    .await
    .expect("a place is free");
    assert_eq!(again.event().await, joined);
    assert_eq!(server.request("GET", "/api/v1/events", None, "last-event-id: x\r\n").await.0, 400);
}
