//! A file, then `--set` on top of it; whatever is unknown or out of range is refused with a hint.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::api::is_receiver;
use super::{Config, Webhooks};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{origin}: {source}")]
    Syntax { origin: String, source: Box<toml::de::Error> },
    #[error("unknown key `{key}`; the nearest known one is `{nearest}`")]
    UnknownKey { key: String, nearest: String },
    #[error("`--set {0}` is not of the form key=value")]
    NotAnAssignment(String),
    #[error("{0}")]
    Value(Box<toml::de::Error>),
    #[error("`{key}` is {value}; it must be {must}")]
    Range { key: &'static str, value: String, must: &'static str },
}

/// Reads `file` where one is given, lays each `key=value` of `set` over it (dotted keys, TOML values; a bare word is a
/// string) and checks the result.
pub fn load(file: Option<&Path>, set: &[String]) -> Result<Config, ConfigError> {
    let mut table = match file {
        None => Table::new(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
            text.parse().map_err(|e| syntax(&path.display().to_string(), e))?
        }
    };
    for assignment in set {
        assign(&mut table, assignment)?;
    }
    refuse_unknown(&table)?;
    let config: Config = Value::Table(table).try_into().map_err(|e| ConfigError::Value(Box::new(e)))?;
    check(&config)?;
    Ok(config)
}

fn syntax(origin: &str, source: toml::de::Error) -> ConfigError {
    ConfigError::Syntax { origin: origin.to_owned(), source: Box::new(source) }
}

fn assign(table: &mut Table, assignment: &str) -> Result<(), ConfigError> {
    let malformed = || ConfigError::NotAnAssignment(assignment.to_owned());
    let (key, text) = assignment.split_once('=').ok_or_else(malformed)?;
    let (path, last) = match key.rsplit_once('.') {
        Some((path, last)) => (path.split('.').collect::<Vec<_>>(), last),
        None => (Vec::new(), key),
    };
    if last.is_empty() || path.iter().any(|part| part.is_empty()) {
        return Err(malformed());
    }
    let value = format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut at = table;
    for part in path {
        at = at.entry(part).or_insert_with(|| Value::Table(Table::new())).as_table_mut().ok_or_else(malformed)?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

fn refuse_unknown(given: &Table) -> Result<(), ConfigError> {
    let known = keys(&Table::try_from(Config::default()).expect("the defaults are TOML"));
    match keys(given).into_iter().find(|key| !known.contains(key)) {
        None => Ok(()),
        Some(key) => {
            let nearest = known.into_iter().min_by_key(|k| strsim::damerau_levenshtein(k, &key)).unwrap_or_default();
            Err(ConfigError::UnknownKey { key, nearest })
        }
    }
}

/// Dotted names of all values in a table of tables; an empty table counts as a key so that an unknown one is seen.
pub(super) fn keys(table: &Table) -> Vec<String> {
    table
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Table(inner) if !inner.is_empty() => {
                keys(inner).into_iter().map(|key| format!("{name}.{key}")).collect()
            }
            Value::Table(_) if is_section(name) => Vec::new(),
            _ => vec![name.clone()],
        })
        .collect()
}

fn is_section(name: &str) -> bool {
    Table::try_from(Config::default()).is_ok_and(|defaults| defaults.get(name).is_some_and(Value::is_table))
}

/// First segments of this server's own paths.
const RESERVED: [&str; 8] = ["api", "hls", "r", "watch", "signal", "whip", "whep", "lab"];

/// Each has a task, a queue and connections of its own.
const WEBHOOKS_MAX: usize = 16;

