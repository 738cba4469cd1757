//! `crescendo check`, the real binary.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Whether it says that all is well, and what it says.
fn check(args: &[&str]) -> (bool, String) {
    let free = ["http.listen=127.0.0.1:0", "sfu.listen=127.0.0.1:0", "turn.listen=127.0.0.1:0"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_crescendo"));
    command.arg("check").args(free.iter().flat_map(|set| ["--set", set])).args(args);
    let output = command.output().expect("the binary runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn a_configuration_that_runs_is_told_with_its_ports() {
    let (good, text) = check(&["--set", "sfu.listen=127.0.0.1:50123"]);
    assert!(good, "{text}");
    assert!(text.contains("udp  50123"), "{text}");
    assert!(text.contains("off      turn.tls_listen"), "{text}");
    let (good, text) = check(&["--json"]);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert!(good && report["open"].as_array().is_some_and(|open| open.len() >= 4), "{text}");
}

#[test]
fn what_the_server_would_refuse_is_a_problem() {
    for (set, says) in [
        ("room.mesh_limt=3", "nearest known one is `room.mesh_limit`"),
        ("tls.listen=127.0.0.1:0", "tls.cert"),
        ("hls.directory=/dev/null/below", "hls.directory"),
        ("record.upload_to=gopher://x/y", "record.upload_to"),
        ("log.filter=a=b=c", "log.filter"),
        ("webhooks.urls=['https://back.example/hook']", "webhooks.secret"),
        ("http.listen=192.0.2.1:80", "http.listen"),
        ("trace.otlp=ftp://x", "trace.otlp"),
        ("trace.otlp=nonsense", "trace.otlp"),
        ("sfu.announce=['0.0.0.0']", "sfu.announce"),
        ("turn.public_host=bad host", "turn.public_host"),
    ] {
        let (good, text) = check(&["--set", set]);
        assert!(!good && text.contains(says), "{set}: {text}");
    }
    // Ports that nothing is bound to here: what counts is that they are the same.
    for (one, other, key) in [
        ("http.listen=127.0.0.1:7", "turn.listen=127.0.0.1:7", "turn.listen"),
        ("sfu.listen=0.0.0.0:7", "turn.listen=127.0.0.1:7", "turn.listen"),
        ("sfu.listen=127.0.0.1:65535", "sfu.shards=2", "sfu.listen"),
        ("trace.otlp=https://collector.example", "trace.roots=/nowhere", "trace.otlp"),
    ] {
        let (good, text) = check(&["--set", one, "--set", other]);
        assert!(!good && text.contains(key), "{one} {other}: {text}");
    }
    let secret = "webhooks.secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    let receiver = ["--set", "webhooks.urls=['https://back.example/hook']", "--set", secret];
    assert!(check(&receiver).0);
    for (set, says) in
        [("webhooks.directory=/dev/null/x", "webhooks.directory"), ("webhooks.roots=/nowhere", "webhooks.roots")]
    {
        let (good, text) = check(&[&receiver[..], &["--set", set]].concat());
        assert!(!good && text.contains(says), "{set}: {text}");
    }
}

/// The unit of the package, with our binary in the place where the package puts it.
#[test]
fn systemd_takes_the_unit_and_thinks_it_shut_enough() {
    let analyze = |args: &[&str]| Command::new("systemd-analyze").args(args).output().expect("systemd is installed");
    let unit = include_str!("../../../packaging/crescendo.service");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("crescendo.service");
    std::fs::write(&file, unit.replace("/usr/bin/crescendo", env!("CARGO_BIN_EXE_crescendo"))).expect("written");
    let file = file.to_str().expect("text");
    let output = analyze(&["verify", "--man=no", file]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("crescendo.service"), "{said}");
    // Of 10; in tenths. What is left is what a server on the network needs.
    let output = analyze(&["security", "--offline=true", "--threshold=20", file]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_unit_waits_longer_than_a_drain() {
    let unit = include_str!("../../../packaging/crescendo.service");
    let waits = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")?.parse::<u32>().ok());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/crescendo.toml");
    let config = crescendo::config::load(Some(Path::new(file)), &[]).expect("good");
    let compose = include_str!("../../../packaging/compose.yaml");
    let grace = compose.lines().find_map(|line| line.trim().strip_prefix("stop_grace_period: ")?.strip_suffix('s'));
    for seconds in [waits, grace.and_then(|seconds| seconds.parse().ok())] {
        assert!(seconds.is_some_and(|seconds| seconds > config.limits.drain_s + 5), "{seconds:?}");
    }
}

#[test]
fn the_packaged_configuration_is_good_but_for_what_has_to_be_filled_in() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/crescendo.toml");
    let (good, text) = check(&[
        "--config",
        file,
        "--set",
        "tls.acme_cache=/tmp",
        "--set",
        "hls.directory=/tmp",
        "--set",
        "record.directory=/tmp",
        "--json",
    ]);
    assert!(good, "{text}");
}
