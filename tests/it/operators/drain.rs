//! SIGTERM, and a second one.

use std::time::Instant;

use futures_util::StreamExt;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, Server, join};

/// Waits until the server says that it drains.
async fn draining(server: &Server) {
    let unready = async { while server.get("/readyz").await.0 != 503 {} };
    timeout(PATIENCE, unready).await.expect("the server drains");
}

#[tokio::test]
async fn a_drain_lets_calls_go_on_refuses_new_rooms_and_ends_with_the_last_room() {
    let mut server = Server::start(&["limits.drain_s=600"]).await;
    let (mut ann, welcome) = server.join("demo", "Ann").await;
    assert_eq!((server.get("/readyz").await.0, server.metric("crescendo_draining").await), (200, 0.0));
    server.signal(Signal::TERM);
    draining(&server).await;
    assert_eq!(server.get("/healthz").await.0, 200);
    assert_eq!(server.metric("crescendo_draining").await, 1.0);

    let mut new = server.socket().await;
    new.send(join("other", "Cleo")).await;
    assert_eq!(new.error().await, "shutting-down");
    // Who belongs to a call that goes on still comes in, and comes back.
    let (mut ben, _) = server.join("demo", "Ben").await;
    drop(ann);
    assert_eq!(ben.until("participant-away").await["away"], true);
    ann = server.socket().await;
    let mut resume = join("demo", "Ann");
    resume["resume"] = json!({ "participant": welcome["you"]["id"], "secret": welcome["secret"] });
    ann.send(resume).await;
    assert_eq!(ann.until("welcome").await["resumed"], true);
    ann.send(json!({ "type": "message", "data": "still here" })).await;
    assert_eq!(ben.until("message").await["data"], "still here");

    let since = Instant::now();
    ann.send(json!({ "type": "leave" })).await;
    ben.send(json!({ "type": "leave" })).await;
    assert_eq!(server.exit().await, Some(0));
    assert!(since.elapsed() < PATIENCE, "nobody waits for the end of limits.drain_s");
}

#[tokio::test]
async fn at_the_end_of_a_drain_and_at_a_second_signal_everybody_is_sent_elsewhere() {
    for (drain, signals) in [("limits.drain_s=1", 1), ("limits.drain_s=600", 2)] {
        let mut server = Server::start(&[drain]).await;
        let (mut ann, _) = server.join("demo", "Ann").await;
        server.signal(Signal::TERM);
        draining(&server).await;
        if signals == 2 {
            server.signal(Signal::TERM);
        }
        let error = loop {
            match timeout(PATIENCE, ann.stream.next()).await.expect("in time").expect("not silently").expect("whole") {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] == "error" {
                        break message;
                    }
                }
                other => panic!("{other:?} before an error"),
            }
        };
        assert_eq!((&error["code"], &error["fatal"]), (&json!("shutting-down"), &json!(true)));
        let close = timeout(PATIENCE, ann.stream.next()).await.expect("in time").expect("a close").expect("whole");
        let Message::Close(Some(frame)) = close else { panic!("{close:?} instead of a close") };
        assert_eq!(u16::from(frame.code), 1012, "service restart");
        drop(ann);
        assert_eq!(server.exit().await, Some(0));
    }
}
