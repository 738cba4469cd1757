//! `crescendo doctor`, the real binary, against a real server.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::answering::answering;
use crate::support::{PATIENCE, Server};

/// Whether it says that all is well, and (what, good, failed or untried) of each line.
async fn doctor(server: &Server, args: &[&str]) -> (bool, Vec<(String, String)>, String) {
    doctor_of(&format!("http://{}", server.http), args).await
}

async fn doctor_of(url: &str, args: &[&str]) -> (bool, Vec<(String, String)>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crescendo"));
    command.args(["doctor", url, "--json"]).args(args).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("in time").expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let lines = report["lines"].as_array().expect("lines").iter().map(|line| {
        let outcome = line["outcome"].as_object().and_then(|outcome| outcome.keys().next()).expect("one");
        (line["what"].as_str().expect("text").to_owned(), outcome.clone())
    });
    (output.status.success(), lines.collect(), text)
}

fn failed(lines: &[(String, String)]) -> Vec<&str> {
    lines.iter().filter(|(_, outcome)| outcome == "failed").map(|(what, _)| what.as_str()).collect()
}

#[tokio::test]
async fn everything_of_a_healthy_server_is_good_and_nothing_is_left_of_the_visit() {
    let server = Server::start(&[]).await;
    let (good, lines, text) = doctor(&server, &[]).await;
    assert!(good, "{text}");
    assert!(lines.iter().all(|(_, outcome)| outcome == "good"), "{text}");
    let turn = server.turn[0];
    for what in ["pages", "API", "HLS", "signaling", "media port"] {
        assert!(lines.iter().any(|(line, _)| line == what), "{what}: {text}");
    }
    for what in [format!("stun:{turn}"), format!("turn:{turn}?transport=udp"), format!("turn:{turn}?transport=tcp")] {
        assert!(lines.iter().any(|(line, _)| *line == what), "{what}: {text}");
    }
    let empty = async {
        while server.get("/api/v1/rooms").await.1 != r#"{"rooms":[]}"# {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, empty).await.expect("the doctor leaves");
    server.counts("crescendo_turn_relayed_packets_total{to=\"client\"}", 2.0).await;
}

#[tokio::test]
async fn over_tls_everything_is_tried_with_whom_it_was_told_to_trust() {
    let directory = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let set = [
        "tls.listen=127.0.0.1:0".to_owned(),
        format!("tls.cert={}", cert.display()),
        format!("tls.key={}", key.display()),
        "turn.public_host=localhost".to_owned(),
    ];
    let server = Server::start(&set.each_ref().map(String::as_str)).await;
    let https = server.https.expect("a listener").port();
    let url = format!("https://localhost:{https}/");
    let (good, lines, text) = doctor_of(&url, &["--roots", &cert.display().to_string()]).await;
    assert!(good && lines.iter().all(|(_, outcome)| outcome == "good"), "{text}");
    let turns = format!("turns:localhost:{https}?transport=tcp");
    assert!(lines.iter().any(|(what, _)| *what == turns), "{text}");
    let (good, lines, text) = doctor_of(&url, &[]).await;
    assert!(!good && failed(&lines).contains(&"pages"), "nobody else trusts it: {text}");
}

#[tokio::test]
async fn what_is_closed_fails_alone() {
    // Clients are told of an address at which nobody listens.
    let server = Server::start(&["turn.announce=['127.0.0.9']"]).await;
    let (good, lines, text) = doctor(&server, &["--patience-ms", "1500"]).await;
    assert!(!good);
    let turn = server.turn[0];
    assert_eq!(turn.ip().to_string(), "127.0.0.9");
    let those = [format!("stun:{turn}"), format!("turn:{turn}?transport=udp"), format!("turn:{turn}?transport=tcp")];
    assert_eq!(failed(&lines), those, "{text}");

    let server = Server::start(&["sfu.announce=['127.0.0.9']"]).await;
    let (good, lines, text) = doctor(&server, &["--patience-ms", "1500"]).await;
    assert!(!good && failed(&lines) == ["media port"], "{text}");

    let server = Server::start(&["turn.enabled=false"]).await;
    let (good, lines, text) = doctor(&server, &[]).await;
    assert!(good && lines.contains(&("STUN and TURN".into(), "untried".into())), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_fails_at_the_door() {
    let mut server = Server::start(&[]).await;
    server.child.kill().expect("killed");
    server.exit().await;
    let (good, lines, text) = doctor(&server, &[]).await;
    assert!(!good && failed(&lines) == ["pages", "API", "HLS", "signaling"], "{text}");
}

/// A proxy that answers for what it does not pass on.
#[tokio::test]
async fn an_answer_that_is_not_of_the_server_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let _asked = answering(listener, |asked| {
        let is_there = ["/readyz", "/api/v1/capabilities"].iter().any(|path| asked.line.ends_with(path));
        (if is_there { 200 } else { 404 }, String::new(), Vec::new())
    });
    let (good, lines, text) = doctor_of(&url, &["--patience-ms", "1500"]).await;
    assert!(!good && failed(&lines) == ["HLS", "signaling"], "{text}");
    assert!(text.contains("/hls/"), "what to do: {text}");
}
