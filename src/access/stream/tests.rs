use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::access::{Access, AccessError, Grant, is_once};
use crate::config::{self, Algorithm};
use crate::room::Source;

const NOW_S: u64 = 1_800_000_000;
const STREAMS: &str = "0123456789abcdef0123456789abcdef";
const REST: &str = "fedcba9876543210fedcba9876543210";
const API: &str = "of-a-back-end-of-a-back-end-of-a";
const SHARED: &str = "shared-with-a-site-shared-with-a";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S)
}

fn config() -> config::Access {
    let (stream_secret, rest_secret) = (config::Hidden(STREAMS.into()), config::Hidden(REST.into()));
    config::Access { stream_secret, rest_secret, one_time_tokens: 3, ..config::Access::default() }
}

fn access() -> Access {
    Access::new(&config()).expect("secrets")
}

fn name(text: &str) -> RoomName {
    text.parse().expect("a name")
}

fn jwt(secret: &str, header: Value, payload: Value) -> String {
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(header), encode(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// As a back end makes it with any library.
fn signed(payload: Value) -> String {
    jwt(STREAMS, json!({ "alg": "HS256", "typ": "JWT" }), payload)
}

const SEND: &[Grant] = &[Grant::Join, Grant::Publish(Source::Microphone), Grant::Publish(Source::Camera)];
const WATCH: &[Grant] = &[Grant::Join, Grant::Subscribe];
const MEET: &[Grant] = &[Grant::Join, Grant::Subscribe, Grant::Publish(Source::Camera)];

fn admit(access: &Access, token: &str, id: &str, room: &str, wanted: &[Grant]) -> Result<(), Refused> {
    let (id, room) = (name(id), name(room));
    access.admit_to(Some(token), Stream { id: &id, room: &room }, wanted, now()).map(|admitted| drop(admitted.keep()))
}

#[test]
fn a_stream_token_is_for_its_stream_and_for_its_type() {
    let access = access();
    let of = |kind: &str| signed(json!({ "streamId": "cam", "type": kind, "exp": NOW_S + 60 }));
    let (publish, play) = (of("publish"), of("play"));
    assert_eq!(admit(&access, &publish, "cam", "cam", SEND), Ok(()));
    assert_eq!(admit(&access, &publish, "cam", "cam", MEET), Ok(()), "peer to peer, who sends is sent to");
    assert_eq!(admit(&access, &publish, "cam", "cam", WATCH), Err(Refused::NotGranted(Grant::Subscribe)));
    assert_eq!(admit(&access, &publish, "other", "other", SEND), Err(Refused::OtherRoom));
    assert_eq!(admit(&access, &publish, "cam", "hall", SEND), Err(Refused::OtherRoom), "it names no conference");
    assert_eq!(admit(&access, &publish, "other", "cam", SEND), Err(Refused::OtherRoom));
    assert_eq!(admit(&access, &play, "cam", "cam", WATCH), Ok(()));
    assert_eq!(admit(&access, &play, "cam", "hall", WATCH), Ok(()), "one stream of a conference");
    assert_eq!(admit(&access, &play, "hall", "hall", WATCH), Err(Refused::OtherRoom));
    assert!(matches!(admit(&access, &play, "cam", "cam", SEND), Err(Refused::NotGranted(Grant::Publish(_)))));
    for token in [&publish, &play] {
        for beyond in [Grant::Admin, Grant::Legs] {
            assert_eq!(admit(&access, token, "cam", "cam", &[beyond]), Err(Refused::NotGranted(beyond)));
        }
    }
}

#[test]
fn a_token_that_names_a_conference_is_good_there() {
    let access = access();
    let of = |kind: &str| signed(json!({ "streamId": "ann", "type": kind, "exp": NOW_S + 60, "roomId": "hall" }));
    assert_eq!(admit(&access, &of("publish"), "ann", "hall", SEND), Ok(()));
    assert_eq!(admit(&access, &of("publish"), "ann", "ann", SEND), Ok(()));
    assert_eq!(admit(&access, &of("publish"), "ben", "hall", SEND), Err(Refused::OtherRoom), "under its own id alone");
    assert_eq!(admit(&access, &of("publish"), "hall", "hall", SEND), Err(Refused::OtherRoom));
    for id in ["hall", "ben"] {
        assert_eq!(admit(&access, &of("play"), id, "hall", WATCH), Ok(()));
    }
    assert_eq!(admit(&access, &of("play"), "other", "other", WATCH), Err(Refused::OtherRoom));
}

#[test]
fn every_bad_stream_token_is_refused_with_its_reason() {
    use Refused::*;
    let access = access();
    let good = json!({ "streamId": "cam", "type": "publish", "exp": NOW_S + 60 });
    let with = |name: &str, value: Value| {
        let mut payload = good.clone();
        payload[name] = value;
        payload.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        signed(payload)
    };
    let bad = [
        ("the secret of REST", jwt(REST, json!({ "alg": "HS256" }), good.clone()), Signature),
        ("alg none", jwt(STREAMS, json!({ "alg": "none" }), good.clone()), Algorithm),
        ("another HMAC", jwt(STREAMS, json!({ "alg": "HS512" }), good.clone()), Algorithm),
        ("a key that nobody knows", jwt(STREAMS, json!({ "alg": "HS256", "kid": "x" }), good.clone()), UnknownKey),
        ("no type", with("type", Value::Null), Claims),
        ("another type", with("type", json!("admin")), Claims),
        ("two types", with("type", json!(["publish", "play"])), Claims),
        ("no stream", with("streamId", Value::Null), Claims),
        ("a pattern for a stream", with("streamId", json!("*")), Room),
        ("a path for a stream", with("streamId", json!("../cam")), Room),
        ("a path for a room", with("roomId", json!("a/b")), Room),
        ("no exp", with("exp", Value::Null), NoExpiry),
        ("exp as text", with("exp", json!((NOW_S + 60).to_string())), Claims),
        ("expired", with("exp", json!(NOW_S - 31)), Expired),
        ("not yet", with("nbf", json!(NOW_S + 31)), NotYet),
        ("for somebody else", with("aud", json!("elsewhere")), Audience),
        ("our own claims", signed(json!({ "room": "*", "join": true, "publish": true, "exp": NOW_S + 60 })), Claims),
        ("no token of any kind", "cam".into(), Form),
        ("one that was never given out", "0".repeat(48), Unknown),
    ];
    for (what, token, reason) in bad {
        assert_eq!(admit(&access, &token, "cam", "cam", SEND), Err(reason), "{what}");
    }
    let without = Access::new(&config::Access { stream_secret: config::Hidden::default(), ..config() }).expect("a key");
    assert_eq!(admit(&without, &signed(good), "cam", "cam", SEND), Err(NoKeyId), "there is no secret for these");
}

fn once(stream: &str, used_to: StreamUse, expires_s: u64) -> StreamToken {
    StreamToken { stream: name(stream), used_to, room: None, expires_s }
}

#[test]
fn a_token_for_one_time_is_good_for_what_it_is_for_and_once() {
    let access = access();
    let token = access.give_once(&once("cam", StreamUse::Play, NOW_S + 60), now()).expect("there is room");
    assert!(is_once(&token));
    assert_eq!(admit(&access, &token, "other", "other", WATCH), Err(Refused::OtherRoom));
    assert!(admit(&access, &token, "cam", "cam", SEND).is_err());
    assert_eq!(access.given(&name("cam"), now()), [(token.clone(), once("cam", StreamUse::Play, NOW_S + 60))]);
    assert_eq!(admit(&access, &token, "cam", "cam", WATCH), Ok(()), "what it was not good for has not used it up");
    assert_eq!(admit(&access, &token, "cam", "cam", WATCH), Err(Refused::Unknown));
    assert!(access.given(&name("cam"), now()).is_empty());

    let ended = access.give_once(&once("cam", StreamUse::Play, NOW_S), now()).expect("there is room");
    assert_eq!(admit(&access, &ended, "cam", "cam", WATCH), Err(Refused::Expired));
    let unused = access.give_once(&once("cam", StreamUse::Play, NOW_S + 60), now()).expect("there is room");
    let cam = name("cam");
    let asked = Stream { id: &cam, room: &cam };
    let enter = || access.admit_to(Some(&unused), asked, WATCH, now());
    let shown = enter().expect("good");
    assert_eq!(enter().map(drop), Err(Refused::Unknown), "somebody is on the way in with it");
    drop(shown);
    let shown = enter().expect("nothing came of it the first time");
    assert_eq!((access.revoke(&cam), access.revoke(&cam)), (1, 0));
    drop(shown);
    assert_eq!(enter().map(drop), Err(Refused::Unknown), "what was taken back meanwhile does not come back");
}

#[test]
fn no_more_are_given_out_than_there_may_be_until_some_end() {
    let access = access();
    let give = |expires_s, at| access.give_once(&once("cam", StreamUse::Publish, expires_s), at);
    let all: Vec<_> = [60, 60, 30].map(|s| give(NOW_S + s, now()).expect("there is room")).into();
    assert_eq!(give(NOW_S + 60, now()), None);
    assert!(give(NOW_S + 60, now() + Duration::from_secs(30)).is_some(), "one has ended");
    assert!(!access.is_good(&all[2], Stream { id: &name("cam"), room: &name("cam") }, SEND, now()));
}

#[test]
fn what_the_server_signs_it_takes() {
    let access = access();
    let token = access.sign_stream(&once("cam", StreamUse::Publish, NOW_S + 60)).expect("a secret");
    assert_eq!(admit(&access, &token, "cam", "cam", SEND), Ok(()));
    let token = StreamToken { room: Some(name("hall")), ..once("ann", StreamUse::Play, NOW_S + 60) };
    let token = access.sign_stream(&token).expect("a secret");
    assert_eq!(admit(&access, &token, "hall", "hall", WATCH), Ok(()));
}

#[test]
fn rest_is_opened_by_the_secret_of_rest_alone() {
    let access = access();
    let of = |secret: &str, payload: Value| access.read_rest(&jwt(secret, json!({ "alg": "HS256" }), payload), now());
    assert_eq!(of(REST, json!({ "sub": "token", "iat": 1_516_239_022 })), Ok(()), "as the original's own example");
    assert_eq!(of(REST, json!({ "exp": NOW_S + 1 })), Ok(()));
    assert_eq!(of(REST, json!({ "exp": NOW_S - 31 })), Err(Refused::Expired));
    assert_eq!(of(REST, json!({ "exp": "soon" })), Err(Refused::Claims));
    assert_eq!(of(STREAMS, json!({ "exp": NOW_S + 1 })), Err(Refused::Signature));
    let none = jwt(REST, json!({ "alg": "none" }), json!({}));
    assert_eq!(access.read_rest(&none, now()), Err(Refused::Algorithm));
    let rest = jwt(REST, json!({ "alg": "HS256" }), json!({ "streamId": "cam", "type": "play", "exp": NOW_S + 1 }));
    assert_eq!(admit(&access, &rest, "cam", "cam", WATCH), Err(Refused::Signature), "it opens no stream");
}

#[test]
fn one_secret_does_not_serve_for_two_doors_and_a_short_one_for_none() {
    let with = |stream: &str, rest: &str| {
        let (stream_secret, rest_secret) = (config::Hidden(stream.into()), config::Hidden(rest.into()));
        let api_keys = vec![config::ApiKey { id: "shop".into(), secret: config::Hidden(API.into()) }];
        let (secret, public_key) = (config::Hidden(SHARED.into()), PathBuf::new());
        let site = config::TokenKey { kid: "site".into(), algorithm: Algorithm::Hs256, secret, public_key };
        let keys = config::Access { api_keys, token_keys: vec![site], ..config::Access::default() };
        Access::new(&config::Access { stream_secret, rest_secret, ..keys })
    };
    for (stream, rest) in [(STREAMS, STREAMS), (API, REST), (STREAMS, API), (SHARED, ""), ("", SHARED)] {
        assert!(matches!(with(stream, rest), Err(AccessError::SameSecret(..))), "{stream} {rest}");
    }
    assert!(with(STREAMS, REST).is_ok() && with("", "").is_ok());
    assert!(matches!(with("short", ""), Err(AccessError::StreamSecret("stream_secret"))));
    assert!(matches!(with("", "short"), Err(AccessError::StreamSecret("rest_secret"))));
    assert!(!with(STREAMS, "").expect("a key").is_open() && !with("", REST).expect("a key").is_open());
}
