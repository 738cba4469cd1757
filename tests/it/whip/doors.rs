//! Status codes and headers, as RFC 9725 and the WHEP draft want them.

use serde_json::Value;

use super::http::{ANY, Answer, FRAGMENT, H264, SDP, VP8, ask, client, obs, player};
use crate::support::Server;

type Headers<'a> = &'a [(&'a str, &'a str)];

fn is_problem(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(problem["status"], answer.status);
    assert!(!problem["detail"].as_str().expect("text").is_empty());
}

#[tokio::test]
async fn what_is_no_good_offer_is_answered_with_what_is_wrong_with_it() {
    let server = Server::start(&["whip.max_body_bytes=8192"]).await;
    let client = client().await;
    let good = obs(&client);
    let play = player(&client, &[H264]);
    let large = good.clone() + &"a=x\r\n".repeat(2_000);
    let change = |from: &str, to: &str| good.replace(from, to);
    let sdp = [SDP];
    let table: Vec<(&str, Headers<'_>, String, u16)> = vec![
        ("/whip/room", &[], good.clone(), 415),
        ("/whip/room", &[("content-type", "text/plain")], good.clone(), 415),
        ("/whip/room", &[FRAGMENT], good.clone(), 415),
        ("/whip/room", &sdp, String::new(), 400),
        ("/whip/room", &sdp, "nonsense".into(), 400),
        ("/whip/room", &sdp, change("a=fingerprint:sha-256", "a=fingerprint:sha-1"), 400),
        ("/whip/room", &sdp, change("a=ice-pwd:clientclientclientclient", "a=ice-pwd:short"), 400),
        ("/whip/room", &sdp, change("actpass", "holdconn"), 400),
        ("/whip/room?name=a&name=b", &sdp, good.clone(), 400),
        ("/whip/bad%20room", &sdp, good.clone(), 400),
        ("/whip/room", &sdp, large, 413),
        ("/whip/room", &sdp, change("H264", "H265"), 406),
        ("/whip/room", &sdp, change("42e01f", "64001f"), 406),
        ("/whip/room", &sdp, change("packetization-mode=1", "packetization-mode=0"), 406),
        ("/whip/room", &sdp, change("a=sendonly", "a=recvonly"), 406),
        ("/whip/room", &sdp, change("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"), 406),
        ("/whip/room", &sdp, good.split("m=audio").next().expect("a session").into(), 406),
        ("/whep/room", &[], play.clone(), 415),
        ("/whep/room", &sdp, "nonsense".into(), 400),
        ("/whep/room", &sdp, play.replace("a=recvonly", "a=sendonly"), 406),
        ("/whep/room", &sdp, play.replace("opus", "PCMU").replace("H264", "H263"), 406),
        ("/whep/room", &sdp, play.clone(), 409),
        ("/whep/room?participant=Ann", &sdp, play.clone(), 409),
        ("/live/whip/bad%20id", &sdp, good.clone(), 400),
        ("/live/whip/cam", &[], good.clone(), 415),
    ];
    for (path, headers, body, status) in table {
        let answer = ask(&server, "POST", path, headers, &body).await;
        assert_eq!(answer.status, status, "{path} {headers:?} {body}: {}", answer.body);
        is_problem(&answer);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "pages have to read why");
        match status {
            415 => assert_eq!(answer.header("accept-post"), Some("application/sdp")),
            409 => assert!(answer.header("retry-after").is_some(), "it may come yet"),
            _ => {}
        }
    }
    assert_eq!(server.get("/api/v1/rooms").await.1, "{\"rooms\":[]}", "none of this has made a room");
}

