//! Who may come in: the table of `docs/access.md`, walked cell by cell, and what tokens do beyond the door.

use std::time::{SystemTime, UNIX_EPOCH};

use crescendo::access::{Access, Claims};
use crescendo::config;
use serde_json::{Value, json};

use crate::support::{Server, Socket, join};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "access.api_keys=[{ id = 'shop', secret = '0123456789abcdef0123456789abcdef' }]";
const PAGE: &str = include_str!("../../docs/access.md");

async fn closed(more: &[&str]) -> Server {
    Server::start(&[&[KEY, "antmedia.hls=false"], more].concat()).await
}

fn api_key() -> String {
    format!("shop.{SECRET}")
}

fn bearer(credential: &str) -> String {
    match credential {
        "" => String::new(),
        credential => format!("authorization: Bearer {credential}\r\n"),
    }
}

/// A token that the server makes of these claims.
async fn minted(server: &Server, claims: Value) -> String {
    let (status, body) = server.request("POST", "/api/v1/tokens", Some(&claims.to_string()), &bearer(&api_key())).await;
    assert_eq!(status, 201, "{body}");
    let made: Value = serde_json::from_str(&body).expect("JSON");
    made["token"].as_str().expect("a token").to_owned()
}

/// A token that a back end makes itself.
fn made(claims: Value) -> String {
    let key = config::ApiKey { id: "shop".into(), secret: config::Hidden(SECRET.into()) };
    let access = Access::new(&config::Access { api_keys: vec![key], ..config::Access::default() }).expect("a key");
    let claims: Claims = serde_json::from_value(claims).expect("claims");
    access.mint(&access.back_end(&api_key()).expect("its own"), &claims).expect("signed")
}

fn in_seconds(seconds: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    now.saturating_add_signed(seconds)
}

fn join_with(room: &str, token: &str) -> Value {
    let mut join = join(room, "Somebody");
    join["tracks"] = json!([]);
    if !token.is_empty() {
        join["token"] = token.into();
    }
    join
}

async fn antmedia(server: &Server) -> Socket {
    let url = format!("ws://{}/live/websocket", server.http);
    let (stream, _) = tokio_tungstenite::connect_async(url).await.expect("the socket opens");
    Socket { stream }
}

