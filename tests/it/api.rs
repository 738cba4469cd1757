//! The REST API of the real binary.

use serde_json::{Value, json};

use crate::support::Server;

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test]
async fn a_room_is_made_with_settings_of_its_own_kept_while_empty_and_closed() {
    let server = Server::start(&[]).await;
    let body = r#"{"name":"demo","settings":{"capacity":1}}"#;
    let (status, made) = server.request("POST", "/api/v1/rooms", Some(body), "").await;
    assert_eq!((status, &parsed(&made)["name"]), (201, &json!("demo")));
    assert_eq!(server.request("POST", "/api/v1/rooms", Some(body), "").await.0, 409);
    let (mut ann, _) = server.join("demo", "Ann").await;
    let mut ben = server.socket().await;
    ben.send(crate::support::join("demo", "Ben")).await;
    assert_eq!(ben.until("error").await["code"], "room-full");
    assert_eq!(server.request("DELETE", "/api/v1/rooms/demo", None, "").await.0, 204);
    let closed = ann.until("error").await;
    assert_eq!((&closed["code"], &closed["fatal"]), (&json!("removed"), &json!(true)));
    assert_eq!(server.get("/api/v1/rooms/demo").await.0, 404);

    let body = r#"{"name":"brief","settings":{"emptyMs":1000}}"#;
    assert_eq!(server.request("POST", "/api/v1/rooms", Some(body), "").await.0, 201);
    while server.get("/api/v1/rooms/brief").await.0 != 404 {}
    for bad in ["{", r#"{"name":"a/b"}"#, r#"{"name":"x","settings":{"meshLimit":0}}"#, r#"{"name":"x","y":1}"#, "[]"] {
        let (status, problem) = server.request("POST", "/api/v1/rooms", Some(bad), "").await;
        assert!((400..500).contains(&status), "{bad}: {status}");
        assert_eq!(parsed(&problem)["status"], status);
    }
}

#[tokio::test]
async fn rooms_come_page_by_page() {
    let server = Server::start(&[]).await;
    for name in ["a", "b", "c"] {
        let body = json!({ "name": name }).to_string();
        assert_eq!(server.request("POST", "/api/v1/rooms", Some(&body), "").await.0, 201);
    }
    let first = parsed(&server.get("/api/v1/rooms?limit=2").await.1);
    assert_eq!((first["rooms"].as_array().map(Vec::len), &first["next"]), (Some(2), &json!("b")));
    let second = parsed(&server.get("/api/v1/rooms?limit=2&cursor=b").await.1);
    assert_eq!((&second["rooms"][0]["name"], &second["next"]), (&json!("c"), &Value::Null));
    for bad in ["limit=0", "limit=x", "cursor=%2F", "else=1"] {
        assert_eq!(server.get(&format!("/api/v1/rooms?{bad}")).await.0, 400, "{bad}");
    }
    assert_eq!(parsed(&server.get("/api/v1/node").await.1)["rooms"], 3);
}

