//! The signaling socket of the real binary: what it does for those who behave, and to those who do not.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, Server, Socket, join};

#[tokio::test]
async fn participants_hear_of_each_other_and_get_a_mesh_link() {
    let server = Server::start(&[]).await;
    let (mut ann, welcome) = server.join("demo", "Ann").await;
    assert_eq!(welcome["mode"], "mesh");
    assert_eq!(welcome["participants"], json!([]));
    let (mut ben, welcome) = server.join("demo", "Ben <b>").await;
    assert_eq!(welcome["participants"][0]["name"], "Ann");
    assert_eq!(welcome["participants"][0]["tracks"][0]["source"], "microphone");
    assert_eq!(ann.until("participant-joined").await["participant"]["name"], "Ben <b>");

    let (to_ann, to_ben) = (ann.until("link-open").await, ben.until("link-open").await);
    assert_eq!(to_ann["link"], to_ben["link"]);
    assert_ne!(to_ann["polite"], to_ben["polite"], "exactly one end is polite");

    ann.send(json!({ "type": "link-candidate", "peer": to_ann["peer"], "link": to_ann["link"],
                     "candidate": { "candidate": "x" } }))
        .await;
    let relayed = ben.until("link-candidate").await;
    assert_eq!(relayed["peer"], to_ben["peer"]);
    assert_eq!(relayed["candidate"]["candidate"], "x");

    ann.send(json!({ "type": "message", "data": { "chat": "hello" } })).await;
    assert_eq!(ben.until("message").await["data"]["chat"], "hello");
    ben.send(json!({ "type": "leave" })).await;
    assert_eq!(ann.until("participant-left").await["reason"], "left");
    assert!(ben.rest().await.iter().all(|m| m["type"] != "error"));
}

#[tokio::test]
async fn what_is_said_of_an_old_link_is_dropped() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (mut ben, _) = server.join("demo", "Ben").await;
    let open = ann.until("link-open").await;
    let candidate = |link: u64| json!({ "type": "link-candidate", "peer": open["peer"], "link": link, "candidate": { "candidate": link.to_string() } });
    let link = open["link"].as_u64().expect("a number");
    ann.send(candidate(link + 1)).await;
    ann.send(candidate(link)).await;
    assert_eq!(ben.until("link-candidate").await["candidate"]["candidate"], link.to_string());
}

#[tokio::test]
async fn credentials_for_the_relay_are_renewed_before_they_run_out() {
    let server = Server::start(&["turn.credential_ttl_s=10"]).await;
    let (mut ann, welcome) = server.join("demo", "Ann").await;
    let relay = |message: &Value| message["iceServers"][1].clone();
    let first = relay(&welcome);
    let user = |relay: &Value| {
        let (seconds, who) = relay["username"].as_str().and_then(|name| name.split_once(':')).expect("seconds:who");
        (seconds.parse::<u64>().expect("a number"), who.to_owned())
    };
    assert_eq!(first["urls"][0], format!("turn:{}?transport=udp", server.turn[0]));
    assert!(!first["credential"].as_str().expect("text").is_empty());
    let ((mut last, who), begun) = (user(&first), Instant::now());
    let number = who.strip_prefix("demo/p1/").expect("room and participant, which others may be one day");
    assert_eq!(number.len(), 16, "and what nobody else will be");
    for _ in 0..2 {
        let (next, same) = user(&relay(&ann.until("ice-servers").await));
        assert!(next > last, "the new ones last longer");
        assert_eq!(same, who, "one user for as long as it is there");
        last = next;
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "twice in the life of the first, or nearly");
}

#[tokio::test]
async fn a_lost_socket_keeps_its_place_and_can_be_resumed() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (ben, welcome) = server.join("demo", "Ben").await;
    let link = ann.until("link-open").await["link"].clone();
    drop(ben);
    assert_eq!(ann.until("participant-away").await["away"], true);

    let mut again = server.socket().await;
    let mut resume = join("demo", "Ben");
    resume["resume"] = json!({ "participant": welcome["you"]["id"], "secret": welcome["secret"] });
    again.send(resume).await;
    let back = again.until("welcome").await;
    assert_eq!(back["resumed"], true);
    assert_eq!(back["you"]["id"], welcome["you"]["id"]);
    assert_eq!(again.until("link-open").await["link"], link, "the same link goes on");
    assert_eq!(ann.until("participant-away").await["away"], false);
}

