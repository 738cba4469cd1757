//! The HTTP doors of the real binary.

use serde_json::{Value, json};

use crate::support::Server;

#[tokio::test]
async fn the_api_shows_rooms_and_runs_legs() {
    let server = Server::start(&[]).await;
    assert_eq!(server.get("/api/v1/rooms/demo").await.0, 404);
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (status, body) = server.get("/api/v1/rooms/demo").await;
    let view: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &view["mode"], &view["epoch"]), (200, &json!("mesh"), &json!(0)));
    assert_eq!(view["participants"][0]["name"], "Ann");

    let legs = "/api/v1/rooms/demo/legs";
    let (status, body) = server.request("POST", legs, Some(r#"{"kind":"hls"}"#), "").await;
    let leg: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &leg["url"]), (201, &json!("/hls/demo/index.m3u8")));
    assert_eq!(ann.until("leg").await["leg"]["id"], leg["id"]);
    let one = format!("{legs}/{}", leg["id"].as_str().expect("an id"));
    assert_eq!(server.get(&one).await.0, 200);
    assert_eq!(server.request("DELETE", &one, None, "").await.0, 200);
    assert_eq!(server.get(&one).await.0, 404);
    assert_eq!(server.request("DELETE", &one, None, "").await.0, 404);

    for bad in ["", "{", r#"{"kind":"carrier-pigeon"}"#, r#"{"kind":"hls","of":"me"}"#, r#"{"kind":"hls","x":1}"#] {
        let (status, body) = server.request("POST", legs, Some(bad), "").await;
        assert!((400..500).contains(&status), "{bad}: {status}");
        assert!(serde_json::from_str::<Value>(&body).is_ok_and(|problem| problem["status"] == status), "{body}");
    }
    assert_eq!(server.get("/api/v1/rooms/a%2Fb").await.0, 400);
}

#[tokio::test]
async fn the_api_shows_the_path_of_each_pair() {
    let server = Server::start(&[]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (_ben, _) = server.join("demo", "Ben").await;
    let open = ann.until("link-open").await;
    let paths = async || {
        let (_, body) = server.get("/api/v1/rooms/demo").await;
        serde_json::from_str::<Value>(&body).expect("JSON")["paths"].take()
    };
    assert_eq!(
        paths().await,
        json!([
            { "receiver": "p1", "sender": "p2", "state": "arriving", "carrier": "mesh" },
            { "receiver": "p2", "sender": "p1", "state": "arriving", "carrier": "mesh" },
        ])
    );
    for relayed in [true, false] {
        let state = json!({ "type": "link-state", "peer": "p2", "link": open["link"], "state": "connected", "relayed": relayed });
        ann.send(state).await;
        // What comes back to it after the report shows that the room has heard the report.
        ann.send(json!({ "type": "message", "to": "p1", "data": relayed })).await;
        ann.until("message").await;
        assert_eq!(paths().await[1]["relayed"], json!(relayed));
    }
}

#[tokio::test]
async fn what_a_proxy_passes_on_or_another_site_asks_for_does_not_reach_the_api() {
    let server = Server::start(&[]).await;
    for path in ["/api/v1/rooms", "/metrics"] {
        for header in ["x-forwarded-for: 192.0.2.1\r\n", "host: evil.example\r\n", "host: evil.example:80\r\n"] {
            assert_eq!(server.request("GET", path, None, header).await.0, 403, "{header}");
        }
        assert_eq!(server.request("GET", path, None, "host: localhost:8080\r\n").await.0, 200);
        assert_eq!(server.get(path).await.0, 200);
    }
    assert_eq!(server.request("GET", "/healthz", None, "x-forwarded-for: 192.0.2.1\r\n").await.0, 200);
}

/// It may be open in a browser on the machine that a server without keys is tried on.
#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let server = Server::start(&[]).await;
    let own = format!("origin: http://{}\r\n", server.http);
    let foreign = ["origin: https://evil.example\r\n", "origin: null\r\n", "origin: http://127.0.0.1:1\r\n"];
    let fetched = ["cross-site", "same-site"].map(|site| format!("{own}sec-fetch-site: {site}\r\n"));
    for path in ["/live/rest/v2/broadcasts/cam/stop", "/api/v1/rooms/demo/legs", "/api/v1/rooms"] {
        for headers in foreign.into_iter().chain(fetched.iter().map(String::as_str)) {
            let (status, body) = server.request("POST", path, None, headers).await;
            assert!(status == 403 && body.contains("other sites"), "{path} {headers}: {status} {body}");
        }
        let fetched = format!("{own}sec-fetch-site: same-origin\r\n");
        for headers in ["", &own, &fetched, "sec-fetch-site: none\r\n"] {
            assert_ne!(server.request("POST", path, None, headers).await.0, 403, "{path} {headers}");
        }
    }
}

