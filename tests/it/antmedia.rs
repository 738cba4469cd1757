//! The second dialect over plain sockets: the order of things, and mistakes.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{PATIENCE, Server};

/// A socket as the SDK opens it.
struct App {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl App {
    async fn open(server: &Server) -> Self {
        let url = format!("ws://{}/live/websocket?target=origin&rtmpForward=undefined", server.http);
        let (stream, _) = tokio_tungstenite::connect_async(url).await.expect("the socket opens");
        Self { stream }
    }

    async fn say(&mut self, message: Value) {
        self.say_text(message.to_string()).await;
    }

    async fn say_text(&mut self, text: String) {
        self.stream.send(Message::text(text)).await.expect("the socket is open");
    }

    async fn next(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("a message in time").expect("an open socket") {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).expect("JSON"),
                Ok(Message::Ping(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message of a command.
    async fn until(&mut self, command: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["command"] == command {
                return message;
            }
            assert_ne!(message["command"], "error", "{message}");
        }
    }

    /// Says something and expects an error: (definition, stream id).
    async fn is_refused(&mut self, message: Value) -> (String, String) {
        self.say(message).await;
        let error = self.until("error").await;
        let text = |key: &str| error[key].as_str().expect("text").to_owned();
        (text("definition"), text("streamId"))
    }

    async fn join(&mut self, room: &str) {
        self.say(json!({ "command": "join", "streamId": room, "multiPeer": false, "mode": "both" })).await;
        let joined = self.until("notification").await;
        assert_eq!((&joined["definition"], &joined["streamId"]), (&json!("joined"), &json!(room)));
    }

    async fn is_alive(&mut self) {
        self.say(json!({ "command": "ping" })).await;
        self.until("pong").await;
    }
}

fn refusal(definition: &str, stream_id: &str) -> (String, String) {
    (definition.into(), stream_id.into())
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

const OFFER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendrecv\r\n";

#[tokio::test]
async fn two_who_join_are_told_what_ant_media_tells_them_in_its_order() {
    let server = Server::start(&[]).await;
    let (mut first, mut second) = (App::open(&server).await, App::open(&server).await);
    first.join("duo").await;
    second.join("duo").await;
    assert_eq!(first.next().await["command"], "start");
    first.say(json!({ "command": "takeConfiguration", "streamId": "duo", "type": "offer", "sdp": OFFER })).await;
    let candidate = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
    first
        .say(json!({ "command": "takeCandidate", "streamId": "duo", "label": 0, "id": "0", "candidate": candidate }))
        .await;

    let offer = second.next().await;
    assert_eq!(
        (&offer["command"], &offer["type"], &offer["sdp"]),
        (&json!("takeConfiguration"), &json!("offer"), &json!(OFFER))
    );
    assert!(offer["idMapping"].is_object(), "the SDK looks into it for every track");
    let told = second.next().await;
    assert_eq!((&told["command"], &told["label"], &told["id"]), (&json!("takeCandidate"), &json!(0), &json!("0")));
    second.say(json!({ "command": "takeConfiguration", "streamId": "duo", "type": "answer", "sdp": OFFER })).await;
    assert_eq!(first.next().await["type"], "answer");

    second.say(json!({ "command": "leave", "streamId": "duo" })).await;
    assert_eq!(second.next().await["definition"], "leaved");
    let stop = first.next().await;
    assert_eq!((&stop["command"], &stop["streamId"]), (&json!("stop"), &json!("duo")));
    second.join("duo").await;
    assert_eq!(first.next().await["command"], "start", "who stayed is the first now");
}

#[tokio::test]
async fn a_third_finds_no_space_where_an_app_is_for_two_until_a_socket_dies() {
    let server = Server::start(&["antmedia.two_peer_apps=['live']"]).await;
    let (mut first, mut second, mut third) =
        (App::open(&server).await, App::open(&server).await, App::open(&server).await);
    first.join("duo").await;
    second.join("duo").await;
    let join = json!({ "command": "join", "streamId": "duo" });
    assert_eq!(third.is_refused(join).await, refusal("NoSpaceForNewPeer", "duo"));
    drop(second);
    assert_eq!(first.until("stop").await["streamId"], "duo");
    third.join("duo").await;
}

#[tokio::test]
async fn a_mistake_is_answered_with_its_stream_id_and_the_socket_stays_open() {
    let server = Server::start(&[]).await;
    let mut app = App::open(&server).await;
    for (said, definition, stream_id) in [
        (json!({ "command": "leave", "streamId": "s" }), "no_peer_associated_before", "s"),
        (
            json!({ "command": "takeCandidate", "streamId": "s", "label": 0, "candidate": "" }),
            "no_peer_associated_before",
            "s",
        ),
        (
            json!({ "command": "takeConfiguration", "streamId": "s", "type": "offer", "sdp": OFFER }),
            "no_peer_associated_before",
            "s",
        ),
        (
            json!({ "command": "takeConfiguration", "streamId": "s", "type": "rollback" }),
            "notSetRemoteDescription",
            "s",
        ),
        (json!({ "command": "peerMessageCommand", "streamId": "s" }), "no_peer_associated_before", "s"),
        (json!({ "command": "join" }), "noStreamNameSpecified", ""),
        (json!({ "command": "join", "streamId": "a:b" }), "invalidStreamName", "a:b"),
        (json!({ "command": "publish", "streamId": "../x" }), "invalidStreamName", "../x"),
        (json!({ "command": "publish", "streamId": 5 }), "missingParameter", ""),
        (json!({ "command": "publish", "streamId": "s", "video": false, "audio": false }), "no_encoder_settings", "s"),
        (json!({ "command": "play", "streamId": "s" }), "no_stream_exist", "s"),
        (
            json!({ "command": "enableTrack", "streamId": "s", "trackId": "x", "enabled": false }),
            "no_stream_exist",
            "s",
        ),
        (json!({ "command": "forceStreamQuality", "streamId": "s", "streamHeight": 360 }), "no_stream_exist", "s"),
        (json!({ "command": "updateStreamMetaData", "streamId": "s", "metaData": "{}" }), "no_stream_exist", "s"),
        (json!({ "command": "getBroadcastObject", "streamId": "s" }), "no_stream_exist", "s"),
        (json!({ "command": "getStreamInfo", "streamId": "s" }), "no_stream_exist", "s"),
        (json!({ "command": "getRoomInfo", "room": "s" }), "no_active_streams_in_room", "s"),
    ] {
        assert_eq!(app.is_refused(said.clone()).await, refusal(definition, stream_id), "{said}");
    }
    for silent in [json!({ "command": "stop", "streamId": "s" }), json!({ "command": "noSuchThing", "streamId": "s" })]
    {
        app.say(silent).await;
    }
    for (unread, stream_id) in [("{ no JSON", ""), ("{\"command\": \"join\", \"streamId\": \"s\"} and more", "s")] {
        app.say_text(unread.into()).await;
        let error = app.next().await;
        assert_eq!((&error["definition"], &error["streamId"]), (&json!("missingParameter"), &json!(stream_id)));
    }
    app.is_alive().await;
}

#[tokio::test]
async fn what_comes_out_of_turn_is_answered_with_its_stream_id() {
    let server = Server::start(&[]).await;
    let mut app = App::open(&server).await;
    let describe =
        |id: &str, kind: &str| json!({ "command": "takeConfiguration", "streamId": id, "type": kind, "sdp": OFFER });
    let bad_room =
        json!({ "command": "publish", "streamId": "good", "mainTrack": "a b", "video": true, "audio": true });
    assert_eq!(app.is_refused(bad_room).await, refusal("invalidStreamName", "good"));

    // The offer comes before it was asked for, and then an answer where an offer was asked for.
    app.say(json!({ "command": "publish", "streamId": "cam", "video": true, "audio": true })).await;
    assert_eq!(app.is_refused(describe("cam", "answer")).await, refusal("notSetRemoteDescription", "cam"));
    let mut other = App::open(&server).await;
    other.say(json!({ "command": "play", "streamId": "cam" })).await;
    assert_eq!(other.is_refused(describe("cam", "offer")).await, refusal("notSetRemoteDescription", "cam"));

    // Nothing has moved to the server.
    app.join("room").await;
    for id in ["room.up", "room.down"] {
        assert_eq!(app.is_refused(describe(id, "offer")).await, refusal("no_peer_associated_before", id));
        let publish = json!({ "command": "publish", "streamId": id, "video": true, "audio": true });
        assert_eq!(app.is_refused(publish).await, refusal("streamIdInUse", id));
    }
    app.is_alive().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_answered_and_the_socket_stays_open() {
    let server = Server::start(&["antmedia.max_message_bytes=4096"]).await;
    let mut app = App::open(&server).await;
    let sdp = "x".repeat(8_000);
    let large = json!({ "command": "takeConfiguration", "streamId": "s", "type": "offer", "sdp": sdp });
    app.say(large).await;
    assert_eq!(app.until("error").await["definition"], "missingParameter");
    app.say_text(format!("{{\"streamId\": \"s\", \"command\": \"join\", \"pad\": \"{}\"}}", "x".repeat(8_000))).await;
    assert_eq!(app.until("error").await["streamId"], "s");
    app.is_alive().await;
}

/// However long it is: nothing of it is kept beyond the limit.
#[tokio::test]
async fn a_message_that_is_far_too_large_is_answered_and_the_socket_stays_open() {
    let server = Server::start(&["antmedia.max_message_bytes=4096"]).await;
    let mut app = App::open(&server).await;
    for _ in 0..2 {
        let pad = "x\u{20ac}".repeat(8 << 20);
        app.say_text(format!("{{\"command\": \"join\", \"streamId\": \"s\", \"pad\": \"{pad}\"}}")).await;
        let error = app.until("error").await;
        assert_eq!((&error["definition"], &error["streamId"]), (&json!("missingParameter"), &json!("s")));
        app.is_alive().await;
    }
}

#[tokio::test]
async fn a_flood_is_read_slowly_and_nobody_else_feels_it() {
    let server = Server::start(&["signal.messages_per_second=1000", "signal.message_burst=20"]).await;
    let (mut flood, mut other) = (App::open(&server).await, App::open(&server).await);
    let begun = Instant::now();
    for _ in 0..100 {
        flood.say(json!({ "command": "join", "streamId": "a b" })).await;
    }
    other.is_alive().await;
    for _ in 0..100 {
        assert_eq!(flood.until("error").await["definition"], "invalidStreamName");
    }
    assert!(begun.elapsed() >= Duration::from_millis(75), "80 are above the burst, one comes each millisecond");
    flood.is_alive().await;
}

#[tokio::test]
async fn a_stream_id_belongs_to_who_publishes_it_and_is_free_when_that_ends() {
    let server = Server::start(&[]).await;
    let (mut owner, mut other) = (App::open(&server).await, App::open(&server).await);
    let publish = json!({ "command": "publish", "streamId": "cam", "video": true, "audio": true });
    owner.say(publish.clone()).await;
    assert_eq!(owner.next().await["streamId"], "cam", "it is asked to negotiate at once, though nobody watches");
    assert_eq!(other.is_refused(publish.clone()).await, refusal("streamIdInUse", "cam"));
    assert_eq!(owner.is_refused(publish.clone()).await, refusal("already_publishing", "cam"));
    let meta = json!({ "command": "updateStreamMetaData", "streamId": "cam", "metaData": "x" });
    assert_eq!(other.is_refused(meta).await, refusal("no_stream_exist", "cam"), "it is somebody else's");
    other.say(json!({ "command": "stop", "streamId": "cam" })).await;
    other.is_alive().await;
    assert_eq!(other.is_refused(publish.clone()).await, refusal("streamIdInUse", "cam"));

    owner.say(json!({ "command": "stop", "streamId": "cam" })).await;
    assert_eq!(owner.until("notification").await["definition"], "publish_finished");
    other.say(publish).await;
    assert_eq!(other.next().await["streamId"], "cam");
}

#[tokio::test]
async fn one_socket_publishes_several_streams() {
    let server = Server::start(&[]).await;
    let mut app = App::open(&server).await;
    for id in ["cam", "desk"] {
        app.say(json!({ "command": "publish", "streamId": id, "video": true, "audio": true })).await;
        assert_eq!(app.until("start").await["streamId"], id);
    }
    let in_room = |id: &str| json!({ "command": "publish", "streamId": id, "mainTrack": "hall" });
    app.say(in_room("one")).await;
    assert_eq!(app.until("start").await["streamId"], "one");
    assert_eq!(app.is_refused(in_room("two")).await, refusal("already_publishing", "two"));
}

#[tokio::test]
async fn ids_of_a_rooms_participants_are_nobodys_to_publish_under() {
    let server = Server::start(&[]).await;
    let (mut first, mut second) = (App::open(&server).await, App::open(&server).await);
    let in_room = json!({ "command": "publish", "streamId": "hall.p3", "mainTrack": "hall" });
    assert_eq!(first.is_refused(in_room).await, refusal("streamIdInUse", "hall.p3"), "though nobody is there");
    first.join("hall").await;
    let alone = |id: &str| json!({ "command": "publish", "streamId": id });
    assert_eq!(second.is_refused(alone("hall.p1")).await, refusal("streamIdInUse", "hall.p1"));
    second.say(alone("attic.p1")).await;
    assert_eq!(second.next().await["command"], "start", "there is no such room");
}

#[tokio::test]
async fn who_does_not_answer_start_is_put_out_and_its_id_is_free() {
    let server = Server::start(&["room.switch_deadline_ms=500"]).await;
    let (mut silent, mut other) = (App::open(&server).await, App::open(&server).await);
    let publish = json!({ "command": "publish", "streamId": "cam" });
    silent.say(publish.clone()).await;
    assert_eq!(silent.next().await["command"], "start");
    assert_eq!(silent.next().await["definition"], "publishTimeoutError");
    assert_eq!(silent.next().await["command"], "stop");
    assert_eq!(silent.next().await["definition"], "publish_finished");
    other.say(publish).await;
    assert_eq!(other.next().await["command"], "start");
}

/// Whose network has changed comes on a new socket, and the old one hangs: nobody has to wait until it is taken for lost. One that
/// is there keeps its id, whoever asks.
#[tokio::test]
async fn a_holder_that_gives_no_sign_of_life_when_asked_for_loses_its_id_to_who_asks() {
    let server = Server::start(&["antmedia.takeover_ms=500", "signal.timeout_ms=600000"]).await;
    let publish = |id: &str| json!({ "command": "publish", "streamId": id, "video": true });
    let (mut silent, mut alive, mut other) =
        (App::open(&server).await, App::open(&server).await, App::open(&server).await);
    for (app, id) in [(&mut silent, "old"), (&mut alive, "kept")] {
        app.say(publish(id)).await;
        assert_eq!(app.until("start").await["streamId"], id);
    }
    // It reads, and so answers what its socket is asked; the other one is never read again.
    let reads = tokio::spawn(async move { while alive.stream.next().await.is_some() {} });
    let in_use = |id: &str| refusal("streamIdInUse", id);
    assert_eq!(other.is_refused(publish("kept")).await, in_use("kept"));
    assert_eq!(other.is_refused(publish("old")).await, in_use("old"), "it is asked first");
    let freed = async {
        loop {
            other.say(publish("old")).await;
            match other.next().await {
                error if error["definition"] == "streamIdInUse" => {}
                start => break assert_eq!((&start["command"], &start["streamId"]), (&json!("start"), &json!("old"))),
            }
        }
    };
    timeout(PATIENCE, freed).await.expect("the id is free in time");
    assert_eq!(other.is_refused(publish("kept")).await, in_use("kept"), "its holder has given a sign of life");
    reads.abort();
}

#[tokio::test]
async fn an_app_that_is_not_named_is_not_there() {
    let server = Server::start(&["antmedia.apps=[]"]).await;
    let url = format!("ws://{}/live/websocket", server.http);
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
}

#[tokio::test]
async fn a_broadcast_is_made_looked_at_changed_and_deleted_by_rest() {
    let server = Server::start(&[]).await;
    let base = "/live/rest/v2/broadcasts";
    let post = |body| server.request("POST", "/live/rest/v2/broadcasts/create", Some(body), "");
    let (status, made) = post(r#"{"streamId":"cam","name":"Front door"}"#).await;
    assert_eq!(
        (status, &parsed(&made)["name"], &parsed(&made)["status"]),
        (200, &json!("Front door"), &json!("created"))
    );
    assert_eq!(post(r#"{"streamId":"cam"}"#).await.0, 400, "it is taken");
    assert_eq!(post(r#"{"streamId":"a:b"}"#).await.0, 400);
    let (_, unnamed) = post("{}").await;
    assert_eq!(parsed(&unnamed)["streamId"].as_str().map(str::len), Some(24));

    let (status, _) = server.request("PUT", &format!("{base}/cam"), Some(r#"{"name":"Back door"}"#), "").await;
    assert_eq!(status, 200);
    let large = format!(r#"{{"metaData":"{}"}}"#, "x".repeat(5_000));
    assert_eq!(server.request("PUT", &format!("{base}/cam"), Some(&large), "").await.0, 400);
    let (_, shown) = server.get(&format!("{base}/cam")).await;
    assert_eq!(parsed(&shown)["name"], "Back door");
    let (_, list) = server.get(&format!("{base}/list/0/10")).await;
    assert_eq!(parsed(&list).as_array().map(Vec::len), Some(2));
    let (_, count) = server.get(&format!("{base}/count")).await;
    assert_eq!(parsed(&count)["number"], 2);
    assert_eq!(server.request("POST", &format!("{base}/cam/stop"), None, "").await.0, 404, "nobody publishes it");
    assert_eq!(server.request("DELETE", &format!("{base}/cam"), None, "").await.0, 200);
    assert_eq!(server.get(&format!("{base}/cam")).await.0, 404);
}

#[tokio::test]
async fn a_stream_or_a_whole_room_is_recorded_by_rest() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&[&format!("record.directory={}", directory.path().display())]).await;
    let base = "/live/rest/v2/broadcasts";
    let recording = async |id: &str, on: &str| {
        let (status, body) = server.request("PUT", &format!("{base}/{id}/recording/{on}"), None, "").await;
        let body = parsed(&body);
        assert_eq!(body["success"], status == 200, "{body}");
        (status, body["dataId"].as_str().expect("text").to_owned())
    };
    let legs = async || parsed(&server.get("/api/v1/rooms/hall/legs").await.1)["legs"].clone();
    assert_eq!(recording("hall", "true").await.0, 404, "nobody is there");

    // Two streams of a room, each by its own id.
    let mut apps = Vec::new();
    for id in ["ann", "ben"] {
        let mut app = App::open(&server).await;
        app.say(json!({ "command": "publish", "streamId": id, "mainTrack": "hall", "audio": true })).await;
        assert_eq!(app.until("start").await["streamId"], id);
        apps.push(app);
    }
    let (status, of_ann) = recording("ann", "true").await;
    assert_eq!(status, 200);
    assert_eq!(recording("ann", "true?recordType=mp4&resolutionHeight=0&fileName=x").await, (200, of_ann.clone()));
    let (status, of_ben) = recording("ben", "true").await;
    assert!(status == 200 && of_ben != of_ann, "{status} {of_ben}");
    let running = legs().await;
    assert_eq!((&running[0]["kind"], &running[0]["id"]), (&json!("record"), &json!(of_ann)));
    assert_eq!(recording("ann", "false").await, (200, of_ann));
    assert_eq!(recording("ann", "false").await.0, 404, "it is over");
    assert_eq!(legs().await.as_array().map(Vec::len), Some(1), "the other one goes on");

    // The room, by its own.
    let (status, of_all) = recording("hall", "true").await;
    assert!(status == 200 && of_all != of_ben, "{status} {of_all}");
    assert_eq!(recording("hall", "false").await, (200, of_all));
    assert_eq!(recording("ben", "false").await, (200, of_ben));
    assert_eq!(legs().await, json!([]));

    for (id, on, status) in [
        ("nobody", "true", 404),
        ("nobody", "false", 404),
        ("ann", "perhaps", 400),
        ("a%2fb", "true", 400),
        ("ann", "true?recordType=ogg", 501),
        ("ann", "true?resolutionHeight=360", 501),
    ] {
        assert_eq!(recording(id, on).await.0, status, "{id} {on}");
    }
}

/// A stream is ended by its own id, whatever else has that name, and a room by the room's.
#[tokio::test]
async fn stop_ends_just_what_it_names_by_whatever_door_that_came() {
    let server = Server::start(&[]).await;
    let publish = async |id: &str, room: &str| {
        let mut app = App::open(&server).await;
        app.say(json!({ "command": "publish", "streamId": id, "mainTrack": room, "video": true })).await;
        assert_eq!(app.until("start").await["streamId"], id);
        app
    };
    let stop =
        async |id: &str| server.request("POST", &format!("/live/rest/v2/broadcasts/{id}/stop"), None, "").await.0;
    // `cam` is a stream of `hall` and a room of others.
    let (mut cam, mut one) = (publish("cam", "hall").await, publish("one", "cam").await);
    let (mut native, welcome) = server.join("cam", "Ben").await;
    assert_eq!(stop("cam").await, 200);
    assert_eq!(cam.until("stop").await["streamId"], "cam");
    one.is_alive().await;
    let room = async || parsed(&server.get("/api/v1/rooms/cam").await.1)["participants"].as_array().map_or(0, Vec::len);
    assert_eq!(room().await, 2, "who is in the room of that name stays");

    // Nobody publishes `cam` any more: now it is the room.
    let of_ben = format!("cam.{}", welcome["you"]["id"].as_str().expect("an id"));
    assert_eq!(stop("cam.p99").await, 404);
    assert_eq!(stop(&of_ben).await, 200, "one of the room, by the name that this protocol gives it");
    assert_eq!(native.error().await, "removed");
    let (mut native, _) = server.join("cam", "Ben").await;
    assert_eq!(stop("cam").await, 200);
    assert_eq!(one.until("stop").await["streamId"], "one");
    assert_eq!(native.error().await, "removed");
    assert_eq!(stop("cam").await, 404, "nobody sends there");
}

#[tokio::test]
async fn what_was_made_stays_as_it_was_made_while_it_is_live_and_errors_have_one_form() {
    let server = Server::start(&[]).await;
    let base = "/live/rest/v2/broadcasts";
    let made = r#"{"streamId":"cam","name":"Door","type":"WebRTC","metaData":"{}"}"#;
    assert_eq!(server.request("POST", &format!("{base}/create"), Some(made), "").await.0, 200);
    let mut app = App::open(&server).await;
    app.say(json!({ "command": "publish", "streamId": "cam", "video": true })).await;
    app.until("start").await;
    let shown = parsed(&server.get(&format!("{base}/cam")).await.1);
    assert_eq!((&shown["type"], &shown["name"], &shown["metaData"]), (&json!("WebRTC"), &json!("Door"), &json!("{}")));
    assert_eq!(shown["status"], "preparing");

    for (method, path, status) in [
        ("PATCH", format!("{base}/cam"), 405),
        ("GET", format!("{base}/create"), 405),
        ("GET", "/live/rest/v2/".to_owned(), 404),
        ("GET", "/live/rest/v2/nothing".to_owned(), 404),
        ("GET", format!("{base}/list/x/y"), 400),
    ] {
        let (got, body) = server.request(method, &path, None, "").await;
        assert_eq!(got, status, "{method} {path}");
        let body = parsed(&body);
        assert!(
            body["success"] == false && body["message"].as_str().is_some_and(|text| !text.is_empty()),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn what_there_is_no_part_for_says_so_and_rest_is_for_the_machine_itself() {
    let server = Server::start(&[]).await;
    let base = "/live/rest/v2/broadcasts";
    for path in ["/cam/subtrack", "/cam/endpoint", "/cam/start"] {
        let (status, body) = server.request("POST", &format!("{base}{path}"), None, "").await;
        assert!(status == 501 && body.contains("\"success\":false"), "{path}: {status} {body}");
    }
    assert_eq!(server.request("GET", &format!("{base}/count"), None, "x-forwarded-for: 192.0.2.1\r\n").await.0, 403);
    assert_eq!(server.get("/nosuch/rest/v2/broadcasts/count").await.0, 404);
    assert_eq!(server.get("/live/streams/nobody.m3u8").await.0, 404);
}
