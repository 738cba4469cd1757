//! Messages of the application on the sockets of the real binary.

use serde_json::{Value, json};

use crate::support::{Server, Socket, join};

/// The socket that takes the place of a lost one.
async fn resumed(server: &Server, welcome: &Value, received: u64) -> Socket {
    let mut again = server.socket().await;
    let mut resume = join("demo", "again");
    resume["resume"] =
        json!({ "participant": welcome["you"]["id"], "secret": welcome["secret"], "received": received });
    again.send(resume).await;
    again.until("welcome").await;
    again
}

#[tokio::test]
async fn a_message_that_was_refused_is_refused_again_when_it_is_repeated() {
    let server = Server::start(&[]).await;
    let (mut ben, _) = server.join("demo", "Ben").await;
    let (mut ann, welcome) = server.join("demo", "Ann").await;
    let refused = json!({ "type": "message", "request": 5, "to": "p9", "data": "to nobody" });
    let taken = json!({ "type": "message", "request": 6, "data": "to all" });
    ann.send(refused.clone()).await;
    assert_eq!(ann.until("error").await["request"], 5);
    ann.send(taken.clone()).await;
    assert_eq!(ann.until("message-taken").await["request"], 6);
    drop(ann);
    let mut ann = resumed(&server, &welcome, 0).await;
    ann.send(refused).await;
    ann.send(taken).await;
    let answer = ann.until("error").await;
    assert_eq!((&answer["code"], &answer["request"]), (&json!("unknown-participant"), &json!(5)));
    assert_eq!(ann.until("message-taken").await["request"], 6);
    ann.send(json!({ "type": "message", "request": 7, "data": "end" })).await;
    let heard = [ben.until("message").await, ben.until("message").await].map(|message| message["data"].clone());
    assert_eq!(heard, [json!("to all"), json!("end")]);
}

#[tokio::test]
async fn what_cannot_be_used_is_answered_with_its_number_if_that_can_be_read() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let deep = "[".repeat(2_000) + &"]".repeat(2_000);
    let long = "x".repeat(70_000);
    for (text, code, request) in [
        (r#"{"type":"message","request":7,"data":1,"colour":2}"#.to_owned(), "bad-message", json!(7)),
        (format!(r#"{{"type":"message","request":8,"data":{deep}}}"#), "bad-message", json!(8)),
        (format!(r#"{{"type":"message","data":"{long}","request":9}}"#), "too-large", json!(9)),
        (r#"{"type":"message","request":"ten","data":1,"to":5}"#.to_owned(), "bad-message", Value::Null),
        (r#"{"type":"message","request":11,"data""#.to_owned(), "bad-message", Value::Null),
    ] {
        ann.send_text(text).await;
        let error = ann.until("error").await;
        assert_eq!((&error["code"], &error["request"]), (&json!(code), &request));
    }
}

#[tokio::test]
async fn who_has_missed_more_messages_than_may_wait_for_a_socket_gets_them_all() {
    let quick = ["signal.messages_per_second=10000", "signal.message_burst=10000"];
    let server = Server::start(&quick).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (ben, welcome) = server.join("demo", "Ben").await;
    drop(ben);
    ann.until("participant-away").await;
    let count = 3_000;
    for n in 1..=count {
        ann.send(json!({ "type": "message", "data": n })).await;
    }
    ann.send(json!({ "type": "message", "request": 1, "data": "end" })).await;
    ann.until("message-taken").await;
    let mut ben = resumed(&server, &welcome, 0).await;
    for n in 1..=count {
        assert_eq!(ben.until("message").await["data"], n);
    }
    assert_eq!(ben.until("message").await["data"], "end");
    ben.send(json!({ "type": "ping", "at": 1 })).await;
    ben.until("pong").await;
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_let_go_when_too_many_bytes_wait() {
    // Few messages, which are long.
    let server = Server::start(&["signal.message_burst=2000"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (_deaf, _) = server.join("demo", "Deaf").await;
    let long = "x".repeat(60_000);
    for _ in 0..390 {
        ann.send(json!({ "type": "message", "data": long })).await;
    }
    assert_eq!(ann.until("participant-away").await["away"], true);
}

#[tokio::test]
async fn what_may_get_lost_is_dropped_where_a_socket_is_slow_and_ends_none() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (mut slow, _) = server.join("demo", "Slow").await;
    let long = "x".repeat(60_000);
    for _ in 0..350 {
        ann.send(json!({ "type": "message", "data": long, "unreliable": true })).await;
    }
    ann.send(json!({ "type": "message", "request": 1, "data": "end" })).await;
    ann.until("message-taken").await;
    assert!(server.metric("crescendo_signal_unreliable_dropped_total").await > 0.0);
    let mut heard = 0;
    let end = loop {
        let message = slow.until("message").await;
        if message["data"] == "end" {
            break message;
        }
        assert_eq!(message.get("number"), None);
        heard += 1;
    };
    assert!((1..350).contains(&heard), "{heard} came");
    assert_eq!(end["number"], 1, "what may get lost is not kept");
}
