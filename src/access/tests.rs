use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::config::{self, Config};
use crate::room::Source;

const NOW_S: u64 = 1_800_000_000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S)
}

fn room(name: &str) -> RoomName {
    name.parse().expect("a name")
}

/// One key of each kind, and a server that knows them.
struct Keys {
    access: Access,
    es256: EcdsaKeyPair,
    /// The same key, with signatures in ASN.1.
    es256_asn1: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    /// As it stands in the file.
    es256_pem: String,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let es256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let pkcs8 = es256.to_pkcs8v1().expect("written");
    let es256_asn1 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).expect("read");
    let ed25519 = Ed25519KeyPair::generate().expect("a key");
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, der: &[u8]| {
        let lines = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n");
        let path = directory.path().join(name);
        std::fs::write(&path, &pem).expect("written");
        (path, pem)
    };
    let (es_path, es256_pem) = file("es.pem", es256.public_key().as_der().expect("written").as_ref());
    let (ed_path, _) = file("ed.pem", ed25519.public_key().as_der().expect("written").as_ref());
    let public = |kid: &str, algorithm, public_key| config::TokenKey {
        kid: kid.into(),
        algorithm,
        secret: config::Hidden::default(),
        public_key,
    };
    let config = config::Access {
        api_keys: vec![
            config::ApiKey { id: "shop".into(), secret: config::Hidden(SECRET.into()) },
            config::ApiKey { id: "other".into(), secret: config::Hidden(OTHER_SECRET.into()) },
        ],
        token_keys: vec![
            public("es", config::Algorithm::Es256, es_path),
            public("ed", config::Algorithm::EdDsa, ed_path),
        ],
        ..config::Access::default()
    };
    let access = Access::new(&config).expect("keys");
    Keys { access, es256, es256_asn1, ed25519, es256_pem }
});

fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Claims that are good for the room `demo`, with `more` laid over them; null takes a claim away.
fn claims(more: Value) -> String {
    let mut claims = json!({ "room": "demo", "join": true, "exp": NOW_S + 600 });
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims.to_string()
}

fn hs256(secret: impl AsRef<[u8]>, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
    let signature = encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Signed by the back end `shop`, as it should be.
fn shop(payload: &str) -> String {
    hs256(SECRET, r#"{"alg":"HS256","typ":"JWT","kid":"shop"}"#, payload)
}

fn good() -> String {
    shop(&claims(json!({})))
}

fn es256(key: &EcdsaKeyPair, header: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims(json!({}))));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
    format!("{signed}.{}", encode(signature))
}

const ES256: &str = r#"{"alg":"ES256","kid":"es"}"#;

