//! What an operator can set. `config/crescendo.toml` documents every key; a test holds the two together.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use crate::room::VideoCodec;

mod access;
mod api;
mod composite;
mod hls;
mod limits;
mod load;
mod network;
mod origin;
mod record;
mod room;
#[cfg(test)]
mod tests;

pub use access::{Access, Algorithm, ApiKey, TokenKey};
pub use api::{Api, BroadcastHooks, Receiver, WebhookFormat, Webhooks, is_receiver};
pub use composite::Composite;
pub use hls::Hls;
pub use limits::Limits;
pub use load::{ConfigError, check, load};
pub use network::{Network, NotANetwork};
pub use origin::{Origin, Origins};
pub use record::{Record, SyncPolicy};
pub use room::Room;

/// The whole configuration. [`Default`] is what runs when nothing is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub http: Http,
    pub tls: Tls,
    pub access: Access,
    pub api: Api,
    pub webhooks: Webhooks,
    pub signal: Signal,
    pub antmedia: AntMedia,
    pub whip: Whip,
    pub room: Room,
    pub sfu: Sfu,
    pub turn: Turn,
    pub legs: Legs,
    pub hls: Hls,
    pub composite: Composite,
    pub record: Record,
    pub limits: Limits,
    pub log: Log,
    pub trace: Trace,
}

/// Pages, API, signaling, HLS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where plain HTTP is spoken.
    #[serde(deserialize_with = "one_or_many")]
    pub listen: Vec<SocketAddr>,
    /// Plain HTTP that comes from elsewhere is sent to HTTPS.
    pub redirect_to_https: bool,
    /// For the head of a request, and for each piece of its body.
    pub read_timeout_ms: u32,
    pub max_header_bytes: usize,
    /// Requests that an HTTP/2 connection may have under way.
    pub http2_streams: u32,
}

/// HTTPS, and TURN on the same ports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    #[serde(deserialize_with = "one_or_many")]
    pub listen: Vec<SocketAddr>,
    /// PEM: the certificate and those between it and the root.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
    pub handshake_timeout_ms: u32,
    /// Names that a certificate is asked for, instead of `cert` and `key`.
    pub acme_domains: Vec<String>,
    /// Mail addresses.
    pub acme_contact: Vec<String>,
    pub acme_cache: PathBuf,
    pub acme_url: String,
    /// PEM: whom to trust as the authority's server.
    pub acme_root: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signal {
    pub max_message_bytes: usize,
    pub messages_per_second: u32,
    pub message_burst: u32,
    pub heartbeat_ms: u32,
    pub timeout_ms: u32,
    pub join_timeout_ms: u32,
    pub outbox_messages: usize,
    pub outbox_bytes: usize,
    /// What a room keeps of its last messages for sockets that come back.
    pub message_history_bytes: usize,
    /// STUN servers that clients are told of, as `stun:host:port`.
    pub stun_urls: Vec<String>,
}

/// The doors for apps that are built on Ant Media's SDKs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AntMedia {
    /// Names under which it answers, as in `/{app}/websocket`.
    pub apps: Vec<String>,
    /// Of these, the ones whose rooms take two by `join`.
    pub two_peer_apps: Vec<String>,
    /// Every stream that is published is broadcast as HLS too.
    pub hls: bool,
    pub turn_transport: TurnTransport,
    pub max_message_bytes: usize,
    /// For a sign of life of who holds an id that somebody else asks for.
    pub takeover_ms: u32,
}

/// WHIP and WHEP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Whip {
    /// Sessions of both that there may be.
    pub sessions: usize,
    pub sessions_per_address: usize,
    pub max_body_bytes: usize,
    /// Of one address.
    pub requests_per_second: u32,
    pub request_burst: u32,
}

/// How clients that take one address reach the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnTransport {
    Udp,
    Tcp,
}

