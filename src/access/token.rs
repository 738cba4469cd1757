//! The compact form of a token (RFC 7515 section 7.1), read strictly and written.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::key::Key;
use super::refused::Refused;

/// A token in its parts; nothing of it has been believed yet.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) header: Named,
    /// What the signature is over: header and payload as they came.
    pub(super) signed: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// What its header says of how it is signed.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
}

/// Keys that a header brings along (`jwk`, `jku`, `x5c`) are passed over like everything else: keys are ours.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Decodes the three parts and reads the header.
    ///
    /// # Errors
    /// It has not this form, or its header asks for what this server does not do.
    pub(super) fn parse(text: &'a str) -> Result<Self, Refused> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Form)?;
        // The decoder takes no padding, no white space and no stray bits; a fourth part would bring a dot.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Form);
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let Header { alg, kid, typ, crit } = object(&header).ok_or(Refused::Header)?;
        if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(Refused::Type);
        }
        // RFC 7515 section 4.1.11.
        if crit.is_some() {
            return Err(Refused::Critical);
        }
        Ok(Self { header: Named { alg, kid }, signed, payload, signature })
    }

    /// The algorithm is the key's own. A token that says another is not tried with it (RFC 8725 section 3.1).
    ///
    /// # Errors
    /// It says another, or the signature is not that key's.
    pub(super) fn verify(&self, key: &Key) -> Result<(), Refused> {
        if key.algorithm().name() != self.header.alg {
            return Err(Refused::Algorithm);
        }
        key.verify(self.signed.as_bytes(), &self.signature)
    }
}

/// A JSON object and nothing after it; a known name that comes twice makes it none (RFC 8725 section 2.6: parsers differ in which
/// of the two they take).
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    // Serde would take a list for the same.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    if is_object { serde_json::from_slice(bytes).ok() } else { None }
}

/// None when the key can only check.
pub(super) fn sign(kid: Option<&str>, key: &Key, claims: &impl Serialize) -> Option<String> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'static str,
        typ: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        kid: Option<&'a str>,
    }
    let header = Header { alg: key.algorithm().name(), typ: "JWT", kid };
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let json = |header| serde_json::to_vec(header).expect("names and texts are JSON");
    let claims = serde_json::to_vec(claims).expect("claims are JSON");
    let signed = format!("{}.{}", encode(&json(&header)), encode(&claims));
    let signature = encode(&key.sign(signed.as_bytes())?);
    Some(format!("{signed}.{signature}"))
}
