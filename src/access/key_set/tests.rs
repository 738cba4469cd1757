use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys, "more": true }).to_string().into_bytes()
}

fn ed25519(kid: &str, key: &Ed25519KeyPair) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(key.public_key()) })
}

#[test]
fn a_key_of_each_algorithm_is_taken_and_checks_what_was_signed_with_it() {
    let (text, random) = (b"header.payload", SystemRandom::new());
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let (ed, rsa) =
        (Ed25519KeyPair::generate().expect("a key"), RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
    let point = ec.public_key().as_ref();
    // RSAPublicKey in DER, with a modulus of 256 bytes and the exponent 65537.
    let der = rsa.public_key().as_ref();
    let (modulus, exponent) = (&der[9..265], &der[267..270]);
    let keys = parse(&set(&[
        json!({ "kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "use": "sig",
                "x": encode(&point[1..33]), "y": encode(&point[33..]) }),
        ed25519("ed", &ed),
        json!({ "kty": "RSA", "kid": "rsa", "n": encode(modulus),
                "e": encode(exponent) }),
    ]))
    .expect("a set");
    let mut of_rsa = vec![0; modulus.len()];
    rsa.sign(&RSA_PKCS1_SHA256, &random, text, &mut of_rsa).expect("signed");
    let signatures = [
        ("ec", Algorithm::Es256, ec.sign(&random, text).expect("signed").as_ref().to_vec()),
        ("ed", Algorithm::EdDsa, ed.sign(text).as_ref().to_vec()),
        ("rsa", Algorithm::Rs256, of_rsa),
    ];
    for (kid, algorithm, signature) in signatures {
        assert_eq!(keys[kid].algorithm(), algorithm, "the algorithm is the key's own");
        assert_eq!(keys[kid].verify(text, &signature), Ok(()), "{kid}");
        assert!(keys[kid].verify(b"header.another", &signature).is_err(), "{kid}");
    }
}

#[test]
fn what_is_no_public_key_for_signatures_is_passed_over() {
    let ed = Ed25519KeyPair::generate().expect("a key");
    let with = |name: &str, value: Value| {
        let mut key = ed25519("bad", &ed);
        key[name] = value;
        key
    };
    let bad = [
        json!({ "kty": "oct", "kid": "secret", "k": encode([0; 32]) }),
        with("use", json!("enc")),
        with("alg", json!("ES256")),
        with("alg", json!("HS256")),
        with("crv", json!("X25519")),
        with("kid", json!(7)),
        with("kid", json!("k".repeat(257))),
        with("x", json!("AAAA")),
        with("x", json!("no base64!")),
        json!({ "kty": "EC", "crv": "P-256", "kid": "bad", "x": encode([1; 32]), "y": encode([1; 32]) }),
        json!({ "kty": "EC", "crv": "P-384", "kid": "bad", "x": encode([1; 48]), "y": encode([1; 48]) }),
        json!({ "kty": "RSA", "kid": "bad", "n": "", "e": "AQAB" }),
        json!({ "kty": "RSA", "kid": "bad", "n": encode(vec![255; 40_000]), "e": "AQAB" }),
        json!("no key"),
        json!({ "kty": "OKP" }),
    ];
    for key in &bad {
        let found = parse(&set(&[key.clone(), ed25519("good", &ed)])).expect("one is good");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["good"], "{key}");
        assert_eq!(parse(&set(std::slice::from_ref(key))).err(), Some(BadKeySet::Empty), "{key}");
    }
}

#[test]
fn what_is_no_set_leaves_the_one_before() {
    let (kept, ed) = (KeySet::new(), Ed25519KeyPair::generate().expect("a key"));
    assert_eq!(kept.take(&set(&[ed25519("a", &ed)])), Ok(1));
    let many: Vec<_> = (0..65).map(|number| ed25519(&number.to_string(), &ed)).collect();
    let bad = [
        (Vec::new(), BadKeySet::NoSet),
        (b"<html>".to_vec(), BadKeySet::NoSet),
        (b"[]".to_vec(), BadKeySet::NoSet),
        (b"{\"keys\":{}}".to_vec(), BadKeySet::NoSet),
        (set(&[]), BadKeySet::Empty),
        (set(&many), BadKeySet::TooMany),
    ];
    for (body, why) in bad {
        assert_eq!(kept.take(&body), Err(why));
        assert!(kept.keys().contains_key("a"));
    }
    assert_eq!(kept.take(&set(&[ed25519("b", &ed)])), Ok(1));
    assert!(!kept.keys().contains_key("a"), "it takes the place of the one before");
}

#[tokio::test]
async fn however_many_want_a_key_it_is_asked_for_once_and_nobody_waits_for_ever() {
    let set = Arc::new(KeySet::new());
    set.asked();
    let all: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn({
                let set = set.clone();
                async move { set.want("new").await }
            })
        })
        .collect();
    set.wanted().await;
    tokio::task::yield_now().await;
    set.asked();
    for one in all {
        one.await.expect("it has waited");
    }
    assert!(timeout(Duration::ZERO, set.wanted()).await.is_err(), "nobody has asked once more");
    // Just now asked for: not again, and no waiting.
    timeout(Duration::ZERO, set.want("new")).await.expect("at once");
}

#[tokio::test]
async fn who_comes_while_it_is_asked_for_waits_for_that_and_leaves_the_next_question_to_others() {
    let (kept, ed) = (Arc::new(KeySet::new()), Ed25519KeyPair::generate().expect("a key"));
    let wants = |kid: &'static str| {
        let kept = kept.clone();
        tokio::spawn(async move { kept.want(kid).await })
    };
    // From the start it is being asked for.
    let (early, earlier) = (wants("old"), wants("new"));
    tokio::task::yield_now().await;
    kept.take(&set(&[ed25519("old", &ed)])).expect("one");
    kept.asked();
    early.await.expect("it is there");
    // The other one is not, and nobody was a reason to ask yet.
    timeout(WAIT, kept.wanted()).await.expect("asked for once more");
    kept.take(&set(&[ed25519("new", &ed)])).expect("one");
    kept.asked();
    earlier.await.expect("it is there now");
    assert!(kept.keys().contains_key("new"));
    assert!(timeout(Duration::ZERO, kept.wanted()).await.is_err(), "and no third time");
}