#[tokio::test]
async fn a_participant_is_looked_at_muted_and_put_out() {
    let server = Server::start(&[]).await;
    let mut ann = server.socket().await;
    let mut join = crate::support::join("demo", "Ann");
    join["tracks"] = json!([{ "source": "microphone", "muted": false }]);
    ann.send(join).await;
    let welcome = ann.until("welcome").await;
    let (who, track) = (&welcome["you"]["id"], &welcome["you"]["tracks"][0]["id"]);
    let all = "/api/v1/rooms/demo/participants";
    assert_eq!(&parsed(&server.get(all).await.1)["participants"][0]["id"], who);
    let one = format!("{all}/{}", who.as_str().expect("an id"));
    assert_eq!(parsed(&server.get(&one).await.1)["name"], "Ann");
    let path = format!("{one}/tracks/{}", track.as_str().expect("an id"));
    let (status, muted) = server.request("PATCH", &path, Some(r#"{"muted":true}"#), "").await;
    assert_eq!((status, &parsed(&muted)["tracks"][0]["muted"]), (200, &json!(true)));
    let told = ann.until("track-muted").await;
    assert_eq!((&told["track"], &told["muted"]), (track, &json!(true)));
    assert_eq!(server.request("PATCH", &format!("{one}/tracks/t99"), Some(r#"{"muted":true}"#), "").await.0, 404);
    assert_eq!(server.request("DELETE", &format!("{all}/p99"), None, "").await.0, 404);
    let (mut ben, _) = server.join("demo", "Ben").await;
    assert_eq!(server.request("DELETE", &one, None, "").await.0, 204);
    assert_eq!(ann.until("error").await["code"], "removed");
    let left = ben.until("participant-left").await;
    assert_eq!((&left["participant"], &left["reason"]), (who, &json!("removed")));
}

#[tokio::test]
async fn what_clients_tell_of_their_mesh_links_is_shown_as_long_as_the_link_is_theirs() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (_ben, _) = server.join("demo", "Ben").await;
    let link = ann.until("link-open").await["link"].as_u64().expect("a number");
    let told = |link: u64, bytes: u64| json!({ "type": "link-traffic", "peer": "p2", "link": link, "bytes": bytes, "packets": 20, "lost": 3, "rttMs": 7 });
    for said in [told(link, 1_000), told(link, 2_000), told(link + 1, 3_000), json!({ "type": "ping", "at": 1 })] {
        ann.send(said).await;
    }
    ann.until("pong").await;
    let room = parsed(&server.get("/api/v1/rooms/demo").await.1);
    let shown = &room["traffic"][0]["links"];
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "{room}");
    let expected =
        json!({ "from": "p2", "bytes": 2_000, "packets": 20, "lost": 3, "rttMs": 7, "ageMs": shown[0]["ageMs"] });
    assert_eq!(shown[0], expected);
    assert_eq!(room["traffic"][1]["links"], json!([]));
    assert!(room["shard"].is_u64());
    let node = parsed(&server.get("/api/v1/node").await.1);
    assert_eq!((&node["participants"], &node["legs"]), (&json!(2), &json!(0)));
    let rooms =
        node["shards"].as_array().expect("a list").iter().map(|shard| shard["rooms"].as_u64().expect("a number"));
    assert_eq!(rooms.sum::<u64>(), 1);
}

#[tokio::test]
async fn a_request_that_is_made_again_is_done_once() {
    let server = Server::start(&[]).await;
    let key = "idempotency-key: 7\r\n";
    let (demo, other) = (Some(r#"{"name":"demo"}"#), Some(r#"{"name":"other"}"#));
    let first = server.request("POST", "/api/v1/rooms", demo, key).await;
    assert_eq!(first.0, 201);
    assert_eq!(server.request("POST", "/api/v1/rooms", demo, key).await, first);
    assert_eq!(server.request("POST", "/api/v1/rooms", other, key).await.0, 422);
    assert_eq!(server.request("POST", "/api/v1/rooms", other, "").await.0, 201);
}

#[tokio::test]
async fn everything_that_is_wrong_is_a_problem_and_the_description_is_served() {
    let server = Server::start(&[]).await;
    for (method, path, status) in [
        ("GET", "/api/v2", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/rooms/%ff", 400),
        ("PUT", "/api/v1/rooms", 405),
        ("POST", "/api/v1/node", 405),
    ] {
        let (answered, body) = server.request(method, path, None, "").await;
        assert_eq!((answered, &parsed(&body)["status"]), (status, &json!(status)), "{method} {path}");
    }
    let description = parsed(&server.get("/api/openapi.json").await.1);
    assert!(description["paths"]["/api/v1/rooms"]["post"].is_object());
    assert!(server.get("/api/").await.1.contains("reference.js"));
}

#[tokio::test]
async fn a_participant_is_sent_to_another_room_with_what_lets_it_in_there() {
    let server =
        Server::start(&["access.api_keys=[{ id = 'shop', secret = '0123456789abcdef0123456789abcdef' }]"]).await;
    let key = "authorization: Bearer shop.0123456789abcdef0123456789abcdef\r\n";
    let mint = async |claims: Value| {
        let (status, made) = server.request("POST", "/api/v1/tokens", Some(&claims.to_string()), key).await;
        assert_eq!(status, 201, "{made}");
        parsed(&made)["token"].as_str().expect("a token").to_owned()
    };
    let enter = async |room: &str, token: Value| {
        let mut socket = server.socket().await;
        let mut join = crate::support::join(room, "somebody");
        join["token"] = token;
        socket.send(join).await;
        let answer = socket.next().await.expect("an answer");
        (socket, answer)
    };
    let of = |who: &str| json!({ "room": "demo", "identity": who, "join": true, "subscribe": true, "publish": true });
    let (mut ann, hers) = enter("demo", json!(mint(of("Ann")).await)).await;
    let (mut ben, _) = enter("demo", json!(mint(of("Ben")).await)).await;
    let who = hers["you"]["id"].as_str().expect("an id");
    let path = |who: &str| format!("/api/v1/rooms/demo/participants/{who}/move");
    let to = async |who: &str, body: &str, header: &str| {
        let (status, problem) = server.request("POST", &path(who), Some(body), header).await;
        (status, serde_json::from_str::<Value>(&problem).unwrap_or_default())
    };

    let small = r#"{"name":"small","settings":{"capacity":1}}"#;
    assert_eq!(server.request("POST", "/api/v1/rooms", Some(small), key).await.0, 201);
    let side = r#"{"room":"side"}"#;
    let claims = json!({ "room": "small", "identity": "Eve", "join": true, "subscribe": true, "publish": true });
    let (_eve, welcome) = enter("small", json!(mint(claims).await)).await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    for (who, body, status, code) in [
        (who, r#"{"room":"a/b"}"#, 400, json!("bad-room-name")),
        (who, r#"{"room":"demo"}"#, 409, Value::Null),
        (who, r#"{"room":"small"}"#, 409, json!("room-full")),
        (who, r#"{"else":"side"}"#, 422, json!("bad-message")),
        ("p99", side, 404, json!("unknown-participant")),
    ] {
        let (answered, problem) = to(who, body, key).await;
        assert_eq!((answered, &problem["code"]), (status, &code), "{who} {body}: {problem}");
    }
    let admin = mint(json!({ "room": "demo", "admin": true })).await;
    let (status, problem) = to(who, side, &format!("authorization: Bearer {admin}\r\n")).await;
    assert_eq!(status, 403, "who runs one room lets nobody into another: {problem}");

    assert_eq!(to(who, side, key).await.0, 204);
    let moved = ann.until("moved").await;
    assert_eq!(moved["room"], "side");
    while ann.next().await.is_some() {}
    let left = ben.until("participant-left").await;
    assert_eq!((left["participant"].as_str(), &left["reason"]), (Some(who), &json!("moved")));
    let (_wrong, refused) = enter("small", moved["token"].clone()).await;
    assert_eq!(refused["code"], "not-granted", "it is for that room alone");
    let (_there, welcome) = enter("side", moved["token"].clone()).await;
    assert_eq!(welcome["you"]["name"], "Ann");
    let (_again, refused) = enter("side", moved["token"].clone()).await;
    assert_eq!(refused["code"], "token-refused", "it is good once");
}
