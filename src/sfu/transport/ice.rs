//! ICE-lite (RFC 8445 section 2.5): the server answers connectivity checks and never sends any.

use std::net::SocketAddr;

use rtc_crypto::RTCCrypto;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;

use crate::sfu::IceCredential;

/// A Binding request that nobody has checked yet.
pub struct Request {
    message: Message,
    /// Whom it is for: the part of USERNAME before the colon (RFC 8445 section 7.2.2).
    pub ufrag: String,
}

/// An authentic check.
#[derive(Debug)]
pub struct Check {
    /// The far end has chosen this pair of addresses (USE-CANDIDATE).
    pub nominated: bool,
    /// To be sent back to where the request came from.
    pub response: Vec<u8>,
}

/// Nothing when it is not a Binding request with a user name.
pub fn parse(datagram: &[u8]) -> Option<Request> {
    let mut message = Message::new();
    message.raw = datagram.to_vec();
    message.decode().ok()?;
    if message.typ != BINDING_REQUEST {
        return None;
    }
    let username = TextAttribute::get_from_as(&message, ATTR_USERNAME).ok()?;
    let ufrag = username.text.split(':').next()?.to_owned();
    Some(Request { message, ufrag })
}

impl Request {
    /// Nothing when MESSAGE-INTEGRITY is missing or was made with another password.
    pub fn check(mut self, local: &IceCredential, from: SocketAddr, crypto: &dyn RTCCrypto) -> Option<Check> {
        MessageIntegrity::check(&mut self.message, local.pwd.as_bytes(), crypto).ok()?;
        let nominated = self.message.contains(ATTR_USE_CANDIDATE);
        let mut response = Message::new();
        response
            .build(&[
                Box::new(self.message),
                Box::new(BINDING_SUCCESS),
                Box::new(XorMappedAddress { ip: from.ip().to_canonical(), port: from.port() }),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(local.pwd.clone(), crypto)),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(Check { nominated, response: response.raw })
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({})", self.ufrag)
    }
}

/// Characters of a user name that say which shard the transport is on.
const SHARD_CHARS: usize = 2;
/// Shards that can be told apart.
pub const MAX_SHARDS: usize = 64 * 64;

/// A fresh credential: 8 and 24 characters of 64 (RFC 8445 section 5.3 wants at least 24 and 128 bits of randomness). Two more
/// say the number of the shard, below [`MAX_SHARDS`]: connections over TCP have one port for all.
pub fn credential(shard: usize) -> IceCredential {
    let number = [shard / 64 % 64, shard % 64].map(|digit| char::from(ICE_CHARS[digit]));
    let ufrag = number.into_iter().collect::<String>() + &random_text::<8>();
    IceCredential { ufrag, pwd: random_text::<24>() }
}

/// The number of the shard that a user name says.
pub fn shard(ufrag: &str) -> Option<usize> {
    let digits = ufrag.as_bytes().get(..SHARD_CHARS)?.iter();
    digits
        .map(|char| ICE_CHARS.iter().position(|known| known == char))
        .try_fold(0, |number, digit| Some(number * 64 + digit?))
}

const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn random_text<const N: usize>() -> String {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().map(|byte| char::from(ICE_CHARS[usize::from(byte % 64)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_say_their_shard() {
        for number in [0, 1, 63, 64, 255, MAX_SHARDS - 1] {
            let IceCredential { ufrag, pwd } = credential(number);
            assert_eq!((shard(&ufrag), ufrag.len(), pwd.len()), (Some(number), 10, 24));
        }
        for unknown in ["", "A", "\u{e9}\u{e9}", "A-"] {
            assert_eq!(shard(unknown), None, "{unknown}");
        }
    }
}
