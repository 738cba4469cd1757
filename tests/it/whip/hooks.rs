//! Ant Media's webhooks: what happens to a stream is told in its words, to the app's address and to the stream's own.

use std::collections::BTreeMap;

use futures_util::SinkExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::support::answering::{Asked, answering};

/// A receiver, and what it was told.
async fn receiver() -> (String, mpsc::UnboundedReceiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?by=test", listener.local_addr().unwrap());
    // Each is taken at the second time: what is told is queued, whoever it is told to.
    let mut again = false;
    (
        url,
        answering(listener, move |_| {
            again = !again;
            (if again { 500 } else { 200 }, String::new(), Vec::new())
        }),
    )
}

/// The next message that was taken.
async fn told(from: &mut mpsc::UnboundedReceiver<Asked>) -> Asked {
    let first = timeout(PATIENCE, from.recv()).await.expect("in time").unwrap();
    let second = timeout(PATIENCE, from.recv()).await.expect("in time").unwrap();
    assert_eq!((&first.line, &first.body), (&second.line, &second.body), "it is the same that is sent again");
    second
}

async fn told_json(from: &mut mpsc::UnboundedReceiver<Asked>) -> Value {
    let asked = told(from).await;
    assert_eq!(
        (asked.line.as_str(), asked.headers["content-type"].as_str()),
        ("POST /hook?by=test", "application/json")
    );
    serde_json::from_slice(&asked.body).unwrap()
}

async fn told_form(from: &mut mpsc::UnboundedReceiver<Asked>) -> BTreeMap<String, String> {
    let asked = told(from).await;
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    url::form_urlencoded::parse(&asked.body).into_owned().collect()
}

async fn rest(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Value {
    let body = body.map(Value::to_string);
    let (_, answer) = server.request(method, &format!("/live/rest/v2/broadcasts{path}"), body.as_deref(), "").await;
    serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{method} {path}: {answer}"))
}

#[tokio::test]
async fn a_stream_that_is_published_recorded_and_ended_is_told_in_ant_medias_words() {
    let directory = tempfile::tempdir().unwrap();
    let ((app_wide, mut of_app), (own, mut of_stream)) = (receiver().await, receiver().await);
    let server = Server::start(&[
        "webhooks.allow_private=true",
        "webhooks.retry_ms=20",
        "webhooks.broadcast_hooks=json",
        &format!("webhooks.urls=[{{ url = '{app_wide}', format = 'antmedia-form' }}]"),
        &format!("webhooks.directory={}", directory.path().join("hooks").display()),
        &format!("record.directory={}", directory.path().join("recordings").display()),
    ])
    .await;
    let bad =
        rest(&server, "POST", "/create", Some(&json!({ "streamId": "x", "listenerHookURL": "file:///etc" }))).await;
    assert_eq!(bad["success"], false, "{bad}");
    let made = json!({ "streamId": "cam", "name": "Front door", "listenerHookURL": own });
    assert_eq!(rest(&server, "POST", "/create", Some(&made)).await["listenerHookURL"], json!(own));

    let pictures = h264(directory.path(), "320x180", 25, 8, 25);
    let (mut encoder, session) = publish(&server, "/live/whip/cam").await;
    let mut picture = Packetizer::new(VIDEO_SSRC);
    let mut frames = pictures.iter().cycle().enumerate();
    let mut show = async |encoder: &mut Client| {
        let (number, unit) = frames.next().unwrap();
        for packet in picture.video(number as u32 * 3_600, unit) {
            encoder.send(&Packet::unmarshal(&mut &packet[..]).unwrap()).await;
        }
        encoder.run_for(Duration::from_millis(40)).await;
    };
    let started = loop {
        tokio::select! {
            started = told_json(&mut of_stream) => break started,
            () = async { loop { show(&mut encoder).await } } => {}
        }
    };
    assert_eq!(
        (&started["id"], &started["action"], &started["app"]),
        (&json!("cam"), &json!("liveStreamStarted"), &json!("live"))
    );
    assert!(started["timestamp"].as_str().unwrap().parse::<u64>().is_ok() && started.get("roomId").is_none());

    let recording = rest(&server, "PUT", "/cam/recording/true", None).await;
    assert_eq!(recording["success"], true, "{recording}");
    for _ in 0..50 {
        show(&mut encoder).await;
    }
    let stopped = rest(&server, "PUT", "/cam/recording/false", None).await;
    assert_eq!((&stopped["success"], &stopped["dataId"]), (&json!(true), &recording["dataId"]));
    let ready = told_json(&mut of_stream).await;
    assert_eq!((&ready["action"], &ready["id"]), (&json!("vodReady"), &json!("cam")));
    let (_, list) = server.get("/api/v1/rooms/cam/recordings").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["recordings"][0]["id"], ready["vodId"], "{list}");
    assert_eq!(rest(&server, "PUT", "/cam/recording/false", None).await["success"], false, "nothing is recorded");

    // What is deleted while it is published is told to its address to the end.
    assert_eq!(rest(&server, "DELETE", "/cam", None).await["success"], true);
    let ended = told_json(&mut of_stream).await;
    assert_eq!((&ended["id"], &ended["action"]), (&json!("cam"), &json!("liveStreamEnded")));
    ask(&server, "DELETE", &session.session(), &[], "").await;

    // One without an address of its own is told to the app's.
    let (mut encoder, session) = publish(&server, "/live/whip/door").await;
    let started = loop {
        tokio::select! {
            started = told_form(&mut of_app) => break started,
            () = async { loop { show(&mut encoder).await } } => {}
        }
    };
    assert_eq!((started["id"].as_str(), started["action"].as_str()), ("door", "liveStreamStarted"));
    assert_eq!(ask(&server, "DELETE", &session.session(), &[], "").await.status, 200);
    assert_eq!(told_form(&mut of_app).await["action"], "liveStreamEnded");
    assert!(of_stream.try_recv().is_err() && of_app.try_recv().is_err(), "and nothing else");
}