/// Values that the types allow and the server could not run with.
///
/// # Errors
/// The first that is found.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let range =
        |ok: bool, key, value: String, must| if ok { Ok(()) } else { Err(ConfigError::Range { key, value, must }) };
    let Config {
        http,
        tls,
        access,
        api,
        webhooks,
        signal,
        antmedia,
        whip,
        room,
        sfu,
        turn,
        legs,
        hls,
        composite,
        record,
        limits,
        log: _,
        trace,
    } = config;
    range(
        !(http.listen.is_empty() && tls.listen.is_empty()),
        "http.listen",
        "empty".into(),
        "an address, unless tls.listen has one",
    )?;
    range(http.read_timeout_ms >= 100, "http.read_timeout_ms", http.read_timeout_ms.to_string(), "at least 100")?;
    range(
        (4_096..=1 << 20).contains(&http.max_header_bytes),
        "http.max_header_bytes",
        http.max_header_bytes.to_string(),
        "4096 to 1048576",
    )?;
    range(http.http2_streams >= 1, "http.http2_streams", http.http2_streams.to_string(), "at least 1")?;
    let asks_authority = !tls.acme_domains.is_empty();
    let (has_cert, has_key) = (!tls.cert.as_os_str().is_empty(), !tls.key.as_os_str().is_empty());
    range(has_cert == has_key, "tls.cert", tls.cert.display().to_string(), "given together with tls.key")?;
    range(
        (tls.listen.is_empty() && turn.tls_listen.is_empty()) || has_cert != asks_authority,
        "tls.listen",
        format!("{:?}", tls.listen),
        "empty, as turn.tls_listen, or come with either tls.cert and tls.key or tls.acme_domains",
    )?;
    range(
        tls.handshake_timeout_ms >= 100,
        "tls.handshake_timeout_ms",
        tls.handshake_timeout_ms.to_string(),
        "at least 100",
    )?;
    range(access.leeway_s <= 300, "access.leeway_s", access.leeway_s.to_string(), "at most 300")?;
    range(
        (512..=16_384).contains(&access.max_token_bytes),
        "access.max_token_bytes",
        access.max_token_bytes.to_string(),
        "512 to 16384",
    )?;
    range(access.max_ttl_s >= 60, "access.max_ttl_s", access.max_ttl_s.to_string(), "at least 60")?;
    // Twice as many m-lines are offered ahead of need.
    range((1..=100).contains(&room.mesh_limit), "room.mesh_limit", room.mesh_limit.to_string(), "1 to 100")?;
    range(room.warm_at >= 1, "room.warm_at", room.warm_at.to_string(), "at least 1")?;
    range(room.demote_after_ms >= 1, "room.demote_after_ms", room.demote_after_ms.to_string(), "at least 1")?;
    range(
        (0.0..=1.0).contains(&room.relayed_to_sfu),
        "room.relayed_to_sfu",
        room.relayed_to_sfu.to_string(),
        "0 to 1",
    )?;
    range(room.empty_ms >= 1_000, "room.empty_ms", room.empty_ms.to_string(), "at least 1000")?;
    range(room.capacity >= 1, "room.capacity", room.capacity.to_string(), "at least 1")?;
    range(room.moves_at_once >= 1, "room.moves_at_once", room.moves_at_once.to_string(), "at least 1")?;
    range(
        room.switch_deadline_ms >= 500,
        "room.switch_deadline_ms",
        room.switch_deadline_ms.to_string(),
        "at least 500",
    )?;
    range(
        (1024..=1 << 20).contains(&signal.max_message_bytes),
        "signal.max_message_bytes",
        signal.max_message_bytes.to_string(),
        "1024 to 1048576",
    )?;
    range(
        signal.messages_per_second >= 1 && signal.message_burst >= 1,
        "signal.messages_per_second",
        signal.messages_per_second.to_string(),
        "at least 1, like signal.message_burst",
    )?;
    range(
        signal.timeout_ms > signal.heartbeat_ms,
        "signal.timeout_ms",
        signal.timeout_ms.to_string(),
        "longer than signal.heartbeat_ms",
    )?;
    range(
        (1024..=1 << 20).contains(&antmedia.max_message_bytes),
        "antmedia.max_message_bytes",
        antmedia.max_message_bytes.to_string(),
        "1024 to 1048576",
    )?;
    range(
        (500..=60_000).contains(&antmedia.takeover_ms),
        "antmedia.takeover_ms",
        antmedia.takeover_ms.to_string(),
        "500 to 60000",
    )?;
    let is_app = |app: &String| app.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    range(
        antmedia.apps.iter().all(|app| is_app(app) && !RESERVED.contains(&app.as_str()) && !app.is_empty()),
        "antmedia.apps",
        format!("{:?}", antmedia.apps),
        "names of A-Z a-z 0-9 _ - that are no paths of this server",
    )?;
    range(
        (1024..=1 << 20).contains(&whip.max_body_bytes),
        "whip.max_body_bytes",
        whip.max_body_bytes.to_string(),
        "1024 to 1048576",
    )?;
    range(
        whip.requests_per_second >= 1 && whip.request_burst >= 1,
        "whip.requests_per_second",
        whip.requests_per_second.to_string(),
        "at least 1, like whip.request_burst",
    )?;
    range(signal.outbox_messages >= 64, "signal.outbox_messages", signal.outbox_messages.to_string(), "at least 64")?;
    range(
        signal.outbox_bytes >= signal.message_history_bytes.saturating_add(2 * signal.max_message_bytes),
        "signal.outbox_bytes",
        signal.outbox_bytes.to_string(),
        "at least signal.message_history_bytes and twice signal.max_message_bytes together",
    )?;
    range(
        sfu.history_packets.is_power_of_two() && (64..=32_768).contains(&sfu.history_packets),
        "sfu.history_packets",
        sfu.history_packets.to_string(),
        "a power of two from 64 to 32768",
    )?;
    range(sfu.train_us <= 10_000, "sfu.train_us", sfu.train_us.to_string(), "at most 10000")?;
    let reuse = sfu.key_frame_reuse_ms;
    range(reuse <= 900, "sfu.key_frame_reuse_ms", reuse.to_string(), "at most 900")?;
    range(
        sfu.key_frame_reuse_bytes <= 1 << 20,
        "sfu.key_frame_reuse_bytes",
        sfu.key_frame_reuse_bytes.to_string(),
        "at most 1048576",
    )?;
    let enough = sfu.layer_enough;
    range((0.0..=1.0).contains(&enough), "sfu.layer_enough", enough.to_string(), "from 0 to 1")?;
    range(
        (1_200..=65_536).contains(&sfu.data_message_bytes),
        "sfu.data_message_bytes",
        sfu.data_message_bytes.to_string(),
        "1200 to 65536",
    )?;
    range((1..=1_024).contains(&sfu.data_channels), "sfu.data_channels", sfu.data_channels.to_string(), "1 to 1024")?;
    range(
        sfu.data_queue_bytes >= sfu.data_message_bytes,
        "sfu.data_queue_bytes",
        sfu.data_queue_bytes.to_string(),
        "at least sfu.data_message_bytes",
    )?;
    range(
        sfu.data_messages_per_second >= 1,
        "sfu.data_messages_per_second",
        sfu.data_messages_per_second.to_string(),
        "at least 1",
    )?;
    range(sfu.down_min_kbps >= 10, "sfu.down_min_kbps", sfu.down_min_kbps.to_string(), "at least 10")?;
    let most = sfu.down_max_kbps;
    let fits = most >= sfu.down_min_kbps && most >= sfu.down_start_kbps;
    range(fits, "sfu.down_max_kbps", most.to_string(), "at least down_min_kbps and down_start_kbps")?;
    range(sfu.max_kbps >= 100, "sfu.max_kbps", sfu.max_kbps.to_string(), "at least 100")?;
    range(sfu.command_queue >= 64, "sfu.command_queue", sfu.command_queue.to_string(), "at least 64")?;
    range(legs.queue_packets >= 64, "legs.queue_packets", legs.queue_packets.to_string(), "at least 64")?;
    range(
        (turn.first_port == 0 && turn.last_port == 0) || (1..=turn.last_port).contains(&turn.first_port),
        "turn.first_port",
        turn.first_port.to_string(),
        "at most turn.last_port, and 0 only if that is",
    )?;
    range(turn.credential_ttl_s >= 10, "turn.credential_ttl_s", turn.credential_ttl_s.to_string(), "at least 10")?;
    range(
        (1..=127).contains(&turn.realm.chars().count()),
        "turn.realm",
        format!("{:?}", turn.realm),
        "1 to 127 characters",
    )?;
    range(
        turn.permissions >= 1 && turn.channels >= 1,
        "turn.permissions",
        turn.permissions.to_string(),
        "at least 1, like turn.channels",
    )?;
    range(turn.user_kbps >= 100, "turn.user_kbps", turn.user_kbps.to_string(), "at least 100")?;
    range(
        turn.requests_per_second >= 1 && turn.request_burst >= 10,
        "turn.requests_per_second",
        turn.requests_per_second.to_string(),
        "at least 1, and turn.request_burst at least 10",
    )?;
    range(
        turn.address_allocations >= 1,
        "turn.address_allocations",
        turn.address_allocations.to_string(),
        "at least 1",
    )?;
    range(
        turn.streams_per_address >= 1,
        "turn.streams_per_address",
        turn.streams_per_address.to_string(),
        "at least 1",
    )?;
    range(turn.stream_idle_ms >= 1_000, "turn.stream_idle_ms", turn.stream_idle_ms.to_string(), "at least 1000")?;
    range(
        turn.stream_buffer_bytes >= 16_384,
        "turn.stream_buffer_bytes",
        turn.stream_buffer_bytes.to_string(),
        "at least 16384",
    )?;
    range(sfu.tcp_queue_bytes >= 65_536, "sfu.tcp_queue_bytes", sfu.tcp_queue_bytes.to_string(), "at least 65536")?;
    range(sfu.shards <= 256, "sfu.shards", sfu.shards.to_string(), "at most 256")?;
    range(
        sfu.listen.port() == 0 || usize::from(sfu.listen.port()) + sfu.shards.max(1) <= usize::from(u16::MAX) + 1,
        "sfu.listen",
        sfu.listen.to_string(),
        "followed by as many ports as there are `sfu.shards`, up to 65535",
    )?;
    for (key, announced) in [("sfu.announce", &sfu.announce), ("turn.announce", &turn.announce)] {
        range(
            announced.iter().all(|ip| !ip.is_unspecified()),
            key,
            format!("{announced:?}"),
            "addresses that clients can send to",
        )?;
    }
    let is_name = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    range(
        is_name(&turn.public_host) || turn.public_host.parse::<std::net::IpAddr>().is_ok(),
        "turn.public_host",
        format!("{:?}", turn.public_host),
        "a host name or an address",
    )?;
    range(
        !sfu.video_codecs.is_empty()
            && sfu.video_codecs.iter().all(|c| ["H264", "VP8", "VP9", "AV1"].contains(&c.as_str())),
        "sfu.video_codecs",
        format!("{:?}", sfu.video_codecs),
        "one or more of H264, VP8, VP9, AV1",
    )?;
    range(
        (50..=2_000).contains(&hls.part_ms) && hls.segment_ms >= hls.part_ms && hls.segment_ms <= 10_000,
        "hls.part_ms",
        hls.part_ms.to_string(),
        "50 to 2000 and no longer than hls.segment_ms, which is at most 10000",
    )?;
    range((3..=1_000).contains(&hls.segments), "hls.segments", hls.segments.to_string(), "3 to 1000")?;
    range((10..=86_400).contains(&hls.window_s), "hls.window_s", hls.window_s.to_string(), "10 to 86400")?;
    range(
        (100..=50_000).contains(&hls.transcode_kbps),
        "hls.transcode_kbps",
        hls.transcode_kbps.to_string(),
        "100 to 50000",
    )?;
    range(
        (320..=3_840).contains(&composite.width) && composite.width.is_multiple_of(8),
        "composite.width",
        composite.width.to_string(),
        "320 to 3840, a multiple of 8",
    )?;
    range(
        (180..=2_160).contains(&composite.height) && composite.height.is_multiple_of(2),
        "composite.height",
        composite.height.to_string(),
        "180 to 2160, even",
    )?;
    range((5..=60).contains(&composite.fps), "composite.fps", composite.fps.to_string(), "5 to 60")?;
    range((100..=50_000).contains(&composite.kbps), "composite.kbps", composite.kbps.to_string(), "100 to 50000")?;
    range((1..=49).contains(&composite.tiles), "composite.tiles", composite.tiles.to_string(), "1 to 49")?;
    range(
        record.files.parse::<crescendo_record::Template>().is_ok(),
        "record.files",
        format!("{:?}", record.files),
        "directories of {room}, {time} and {leg}, then a file name with {participant}, as in the default",
    )?;
    range(
        (100..=1_000).contains(&record.fragment_ms),
        "record.fragment_ms",
        record.fragment_ms.to_string(),
        "100 to 1000",
    )?;
    range(record.key_frame_ms >= 500, "record.key_frame_ms", record.key_frame_ms.to_string(), "at least 500")?;
    range((1..=4_096).contains(&record.queue_mib), "record.queue_mib", record.queue_mib.to_string(), "1 to 4096")?;
    range((16..=1 << 20).contains(&api.events_kept), "api.events_kept", api.events_kept.to_string(), "16 to 1048576")?;
    range(api.keep_alive_ms >= 100, "api.keep_alive_ms", api.keep_alive_ms.to_string(), "at least 100")?;
    range(
        (1024..=1 << 20).contains(&api.max_body_bytes),
        "api.max_body_bytes",
        api.max_body_bytes.to_string(),
        "1024 to 1048576",
    )?;
    check_webhooks(webhooks)?;
    range(
        (64..=1 << 20).contains(&trace.queue_spans),
        "trace.queue_spans",
        trace.queue_spans.to_string(),
        "64 to 1048576",
    )?;
    range(
        (10..=86_400).contains(&access.jwks_cache_s),
        "access.jwks_cache_s",
        access.jwks_cache_s.to_string(),
        "10 to 86400",
    )?;
    range(limits.connections >= 1, "limits.connections", limits.connections.to_string(), "at least 1")?;
    range(
        limits.connections_per_address >= 1,
        "limits.connections_per_address",
        limits.connections_per_address.to_string(),
        "at least 1",
    )?;
    range(room.publishers >= 1, "room.publishers", room.publishers.to_string(), "at least 1")?;
    range(limits.cpu_percent <= 100, "limits.cpu_percent", limits.cpu_percent.to_string(), "0 to 100")?;
    range(limits.rooms >= 1, "limits.rooms", limits.rooms.to_string(), "at least 1")
}