#[tokio::test]
async fn an_endpoint_takes_post_and_says_so_to_pages_of_other_origins() {
    let server = Server::start(&[]).await;
    for door in ["/whip/room", "/whep/room", "/live/whip/cam"] {
        let asked = ask(&server, "OPTIONS", door, &[], "").await;
        assert_eq!((asked.status, asked.header("accept-post")), (200, Some("application/sdp")), "{door}");
        assert!(asked.all("link").any(|link| link.starts_with("<turn:") && link.contains("rel=\"ice-server\"")));
        let again = ask(&server, "OPTIONS", door, &[], "").await;
        assert_eq!(relay_user(&again), relay_user(&asked), "who asks again is no other user of the relay");
        let preflight = [
            ("origin", "https://page.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let asked = ask(&server, "OPTIONS", door, &preflight, "").await;
        assert_eq!((asked.status, asked.header("access-control-allow-origin")), (200, Some("*")));
        assert!(asked.header("access-control-allow-methods").expect("some").contains("POST"));
        assert!(asked.header("access-control-allow-headers").expect("some").contains("content-type"));
        assert_eq!(asked.all("link").count(), 0, "a browser's own question is not for credentials");

        for (method, status) in [("GET", 204), ("HEAD", 204), ("PUT", 405), ("PATCH", 405), ("DELETE", 405)] {
            let answer = ask(&server, method, door, &[], "").await;
            assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{method} {door}");
            if status == 405 {
                assert!(answer.header("allow").expect("some").contains("POST"));
            }
        }
    }
}

/// Without the time until which it is good.
fn relay_user(answer: &Answer) -> String {
    let link = answer.all("link").find(|link| link.starts_with("<turn:")).expect("a relay");
    let (_, user) = link.split_once("username=\"").expect("a user");
    user.split(['"', ':']).nth(1).expect("seconds:user").to_owned()
}

#[tokio::test]
async fn a_room_that_is_encrypted_end_to_end_is_closed_to_both() {
    let server = Server::start(&[]).await;
    let client = client().await;
    let mut ann = server.socket().await;
    let mut join = crate::support::join("sealed", "Ann");
    join["encrypted"] = true.into();
    ann.send(join).await;
    ann.until("welcome").await;
    for (door, offer) in [("/whip/sealed", obs(&client)), ("/whep/sealed", player(&client, &[H264, VP8]))] {
        let answer = ask(&server, "POST", door, &[SDP], &offer).await;
        assert_eq!((answer.status, answer.header("retry-after")), (403, None), "{door}: {}", answer.body);
        is_problem(&answer);
        assert!(answer.body.contains("encrypted end to end") && answer.body.contains("encryption-differs"));
    }
}

#[tokio::test]
async fn data_channels_are_rejected_and_what_comes_with_them_is_not() {
    let server = Server::start(&[]).await;
    let client = client().await;
    let data =
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=sctp-port:5000\r\n";
    let publishes = obs(&client).replace("BUNDLE 0 1", "BUNDLE 0 1 d") + data;
    let plays = player(&client, &[H264]).replace("BUNDLE a v", "BUNDLE a v d") + data;
    for (door, offer, group) in [("/whip/room", publishes, "BUNDLE 0 1"), ("/whep/room", plays, "BUNDLE a v")] {
        let answer = ask(&server, "POST", door, &[SDP], &offer).await;
        answer.session();
        assert!(answer.body.contains(&format!("a=group:{group}\r\n")), "{door}: {}", answer.body);
        assert!(answer.body.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
        assert!(!answer.body.contains("sctp-port"));
    }
}

#[tokio::test]
async fn a_session_is_patched_and_ended_under_its_own_url_alone() {
    let server = Server::start(&[]).await;
    let client = client().await;
    let made = ask(&server, "POST", "/whip/room", &[SDP], &obs(&client)).await;
    let session = made.session();
    let id = session.rsplit('/').next().expect("an id");
    assert!(id.len() >= 22, "128 bits take 22 characters of 64");
    assert_eq!(made.header("access-control-allow-origin"), Some("*"));
    let readable = made.header("access-control-expose-headers").expect("some");
    assert!(["location", "link", "etag"].iter().all(|name| readable.contains(name)));
    let tag = made.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong one");

    let candidates = "a=ice-ufrag:clnt\r\na=ice-pwd:clientclientclientclient\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
                      a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    let anew = "a=ice-ufrag:anew\r\na=ice-pwd:anewanewanewanewanewanew\r\n";
    let current = ("if-match", tag.as_str());
    let several = format!("\"other\", {tag}");
    let weak = format!("W/{tag}");
    let table: [(Headers<'_>, &str, u16); 12] = [
        (&[FRAGMENT], candidates, 428),
        (&[FRAGMENT, ("if-match", "\"other\"")], candidates, 412),
        (&[FRAGMENT, ("if-match", &weak)], candidates, 412),
        (&[FRAGMENT, ("if-match", "\"other\"")], anew, 412),
        (&[SDP, current], candidates, 415),
        (&[current], candidates, 415),
        (&[FRAGMENT, current], "v=0\r\n", 400),
        (&[FRAGMENT, current], "", 400),
        (&[FRAGMENT, ANY], "a=ice-ufrag:anew\r\n", 400),
        (&[FRAGMENT, current], candidates, 204),
        (&[FRAGMENT, ("if-match", &several)], candidates, 204),
        (&[FRAGMENT, ANY], candidates, 204),
    ];
    for (headers, body, status) in table {
        let answer = ask(&server, "PATCH", &session, headers, body).await;
        assert_eq!(answer.status, status, "{headers:?} {body}: {}", answer.body);
        match status {
            204 => assert_eq!((answer.header("etag"), answer.body.as_str()), (None, "")),
            _ => is_problem(&answer),
        }
    }
    let restarted = ask(&server, "PATCH", &session, &[FRAGMENT, ANY], anew).await;
    assert_eq!(restarted.status, 200);
    let new = restarted.header("etag").expect("a tag");
    assert_ne!(new, tag);
    assert_eq!(ask(&server, "PATCH", &session, &[FRAGMENT, current], anew).await.status, 412, "the old one is over");
    assert_eq!(ask(&server, "PATCH", &session, &[FRAGMENT, ("if-match", new)], anew).await.status, 204);

    let look = ask(&server, "OPTIONS", &session, &[], "").await;
    assert_eq!((look.status, look.header("accept-patch")), (200, Some(FRAGMENT.1)));
    assert_eq!(ask(&server, "GET", &session, &[], "").await.status, 204);
    for method in ["POST", "PUT"] {
        assert_eq!(ask(&server, method, &session, &[SDP], &obs(&client)).await.status, 405, "{method}");
    }
    for elsewhere in [format!("/whep/room/{id}"), format!("/whip/other/{id}"), format!("/whip/room/{}", "A".repeat(24))]
    {
        for method in ["GET", "PATCH", "DELETE"] {
            let answer = ask(&server, method, &elsewhere, &[FRAGMENT, ANY], candidates).await;
            assert_eq!(answer.status, 404, "{method} {elsewhere}");
        }
    }
    assert_eq!(ask(&server, "DELETE", &session, &[("if-match", "\"other\"")], "").await.status, 200);
    assert_eq!(ask(&server, "DELETE", &session, &[], "").await.status, 404);
    assert_eq!(ask(&server, "PATCH", &session, &[FRAGMENT, ANY], candidates).await.status, 404);
}

#[tokio::test]
async fn a_player_is_shown_whom_it_names_or_who_came_last_with_a_camera() {
    let server = Server::start(&[]).await;
    let client = client().await;
    for name in ["First", "Second"] {
        ask(&server, "POST", &format!("/whip/room?name={name}"), &[SDP], &obs(&client)).await.session();
    }
    // A microphone alone.
    let _native = server.join("room", "Ann").await;
    let offer = player(&client, &[H264, VP8]);
    for (query, status) in [
        ("", 201),
        ("?participant=First", 201),
        ("?participant=p2", 201),
        ("?participant=Ann", 201),
        ("?participant=Nobody", 409),
    ] {
        let answer = ask(&server, "POST", &format!("/whep/room{query}"), &[SDP], &offer).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn there_are_so_many_sessions_and_one_address_has_so_many_of_them_and_asks_so_often() {
    let client = client().await;
    let offer = obs(&client);
    let full = Server::start(&["whip.sessions=1"]).await;
    let session = ask(&full, "POST", "/whip/a", &[SDP], &offer).await.session();
    let second = ask(&full, "POST", "/whip/b", &[SDP], &offer).await;
    assert_eq!((second.status, second.header("retry-after").is_some()), (503, true));
    is_problem(&second);
    assert_eq!(ask(&full, "DELETE", &session, &[], "").await.status, 200);
    ask(&full, "POST", "/whip/b", &[SDP], &offer).await.session();

    let crowded = Server::start(&["whip.sessions_per_address=1", "limits.exempt_networks=[]"]).await;
    ask(&crowded, "POST", "/whip/a", &[SDP], &offer).await.session();
    let second = ask(&crowded, "POST", "/whip/b", &[SDP], &offer).await;
    assert_eq!((second.status, second.header("retry-after").is_some()), (429, true));
    assert_eq!(crowded.metric("crescendo_refused_total{limit=\"whip.sessions_per_address\"}").await, 1.0);

    let often =
        Server::start(&["whip.requests_per_second=1", "whip.request_burst=3", "limits.exempt_networks=[]"]).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(ask(&often, "GET", "/whip/a", &[], "").await.status);
    }
    assert_eq!(statuses[..3], [204, 204, 204]);
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(ask(&often, "POST", "/whip/a", &[("content-type", "text/plain")], "").await.status, 429);
}
