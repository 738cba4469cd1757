//! The API against the real binary, over recordings that are there.

use serde_json::{Value, json};

use super::scenes::Scene;
use crate::hls::media::opus;
use crate::support::Server;

/// A directory with a recording of two seconds of sound.
pub(super) fn recorded() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    let sound = opus(root.path(), 2);
    let scene = Scene::start(root.path());
    scene.feed.add(2, "p1", true);
    scene.play(0, 60, &sound, |_, _| ());
    scene.end();
    root
}

#[tokio::test]
async fn recordings_are_listed_downloaded_in_ranges_and_deleted() {
    let root = tokio::task::spawn_blocking(recorded).await.expect("recorded");
    let server = Server::start(&[&format!("record.directory={}", root.path().display())]).await;
    let all = "/api/v1/rooms/demo/recordings";
    let (status, body) = server.get(all).await;
    let list: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, list["recordings"].as_array().map(Vec::len)), (200, Some(1)));
    let recording = &list["recordings"][0];
    assert_eq!((&recording["state"], &recording["room"]), (&json!("finished"), &json!("demo")));
    let one = format!("{all}/{}", recording["id"].as_str().expect("an id"));
    assert_eq!(server.get(&one).await.0, 200);
    let file = format!("{one}/{}", recording["files"][0]["name"].as_str().expect("a name"));
    let (status, head) = server.request("GET", &file, None, "range: bytes=4-7\r\n").await;
    assert_eq!((status, head.as_str()), (206, "ftyp"));
    assert_eq!(server.request("GET", &file, None, "range: bytes=99999999-\r\n").await.0, 416);
    assert_eq!(server.request("HEAD", &file, None, "").await, (200, String::new()));

    for nothing in [
        format!("{one}/recording.json"),
        format!("{one}/..%2f..%2fx"),
        format!("{all}/demo~.."),
        format!("{all}/..%2f.."),
        one.replace("rooms/demo", "rooms/other"),
        format!("{all}/x"),
    ] {
        assert_eq!(server.get(&nothing).await.0, 404, "{nothing}");
    }
    assert_eq!(server.request("GET", all, None, "x-forwarded-for: 192.0.2.1\r\n").await.0, 403);
    assert_eq!(server.request("DELETE", &one, None, "").await.0, 204);
    assert_eq!(server.request("DELETE", &one, None, "").await.0, 404);
    let (_, body) = server.get(all).await;
    assert_eq!(body, r#"{"recordings":[]}"#);
}

#[tokio::test]
async fn a_recording_that_cannot_be_written_fails_with_its_reason_and_the_call_goes_on() {
    let server = Server::start(&["record.directory=/proc/nowhere"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    ann.send(json!({ "type": "start-leg", "request": 1, "kind": "record" })).await;
    let leg = loop {
        let leg = ann.until("leg").await["leg"].take();
        if leg["state"] == "failed" {
            break leg;
        }
    };
    assert_eq!((&leg["kind"], &leg["startedBy"]), (&json!("record"), &json!("p1")));
    assert!(leg["reason"].as_str().is_some_and(|reason| reason.contains("/proc/nowhere")), "{leg}");
    ann.send(json!({ "type": "message", "to": "p1", "data": "still here" })).await;
    assert_eq!(ann.until("message").await["data"], "still here");
    let (_, view) = server.get("/api/v1/rooms/demo").await;
    assert!(view.contains(r#""legs":[]"#), "{view}");
}

#[tokio::test]
async fn a_server_that_records_nothing_says_so() {
    let server = Server::start(&["record.directory="]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    ann.send(json!({ "type": "start-leg", "request": 1, "kind": "record" })).await;
    assert_eq!(ann.error().await, "leg-unsupported");
    assert_eq!(server.get("/api/v1/rooms/demo/recordings").await.0, 404);
    let (_, capabilities) = server.get("/api/v1/capabilities").await;
    assert_eq!(capabilities, r#"{"legs":["hls"]}"#);
}
