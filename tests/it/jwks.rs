//! Keys that are published elsewhere, by a server of the test's own: new ones, too many questions, and nothing of use.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::answering::{Answer, Asked, answering};
use crate::support::{Server, join};

const KEY: &str = "access.api_keys=[{ id = 'shop', secret = '0123456789abcdef0123456789abcdef' }]";
const BEARER: &str = "authorization: Bearer shop.0123456789abcdef0123456789abcdef\r\n";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Somebody who signs tokens, and publishes what they are checked with.
struct Issuer {
    kid: &'static str,
    key: EcdsaKeyPair,
}

impl Issuer {
    fn new(kid: &'static str) -> Self {
        Self { kid, key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key") }
    }

    fn published(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y });
        json!({ "keys": [key] }).to_string().into_bytes()
    }

    fn token(&self) -> String {
        self.token_as(self.kid, json!({}))
    }

    fn token_as(&self, kid: &str, header: Value) -> String {
        let exp = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 60;
        let mut head = json!({ "alg": "ES256", "kid": kid });
        head.as_object_mut().expect("an object").extend(header.as_object().expect("an object").clone());
        let claims = json!({ "room": "demo", "join": true, "subscribe": true, "exp": exp });
        let signed = format!("{}.{}", encode(head.to_string()), encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
        format!("{signed}.{}", encode(signature))
    }
}

type Said = Arc<Mutex<Answer>>;

/// A server, what its keys' address answers, and who asked there.
async fn server(first: Answer) -> (Server, Said, mpsc::UnboundedReceiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("access.jwks_url=http://{}/keys.json?v=1", listener.local_addr().expect("bound"));
    let said: Said = Arc::new(Mutex::new(first));
    let answer = said.clone();
    let asked = answering(listener, move |asked| {
        assert_eq!(asked.line, "GET /keys.json?v=1");
        let (status, more, body) = answer.lock().expect("nobody panics").clone();
        let tag = more.trim_start_matches("etag: ").trim_end();
        match asked.headers.get("if-none-match") {
            Some(known) if known == tag => (304, more, Vec::new()),
            Some(_) | None => (status, more, body),
        }
    });
    (Server::start(&[KEY, &url]).await, said, asked)
}

fn published(issuer: &Issuer) -> Answer {
    (200, format!("etag: \"{}\"\r\n", issuer.kid), issuer.published())
}

/// What a join with this token is answered with: `welcome`, or an error's code.
async fn joins(server: &Server, token: &str) -> String {
    let mut socket = server.socket().await;
    let mut message = join("demo", "Ann");
    message["token"] = token.into();
    message["tracks"] = json!([]);
    socket.send(message).await;
    let said = socket.next().await.expect("an answer");
    let what = if said["type"] == "error" { &said["code"] } else { &said["type"] };
    what.as_str().expect("text").to_owned()
}