#[tokio::test]
async fn pages_are_served_under_a_strict_policy_and_bad_rooms_have_none() {
    let server = Server::start(&[]).await;
    for (path, status) in [
        ("/", 200),
        ("/r/demo", 200),
        ("/watch/demo", 200),
        ("/client.js", 200),
        ("/r/a%20b", 404),
        ("/r/%2e%2e%2fetc", 404),
        ("/watch/..%5c", 404),
        ("/assets/../Cargo.toml", 404),
        ("/assets/%2e%2e/index.html", 404),
        ("/nowhere", 404),
        ("/hls/demo/index.m3u8", 404),
    ] {
        assert_eq!(server.get(path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn the_media_port_that_the_first_line_names_takes_junk_in_silence_and_counts_it() {
    let server = Server::start(&[]).await;
    let media = *server.media.first().expect("a media address");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for junk in [&b"\x00"[..], b"hello", &[0x00; 20], &[0x16; 40], &[0x80; 60], &[0xff; 1_400]] {
        socket.send_to(junk, media).expect("sent");
    }
    loop {
        let (_, metrics) = server.get("/metrics").await;
        let lines = metrics.lines().filter(|line| line.starts_with("crescendo_dropped_datagrams_total{"));
        let dropped: f64 = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
        if dropped == 6.0 {
            break;
        }
        assert!(dropped < 6.0, "{dropped} of 6 were dropped");
    }
    socket.set_nonblocking(true).expect("set");
    assert!(socket.recv(&mut [0; 2_000]).is_err(), "nothing is answered");
}

#[tokio::test]
async fn legs_are_limited_on_the_whole_server_and_a_place_that_is_free_again_is_given_again() {
    let server = Server::start(&["limits.legs=1"]).await;
    let (_ann, _) = server.join("one", "Ann").await;
    let (mut ben, _) = server.join("two", "Ben").await;
    let start = async |room: &str| {
        server.request("POST", &format!("/api/v1/rooms/{room}/legs"), Some(r#"{"kind":"hls"}"#), "").await
    };
    for _ in 0..2 {
        let (status, leg) = start("one").await;
        assert!(status == 201 && leg.contains(r#""id":"l1""#), "asking again gives the same leg: {leg}");
    }
    let (status, body) = start("two").await;
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("too-many-legs"), "{body}");
    ben.send(json!({ "type": "start-leg", "request": 1, "kind": "hls" })).await;
    assert_eq!(ben.error().await, "too-many-legs");
    assert_eq!(server.request("DELETE", "/api/v1/rooms/one/legs/l1", None, "").await.0, 200);
    assert_eq!(start("two").await.0, 201);
}

#[tokio::test]
async fn a_ladder_is_taken_as_it_is_asked_for_and_refused_where_it_cannot_be() {
    let server = Server::start(&["hls.transcodes=2"]).await;
    let (_ann, _) = server.join("one", "Ann").await;
    let start = async |kind: &str, ladder: &str| {
        let body = format!(r#"{{"kind":"{kind}","ladder":{ladder}}}"#);
        server.request("POST", "/api/v1/rooms/one/legs", Some(&body), "").await
    };
    for no in
        ["[360,181]", "null", "[88]", "[2162]", "[720,480,360,180]", "[90,90,90,90]", "[360.5]", "[-2]", "\"auto\""]
    {
        let (status, body) = start("hls", no).await;
        assert_eq!(status, 422, "{no}: {body}");
    }
    let (status, body) = start("hls", "[720,360,180]").await;
    assert!(status == 409 && body.contains("too-many-legs") && body.contains("2 pictures at most"), "{body}");
    let (status, body) = start("record", "[360]").await;
    assert!(status == 409 && body.contains("leg-unsupported"), "{status}: {body}");
    for heights in ["[360,180]", "[180.0,360,180]"] {
        let (status, body) = start("hls", heights).await;
        assert!(status == 201 && body.contains(r#""ladder":[360,180]"#), "{body}");
    }
    let (status, body) = start("hls", "[]").await;
    assert!(status == 409 && body.contains("too-many-legs"), "{body}");
}