/// Whether the answer to a request lets it pass. What else may be wrong with it does not matter.
async fn opens(server: &Server, door: &str, room: &str, credential: &str) -> bool {
    if let Some(act) = door.strip_prefix("signal: ") {
        return speaks(server, act, room, credential).await;
    }
    if let Some(act) = door.strip_prefix("antmedia: ") {
        return commands(server, act, room, credential).await;
    }
    let (method, path) = door.split_once(' ').expect("a method and a path");
    let path = path.replace("{room}", room);
    let body = match (method, path.as_str()) {
        ("POST", "/api/v1/tokens") => Some(r#"{"room":"demo"}"#),
        ("POST", path) if path.ends_with("/legs") => Some(r#"{"kind":"hls"}"#),
        ("POST", _) => Some("{}"),
        _ => None,
    };
    let (status, answer) = server.request(method, &path, body, &bearer(credential)).await;
    let problem: Value = serde_json::from_str(&answer).unwrap_or_default();
    match (status, problem["code"].as_str()) {
        (401, Some("token-refused")) | (403, Some("not-granted")) => false,
        (401 | 403, code) => panic!("{door}: {status} {code:?} {answer}"),
        _ => true,
    }
}

async fn speaks(server: &Server, act: &str, room: &str, credential: &str) -> bool {
    let mut socket = server.socket().await;
    socket.send(join_with(room, credential)).await;
    let answer = socket.next().await.expect("an answer");
    if answer["type"] == "error" {
        assert!(["token-refused", "not-granted"].contains(&answer["code"].as_str().expect("a code")), "{answer}");
        assert_eq!(answer["fatal"], true);
        return false;
    }
    assert_eq!(answer["type"], "welcome");
    let message = match act {
        "join" => return true,
        "publish microphone" => json!({ "type": "publish", "request": 7, "source": "microphone" }),
        "publish camera" => json!({ "type": "publish", "request": 7, "source": "camera" }),
        "start-leg" => json!({ "type": "start-leg", "request": 7, "kind": "hls" }),
        "stop-leg" => json!({ "type": "stop-leg", "request": 7, "leg": "l99" }),
        act => panic!("{act}?"),
    };
    socket.send(message).await;
    let own = &answer["you"]["id"];
    loop {
        let said = socket.next().await.expect("an answer");
        if said["type"] == "track-published" && said["participant"] == *own {
            return true;
        }
        if said["request"] == 7 {
            return said["code"] != "not-granted";
        }
    }
}

async fn commands(server: &Server, act: &str, room: &str, credential: &str) -> bool {
    let mut socket = antmedia(server).await;
    let stream = format!("cam-{}", in_seconds(0));
    let command = match act {
        "join" => json!({ "command": "join", "streamId": room, "token": credential }),
        "publish" => json!({ "command": "publish", "streamId": stream, "mainTrack": room, "token": credential }),
        "publish sound" => {
            json!({ "command": "publish", "streamId": stream, "mainTrack": room, "video": false, "token": credential })
        }
        "play" => json!({ "command": "play", "streamId": room, "token": credential }),
        "getRoomInfo" => json!({ "command": "getRoomInfo", "room": room, "token": credential }),
        act => panic!("{act}?"),
    };
    socket.send(command).await;
    let answer = socket.next().await.expect("an answer");
    answer["definition"] != "unauthorized_access"
}

/// The rows of the table: a door, and a cell for each role.
fn matrix() -> (Vec<&'static str>, Vec<(&'static str, Vec<&'static str>)>) {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let mut lines = PAGE.lines().skip_while(|line| !line.starts_with("| door | nobody"));
    let roles = cells(lines.next().expect("the table's head"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(|line| {
        let row = cells(line);
        (row[0].trim_matches('`'), row[1..].to_vec())
    });
    (roles[1..].to_vec(), rows.collect())
}

#[tokio::test]
async fn every_cell_of_the_table_is_true() {
    let server = closed(&[]).await;
    let token = async |role: &str| match role {
        "nobody" => String::new(),
        "API key" => api_key(),
        "admin" => minted(&server, json!({ "room": "demo", "admin": true })).await,
        "participant" => {
            let claims = json!({ "room": "demo", "join": true, "publish": true, "subscribe": true, "legs": true });
            minted(&server, claims).await
        }
        "speaker" => minted(&server, json!({ "room": "demo", "join": true, "publish": ["microphone"] })).await,
        "viewer" => minted(&server, json!({ "room": "demo", "subscribe": true })).await,
        role => panic!("{role}?"),
    };
    // Somebody is in both rooms, so that they are there.
    let everywhere = minted(&server, json!({ "room": "*", "join": true })).await;
    let mut there = Vec::new();
    for room in ["demo", "other"] {
        let mut socket = server.socket().await;
        socket.send(join_with(room, &everywhere)).await;
        socket.until("welcome").await;
        there.push(socket);
    }
    let (roles, rows) = matrix();
    assert!(roles.len() == 6 && rows.len() >= 30, "{} by {}", roles.len(), rows.len());
    for (at, role) in roles.iter().enumerate() {
        let credential = token(role).await;
        for (door, cells) in &rows {
            let (own, other) = match cells[at] {
                "yes" => (true, true),
                "own" => (true, false),
                "no" => (false, false),
                cell => panic!("{door}: {cell:?}"),
            };
            assert_eq!(opens(&server, door, "demo", &credential).await, own, "{door} by {role} in its own room");
            assert_eq!(opens(&server, door, "other", &credential).await, other, "{door} by {role} in another room");
        }
    }
}

/// Streams of events never end, so that they cannot be walked; who may read them is tried below.
const NOT_WALKED: [&str; 1] = ["GET /api/v1/events"];

#[tokio::test]
async fn every_operation_of_the_api_is_a_door_of_the_table() {
    let server = closed(&[]).await;
    let (_, description) = server.get("/api/openapi.json").await;
    let description: Value = serde_json::from_str(&description).expect("JSON");
    let (_, rows) = matrix();
    let mut operations = 0;
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let operation = format!("{} {path}", method.to_uppercase());
            // What stands in braces may be anything, the room's name in braces as well.
            let is = |door: &str| {
                let (given, wanted) = (door.split('/'), operation.split('/'));
                given.clone().count() == wanted.clone().count()
                    && given.zip(wanted).all(|(one, other)| one == other || other.starts_with('{'))
            };
            operations += 1;
            let walked = rows.iter().any(|(door, _)| is(door)) || NOT_WALKED.contains(&operation.as_str());
            assert!(walked, "{operation} is in no row");
        }
    }
    assert!(operations >= 20, "{operations}");
}

#[tokio::test]
async fn an_administrator_of_every_room_uses_the_whole_api_but_makes_no_tokens() {
    let server = closed(&[]).await;
    let everywhere = bearer(&minted(&server, json!({ "room": "*", "admin": true })).await);
    let one = bearer(&minted(&server, json!({ "room": "demo", "admin": true })).await);
    let status =
        async |method: &str, path: &str, body: Option<&str>, who: &str| server.request(method, path, body, who).await.0;
    assert_eq!(status("POST", "/api/v1/rooms", Some(r#"{"name":"demo"}"#), &everywhere).await, 201);
    for path in ["/api/v1/rooms", "/api/v1/node", "/api/v1/rooms/demo", "/api/v1/rooms/demo/participants"] {
        assert_eq!(status("GET", path, None, &everywhere).await, 200, "{path}");
    }
    assert_eq!(status("POST", "/api/v1/tokens", Some(r#"{"room":"demo"}"#), &everywhere).await, 403);
    // Without `admin`, every room is none.
    let guest = bearer(&minted(&server, json!({ "room": "*", "join": true, "legs": true })).await);
    assert_eq!(status("GET", "/api/v1/rooms", None, &guest).await, 403);
    // Events of its own room, and of no other: a stream has no end, so only what is refused can be read to it.
    for query in ["", "?room=other", "?room=other&room=demo", "?%72oom=other", "?room=", "?room=demo&%72oom=other"] {
        assert_eq!(status("GET", &format!("/api/v1/events{query}"), None, &one).await, 403, "{query}");
    }
    assert_eq!(status("GET", "/api/v1/rooms?room=demo", None, &one).await, 403);
    assert_eq!(status("GET", "/api/v1/node?room=demo", None, &one).await, 403);
}

#[tokio::test]
async fn who_is_hidden_sees_everybody_and_is_seen_by_whoever_runs_the_room_alone() {
    let server = closed(&[]).await;
    let token = async |hidden: bool| {
        let claims = json!({ "room": "demo", "join": true, "publish": true, "subscribe": true, "hidden": hidden });
        minted(&server, claims).await
    };
    let enter = async |token: &str| {
        let mut socket = server.socket().await;
        socket.send(join_with("demo", token)).await;
        let welcome = socket.until("welcome").await;
        (socket, welcome)
    };
    let others = |welcome: &Value| welcome["participants"].as_array().map(|all| all.len());
    let (mut ann, _) = enter(&token(false).await).await;
    let (mut guard, welcome) = enter(&token(true).await).await;
    assert_eq!((others(&welcome), &welcome["you"]["id"]), (Some(1), &json!("p2")));
    for (said, request) in [
        (json!({ "type": "publish", "request": 1, "source": "camera" }), 1),
        (json!({ "type": "message", "request": 2, "data": "hello" }), 2),
        (json!({ "type": "message", "request": 3, "to": "p1", "data": "hello" }), 3),
    ] {
        guard.send(said).await;
        let refused = guard.until("error").await;
        assert_eq!((&refused["code"], &refused["request"]), (&json!("not-granted"), &json!(request)));
    }
    let mut with_camera = join_with("demo", &token(true).await);
    with_camera["tracks"] = json!([{ "source": "camera", "muted": false }]);
    let mut other = server.socket().await;
    other.send(with_camera).await;
    assert_eq!(other.until("error").await["code"], "not-granted");

    let (mut cleo, welcome) = enter(&token(false).await).await;
    assert_eq!(others(&welcome), Some(1), "Ann alone");
    // Nobody has heard of the hidden one before, nor hears of it now.
    let next = async |socket: &mut Socket, wanted: &str| loop {
        let message = socket.next().await.expect("a message");
        assert!(!message.to_string().contains("\"p2\""), "{message}");
        if message["type"] == wanted {
            return message;
        }
    };
    assert_eq!(next(&mut ann, "participant-joined").await["participant"]["id"], "p3");
    cleo.send(json!({ "type": "message", "request": 1, "data": "all of you" })).await;
    assert_eq!(guard.until("message").await["data"], "all of you");
    cleo.send(json!({ "type": "message", "request": 2, "to": "p2", "data": "you" })).await;
    assert_eq!(cleo.until("error").await["code"], "unknown-participant");
    let (_, room) = server.request("GET", "/api/v1/rooms/demo", None, &bearer(&api_key())).await;
    let room: Value = serde_json::from_str(&room).expect("JSON");
    assert_eq!((&room["hidden"], room["participants"].as_array().map(Vec::len)), (&json!(["p2"]), Some(3)));
    guard.send(json!({ "type": "leave" })).await;
    while guard.next().await.is_some() {}
    cleo.send(json!({ "type": "leave" })).await;
    assert_eq!(next(&mut ann, "participant-left").await["participant"], "p3");
}

#[tokio::test]
async fn tokens_that_are_not_good_open_no_door() {
    let server = closed(&[]).await;
    let everything = |exp: u64, nbf: u64| {
        made(json!({ "room": "*", "exp": exp, "nbf": nbf, "join": true, "publish": true, "subscribe": true,
                     "legs": true, "admin": true }))
    };
    let good = everything(in_seconds(600), 0);
    let (signed, _) = good.rsplit_once('.').expect("a signature");
    let bad = [
        everything(in_seconds(-60), 0),
        everything(in_seconds(600), in_seconds(120)),
        format!("{signed}."),
        signed.to_owned(),
        format!("{good}.{signed}"),
        "a".repeat(5_000),
        "null".to_owned(),
        format!("shop.{}", "x".repeat(32)),
    ];
    let (_, rows) = matrix();
    let doors = rows.iter().filter(|(_, cells)| cells[0] == "no");
    for (door, _) in doors {
        for token in &bad {
            assert!(!opens(&server, door, "demo", token).await, "{door}: {token}");
        }
    }
    let (_, metrics) = server.request("GET", "/metrics", None, &bearer(&api_key())).await;
    for reason in ["expired", "not-yet", "signature", "form", "too-long", "api-key"] {
        assert!(metrics.contains(&format!("reason=\"{reason}\"")), "{reason}");
    }
    for door in ["signal", "antmedia", "whip", "whep", "hls", "api"] {
        assert!(metrics.contains(&format!("crescendo_tokens_refused_total{{door=\"{door}\"")), "{door}");
    }
}

#[tokio::test]
async fn a_token_names_its_bearer_and_bounds_what_it_publishes() {
    let server = closed(&[]).await;
    let claims = json!({ "room": "demo", "identity": "Ann of Accounting", "join": true, "publish": ["microphone"] });
    let token = minted(&server, claims).await;
    let mut socket = server.socket().await;
    socket.send(join_with("demo", &token)).await;
    let welcome = socket.until("welcome").await;
    assert_eq!(welcome["you"]["name"], "Ann of Accounting");

    let mut early = join_with("demo", &token);
    early["tracks"] = json!([{ "source": "microphone" }, { "source": "camera" }]);
    let mut socket = server.socket().await;
    socket.send(early).await;
    assert_eq!(socket.error().await, "not-granted");
}

#[tokio::test]
async fn who_may_not_subscribe_is_sent_nothing_of_others() {
    let server = closed(&[]).await;
    let speaker = minted(&server, json!({ "room": "demo", "join": true, "publish": true })).await;
    let both = minted(&server, json!({ "room": "demo", "join": true, "publish": true, "subscribe": true })).await;
    let mut sockets = Vec::new();
    for token in [&speaker, &both] {
        let mut socket = server.socket().await;
        let mut join = join_with("demo", token);
        join["tracks"] = json!([{ "source": "microphone" }]);
        socket.send(join).await;
        socket.until("welcome").await;
        sockets.push(socket);
    }
    // A mesh link would bring what the server cannot hold back: the room is one of the server's.
    assert_eq!(sockets[0].until("offer").await["transport"], "up");
    let (_, body) = server.request("GET", "/api/v1/rooms/demo", None, &bearer(&api_key())).await;
    let room: Value = serde_json::from_str(&body).expect("JSON");
    assert_ne!(room["mode"], "mesh");
    let paths = room["paths"].as_array().expect("paths");
    let to_speaker = paths.iter().find(|path| path["receiver"] == "p1").expect("a pair");
    assert_eq!(to_speaker["state"], "none", "{to_speaker}");
}

#[tokio::test]
async fn a_token_that_cannot_be_made_is_refused() {
    let server = closed(&["access.max_ttl_s=60"]).await;
    for bad in [
        json!({}),
        json!({ "room": "a b" }),
        json!({ "room": "demo", "ttlS": 61 }),
        json!({ "room": "demo", "ttlS": 0 }),
        json!({ "room": "demo", "join": "yes" }),
        json!({ "room": "demo", "identity": "" }),
        json!({ "room": "demo", "everything": true }),
    ] {
        let (status, answer) =
            server.request("POST", "/api/v1/tokens", Some(&bad.to_string()), &bearer(&api_key())).await;
        assert!(matches!(status, 400 | 422), "{bad}: {status} {answer}");
    }
    let open = Server::start(&[]).await;
    assert_eq!(open.request("POST", "/api/v1/tokens", Some(r#"{"room":"demo"}"#), "").await.0, 409);
}

#[tokio::test]
async fn a_viewer_comes_with_a_token_and_stays_by_a_cookie() {
    let server = closed(&[]).await;
    let token = minted(&server, json!({ "room": "demo", "subscribe": true, "ttlS": 60 })).await;
    // The dialect's door leads on to the same files.
    for path in ["/hls/demo/index.m3u8", "/live/streams/demo.m3u8"] {
        assert_eq!(server.get(path).await.0, 401, "{path}");
        assert_eq!(server.get(&format!("{path}?token={token}")).await.0, 404, "{path}: nobody broadcasts");
        assert_eq!(server.get(&format!("{path}?viewer=1&token={token}")).await.0, 404, "{path}");
        let forged = "cookie: a=b; crescendo_hls=99999999999.AAAA\r\n";
        assert_eq!(server.request("GET", path, None, forged).await.0, 401, "{path}");
    }
    let open = closed(&["access.hls=false"]).await;
    assert_eq!(open.get("/hls/demo/index.m3u8").await.0, 404);
    assert_eq!(open.get("/api/v1/rooms").await.0, 401);
}

#[test]
fn a_server_without_keys_does_not_start_where_others_reach_it() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_crescendo"));
    command.args([
        "serve",
        "--set",
        "http.listen=0.0.0.0:0",
        "--set",
        "sfu.listen=127.0.0.1:0",
        "--set",
        "turn.enabled=false",
    ]);
    let ended = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("access.api_keys") && said.contains("access.open"), "{said}");
}
