//! The page of metrics, the dashboard, the sources and a running server name the same ones.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::Server;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable")
}

/// Every word that begins with `crescendo_`, after `before` where that is said.
fn names(text: &str, before: &str) -> BTreeSet<String> {
    let ends = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let start = format!("{before}crescendo_");
    let after = text.split(start.as_str()).skip(1);
    after.map(|rest| format!("crescendo_{}", rest.split(ends).next().unwrap_or_default())).collect()
}

fn documented() -> BTreeSet<String> {
    names(&read("docs/metrics.md"), "| `")
}

/// What the sources count. Names are written in full and in quotes wherever something is counted.
fn counted(directory: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            counted(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            for call in ["counter!(", "gauge!(", "histogram!("].into_iter().flat_map(|call| text.split(call).skip(1)) {
                into.extend(
                    call.trim_start().strip_prefix('"').and_then(|name| name.split('"').next()).map(str::to_owned),
                );
            }
        }
    }
}

#[test]
fn every_metric_has_its_line_and_every_line_its_metric() {
    let mut in_sources = BTreeSet::new();
    counted(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut in_sources);
    assert_eq!(documented(), in_sources, "docs/metrics.md and the sources");
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let text = read("docs/grafana/crescendo.json");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
    let (shown, documented) = (names(&text, ""), documented());
    assert!(shown.len() > 20, "{shown:?}");
    assert!(shown.is_subset(&documented), "{:?}", shown.difference(&documented));
}

#[tokio::test]
async fn what_a_server_exports_is_on_the_page_with_its_labels() {
    let server = Server::start(&["limits.cpu_percent=100"]).await;
    let (mut ann, _) = server.join("demo", "Ann").await;
    let (_ben, _) = server.join("demo", "Ben").await;
    ann.send(json!({ "type": "mute", "track": "t99", "muted": true })).await;
    ann.error().await;
    server.counts("crescendo_participants", 2.0).await;
    let (_, text) = server.get("/metrics").await;
    let page = read("docs/metrics.md");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let exported: BTreeSet<_> = types.filter(|name| name.starts_with("crescendo_")).map(str::to_owned).collect();
    assert!(exported.len() > 20, "{exported:?}");
    let documented = documented();
    assert!(exported.is_subset(&documented), "{:?}", exported.difference(&documented));
    for line in text.lines().filter(|line| line.starts_with("crescendo_")) {
        let Some((name, labels)) = line.split_once('{') else { continue };
        let labels = labels.split_once('}').expect("closed").0.split(',').filter_map(|pair| pair.split('=').next());
        let labels: Vec<_> = labels.filter(|label| *label != "quantile").collect();
        let lines: Vec<_> = page.lines().filter(|row| row.starts_with(&format!("| `{name}{{"))).collect();
        for label in labels {
            assert!(lines.iter().any(|row| row.split('`').nth(1).is_some_and(|head| head.contains(label))), "{line}");
        }
    }
}
