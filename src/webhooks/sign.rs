//! The signature of a message.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// `v1,` and HMAC-SHA256 over `{id}.{timestamp}.{body}` in base64. `timestamp`: seconds since 1970.
pub(super) fn signature(key: &hmac::Key, id: u64, timestamp: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
}

/// The name of a receiver's directory: one that a file system takes, whatever the address is.
pub(super) fn name_of(url: &str) -> String {
    let hash = digest::digest(&digest::SHA256, url.as_bytes());
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the reference libraries, whose id is text: only the form of what is signed differs.
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&hmac::Key::new(hmac::HMAC_SHA256, &key), 7, 1_614_265_330, br#"{"test": 2432232314}"#);
        let by_hand = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), br#"7.1614265330.{"test": 2432232314}"#);
        assert_eq!(signed, format!("v1,{}", BASE64_STANDARD.encode(by_hand)));
    }
}
