//! Who may know whom: the table of ARCHITECTURE.md, held against the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// (place, the crate's own modules that it may name)
const MAY_KNOW: [(&str, &[&str]); 25] = [
    ("src/room", &["room"]),
    ("src/access", &["access", "room", "config"]),
    ("src/sfu/forward", &["sfu::forward", "sfu::VideoCodec", "sfu::Codec", "sfu::Kind"]),
    ("src/sfu", &["sfu", "room", "config"]),
    ("src/turn", &["turn", "config", "sfu::machine_addresses"]),
    ("src/legs", &["legs", "sfu", "config"]),
    ("src/signal/message.rs", &["signal", "room"]),
    ("src/signal/message", &["signal", "room"]),
    ("src/signal/convert.rs", &["signal", "room"]),
    ("src/signal/socket.rs", &["trace", "signal", "room", "host", "access", "config", "websocket"]),
    ("src/websocket", &["websocket"]),
    ("src/listen", &["listen", "config"]),
    ("src/signal/antmedia", &["trace", "signal", "room", "host", "access", "config", "websocket"]),
    ("src/signal/whip.rs", &["trace", "signal", "room", "host", "access", "config", "sfu::sdp"]),
    ("src/signal/whip", &["trace", "signal", "room", "host", "access", "config"]),
    ("src/signal/outgoing.rs", &["signal", "room", "websocket"]),
    ("src/signal/outbox.rs", &["signal", "room", "config"]),
    ("src/config", &["config", "room"]),
    ("src/trace.rs", &["config", "fetch"]),
    ("src/fetch.rs", &["turn::Filter"]),
    ("src/jwks.rs", &["access", "config", "fetch"]),
    ("src/webhooks", &["webhooks", "config", "host::events", "fetch"]),
    (
        "src/check",
        &[
            "check",
            "access",
            "jwks",
            "config",
            "listen",
            "host::broadcasts",
            "host::recordings",
            "sfu::machine_addresses",
            "trace",
            "webhooks",
        ],
    ),
    ("src/doctor", &["doctor", "listen", "signal::message", "sfu::IceCredential"]),
    ("src/host", &["trace", "host", "signal", "sfu", "turn", "legs", "room", "access", "config", "http::hls"]),
];

/// Crates besides `std` that a place may name.
const ROOM_CRATES: &[&str] = &["std", "thiserror", "crate", "super", "self"];

fn sources(place: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    if root.is_file() {
        return vec![root];
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&root).unwrap_or_else(|error| panic!("{place}: {error}")) {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            let below = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below the root").to_owned();
            found.extend(sources(below.to_str().expect("text")));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

/// Everything that follows `crate::` in a file, up to a brace or the end of the path; lists in braces are opened one deep.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for after in line.split("crate::").skip(1) {
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(after.len());
            let path = after[..end].trim_end_matches(':');
            match after[end..].strip_prefix('{') {
                Some(list) => {
                    for part in list.split(['}', ',']).map(str::trim).filter(|part| !part.is_empty() && *part != ";") {
                        names.insert(format!("{path}::{part}").trim_start_matches(':').to_owned());
                    }
                }
                None => {
                    names.insert(path.to_owned());
                }
            }
        }
    }
    names
}

#[test]
fn nobody_knows_whom_they_should_not() {
    let mut read = 0;
    for (place, allowed) in MAY_KNOW {
        for file in sources(place) {
            let text = std::fs::read_to_string(&file).expect("readable");
            read += 1;
            for name in named(&text) {
                let may = allowed.iter().any(|a| name == *a || name.starts_with(&format!("{a}::")));
                assert!(may, "{} names crate::{name}, which {place} may not know", file.display());
            }
        }
    }
    assert!(read > 30, "only {read} files were found");
}

#[test]
fn the_room_knows_std_and_thiserror_only() {
    for file in sources("src/room") {
        let text = std::fs::read_to_string(&file).expect("readable");
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("use ")) {
            let first = line.trim_start_matches("use ").split("::").next().expect("a name");
            let local = first.chars().next().is_some_and(char::is_lowercase)
                && Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/room/{first}.rs")).exists();
            assert!(ROOM_CRATES.contains(&first) || local, "{}: {line}", file.display());
        }
    }
}

#[test]
fn neither_the_room_nor_the_work_on_a_packet_looks_at_a_clock() {
    for file in sources("src/room").into_iter().chain(sources("src/sfu/forward")) {
        let text = std::fs::read_to_string(&file).expect("readable");
        assert!(!text.contains("Instant::now") && !text.contains("SystemTime"), "{}", file.display());
    }
}
