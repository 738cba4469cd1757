//! Who may come in: keys of back ends, keys that tokens are signed with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Hidden;

/// `[access]`. Without any key the server is open, and for its own machine alone unless `open` says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Everybody who reaches the server may come in.
    pub open: bool,
    pub api_keys: Vec<ApiKey>,
    /// More of them, a line `id:secret` each; none when it is empty.
    pub api_keys_file: PathBuf,
    pub token_keys: Vec<TokenKey>,
    /// Where a set of further keys is published; none when it is empty.
    pub jwks_url: String,
    /// How long it is taken for what is there.
    pub jwks_cache_s: u32,
    /// PEM: whom to trust as its server.
    pub jwks_roots: PathBuf,
    /// What stream tokens of Ant Media's apps are signed with; none when it is empty.
    pub stream_secret: Hidden,
    /// What tokens for Ant Media's REST are signed with; none when it is empty.
    pub rest_secret: Hidden,
    /// Tokens for one time that may be out at once.
    pub one_time_tokens: usize,
    /// What a token's `aud` has to name, where it has one.
    pub audience: String,
    pub leeway_s: u32,
    pub max_token_bytes: usize,
    /// Of a token that the API makes.
    pub max_ttl_s: u32,
    /// Broadcasts are for those who have a token.
    pub hls: bool,
}

/// A back end's. Tokens may be signed with it too: its id is their `kid`, HS256 their algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    pub id: String,
    pub secret: Hidden,
}

/// What tokens of others are checked with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    pub kid: String,
    pub algorithm: Algorithm,
    /// Of HS256.
    #[serde(default)]
    pub secret: Hidden,
    /// PEM, of ES256, EdDSA and RS256.
    #[serde(default)]
    pub public_key: PathBuf,
}

/// By the names of RFC 7518 and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Rs256 => "RS256",
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Self {
            open: false,
            api_keys: Vec::new(),
            api_keys_file: PathBuf::new(),
            token_keys: Vec::new(),
            jwks_url: String::new(),
            jwks_cache_s: 300,
            jwks_roots: "/etc/ssl/certs/ca-certificates.crt".into(),
            stream_secret: Hidden::default(),
            rest_secret: Hidden::default(),
            one_time_tokens: 10_000,
            audience: String::new(),
            leeway_s: 30,
            max_token_bytes: 4_096,
            max_ttl_s: 86_400,
            hls: true,
        }
    }
}
