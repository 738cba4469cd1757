//! Keys, each with the one algorithm that it is for.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use aws_lc_rs::{constant_time, digest, hmac};

use super::refused::Refused;
use crate::config::Algorithm;

/// Shortest secret, in bytes (RFC 7518 section 3.2: as long as what HS256 gives).
pub(super) const SECRET_BYTES: usize = 32;

/// What a token's signature is checked with.
pub(super) enum Key {
    Hs256(Box<hmac::Key>),
    Es256(ParsedPublicKey),
    EdDsa(ParsedPublicKey),
    Rs256(ParsedPublicKey),
}

impl Key {
    pub(super) fn hs256(secret: &[u8]) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// From a SubjectPublicKeyInfo (RFC 5280 section 4.1), or the key within one. None where it is not of that algorithm, which
    /// HS256 never is.
    pub(super) fn public(algorithm: Algorithm, spki: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Hs256 => None,
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, spki).ok().map(Self::Es256),
            Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, spki).ok().map(Self::EdDsa),
            Algorithm::Rs256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki).ok().map(Self::Rs256),
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Key::Hs256(_) => Algorithm::Hs256,
            Key::Es256(_) => Algorithm::Es256,
            Key::EdDsa(_) => Algorithm::EdDsa,
            Key::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// In constant time for secrets. Signatures of ES256 are the two numbers one after the other (RFC 7518 section 3.4).
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Refused> {
        match self {
            Key::Hs256(key) => hmac::verify(key, signed, signature),
            Key::Es256(key) | Key::EdDsa(key) | Key::Rs256(key) => key.verify_sig(signed, signature),
        }
        .map_err(|_| Refused::Signature)
    }

    /// None when it can only check.
    pub(super) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Key::Hs256(key) => Some(hmac::sign(key, text).as_ref().to_vec()),
            Key::Es256(_) | Key::EdDsa(_) | Key::Rs256(_) => None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm().name())
    }
}

/// A back end's secret, as its hash: what is compared is of one length, and what is compared away from is never kept.
pub(super) struct ApiKey {
    pub(super) id: String,
    hash: digest::Digest,
}

impl ApiKey {
    pub(super) fn new(id: String, secret: &str) -> Self {
        Self { id, hash: hash(secret) }
    }

    /// In constant time.
    pub(super) fn is(&self, secret: &str) -> bool {
        constant_time::verify_slices_are_equal(self.hash.as_ref(), hash(secret).as_ref()).is_ok()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

fn hash(secret: &str) -> digest::Digest {
    digest::digest(&digest::SHA256, secret.as_bytes())
}