#[tokio::test]
async fn a_message_is_answered_and_its_repetition_goes_no_further() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (mut ben, _) = server.join("demo", "Ben").await;
    for request in [3, 3, 4, 3, 4] {
        ann.send(json!({ "type": "message", "request": request, "data": request })).await;
        assert_eq!(ann.until("message-taken").await["request"], request);
    }
    let (three, four) = (ben.until("message").await, ben.until("message").await);
    assert_eq!((&three["data"], &four["data"]), (&json!(3), &json!(4)));
    ann.send(json!({ "type": "message", "request": 5, "data": "AP8H", "binary": true })).await;
    let bytes = ben.until("message").await;
    assert_eq!((&bytes["data"], &bytes["binary"]), (&json!("AP8H"), &json!(true)), "and nothing in between");
    ann.send(json!({ "type": "message", "request": 6, "data": "no base64!", "binary": true })).await;
    let refused = ann.until("error").await;
    assert_eq!((&refused["code"], &refused["request"]), (&json!("bad-message"), &json!(6)));
}

#[tokio::test]
async fn who_resumes_gets_what_was_said_meanwhile_once() {
    let server = Server::start(&["signal.message_history_bytes=2000"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (mut ben, welcome) = server.join("demo", "Ben").await;
    ann.send(json!({ "type": "message", "data": "before" })).await;
    let mut received = ben.until("message").await["number"].clone();
    drop(ben);
    ann.until("participant-away").await;
    let (mut lost, mut request) = (0, 0);
    for long in [10, 400] {
        for n in 0..10 {
            request += 1;
            let data = format!("{n} {}", "x".repeat(long));
            ann.send(json!({ "type": "message", "request": request, "data": data })).await;
            ann.until("message-taken").await;
        }
        let mut again = server.socket().await;
        let mut resume = join("demo", "Ben");
        let (who, secret) = (&welcome["you"]["id"], &welcome["secret"]);
        resume["resume"] = json!({ "participant": who, "secret": secret, "received": received });
        again.send(resume).await;
        again.until("welcome").await;
        ann.send(json!({ "type": "message", "data": "end" })).await;
        let mut heard = Vec::new();
        loop {
            let message = again.next().await.expect("there is more");
            if message["code"] == "messages-missed" {
                lost += 1;
            } else if message["type"] == "message" {
                received = message["number"].clone();
                heard.push(message["data"].as_str().expect("text").split(' ').next().unwrap_or_default().to_owned());
                if message["data"] == "end" {
                    break;
                }
            }
        }
        let all = (0..10).map(|n| n.to_string()).chain(["end".to_owned()]).collect::<Vec<_>>();
        match long {
            10 => assert_eq!((heard, lost), (all, 0)),
            _ => assert!(lost == 1 && heard.len() < 6 && all.ends_with(&heard), "{heard:?}"),
        }
        drop(again);
        ann.until("participant-away").await;
        ann.until("participant-away").await;
    }
}

#[tokio::test]
async fn a_socket_that_does_not_come_back_is_gone_after_its_grace_time() {
    let server = Server::start(&["room.resume_grace_ms=200"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (ben, welcome) = server.join("demo", "Ben").await;
    drop(ben);
    assert_eq!(ann.until("participant-left").await["reason"], "vanished");
    let mut again = server.socket().await;
    let mut resume = join("demo", "Ben");
    resume["resume"] = json!({ "participant": welcome["you"]["id"], "secret": welcome["secret"] });
    again.send(resume).await;
    assert_eq!(again.error().await, "resume-refused");
}

#[tokio::test]
async fn nobody_resumes_a_session_without_its_secret() {
    let server = Server::start(&[]).await;
    let (_ann, welcome) = server.join("demo", "Ann").await;
    for (participant, secret) in [("p1", "0".repeat(32)), ("p1", String::new()), ("p99", "0".repeat(32))] {
        let mut thief = server.socket().await;
        let mut resume = join("demo", "Eve");
        resume["resume"] = json!({ "participant": participant, "secret": secret });
        thief.send(resume).await;
        assert_eq!(thief.error().await, "resume-refused");
    }
    assert_eq!(welcome["you"]["id"], "p1");
}

#[tokio::test]
async fn a_socket_that_takes_over_closes_the_one_before() {
    let server = Server::start(&[]).await;
    let (mut first, welcome) = server.join("demo", "Ann").await;
    let mut second = server.socket().await;
    let mut resume = join("demo", "Ann");
    resume["resume"] = json!({ "participant": welcome["you"]["id"], "secret": welcome["secret"] });
    second.send(resume).await;
    second.until("welcome").await;
    assert_eq!(first.error().await, "replaced");
    assert_eq!(first.next().await, None);
    second.send(json!({ "type": "ping", "at": 1 })).await;
    second.until("pong").await;
    let (status, body) = server.get("/api/v1/rooms/demo").await;
    let view: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, view["participants"].as_array().map(Vec::len)), (200, Some(1)));
}

#[tokio::test]
async fn bad_messages_get_a_typed_error_and_nobody_else_notices() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (mut eve, _) = server.join("demo", "Eve").await;
    ann.until("participant-joined").await;
    let deep = "[".repeat(2_000) + &"]".repeat(2_000);
    for bad in [
        "",
        "{",
        "null",
        "[]",
        "\u{0}",
        r#"{"type":"dance"}"#,
        r#"{"type":"mute","track":"t1"}"#,
        r#"{"type":"mute","track":"x1","muted":true}"#,
        r#"{"type":"mute","track":"t99999999999999999999","muted":true}"#,
        r#"{"type":"ping","at":"soon"}"#,
        r#"{"type":"shown","peer":"p1","carrier":"pigeon","epoch":1}"#,
        r#"{"type":"leave","now":true}"#,
        r#"{"type":"start-leg","request":1,"kind":"hls","ladder":[180,361]}"#,
        r#"{"type":"start-leg","request":1,"kind":"hls","ladder":[720,480,360,180]}"#,
        &format!(r#"{{"type":"message","data":{deep}}}"#),
    ] {
        eve.send_text(bad.to_owned()).await;
        assert_eq!(eve.error().await, "bad-message", "{bad:.60}");
    }
    for (message, code) in [
        (json!({ "type": "mute", "track": "t999", "muted": true }), "unknown-track"),
        (json!({ "type": "unpublish", "track": "t1" }), "unknown-track"),
        (json!({ "type": "publish", "request": 1, "source": "microphone" }), "source-taken"),
        (json!({ "type": "stop-leg", "request": 1, "leg": "l9" }), "unknown-leg"),
        (json!({ "type": "start-leg", "request": 1, "kind": "other", "layout": "grid" }), "leg-unsupported"),
        (json!({ "type": "start-leg", "request": 1, "kind": "hls", "format": "webm" }), "leg-unsupported"),
        (
            json!({ "type": "start-leg", "request": 1, "kind": "record", "layout": "grid", "format": "webm" }),
            "leg-unsupported",
        ),
        (json!({ "type": "message", "to": "p77", "data": 1 }), "unknown-participant"),
        (join("demo", "Eve"), "already-joined"),
    ] {
        eve.send(message.clone()).await;
        assert_eq!(eve.error().await, code, "{message}");
    }
    for much in [70_000, 5_000_000] {
        eve.send_text(format!(r#"{{"type":"message","data":"{}"}}"#, "x".repeat(much))).await;
        assert_eq!(eve.error().await, "too-large");
    }
    // Reports about things that are not there are dropped in silence.
    for nothing in [
        json!({ "type": "link-state", "peer": "p50", "link": 9, "state": "failed" }),
        json!({ "type": "shown", "peer": "p50", "carrier": "sfu", "epoch": 400 }),
        json!({ "type": "answer", "transport": "up", "generation": 12, "sdp": "v=0" }),
        json!({ "type": "transport-failed", "transport": "down", "generation": 3 }),
        json!({ "type": "restart-ice", "transport": "up", "generation": 12 }),
    ] {
        eve.send(nothing).await;
    }
    eve.send(json!({ "type": "ping", "at": 7 })).await;
    assert_eq!(eve.until("pong").await["at"], 7.0);
    ann.send(json!({ "type": "ping", "at": 8 })).await;
    while let Some(message) = ann.next().await {
        assert_ne!(message["type"], "error");
        assert_ne!(message["type"], "participant-left");
        if message["type"] == "pong" {
            break;
        }
    }
}

#[tokio::test]
async fn who_lost_contact_is_offered_the_same_transport_with_new_credentials() {
    let server = Server::start(&["room.mesh_limit=1"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (_ben, _) = server.join("demo", "Ben").await;
    let ufrag = |offer: &serde_json::Value| {
        let sdp = offer["sdp"].as_str().unwrap();
        sdp.lines().find(|line| line.starts_with("a=ice-ufrag")).unwrap().to_owned()
    };
    let mut up = ann.until("offer").await;
    while up["transport"] != "up" {
        up = ann.until("offer").await;
    }
    let generation = &up["generation"];
    ann.send(json!({ "type": "restart-ice", "transport": "up", "generation": generation })).await;
    let mut again = ann.until("offer").await;
    while again["transport"] != "up" {
        again = ann.until("offer").await;
    }
    assert_eq!(again["generation"], *generation);
    assert_ne!(ufrag(&again), ufrag(&up));
    let fingerprint = |offer: &serde_json::Value| {
        let sdp = offer["sdp"].as_str().unwrap();
        sdp.lines().find(|line| line.starts_with("a=fingerprint")).map(str::to_owned)
    };
    assert_eq!(fingerprint(&again), fingerprint(&up));
    server.counts("crescendo_ice_restarts_total", 1.0).await;
}

#[tokio::test]
async fn a_frame_far_too_large_is_refused_and_its_socket_stays() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (mut eve, _) = server.join("demo", "Eve").await;
    eve.send_text("x".repeat(20 << 20)).await;
    assert_eq!(eve.error().await, "too-large");
    eve.send(json!({ "type": "ping", "at": 7 })).await;
    assert_eq!(eve.until("pong").await["at"], 7.0);
    ann.send(json!({ "type": "ping", "at": 8 })).await;
    while let Some(message) = ann.next().await {
        assert_ne!(message["type"], "participant-away");
        if message["type"] == "pong" {
            break;
        }
    }
}

/// What the server closes a socket with; 1006 where it just ends (RFC 6455 section 7.4.1).
async fn close_code(socket: &mut Socket) -> u16 {
    loop {
        match timeout(PATIENCE, socket.stream.next()).await.expect("in time") {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return 1006,
        }
    }
}

/// Frames that break the rules of WebSockets, and what they are answered with (RFC 6455 section 7.4.1).
const BROKEN: [(&[u8], u16); 4] = [
    // Text that is no UTF-8, a frame that is not masked, an operation that there is not, a ping in two parts.
    (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
    (&[0x81, 0x01, b'a'], 1002),
    (&[0x83, 0x80, 0, 0, 0, 0], 1002),
    (&[0x09, 0x80, 0, 0, 0, 0], 1002),
];

#[tokio::test]
async fn who_breaks_the_rules_of_websockets_is_told_by_the_code_that_says_so() {
    let server = Server::start(&[]).await;
    for path in ["/signal", "/live/websocket"] {
        for (frame, code) in BROKEN {
            let url = format!("ws://{}{path}", server.http);
            let (stream, _) = tokio_tungstenite::connect_async(url).await.expect("the socket opens");
            let mut socket = Socket { stream };
            socket.stream.get_mut().write_all(frame).await.expect("written");
            assert_eq!(close_code(&mut socket).await, code, "{path}: {frame:02x?}");
        }
    }
}

#[tokio::test]
async fn sockets_are_closed_with_codes_that_say_why_and_one_too_many_is_refused() {
    let server = Server::start(&["signal.join_timeout_ms=300", "limits.sockets=2"]).await;
    let mut silent = server.socket().await;
    assert_eq!(close_code(&mut silent).await, 1008, "no join came");
    drop(silent);
    let (mut flood, _) = server.join("demo", "Ann").await;
    for at in 0..2_000 {
        flood.send(json!({ "type": "ping", "at": at })).await;
    }
    assert_eq!(close_code(&mut flood).await, 1008, "too many messages");
    drop(flood);

    // Those before may hold their places for a moment longer.
    let url = format!("ws://{}/signal", server.http);
    let mut open = Vec::new();
    while let Ok((socket, _)) = tokio_tungstenite::connect_async(&url).await {
        open.push(socket);
        assert!(open.len() <= 2, "a third socket is let in");
    }
    assert!(server.metric("crescendo_refused_total{limit=\"limits.sockets\"}").await >= 1.0);
}

#[tokio::test]
async fn a_flood_is_cut_off_and_the_room_goes_on() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (mut eve, _) = server.join("demo", "Eve").await;
    for at in 0..2_000 {
        eve.send(json!({ "type": "ping", "at": at })).await;
    }
    let rest = eve.rest().await;
    assert!(rest.iter().any(|message| message["code"] == "too-fast" && message["fatal"] == true));
    assert_eq!(ann.until("participant-away").await["away"], true);
    let (_, metrics) = server.get("/metrics").await;
    assert!(metrics.contains(r#"crescendo_signal_refused_total{code="too-fast"} 1"#), "{metrics}");
}

#[tokio::test]
async fn the_first_message_has_to_be_a_join_that_makes_sense() {
    let server = Server::start(&["signal.join_timeout_ms=300"]).await;
    let long = "x".repeat(65);
    let mut cases = vec![(json!({ "type": "leave" }), "not-joined")];
    for name in ["", "a b", "a/b", "..", ".", "ä", "a\u{0}", long.as_str()] {
        cases.push((join(name, "Ann"), "bad-room-name"));
    }
    let mut version = join("demo", "Ann");
    version["version"] = json!(99);
    cases.push((version, "bad-version"));
    for (message, code) in cases {
        let mut socket = server.socket().await;
        socket.send(message.clone()).await;
        assert_eq!(socket.error().await, code, "{message}");
        assert_eq!(socket.next().await, None);
    }
    let mut silent = server.socket().await;
    assert_eq!(silent.error().await, "timeout");
    let (_, rooms) = server.get("/api/v1/rooms").await;
    assert_eq!(rooms, r#"{"rooms":[]}"#, "nothing is left of them");
}

#[tokio::test]
async fn a_full_room_and_a_full_server_say_so() {
    let server = Server::start(&["room.capacity=1", "limits.rooms=1"]).await;
    let (_ann, _) = server.join("demo", "Ann").await;
    for (room, code) in [("demo", "room-full"), ("other", "server-full")] {
        let mut socket = server.socket().await;
        socket.send(join(room, "Ben")).await;
        assert_eq!(socket.error().await, code);
    }
}

#[tokio::test]
async fn a_silent_socket_is_taken_for_lost() {
    let server = Server::start(&["signal.timeout_ms=400", "signal.heartbeat_ms=100"]).await;
    let (mut ann, welcome) = server.join("demo", "Ann").await;
    assert_eq!(welcome["heartbeatMs"], 100);
    assert_eq!(ann.error().await, "timeout");
}

#[tokio::test]
async fn sigterm_tells_everybody_and_exits_cleanly() {
    let mut server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let pid = server.child.id().to_string();
    let killed = std::process::Command::new("kill").arg(&pid).status().expect("kill runs");
    assert!(killed.success());
    assert_eq!(ann.error().await, "shutting-down");
    let exit = tokio::task::spawn_blocking(move || server.child.wait());
    let status = tokio::time::timeout(PATIENCE, exit).await.expect("in time").expect("no panic").expect("waited");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_let_go_and_nobody_waits_for_it() {
    let server = Server::start(&["signal.outbox_messages=64", "signal.outbox_bytes=67108864"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (_deaf, _) = server.join("demo", "Deaf").await;
    let long = "x".repeat(60_000);
    for _ in 0..390 {
        ann.send(json!({ "type": "message", "data": long })).await;
    }
    assert_eq!(ann.until("participant-away").await["away"], true);
    ann.send(json!({ "type": "ping", "at": 1 })).await;
    ann.until("pong").await;
}
