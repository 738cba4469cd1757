//! A datagram that claims to be STUN, as the media port reads it: parsed, and checked against a password it does not have.
#![no_main]

use crescendo::sfu::IceCredential;
use crescendo::sfu::transport::ice;
use libfuzzer_sys::fuzz_target;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;

fuzz_target!(|datagram: &[u8]| {
    let Some(request) = ice::parse(datagram) else { return };
    let local = IceCredential { ufrag: request.ufrag.clone(), pwd: "abcdefghijklmnopqrstuvwx".into() };
    let from = ([192, 0, 2, 7], 50_000).into();
    let crypto = AwsLcRsProvider::default();
    if let Some(check) = request.check(&local, from, crypto.crypto()) {
        assert!(check.response.len() >= 20, "a STUN message has a header");
    }
});