/// The media plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sfu {
    /// Address and first port; shard n binds port + n, or any port when it is 0.
    pub listen: SocketAddr,
    /// Addresses that clients are told of. Empty: `listen`, or every address of the machine when that is unspecified.
    pub announce: Vec<IpAddr>,
    /// Where ICE is taken over TCP.
    #[serde(deserialize_with = "one_or_many")]
    pub tcp_listen: Vec<SocketAddr>,
    /// At `tls.listen` too.
    pub tcp_on_https: bool,
    /// What may wait for a client that comes over TCP.
    pub tcp_queue_bytes: usize,
    /// 0: one a core.
    pub shards: usize,
    /// Pin shards to cores.
    pub pin: bool,
    /// Wanted video codecs, the most wanted first.
    pub video_codecs: Vec<String>,
    pub start_bitrate_kbps: u32,
    /// Cameras are asked for in several sizes.
    pub simulcast: bool,
    /// Share of the pixels shown that a layer must have to be enough.
    pub layer_enough: f32,
    /// How many microphones are heard at once in rooms of more than `loudest_above`; 0: all.
    pub loudest: usize,
    /// In people.
    pub loudest_above: usize,
    /// Sound is asked for, and sent where some is lost, with what was before it once more.
    pub red: bool,
    /// What an up transport may bring.
    pub max_kbps: u32,
    /// What the path to each receiver takes is estimated, and bounds what is sent there.
    pub bandwidth_estimation: bool,
    pub down_start_kbps: u32,
    pub down_min_kbps: u32,
    pub down_max_kbps: u32,
    pub history_packets: usize,
    pub train_us: u32,
    pub consent_ms: u32,
    pub handshake_ms: u32,
    pub dtls_retransmit_ms: u32,
    pub pli_interval_ms: u32,
    /// Age of the last key frame with which a receiver that comes may begin.
    pub key_frame_reuse_ms: u32,
    /// Most that a receiver is sent at once to begin with.
    pub key_frame_reuse_bytes: usize,
    /// Largest message of a data channel.
    pub data_message_bytes: usize,
    /// Data channels of a transport.
    pub data_channels: u16,
    /// What may wait for a receiver that is slow.
    pub data_queue_bytes: usize,
    pub data_messages_per_second: u32,
    pub command_queue: usize,
    pub socket_buffer_bytes: usize,
}

/// STUN and TURN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    pub enabled: bool,
    /// UDP and TCP.
    pub listen: SocketAddr,
    /// TLS, with the certificate of [`Tls`].
    #[serde(deserialize_with = "one_or_many")]
    pub tls_listen: Vec<SocketAddr>,
    /// The name in URLs; addresses when it is empty.
    pub public_host: String,
    pub realm: String,
    /// Empty: a random one of this process.
    pub secret: Hidden,
    pub credential_ttl_s: u32,
    /// Addresses that relayed ports are bound on; empty: those of `listen`.
    pub relay: Vec<IpAddr>,
    /// What clients and peers are told instead of our addresses, one a family.
    pub announce: Vec<IpAddr>,
    /// 0: any port.
    pub first_port: u16,
    pub last_port: u16,
    /// Networks that peers may be in although they are private, as `10.1.0.0/16`.
    pub allow_peers: Vec<Network>,
    pub allocations: usize,
    pub user_allocations: usize,
    pub address_allocations: usize,
    pub user_kbps: u32,
    pub permissions: usize,
    pub channels: usize,
    pub requests_per_second: u32,
    pub request_burst: u32,
    pub streams: usize,
    pub streams_per_address: usize,
    pub stream_idle_ms: u32,
    pub stream_buffer_bytes: usize,
    /// Pin the UDP thread to the last core.
    pub pin: bool,
    pub socket_buffer_bytes: usize,
}

/// Text that no log shows.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Legs {
    /// Packets that may wait for a leg before it drops.
    pub queue_packets: usize,
    pub reorder_ms: u32,
    pub key_frame_retry_ms: u32,
    /// For legs of kind `other`.
    pub other_directory: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `tracing` filter: `info`, `crescendo=debug`, …
    pub filter: String,
    pub json: bool,
}

/// Traces of joins and switches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trace {
    /// Where a collector takes OTLP over HTTP; none when it is empty.
    pub otlp: String,
    /// PEM: whom to trust as the collector.
    pub roots: PathBuf,
    /// Spans that may wait for it.
    pub queue_spans: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self { otlp: String::new(), roots: "/etc/ssl/certs/ca-certificates.crt".into(), queue_spans: 4_096 }
    }
}