async fn fetches(server: &Server, result: &str) -> usize {
    let (_, metrics) = server.request("GET", "/metrics", None, BEARER).await;
    let name = format!("crescendo_jwks_fetches_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_token_of_a_new_key_is_good_as_soon_as_that_is_published_and_of_an_old_one_no_more() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let (server, said, mut asked) = server(published(&old)).await;
    assert_eq!(joins(&server, &old.token()).await, "welcome");
    assert_eq!(joins(&server, &new.token_as("old", json!({}))).await, "token-refused", "signed by somebody else");
    *said.lock().expect("nobody panics") = published(&new);
    assert_eq!(joins(&server, &new.token()).await, "welcome", "it names a key that is asked for");
    assert_eq!(joins(&server, &old.token()).await, "token-refused");
    let (status, _) = server.request("GET", &format!("/hls/demo/index.m3u8?token={}", new.token()), None, "").await;
    assert_eq!(status, 404, "let in, and nobody broadcasts");
    assert_eq!(
        (fetches(&server, "changed").await, asked.recv().await.is_some(), asked.recv().await.is_some()),
        (2, true, true)
    );
    assert!(asked.try_recv().is_err(), "it was asked for twice");
}

#[tokio::test]
async fn a_storm_of_unknown_keys_asks_once_and_what_tokens_bring_along_is_passed_over() {
    let (ours, stranger) = (Issuer::new("ours"), Issuer::new("stranger"));
    let (server, _said, mut asked) = server(published(&ours)).await;
    assert_eq!(joins(&server, &ours.token()).await, "welcome");
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys.json", elsewhere.local_addr().expect("bound"));
    let theirs = stranger.published();
    let mut lured = answering(elsewhere, move |_| (200, String::new(), theirs.clone()));
    let storm = (0..200).map(|number| {
        let token = stranger.token_as(&format!("k{number}"), json!({ "jku": url, "x5u": url }));
        let server = &server;
        async move {
            let path = "/api/v1/rooms/demo";
            server.request("GET", path, None, &format!("authorization: Bearer {token}\r\n")).await.0
        }
    });
    let statuses = futures_util::future::join_all(storm).await;
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!((fetches(&server, "changed").await, fetches(&server, "unchanged").await), (1, 1));
    assert!(asked.recv().await.is_some() && asked.recv().await.expect("twice").headers.contains_key("if-none-match"));
    assert!(asked.try_recv().is_err() && lured.try_recv().is_err());
    assert_eq!(joins(&server, &ours.token()).await, "welcome");
}

#[tokio::test]
async fn keys_stay_when_their_address_answers_with_nothing_of_use() {
    let ours = Issuer::new("ours");
    let long = [&b"{\"keys\":[],\"x\":\""[..], &vec![b'x'; 70_000], b"\"}"].concat();
    for (status, body) in
        [(200, b"<html>".to_vec()), (200, long), (200, b"{\"keys\":[]}".to_vec()), (500, ours.published())]
    {
        let (server, said, _asked) = server(published(&ours)).await;
        assert_eq!(joins(&server, &ours.token()).await, "welcome");
        *said.lock().expect("nobody panics") = (status, String::new(), body);
        assert_eq!(joins(&server, &ours.token_as("unknown", json!({}))).await, "token-refused");
        assert_eq!(fetches(&server, "failed").await, 1, "{status}");
        assert_eq!(joins(&server, &ours.token()).await, "welcome");
    }
}

#[tokio::test]
async fn a_server_starts_without_its_keys_and_is_not_open_for_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("access.jwks_url=http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let server = Server::start(&[KEY, &url]).await;
    assert_eq!(joins(&server, &Issuer::new("ours").token()).await, "token-refused");
    assert!(fetches(&server, "failed").await >= 1);
    let (status, _) = server.get("/api/v1/rooms").await;
    assert_eq!(status, 401);
    let alone = Server::start(&[&url]).await;
    assert_eq!(alone.get("/api/v1/rooms").await.0, 401, "it is a key, though nobody has it yet");
}

#[test]
fn plain_http_to_others_and_what_is_no_address_are_refused_at_the_start_and_by_check() {
    for (url, why) in [
        ("http://keys.example/", "plain HTTP"),
        ("http://127.0.0.1.example/", "plain HTTP"),
        ("file:///etc/passwd", "no address"),
        ("keys.json", "keys.json"),
    ] {
        let run = |command: &str| {
            let ended = std::process::Command::new(env!("CARGO_BIN_EXE_crescendo"))
                .args([command, "--set", &format!("access.jwks_url={url}"), "--set", "http.listen=127.0.0.1:0"])
                .args(["--set", "sfu.listen=127.0.0.1:0", "--set", "turn.enabled=false"])
                .output()
                .expect("it runs");
            assert!(!ended.status.success(), "{command} {url}");
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr)
        };
        for command in ["check", "serve"] {
            let said = run(command);
            assert!(said.contains("access.jwks_url") && said.contains(why), "{command} {url}: {said}");
        }
    }
}
