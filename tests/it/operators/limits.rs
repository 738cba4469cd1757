//! The next one is refused, told why, and counted.

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, Server, Socket, join};

async fn refused(server: &Server, limit: &str) -> f64 {
    server.metric(&format!("crescendo_refused_total{{limit=\"{limit}\"}}")).await
}

fn publish() -> Value {
    json!({ "type": "publish", "request": 1, "source": "microphone" })
}

/// Ben, who is not let in with something to publish, and is told the same once he is there and wants to.
async fn watches_only(server: &Server, room: &str, limit: &str) -> Socket {
    let mut ben = server.socket().await;
    ben.send(join(room, "Ben")).await;
    assert_eq!(ben.error().await, "too-many-publishers");
    let mut ben = server.socket().await;
    let mut watching = join(room, "Ben");
    watching["tracks"] = json!([]);
    ben.send(watching).await;
    ben.until("welcome").await;
    ben.send(publish()).await;
    assert_eq!(ben.error().await, "too-many-publishers");
    assert_eq!(refused(server, limit).await, 2.0);
    ben
}

#[tokio::test]
async fn the_participant_beyond_the_servers_limit_is_refused_and_a_place_that_is_free_again_is_given_again() {
    let server = Server::start(&["limits.participants=2"]).await;
    let (mut ann, _) = server.join("one", "Ann").await;
    let (_ben, _) = server.join("two", "Ben").await;
    let mut cleo = server.socket().await;
    cleo.send(join("three", "Cleo")).await;
    assert_eq!(cleo.error().await, "server-full");
    let close = timeout(PATIENCE, cleo.stream.next()).await.expect("in time").expect("a close").expect("whole");
    let Message::Close(Some(frame)) = close else { panic!("{close:?} instead of a close") };
    assert_eq!(u16::from(frame.code), 1013, "try again later");
    assert_eq!(refused(&server, "limits.participants").await, 1.0);
    ann.send(json!({ "type": "leave" })).await;
    // Her socket may end a moment before her place is free.
    let comes_in = async {
        loop {
            let mut cleo = server.socket().await;
            cleo.send(join("three", "Cleo")).await;
            if cleo.next().await.is_some_and(|answer| answer["type"] == "welcome") {
                return;
            }
        }
    };
    timeout(PATIENCE, comes_in).await.expect("the place is given again");
}

#[tokio::test]
async fn who_publishes_beyond_the_servers_limit_may_watch_until_a_place_is_free() {
    let server = Server::start(&["limits.publishers=1"]).await;
    let (mut ann, welcome) = server.join("one", "Ann").await;
    let mut ben = watches_only(&server, "two", "limits.publishers").await;
    let track = &welcome["you"]["tracks"][0]["id"];
    ann.send(json!({ "type": "unpublish", "track": track })).await;
    ann.send(json!({ "type": "message", "to": "p1", "data": "heard" })).await;
    ann.until("message").await;
    ben.send(publish()).await;
    ben.until("track-published").await;
}

#[tokio::test]
async fn who_publishes_beyond_the_rooms_limit_may_watch() {
    let server = Server::start(&["room.publishers=1"]).await;
    let (mut ann, welcome) = server.join("demo", "Ann").await;
    let mut ben = watches_only(&server, "demo", "room.publishers").await;
    ann.send(json!({ "type": "publish", "request": 1, "source": "camera" })).await;
    ann.until("track-published").await;
    let microphone = &welcome["you"]["tracks"][0]["id"];
    for track in [microphone, &json!("t2")] {
        ann.send(json!({ "type": "unpublish", "track": track })).await;
        ben.until("track-unpublished").await;
    }
    ben.send(publish()).await;
    ben.until("track-published").await;
}

#[tokio::test]
async fn a_full_room_is_counted() {
    let server = Server::start(&["room.capacity=1"]).await;
    let (_ann, _) = server.join("demo", "Ann").await;
    let mut ben = server.socket().await;
    ben.send(join("demo", "Ben")).await;
    assert_eq!(ben.error().await, "room-full");
    assert_eq!(refused(&server, "room.capacity").await, 1.0);
}

#[tokio::test]
async fn a_busy_server_refuses_newcomers_and_legs_and_lets_in_again_when_it_rests() {
    let server = Server::start(&["limits.cpu_percent=3", "log.filter=warn"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let mut ben = loop {
        // Work, as much as one page can make.
        for _ in 0..50 {
            server.get("/metrics").await;
        }
        let mut ben = server.socket().await;
        ben.send(join("other", "Ben")).await;
        let answer = ben.next().await.expect("an answer");
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "server-full");
            break ben;
        }
        ben.send(json!({ "type": "leave" })).await;
        ann.send(json!({ "type": "ping", "at": 1 })).await;
        ann.until("pong").await;
    };
    assert_eq!(ben.next().await, None);
    ann.send(json!({ "type": "start-leg", "request": 1, "kind": "hls" })).await;
    assert_eq!(ann.error().await, "server-full");
    assert!(refused(&server, "limits.cpu_percent").await >= 2.0);
    let rest = async {
        loop {
            ann.send(json!({ "type": "ping", "at": 2 })).await;
            ann.until("pong").await;
            let mut again = server.socket().await;
            again.send(join("other", "Ben")).await;
            if again.next().await.is_some_and(|answer| answer["type"] == "welcome") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, rest).await.expect("it lets in again");
}