impl Sfu {
    /// `video_codecs`, parsed. What is not a codec was refused when the configuration was loaded.
    pub fn codecs(&self) -> Vec<VideoCodec> {
        self.video_codecs
            .iter()
            .filter_map(|name| match name.as_str() {
                "H264" => Some(VideoCodec::H264),
                "VP8" => Some(VideoCodec::Vp8),
                "VP9" => Some(VideoCodec::Vp9),
                "AV1" => Some(VideoCodec::Av1),
                _ => None,
            })
            .collect()
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            redirect_to_https: false,
            read_timeout_ms: 10_000,
            max_header_bytes: 32 * 1024,
            http2_streams: 100,
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            cert: PathBuf::new(),
            key: PathBuf::new(),
            handshake_timeout_ms: 10_000,
            acme_domains: Vec::new(),
            acme_contact: Vec::new(),
            acme_cache: "acme".into(),
            acme_url: "https://acme-v02.api.letsencrypt.org/directory".into(),
            acme_root: "/etc/ssl/certs/ca-certificates.crt".into(),
        }
    }
}

impl Default for Signal {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 * 1024,
            messages_per_second: 100,
            message_burst: 400,
            heartbeat_ms: 5_000,
            timeout_ms: 15_000,
            join_timeout_ms: 10_000,
            outbox_messages: 1_024,
            outbox_bytes: 1 << 20,
            message_history_bytes: 256 * 1024,
            stun_urls: Vec::new(),
        }
    }
}

impl Default for AntMedia {
    fn default() -> Self {
        Self {
            apps: ["live", "LiveApp", "WebRTCAppEE"].map(String::from).to_vec(),
            two_peer_apps: Vec::new(),
            hls: true,
            turn_transport: TurnTransport::Udp,
            max_message_bytes: 128 * 1024,
            takeover_ms: 2_500,
        }
    }
}

impl Default for Whip {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            sessions_per_address: 100,
            max_body_bytes: 64 * 1024,
            requests_per_second: 20,
            request_burst: 100,
        }
    }
}

impl Default for Sfu {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 50_000)),
            announce: Vec::new(),
            tcp_listen: Vec::new(),
            tcp_on_https: false,
            tcp_queue_bytes: 256 * 1024,
            red: true,
            shards: 1,
            pin: true,
            video_codecs: ["H264", "VP8", "VP9", "AV1"].map(String::from).to_vec(),
            start_bitrate_kbps: 1_500,
            simulcast: true,
            layer_enough: 0.6,
            loudest: 6,
            loudest_above: 10,
            max_kbps: 8_000,
            bandwidth_estimation: true,
            down_start_kbps: 3_000,
            down_min_kbps: 50,
            down_max_kbps: 100_000,
            history_packets: 512,
            train_us: 1_000,
            consent_ms: 15_000,
            handshake_ms: 10_000,
            dtls_retransmit_ms: 75,
            pli_interval_ms: 400,
            key_frame_reuse_ms: 400,
            key_frame_reuse_bytes: 128 * 1024,
            data_message_bytes: 65_536,
            data_channels: 16,
            data_queue_bytes: 256 * 1024,
            data_messages_per_second: 100,
            command_queue: 4_096,
            socket_buffer_bytes: 4 * 1024 * 1024,
        }
    }
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([0, 0, 0, 0], 3_478)),
            tls_listen: Vec::new(),
            public_host: String::new(),
            realm: "crescendo".into(),
            secret: Hidden::default(),
            credential_ttl_s: 3_600,
            relay: Vec::new(),
            announce: Vec::new(),
            first_port: 0,
            last_port: 0,
            allow_peers: Vec::new(),
            allocations: 10_000,
            user_allocations: 100,
            address_allocations: 500,
            user_kbps: 20_000,
            permissions: 64,
            channels: 64,
            requests_per_second: 100,
            request_burst: 500,
            streams: 4_096,
            streams_per_address: 500,
            stream_idle_ms: 10_000,
            stream_buffer_bytes: 256 * 1024,
            pin: true,
            socket_buffer_bytes: 1024 * 1024,
        }
    }
}

impl Default for Legs {
    fn default() -> Self {
        Self { queue_packets: 4_096, reorder_ms: 100, key_frame_retry_ms: 500, other_directory: "legs".into() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".into(), json: false }
    }
}

/// One address, or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SocketAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an address with its port, or a list of them")]
    enum Given {
        One(SocketAddr),
        Many(Vec<SocketAddr>),
    }
    Ok(match Given::deserialize(from)? {
        Given::One(address) => vec![address],
        Given::Many(addresses) => addresses,
    })
}
