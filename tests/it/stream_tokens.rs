//! Ant Media's tokens on the real binary: made by REST, shown on the socket and at HLS, as JWTs and for one time.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Server, Socket};

const STREAMS: &str = "streams-streams-streams-streams-";
const REST: &str = "rest-rest-rest-rest-rest-rest-re";
const API_KEY: &str = "shop.0123456789abcdef0123456789abcdef";

async fn server(more: &[&str]) -> Server {
    let keys = [
        "access.api_keys=[{ id = 'shop', secret = '0123456789abcdef0123456789abcdef' }]",
        "access.stream_secret='streams-streams-streams-streams-'",
        "access.rest_secret='rest-rest-rest-rest-rest-rest-re'",
        "antmedia.hls=false",
    ];
    Server::start(&[&keys[..], more].concat()).await
}

fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + seconds
}

fn jwt(secret: &str, payload: Value) -> String {
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed =
        format!("{}.{}", encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string()), encode(payload.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

/// Asks Ant Media's REST with a header of the caller's.
async fn rest(server: &Server, method: &str, path: &str, body: Option<&str>, header: &str) -> (u16, Value) {
    let path = format!("/live/rest/v2/broadcasts{path}");
    let (status, text) = server.request(method, &path, body, &format!("{header}\r\n")).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

fn by_key() -> String {
    format!("authorization: Bearer {API_KEY}")
}

async fn give(server: &Server, stream: &str, kind: &str) -> String {
    let path = format!("/{stream}/token?expireDate={}&type={kind}", in_seconds(60));
    let (status, token) = rest(server, "GET", &path, None, &by_key()).await;
    assert_eq!((status, &token["streamId"], &token["type"]), (200, &json!(stream), &json!(kind)), "{token}");
    token["tokenId"].as_str().expect("a token").to_owned()
}

async fn socket(server: &Server) -> Socket {
    let url = format!("ws://{}/live/websocket", server.http);
    Socket { stream: tokio_tungstenite::connect_async(url).await.expect("the socket opens").0 }
}

/// What is answered to a command.
async fn says(socket: &mut Socket, command: Value) -> Value {
    socket.send(command).await;
    socket.next().await.expect("an answer")
}

async fn is_open(socket: &mut Socket) -> bool {
    says(socket, json!({ "command": "ping" })).await["command"] == "pong"
}

/// An SDK that comes back shows the token that it has.
#[tokio::test]
async fn who_shows_the_token_of_a_streams_publisher_publishes_instead_and_nobody_else_does() {
    let server = server(&[]).await;
    let token = |exp| jwt(STREAMS, json!({ "streamId": "cam", "type": "publish", "exp": exp }));
    let (first, second) = (token(in_seconds(60)), token(in_seconds(61)));
    let publish = |token: &str| json!({ "command": "publish", "streamId": "cam", "video": true, "token": token });
    let (mut old, mut other, mut new) = (socket(&server).await, socket(&server).await, socket(&server).await);
    assert_eq!(says(&mut old, publish(&first)).await["command"], "start");
    assert_eq!(says(&mut other, publish(&second)).await["definition"], "streamIdInUse");
    // Until its room has let it in, nobody can be put out of it.
    while says(&mut new, publish(&first)).await["command"] != "start" {}
    loop {
        let told = old.next().await.expect("the socket stays open");
        if told["definition"] == "publish_finished" {
            break;
        }
    }
    assert!(is_open(&mut old).await);
    assert_eq!(says(&mut other, publish(&second)).await["definition"], "streamIdInUse", "it is held as before");
    let (_, shown) = rest(&server, "GET", "/cam", None, &by_key()).await;
    assert_eq!(shown["status"], "preparing", "{shown}");
    let (_, room) = server.request("GET", "/api/v1/rooms/cam", None, &format!("{}\r\n", by_key())).await;
    let room: Value = serde_json::from_str(&room).expect("JSON");
    assert_eq!(room["participants"].as_array().map(Vec::len), Some(1), "{room}");
    drop(new);
    while says(&mut other, publish(&second)).await["command"] != "start" {}
}

#[tokio::test]
async fn a_right_token_starts_a_stream_and_a_wrong_one_gets_the_error_of_the_protocol() {
    let server = server(&[]).await;
    let exp = in_seconds(60);
    let of = |stream: &str, kind: &str| jwt(STREAMS, json!({ "streamId": stream, "type": kind, "exp": exp }));
    let mut app = socket(&server).await;
    let wrong = [
        of("other", "publish"),
        of("cam", "play"),
        jwt(REST, json!({ "streamId": "cam", "type": "publish", "exp": exp })),
        jwt(STREAMS, json!({ "streamId": "cam", "type": "publish", "exp": in_seconds(0) - 60 })),
        "nonsense".to_owned(),
        String::new(),
    ];
    for token in wrong {
        let said = says(&mut app, json!({ "command": "publish", "streamId": "cam", "token": token })).await;
        assert_eq!((&said["definition"], &said["streamId"]), (&json!("unauthorized_access"), &json!("cam")), "{token}");
        assert!(is_open(&mut app).await);
    }
    let said = says(&mut app, json!({ "command": "publish", "streamId": "cam", "token": of("cam", "publish") })).await;
    assert_eq!((&said["command"], &said["streamId"]), (&json!("start"), &json!("cam")), "{said}");

    let mut player = socket(&server).await;
    let said = says(&mut player, json!({ "command": "play", "streamId": "cam", "token": of("cam", "publish") })).await;
    assert_eq!(said["definition"], "unauthorized_access");
    // Let in; what it finds there is another matter.
    let said = says(&mut player, json!({ "command": "play", "streamId": "cam", "token": of("cam", "play") })).await;
    assert_ne!(said["definition"], "unauthorized_access", "{said}");

    let conference = jwt(STREAMS, json!({ "streamId": "ann", "type": "publish", "exp": exp, "roomId": "hall" }));
    let mut ann = socket(&server).await;
    let enter = |main: &str| json!({ "command": "publish", "streamId": "ann", "mainTrack": main, "token": conference });
    assert_eq!(says(&mut ann, enter("lobby")).await["definition"], "unauthorized_access");
    assert_eq!(says(&mut ann, enter("hall")).await["command"], "start");

    let mut peer = socket(&server).await;
    let said = says(&mut peer, json!({ "command": "join", "streamId": "duo", "token": of("duo", "play") })).await;
    assert_eq!(said["definition"], "unauthorized_access");
    let said = says(&mut peer, json!({ "command": "join", "streamId": "duo", "token": of("duo", "publish") })).await;
    assert_eq!(said["definition"], "joined");
}

#[tokio::test]
async fn a_token_for_one_time_lets_one_socket_in_and_that_one_again() {
    let server = server(&[]).await;
    let token = give(&server, "cam", "publish").await;
    let publish = json!({ "command": "publish", "streamId": "cam", "token": token });
    let mut app = socket(&server).await;
    assert_eq!(says(&mut app, publish.clone()).await["command"], "start");
    // As the SDK does when it has lost patience.
    app.send(json!({ "command": "stop", "streamId": "cam" })).await;
    while app.next().await.expect("an answer")["definition"] != "publish_finished" {}
    assert_eq!(says(&mut app, publish.clone()).await["command"], "start");
    let mut other = socket(&server).await;
    assert_eq!(says(&mut other, publish).await["definition"], "unauthorized_access");
    assert!(is_open(&mut other).await);
    let elsewhere = json!({ "command": "publish", "streamId": "other", "token": token });
    assert_eq!(says(&mut app, elsewhere).await["definition"], "unauthorized_access");
}

#[tokio::test]
async fn a_token_for_one_time_stays_good_where_nothing_comes_of_the_request() {
    let server = server(&["room.publishers=1"]).await;
    let (send, watch) = (give(&server, "cam", "publish").await, give(&server, "cam", "play").await);
    let mut app = socket(&server).await;
    let said = says(&mut app, json!({ "command": "play", "streamId": "cam", "token": watch })).await;
    assert_eq!(said["definition"], "no_stream_exist");

    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    for path in ["/whip/cam", "/live/whip/cam"] {
        let (status, text) = server.request("POST", path, Some("nonsense"), &bearer(&send)).await;
        assert_eq!(status, 415, "{path}: {text}");
    }
    let (status, text) = server.request("POST", "/whep/cam", Some("nonsense"), &bearer(&watch)).await;
    assert_eq!(status, 415, "{text}");

    let mut native = server.socket().await;
    let mut join = crate::support::join("cam", "Ann");
    join["token"] = json!(watch);
    join["tracks"] = json!([{ "source": "camera", "muted": false }]);
    native.send(join).await;
    assert_eq!(native.next().await.expect("an answer")["code"], "not-granted");

    let (_, list) = rest(&server, "GET", "/cam/tokens/list/0/10", None, &by_key()).await;
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
    let mut other = socket(&server).await;
    let publish = json!({ "command": "publish", "streamId": "cam", "token": send });
    assert_eq!(says(&mut other, publish).await["command"], "start");
    let said = says(&mut app, json!({ "command": "play", "streamId": "cam", "token": watch })).await;
    assert_ne!(said["definition"], "unauthorized_access", "{said}");
}

#[tokio::test]
async fn rest_gives_out_lists_checks_and_takes_back_tokens() {
    let server = server(&["access.one_time_tokens=3"]).await;
    let first = give(&server, "cam", "play").await;
    let second = give(&server, "cam", "publish").await;
    give(&server, "other", "play").await;
    let soon = in_seconds(60);
    let (status, full) =
        rest(&server, "GET", &format!("/cam/token?expireDate={soon}&type=play"), None, &by_key()).await;
    assert_eq!((status, &full["success"]), (503, &json!(false)), "{full}");

    let (_, list) = rest(&server, "GET", "/cam/tokens/list/0/10", None, &by_key()).await;
    let ids: Vec<_> = list.as_array().expect("a list").iter().map(|token| token["tokenId"].clone()).collect();
    assert!(ids.len() == 2 && ids.contains(&json!(first)) && ids.contains(&json!(second)), "{list}");
    let shown = json!({ "tokenId": first, "streamId": "cam", "type": "play" }).to_string();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let (status, answer) = rest(&server, "POST", "/validate-token", Some(&shown), &by_key()).await;
        answers.push((status, answer["success"].clone()));
    }
    assert_eq!(answers, [(200, json!(true)), (200, json!(false))], "it is used up by that");
    for expected in [true, false] {
        let (_, revoked) = rest(&server, "DELETE", "/cam/tokens", None, &by_key()).await;
        assert_eq!(revoked["success"], expected);
    }
    let mut app = socket(&server).await;
    let said = says(&mut app, json!({ "command": "publish", "streamId": "cam", "token": second })).await;
    assert_eq!(said["definition"], "unauthorized_access");

    let (status, made) =
        rest(&server, "GET", &format!("/cam/jwt-token?expireDate={soon}&type=publish"), None, &by_key()).await;
    assert_eq!((status, &made["expireDate"]), (200, &json!(soon)));
    let said = says(&mut app, json!({ "command": "publish", "streamId": "cam", "token": made["tokenId"] })).await;
    assert_eq!(said["command"], "start");
    for (path, status) in [
        ("/cam/token", 400),
        ("/cam/token?expireDate=soon&type=play", 400),
        ("/cam/token?expireDate=1&type=play", 400),
        ("/cam/token?expireDate=99999999999999&type=play", 400),
        ("/a%20b/token?expireDate=1&type=play", 400),
    ] {
        let (found, answer) = rest(&server, "GET", path, None, &by_key()).await;
        assert_eq!((found, &answer["success"]), (status, &json!(false)), "{path}: {answer}");
    }
    let path = format!("/cam/token?expireDate={soon}&type=admin");
    assert_eq!(rest(&server, "GET", &path, None, &by_key()).await.0, 400);
}

#[tokio::test]
async fn rest_is_opened_by_a_jwt_of_its_own_secret_in_either_header() {
    let server = server(&[]).await;
    let token = jwt(REST, json!({ "sub": "token", "iat": 1_516_239_022 }));
    for header in ["authorization: ", "authorization: Bearer ", "ProxyAuthorization: ", "ProxyAuthorization: Bearer "] {
        let (status, count) = rest(&server, "GET", "/count", None, &format!("{header}{token}")).await;
        assert_eq!((status, &count["number"]), (200, &json!(0)), "{header}");
    }
    let exp = in_seconds(60);
    let stream = jwt(STREAMS, json!({ "streamId": "cam", "type": "publish", "exp": exp }));
    let ended = jwt(REST, json!({ "exp": in_seconds(0) - 60 }));
    for bad in [stream.as_str(), &ended, "nonsense", ""] {
        for header in ["authorization: ", "authorization: Bearer ", "ProxyAuthorization: "] {
            let (status, _) = rest(&server, "GET", "/count", None, &format!("{header}{bad}")).await;
            assert!(matches!(status, 401 | 403), "{header}{bad}: {status}");
        }
    }
    let (status, _) = rest(&server, "DELETE", "/cam", None, &format!("authorization: Bearer {stream}")).await;
    assert_eq!(status, 403, "who may publish it may do no more");
    // It is for Ant Media's REST and nothing else.
    for path in ["/api/v1/rooms", "/metrics"] {
        let header = format!("authorization: Bearer {token}\r\n");
        assert_eq!(server.request("GET", path, None, &header).await.0, 401, "{path}");
    }
    let (status, _) = rest(&server, "GET", "/count", None, &by_key()).await;
    assert_eq!(status, 200, "our own keys open it, too");
}

#[tokio::test]
async fn hls_takes_stream_tokens_and_looking_uses_none_up() {
    let server = server(&[]).await;
    let exp = in_seconds(60);
    let jwt = |kind: &str| jwt(STREAMS, json!({ "streamId": "cam", "type": kind, "exp": exp }));
    let path = |token: &str| format!("/live/streams/cam.m3u8?token={token}");
    assert_eq!(server.get(&path(&jwt("play"))).await.0, 404, "nobody broadcasts");
    assert_eq!(server.get(&path(&jwt("publish"))).await.0, 403);
    assert_eq!(server.get("/live/streams/other.m3u8?token=").await.0, 401);
    let once = give(&server, "cam", "play").await;
    for method in ["HEAD", "GET", "GET"] {
        assert_eq!(server.request(method, &path(&once), None, "").await.0, 404, "{method}: there was nothing to see");
    }
    assert_eq!(server.get(&format!("/live/streams/other.m3u8?token={once}")).await.0, 403);
}
