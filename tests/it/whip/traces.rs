//! Traces as a collector of the test's own receives them: what is part of what, and in which order.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::support::answering::{Asked, answering};

/// The spans that came so far, by id.
struct Collector {
    url: String,
    from: mpsc::UnboundedReceiver<Asked>,
    spans: BTreeMap<String, Value>,
}

impl Collector {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { url, from: answering(listener, |_| (200, String::new(), b"{}".to_vec())), spans: BTreeMap::new() }
    }

    async fn more(&mut self) {
        let asked = timeout(PATIENCE, self.from.recv()).await.expect("in time").unwrap();
        assert_eq!(
            (asked.line.as_str(), asked.headers["content-type"].as_str()),
            ("POST /v1/traces", "application/json")
        );
        let request: Value = serde_json::from_slice(&asked.body).unwrap();
        let resource = &request["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "crescendo");
        for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
            let id = span["spanId"].as_str().unwrap();
            assert!(id.len() == 16 && span["traceId"].as_str().unwrap().len() == 32, "{span}");
            self.spans.insert(id.to_owned(), span.clone());
        }
    }

    /// A whole with this name, once it has come; it comes after its parts.
    async fn whole(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> (Value, Vec<Value>) {
        loop {
            let whole =
                self.spans.values().find(|span| span["name"] == name && is_it(span) && span["parentSpanId"].is_null());
            if let Some(whole) = whole.cloned() {
                let parts = self.spans.values().filter(|span| span["parentSpanId"] == whole["spanId"]).cloned();
                let mut parts: Vec<_> = parts.collect();
                parts.sort_by_key(|part| nanos(part, "startTimeUnixNano"));
                for part in &parts {
                    assert_eq!(part["traceId"], whole["traceId"]);
                    assert!(nanos(part, "startTimeUnixNano") >= nanos(&whole, "startTimeUnixNano"), "{part}");
                    assert!(nanos(part, "endTimeUnixNano") <= nanos(&whole, "endTimeUnixNano"), "{part}");
                    assert!(nanos(part, "endTimeUnixNano") >= nanos(part, "startTimeUnixNano"), "{part}");
                }
                return (whole, parts);
            }
            self.more().await;
        }
    }
}

fn nanos(span: &Value, key: &str) -> u128 {
    span[key].as_str().unwrap().parse().unwrap()
}

fn names(parts: &[Value]) -> Vec<&str> {
    parts.iter().map(|part| part["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_join_is_traced_from_the_socket_to_its_first_media() {
    let mut collector = Collector::new().await;
    let server = Server::start(&[&format!("trace.otlp={}", collector.url)]).await;
    let (_ann, _) = server.join("demo", "Ann").await;
    let (_, parts) = collector.whole("join", |_| true).await;
    assert_eq!(names(&parts), ["socket", "token", "room"]);
    assert_eq!(parts[2]["attributes"][0]["value"]["stringValue"], "demo");

    let (mut encoder, _) = publish(&server, "/whip/studio").await;
    let in_studio = |span: &Value| span["attributes"][0]["value"]["stringValue"] == "studio";
    let media = async {
        for number in 0.. {
            send(&mut encoder, number).await;
            encoder.run_for(PACE).await;
        }
    };
    let (_, parts) = tokio::select! {
        traced = collector.whole("join", in_studio) => traced,
        () = media => unreachable!("it goes on"),
    };
    assert_eq!(names(&parts), ["offer and answer", "ice", "dtls", "first media"]);
    for pair in parts.windows(2) {
        assert!(nanos(&pair[1], "startTimeUnixNano") >= nanos(&pair[0], "endTimeUnixNano"), "one after the other");
    }

    let mut late = server.socket().await;
    late.send(json!({ "type": "ping" })).await;
    let failed = |span: &Value| span["status"]["code"] == 2;
    let (whole, _) = collector.whole("join", failed).await;
    assert!(whole["status"]["message"].as_str().unwrap().contains("join"), "{whole}");
}

#[tokio::test]
async fn a_switch_is_traced_with_everybody_that_it_waits_for() {
    let mut collector = Collector::new().await;
    let otlp = format!("trace.otlp={}", collector.url);
    let server = Server::start(&[&otlp, "room.mesh_limit=2", "room.warm_at=2", "room.switch_deadline_ms=1000"]).await;
    let mut sockets = Vec::new();
    for name in ["Ann", "Ben", "Cleo"] {
        sockets.push(server.join("demo", name).await);
    }
    // Nobody connects: the switch comes to nothing, or to its end when all have left.
    for (socket, _) in &mut sockets {
        socket.send(json!({ "type": "leave" })).await;
    }
    let (whole, parts) = collector.whole("promote", |_| true).await;
    assert_eq!(whole["attributes"][0]["value"]["stringValue"], "demo");
    let mut who: Vec<_> =
        parts.iter().map(|part| part["attributes"][0]["value"]["stringValue"].as_str().unwrap()).collect();
    who.sort_unstable();
    assert_eq!((names(&parts), who), (vec!["participant"; 3], vec!["p1", "p2", "p3"]));
}