fn check_webhooks(webhooks: &Webhooks) -> Result<(), ConfigError> {
    let range =
        |ok: bool, key, value: String, must| if ok { Ok(()) } else { Err(ConfigError::Range { key, value, must }) };
    let addresses: Vec<&str> = webhooks.urls.iter().map(|receiver| receiver.url.as_str()).collect();
    range(
        addresses.len() <= WEBHOOKS_MAX && addresses.iter().all(|text| is_receiver(text)),
        "webhooks.urls",
        format!("{addresses:?}"),
        "at most 16 addresses of http or https, without users and passwords",
    )?;
    range(
        webhooks.key().is_some() || (!webhooks.needs_secret() && webhooks.secret.0.is_empty()),
        "webhooks.secret",
        "hidden".into(),
        "whsec_ and 24 to 64 bytes in base64",
    )?;
    range(webhooks.timeout_ms >= 100, "webhooks.timeout_ms", webhooks.timeout_ms.to_string(), "at least 100")?;
    range(webhooks.retry_ms >= 10, "webhooks.retry_ms", webhooks.retry_ms.to_string(), "at least 10")?;
    range((1..=256).contains(&webhooks.at_once), "webhooks.at_once", webhooks.at_once.to_string(), "1 to 256")?;
    range(
        (1..=4_096).contains(&webhooks.broadcasts_at_once),
        "webhooks.broadcasts_at_once",
        webhooks.broadcasts_at_once.to_string(),
        "1 to 4096",
    )?;
    range(webhooks.queue_events >= 1, "webhooks.queue_events", webhooks.queue_events.to_string(), "at least 1")?;
    range(webhooks.queue_mib >= 1, "webhooks.queue_mib", webhooks.queue_mib.to_string(), "at least 1")
}