#[tokio::test]
async fn who_does_not_connect_in_time_is_told_of_and_private_addresses_are_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let ((app_wide, mut of_app), (own, mut of_stream)) = (receiver().await, receiver().await);
    let set = |allowed: bool| {
        vec![
            format!("webhooks.allow_private={allowed}"),
            "webhooks.retry_ms=20".into(),
            "webhooks.broadcast_hooks=form".into(),
            "room.switch_deadline_ms=500".into(),
            format!("webhooks.urls=[{{ url = '{app_wide}', format = 'antmedia' }}]"),
            format!("webhooks.directory={}", directory.path().join(if allowed { "a" } else { "b" }).display()),
        ]
    };
    let start = async |allowed| Server::start(&set(allowed).iter().map(String::as_str).collect::<Vec<_>>()).await;
    let publish = async |server: &Server| {
        let url = format!("ws://{}/live/websocket", server.http);
        let (stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut socket = crate::support::Socket { stream };
        socket
            .send(json!({ "command": "publish", "streamId": "late", "metaData": "{\"a\":1}", "mainTrack": "hall" }))
            .await;
        while socket.next().await.unwrap()["definition"] != "publishTimeoutError" {}
        socket
    };
    let server = start(true).await;
    let _socket = publish(&server).await;
    let late = told_json(&mut of_app).await;
    assert_eq!(
        (&late["action"], &late["id"], &late["metadata"]),
        (&json!("publishTimeoutError"), &json!("late"), &json!({ "a": 1 }))
    );
    assert_eq!((&late["mainTrackId"], &late["roomId"]), (&json!("hall"), &json!("hall")));
    drop(server);

    let server = start(false).await;
    rest(&server, "POST", "/create", Some(&json!({ "streamId": "late", "listenerHookURL": own }))).await;
    let _socket = publish(&server).await;
    server.counts("crescendo_webhooks_failed_total{receiver=\"broadcasts\",why=\"private address\"}", 1.0).await;
    assert!(of_stream.try_recv().is_err() && of_app.try_recv().is_err());
}

/// What they are told of: nobody connects to publish, so that each broadcast times out.
#[tokio::test]
async fn addresses_that_never_answer_delay_no_other_broadcasts() {
    let directory = tempfile::tempdir().unwrap();
    let (own, mut of_own) = receiver().await;
    // It takes connections, as its backlog does, and no delivery to it ends before the test does.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}/", silent.local_addr().unwrap());
    let server = Server::start(&[
        "webhooks.allow_private=true",
        "webhooks.timeout_ms=600000",
        "webhooks.retry_ms=20",
        "webhooks.broadcast_hooks=json",
        "webhooks.at_once=2",
        "room.switch_deadline_ms=500",
        &format!("webhooks.directory={}", directory.path().join("hooks").display()),
    ])
    .await;
    let url = format!("ws://{}/live/websocket", server.http);
    let mut sockets = Vec::new();
    for (id, hook) in (0..24).map(|n| (format!("dead{n}"), &dead)).chain([("alive".to_owned(), &own)]) {
        let made = json!({ "streamId": id, "listenerHookURL": hook });
        assert_eq!(rest(&server, "POST", "/create", Some(&made)).await["listenerHookURL"], json!(hook));
        let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
        let publish = json!({ "command": "publish", "streamId": id, "video": true, "audio": true });
        socket.send(Message::text(publish.to_string())).await.unwrap();
        sockets.push(socket);
    }
    assert_eq!(told_json(&mut of_own).await["id"], "alive");
}