fn ed25519(header: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims(json!({}))));
    let signature = encode(KEYS.ed25519.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn admit(token: &str) -> Result<Pass, Refused> {
    KEYS.access.admit(Some(token), &room("demo"), &[Grant::Join], now()).map(Admitted::keep)
}

#[test]
fn a_good_token_of_each_algorithm_lets_its_bearer_in() {
    for token in [good(), es256(&KEYS.es256, ES256), ed25519(r#"{"alg":"EdDSA","kid":"ed","typ":"jwt"}"#)] {
        let pass = admit(&token).expect(&token);
        assert_eq!(pass.scope, Scope::Room(room("demo")));
        assert!(pass.grants.join && !pass.grants.subscribe && !pass.grants.publishes() && !pass.grants.admin);
        assert_eq!(pass.expires, now() + Duration::from_secs(630));
    }
}

/// The last bit of the signature turned over.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    *signature.last_mut().expect("bytes") ^= 1;
    format!("{signed}.{}", encode(signature))
}

/// The token with one of its three parts changed.
fn part(token: &str, at: usize, change: impl Fn(&str) -> String) -> String {
    let parts = token.split('.').enumerate().map(|(i, part)| if i == at { change(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join(".")
}

#[test]
fn every_bad_token_is_refused_with_its_reason() {
    use Refused::*;
    let header = |text: &str| hs256(SECRET, text, &claims(json!({})));
    let with = |more| shop(&claims(more));
    let twice = |name: &str, first: &str, second: &str| {
        let text = claims(json!({ name: null }));
        shop(&format!("{},{name:?}:{first},{name:?}:{second}}}", text.trim_end_matches('}')))
    };
    let unsigned = |alg: &str| {
        let header = format!(r#"{{"alg":{alg:?},"kid":"shop"}}"#);
        format!("{}.{}.", encode(header), encode(claims(json!({}))))
    };
    let bad: Vec<(&str, String, Refused)> = vec![
        ("nothing", String::new(), Missing),
        ("alg none, unsigned", unsigned("none"), Algorithm),
        ("alg None", unsigned("None"), Algorithm),
        ("alg none, signed all the same", header(r#"{"alg":"none","kid":"shop"}"#), Algorithm),
        ("no signature", unsigned("HS256"), Signature),
        (
            "HS256 with the public key of ES256",
            hs256(&KEYS.es256_pem, r#"{"alg":"HS256","kid":"es"}"#, &claims(json!({}))),
            Algorithm,
        ),
        ("HS256 with the public key, said to be ES256", hs256(&KEYS.es256_pem, ES256, &claims(json!({}))), Signature),
        ("HS256 with an empty secret", hs256("", r#"{"alg":"HS256","kid":"shop"}"#, &claims(json!({}))), Signature),
        ("another HMAC", header(r#"{"alg":"HS512","kid":"shop"}"#), Algorithm),
        ("alg in lower case", header(r#"{"alg":"hs256","kid":"shop"}"#), Algorithm),
        ("EdDSA said to be ES256", ed25519(r#"{"alg":"ES256","kid":"ed"}"#), Algorithm),
        ("EdDSA under the other key", ed25519(ES256), Signature),
        ("ES256 with a signature in ASN.1", es256(&KEYS.es256_asn1, ES256), Signature),
        ("ES256 with a signature of zeros", part(&es256(&KEYS.es256, ES256), 2, |_| encode([0; 64])), Signature),
        (
            "the key of another back end",
            hs256(OTHER_SECRET, r#"{"alg":"HS256","kid":"shop"}"#, &claims(json!({}))),
            Signature,
        ),
        ("unknown kid", header(r#"{"alg":"HS256","kid":"nobody"}"#), UnknownKey),
        ("kid that is a path", header(r#"{"alg":"HS256","kid":"../../dev/null"}"#), UnknownKey),
        ("no kid", header(r#"{"alg":"HS256"}"#), NoKeyId),
        ("kid null", header(r#"{"alg":"HS256","kid":null}"#), NoKeyId),
        ("kid a number", header(r#"{"alg":"HS256","kid":1}"#), Header),
        ("no alg", header(r#"{"kid":"shop"}"#), Header),
        ("alg twice", header(r#"{"alg":"none","alg":"HS256","kid":"shop"}"#), Header),
        ("a list for a header", header(r#"["HS256","shop"]"#), Header),
        ("a header with something after it", header(r#"{"alg":"HS256","kid":"shop"}{}"#), Header),
        ("a header that is no JSON", header("HS256"), Header),
        ("wrong typ", header(r#"{"alg":"HS256","kid":"shop","typ":"at+jwt"}"#), Type),
        ("crit", header(r#"{"alg":"HS256","kid":"shop","crit":["exp"]}"#), Critical),
        (
            "a key that it brings along",
            hs256("mine", r#"{"alg":"HS256","kid":"mine","jwk":{"kty":"oct","k":"bWluZQ"}}"#, &claims(json!({}))),
            UnknownKey,
        ),
        ("wrong signature", forged(&good()), Signature),
        ("another payload", part(&good(), 1, |_| encode(claims(json!({ "room": "*" })))), Signature),
        ("another header", part(&good(), 0, |_| encode(r#"{"kid":"shop","alg":"HS256"}"#)), Signature),
        ("signature cut short", part(&good(), 2, |part| part[..20].into()), Signature),
        ("two parts", good().rsplit_once('.').expect("parts").0.into(), Form),
        ("one part", "abc".into(), Form),
        ("four parts", format!("{}.abc", good()), Form),
        ("padding", format!("{}=", good()), Form),
        ("white space", format!(" {}", good()), Form),
        ("a line end", format!("{}\n", good()), Form),
        ("base64 that is not for URLs", part(&good(), 2, |part| format!("{}+/", &part[..40])), Form),
        ("huge", shop(&claims(json!({ "more": "x".repeat(4096) }))), TooLong),
        ("exp as text", with(json!({ "exp": (NOW_S + 600).to_string() })), Claims),
        ("exp true", with(json!({ "exp": true })), Claims),
        ("exp too large for a number", shop(r#"{"room":"demo","join":true,"exp":1e999}"#), Claims),
        ("no exp", with(json!({ "exp": null })), NoExpiry),
        ("expired", with(json!({ "exp": NOW_S - 31 })), Expired),
        ("exp in 1970", with(json!({ "exp": -5 })), Expired),
        ("exp twice", twice("exp", "1", &(NOW_S + 600).to_string()), Claims),
        ("not yet valid", with(json!({ "nbf": NOW_S + 31 })), NotYet),
        ("nbf as text", with(json!({ "nbf": "0" })), Claims),
        ("for another audience", with(json!({ "aud": "elsewhere" })), Audience),
        ("another room", with(json!({ "room": "other" })), OtherRoom),
        ("another room's beginning", with(json!({ "room": "dem" })), OtherRoom),
        ("room in capitals", with(json!({ "room": "Demo" })), OtherRoom),
        ("no room", with(json!({ "room": null })), Claims),
        ("a list of rooms", with(json!({ "room": ["demo"] })), Claims),
        ("a pattern of rooms", with(json!({ "room": "dem*" })), Room),
        ("room that is a path", with(json!({ "room": "../demo" })), Room),
        ("room twice", twice("room", "\"other\"", "\"demo\""), Claims),
        ("join as text", with(json!({ "join": "true" })), Claims),
        ("join as a number", with(json!({ "join": 1 })), Claims),
        ("a source that there is not", with(json!({ "publish": ["telescope"] })), Claims),
        ("identity with control characters", with(json!({ "identity": "Ann\u{7}" })), Identity),
        ("an empty identity", with(json!({ "identity": "" })), Identity),
        ("an endless identity", with(json!({ "identity": "a".repeat(129) })), Identity),
        ("join not granted", with(json!({ "join": false })), NotGranted(Grant::Join)),
        ("a list for a payload", shop("[\"demo\"]"), Claims),
        ("no payload", shop(""), Claims),
        ("a payload with something after it", shop(&format!("{} {{}}", claims(json!({})))), Claims),
    ];
    for (what, token, reason) in &bad {
        assert_eq!(admit(token).err(), Some(*reason), "{what}");
    }
    assert!(bad.len() >= 60);
}

#[test]
fn a_token_ends_at_its_exp_and_begins_at_its_nbf_with_the_leeway_of_clocks() {
    for more in [json!({ "exp": NOW_S - 29 }), json!({ "nbf": NOW_S + 30 }), json!({ "exp": NOW_S as f64 + 0.5 })] {
        assert!(admit(&shop(&claims(more.clone()))).is_ok(), "{more}");
    }
    assert_eq!(admit(&shop(&claims(json!({ "exp": NOW_S - 30 })))).err(), Some(Refused::Expired));
    // Far beyond what a clock can tell.
    assert!(admit(&shop(&claims(json!({ "exp": 1e300 })))).is_ok());
}

#[test]
fn every_grant_stands_for_itself() {
    let publishes = |publish: Value| admit(&shop(&claims(json!({ "publish": publish })))).expect("good").grants;
    let cameras = publishes(json!(["camera", "screen-audio"]));
    let all = [Source::Microphone, Source::Camera, Source::Screen, Source::ScreenAudio];
    assert_eq!(all.map(|source| cameras.has(Grant::Publish(source))), [false, true, false, true]);
    assert!(all.into_iter().all(|source| publishes(json!(true)).has(Grant::Publish(source))));
    assert!(!publishes(json!(false)).publishes() && !publishes(json!([])).publishes());

    let admin = admit(&shop(&claims(json!({ "admin": true, "room": "*" })))).expect("good");
    assert!(admin.is_for(&room("any")) && admin.grants.has(Grant::Legs) && !admin.grants.has(Grant::Subscribe));
}

#[test]
fn an_audience_is_named_by_all_tokens_or_by_none() {
    let key = config::ApiKey { id: "shop".into(), secret: config::Hidden(SECRET.into()) };
    let config = config::Access { api_keys: vec![key], audience: "calls".into(), ..config::Access::default() };
    let access = Access::new(&config).expect("a key");
    let reads = |aud: Value| access.read(&shop(&claims(json!({ "aud": aud }))), now()).err();
    assert_eq!((reads(json!("calls")), reads(json!(["shop", "calls"]))), (None, None));
    for other in [json!(null), json!("shop"), json!([])] {
        assert_eq!(reads(other), Some(Refused::Audience));
    }
}

#[test]
fn what_is_minted_is_taken() {
    let back_end = KEYS.access.back_end(&format!("shop.{SECRET}")).expect("a key");
    let publish = Publish::Only(vec![ClaimedSource::Camera]);
    let claims = Claims {
        room: "demo".into(),
        identity: Some("Ann".into()),
        join: true,
        publish,
        subscribe: true,
        legs: false,
        hidden: false,
        admin: false,
        exp: Some((NOW_S + 60).into()),
        nbf: None,
        aud: None,
    };
    let token = KEYS.access.mint(&back_end, &claims).expect("signed");
    let pass = admit(&token).expect("good");
    assert_eq!(pass.identity.as_deref(), Some("Ann"));
    assert!(pass.grants.has(Grant::Publish(Source::Camera)) && !pass.grants.has(Grant::Publish(Source::Microphone)));
}

#[test]
fn an_api_key_is_its_id_and_its_secret() {
    let reads = |credential: &str| KEYS.access.back_end(credential).err();
    assert_eq!(reads(&format!("shop.{SECRET}")), None);
    for bad in [
        String::new(),
        "shop".into(),
        "shop.".into(),
        format!("shop.{OTHER_SECRET}"),
        format!("es.{SECRET}"),
        SECRET.into(),
    ] {
        assert_eq!(reads(&bad), Some(Refused::ApiKey), "{bad}");
    }
    assert!(is_api_key(&format!("shop.{SECRET}")) && !is_api_key(&good()));
}

#[test]
fn keys_that_are_no_keys_are_refused_at_the_start() {
    let key = |id: &str, secret: &str| config::ApiKey { id: id.into(), secret: config::Hidden(secret.into()) };
    let of = |api_keys| Access::new(&config::Access { api_keys, ..config::Access::default() }).expect_err("refused");
    assert!(matches!(of(vec![key("shop", "short")]), AccessError::Secret(_)));
    assert!(matches!(of(vec![key("shop", &format!("{SECRET}."))]), AccessError::Secret(_)));
    assert!(matches!(of(vec![key("a b", SECRET)]), AccessError::Id(_)));
    assert!(matches!(of(vec![key("shop", SECRET), key("shop", OTHER_SECRET)]), AccessError::Twice(_)));
    let token_key = |algorithm, secret: &str, public_key: &str| {
        let (secret, public_key) = (config::Hidden(secret.into()), public_key.into());
        let token_keys = vec![config::TokenKey { kid: "app".into(), algorithm, secret, public_key }];
        Access::new(&config::Access { token_keys, ..config::Access::default() }).expect_err("refused")
    };
    use config::Algorithm::{Es256, Hs256};
    assert!(matches!(token_key(Hs256, "short", ""), AccessError::Secret(_)));
    assert!(matches!(token_key(Hs256, "", "key.pem"), AccessError::Material(_)));
    assert!(matches!(token_key(Es256, SECRET, ""), AccessError::Material(_)));
    assert!(matches!(token_key(Es256, "", "/nowhere"), AccessError::PublicKey { .. }));
}

#[test]
fn without_keys_a_server_is_for_its_own_machine_unless_it_is_said_to_be_open() {
    let load = |listen: &str, open: bool, keys: bool| {
        let mut config = Config::default();
        config.http.listen = vec![listen.parse().expect("an address")];
        config.access.open = open;
        if keys {
            config.access.api_keys = vec![config::ApiKey { id: "shop".into(), secret: config::Hidden(SECRET.into()) }];
        }
        Access::load(&config)
    };
    assert!(load("127.0.0.1:80", false, false).expect("open").is_open());
    assert!(load("[::1]:80", false, false).expect("open").is_open());
    assert!(matches!(load("0.0.0.0:80", false, false), Err(AccessError::Open(_))));
    assert!(load("0.0.0.0:80", true, false).expect("open").is_open());
    assert!(!load("0.0.0.0:80", false, true).expect("closed").is_open());
    assert!(matches!(load("127.0.0.1:80", true, true), Err(AccessError::OpenAndLocked)));
}

#[test]
fn neither_secrets_nor_keys_are_shown() {
    let shown = format!("{:?}", KEYS.access);
    assert!(shown.contains("ApiKey(shop)") && !shown.contains(SECRET), "{shown}");
}
