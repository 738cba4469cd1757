use std::path::Path;
use std::time::{Duration, SystemTime};

use super::openings::{ephemeral, media_addresses, openings};
use super::places::{validity_findings, writable};
use super::*;
use crate::config;
use crate::listen::Validity;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn config(set: &[&str]) -> Config {
    let owned: Vec<String> = set.iter().map(|s| s.to_string()).collect();
    config::load(None, &owned).expect("valid")
}

fn lines(openings: &[Opening]) -> Vec<String> {
    openings
        .iter()
        .map(|o| format!("{:?} {}-{} {} {}", o.protocol, o.first_port, o.last_port, o.address, o.key))
        .collect()
}

#[test]
fn every_port_of_a_server_with_everything_is_named() {
    let config = config(&[
        "http.listen='0.0.0.0:80'",
        "tls.listen='0.0.0.0:443'",
        "tls.acme_domains=['call.example']",
        "sfu.shards=4",
        "turn.tls_listen='0.0.0.0:5349'",
        "turn.first_port=20000",
        "turn.last_port=29999",
    ]);
    let machine = ["198.51.100.7".parse().expect("an address"), "2001:db8::7".parse().expect("an address")];
    assert_eq!(
        lines(&openings(&config, &machine)),
        [
            "Tcp 80-80 0.0.0.0 http.listen",
            "Tcp 443-443 0.0.0.0 tls.listen",
            "Udp 50000-50003 0.0.0.0 sfu.listen",
            "Udp 3478-3478 0.0.0.0 turn.listen",
            "Tcp 3478-3478 0.0.0.0 turn.listen",
            "Tcp 5349-5349 0.0.0.0 turn.tls_listen",
            "Udp 20000-29999 198.51.100.7 turn.first_port",
        ]
    );
    assert_eq!(
        media_addresses(&config.sfu, &machine),
        ["198.51.100.7:50000".parse::<SocketAddr>().expect("an address")]
    );
}

#[test]
fn without_a_relay_nothing_is_open_for_one() {
    let open = openings(&config(&["turn.enabled=false"]), &[]);
    assert_eq!(lines(&open), ["Tcp 8080-8080 127.0.0.1 http.listen", "Udp 50000-50000 0.0.0.0 sfu.listen"]);
    assert!(open[0].is_local() && !open[1].is_local());
}

#[test]
fn ports_that_the_system_chooses_are_those_of_its_range() {
    assert_eq!(ephemeral(Some("40000\t50000\n")), 40_000..=50_000);
    assert_eq!(ephemeral(Some("nonsense")), 32_768..=60_999);
    assert_eq!(ephemeral(None), 32_768..=60_999);
}

#[test]
fn a_certificate_is_looked_at_for_its_time_and_its_names() {
    let now = SystemTime::now();
    let of =
        |from, until, names: &[&str]| Validity { from, until, names: names.iter().map(|n| n.to_string()).collect() };
    let levels = |validity: &Validity, host: &str| {
        validity_findings(validity, host, now).into_iter().map(|f| (f.level, f.key)).collect::<Vec<_>>()
    };
    let good = of(now - DAY, now + 60 * DAY, &["call.example", "*.turn.example"]);
    for host in ["", "call.example", "CALL.example", "a.turn.example"] {
        assert_eq!(levels(&good, host), [], "{host}");
    }
    for host in ["other.example", "turn.example", "a.b.turn.example"] {
        assert_eq!(levels(&good, host), [(Level::Warning, "turn.public_host")], "{host}");
    }
    assert_eq!(levels(&of(now - 9 * DAY, now - DAY, &[]), ""), [(Level::Problem, "tls.cert")]);
    assert_eq!(levels(&of(now + DAY, now + 90 * DAY, &[]), ""), [(Level::Problem, "tls.cert")]);
    assert_eq!(levels(&of(now - DAY, now + 3 * DAY, &[]), ""), [(Level::Warning, "tls.cert")]);
}

#[test]
fn a_directory_is_writable_where_it_could_be_made() {
    let directory = tempfile::tempdir().expect("a directory");
    assert!(writable(directory.path()).is_ok());
    assert!(writable(&directory.path().join("not/there/yet")).is_ok());
    assert!(writable(Path::new("relative")).is_ok());
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("written");
    assert!(writable(&file.join("below")).is_err(), "a file has nothing below it");
}

#[tokio::test]
async fn what_is_behind_a_nat_without_saying_so_is_warned_of_and_what_cannot_run_is_a_problem() {
    let machine = ["10.0.0.5".parse().expect("an address")];
    let free = ["http.listen=127.0.0.1:0", "sfu.listen=0.0.0.0:0", "turn.listen=0.0.0.0:0"];
    let report = look(&config(&free), &machine).await;
    assert!(report.is_good(), "{report}");
    for key in ["sfu.announce", "turn.announce", "sfu.listen"] {
        let has = report.findings.iter().any(|f| f.level == Level::Warning && f.key == key);
        assert!(has, "{key}: {report}");
    }
    let bad = ["tls.listen=127.0.0.1:0", "tls.cert=/nowhere/a", "tls.key=/nowhere/b", "log.filter='a=b=c'"];
    let report = look(&config(&[&free[..], &bad].concat()), &machine).await;
    let problems: Vec<_> = report.findings.iter().filter(|f| f.level == Level::Problem).map(|f| f.key).collect();
    assert_eq!(problems, ["tls.cert", "log.filter"], "{report}");
    assert!(!report.is_good());
}

#[test]
fn what_is_off_says_so_once() {
    let keys = |set: &[&str]| off::findings(&config(set)).into_iter().map(|f| f.key).collect::<Vec<_>>();
    assert!(keys(&[]).contains(&"tls.listen") && keys(&[]).contains(&"webhooks.urls"));
    let less = keys(&["turn.enabled=false", "record.directory=", "whip.sessions=0", "limits.cpu_percent=90"]);
    assert!(["turn.enabled", "record.directory", "whip.sessions"].iter().all(|key| less.contains(key)), "{less:?}");
    assert!(!less.contains(&"turn.tls_listen") && !less.contains(&"limits.cpu_percent"), "{less:?}");
}
