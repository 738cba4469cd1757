//! What comes in place of a token: as it is, and as header and claims that are signed as they should be.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crescendo::access::{Access, Grant, Refused};
use crescendo::config;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

static ACCESS: LazyLock<Access> = LazyLock::new(|| {
    let key = config::ApiKey { id: "shop".into(), secret: config::Hidden(SECRET.into()) };
    Access::new(&config::Access { api_keys: vec![key], ..config::Access::default() }).expect("a key")
});

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fuzz_target!(|input: &[u8]| {
    let room = "demo".parse().expect("a name");
    let text = String::from_utf8_lossy(input);
    // Nobody has the secret here, so nothing is let in.
    ACCESS.read(&text, now()).expect_err("nobody has signed this");
    let _ = ACCESS.back_end(&text);

    let (header, claims) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (&br#"{"alg":"HS256","kid":"shop"}"#[..], input),
    };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    match ACCESS.admit(Some(&token), &room, &[Grant::Join], now()) {
        Ok(admitted) => {
            let pass = admitted.keep();
            assert!(pass.is_for(&room) && pass.grants.join);
            assert!(pass.expires > now());
        }
        Err(refused) => assert_ne!(refused, Refused::Signature, "it is signed"),
    }
});
