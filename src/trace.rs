//! Traces, for a collector that speaks OTLP: what a join and a switch took, part by part.
//!
//! A [`Span`] ends when the last of its parts does and nobody holds it, and is sent then, in JSON over HTTP (OpenTelemetry Protocol 1.5,
//! `/v1/traces`). Nobody waits for it: what the queue has no place for is dropped and counted. Where no collector is named, a span is
//! nothing.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::config;
use crate::fetch::{Address, Allowed, Client, Failure, NoWay};

/// Spans of one request. A collector takes 4 MiB; a span has some 500 bytes.
const BATCH: usize = 512;
/// How long spans wait for others. Shorter: seen sooner; longer: fewer requests.
const GATHER: Duration = Duration::from_millis(500);
/// How long a collector may take; spans gather meanwhile.
const TIME: Duration = Duration::from_secs(5);
/// Most of its answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
#[error("`trace.otlp` or `trace.roots`: {0}")]
pub struct TraceError(#[from] NoWay);

/// Makes spans; copies are the same.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<mpsc::Sender<Ended>>);

/// Something that takes time, or nothing where nobody traces. It ends with the last copy of it and the last of its parts.
#[derive(Debug, Clone, Default)]
pub struct Span(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    to: mpsc::Sender<Ended>,
    /// What it is a part of: that does not end before.
    parent: Option<Arc<Open>>,
    trace: u128,
    id: u64,
    name: &'static str,
    since: SystemTime,
    attributes: Vec<(&'static str, String)>,
    failed: OnceLock<String>,
    /// Where it was over before it was dropped.
    until: OnceLock<SystemTime>,
}

/// A span that is over.
#[derive(Debug)]
struct Ended {
    trace: u128,
    id: u64,
    parent: Option<u64>,
    name: &'static str,
    since: SystemTime,
    until: SystemTime,
    attributes: Vec<(&'static str, String)>,
    failed: Option<String>,
}

impl Tracer {
    /// The beginning of a trace.
    pub fn root(&self, name: &'static str, attributes: Vec<(&'static str, String)>) -> Span {
        Span(self.0.as_ref().map(|to| Open::new(to.clone(), None, random(), name, attributes, SystemTime::now())))
    }
}

impl Span {
    /// A part of this.
    pub fn part(&self, name: &'static str, attributes: Vec<(&'static str, String)>) -> Span {
        let part = |whole: &Arc<Open>| {
            Open::new(whole.to.clone(), Some(whole.clone()), whole.trace, name, attributes, SystemTime::now())
        };
        Span(self.0.as_ref().map(part))
    }

    /// What comes after this, within the same whole.
    pub fn next(&self, name: &'static str) -> Span {
        self.next_at(name, SystemTime::now())
    }

    /// The same, where it is known only later when that was; not before this began.
    pub fn next_at(&self, name: &'static str, at: SystemTime) -> Span {
        let next = |open: &Arc<Open>| {
            let at = at.max(open.since);
            let _ = open.until.set(at);
            Open::new(open.to.clone(), open.parent.clone(), open.trace, name, open.attributes.clone(), at)
        };
        Span(self.0.as_ref().map(next))
    }

    /// None where nobody traces.
    pub fn name(&self) -> Option<&'static str> {
        self.0.as_ref().map(|open| open.name)
    }

    /// It came to nothing, for this reason. The first one counts.
    pub fn failed(&self, why: &str) {
        if let Some(open) = &self.0 {
            let _ = open.failed.set(why.to_owned());
        }
    }
}

impl Open {
    fn new(
        to: mpsc::Sender<Ended>,
        parent: Option<Arc<Open>>,
        trace: u128,
        name: &'static str,
        attributes: Vec<(&'static str, String)>,
        since: SystemTime,
    ) -> Arc<Self> {
        let id = fastrand::u64(1..);
        let (failed, until) = (OnceLock::new(), OnceLock::new());
        Arc::new(Self { to, parent, trace, id, name, since, attributes, failed, until })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let ended = Ended {
            trace: self.trace,
            id: self.id,
            parent: self.parent.as_ref().map(|parent| parent.id),
            name: self.name,
            since: self.since,
            until: self.until.take().unwrap_or_else(SystemTime::now),
            attributes: std::mem::take(&mut self.attributes),
            failed: self.failed.take(),
        };
        if self.to.try_send(ended).is_err() {
            metrics::counter!("crescendo_trace_spans_total", "result" => "dropped").increment(1);
        }
    }
}

/// Not for secrets: only to be told apart.
fn random() -> u128 {
    fastrand::u128(1..)
}

/// Sends what has ended.
#[derive(Debug)]
pub struct Exporter {
    from: mpsc::Receiver<Ended>,
    client: Client,
    address: Address,
}

/// A tracer, and what sends its spans; None where no collector is named.
///
/// # Errors
/// The configuration cannot be used.
pub fn start(config: &config::Trace) -> Result<(Tracer, Option<Exporter>), TraceError> {
    if config.otlp.is_empty() {
        return Ok((Tracer::default(), None));
    }
    let address = Address::parse(&format!("{}/v1/traces", config.otlp.trim_end_matches('/'))).map_err(TraceError)?;
    let roots = address.is_tls().then_some(config.roots.as_path());
    let client = Client::new(roots, Allowed::Any, TIME, ANSWER_BYTES)?;
    let (to, from) = mpsc::channel(config.queue_spans);
    Ok((Tracer(Some(to)), Some(Exporter { from, client, address })))
}

impl Exporter {
    /// For ever. A request that fails is not made again: what it had is dropped and counted.
    pub async fn run(mut self) {
        let (mut batch, mut failing) = (Vec::new(), false);
        while self.from.recv_many(&mut batch, BATCH).await > 0 {
            if batch.len() < BATCH {
                tokio::time::sleep(GATHER).await;
            }
            while batch.len() < BATCH
                && let Ok(ended) = self.from.try_recv()
            {
                batch.push(ended);
            }
            let sent = self.send(&batch).await;
            let result = if sent.is_ok() { "sent" } else { "failed" };
            metrics::counter!("crescendo_trace_spans_total", "result" => result).increment(batch.len() as u64);
            match &sent {
                Err(error) if !failing => warn!(to = self.address.name(), %error, "spans are lost: `trace.otlp`"),
                Ok(()) if failing => info!(to = self.address.name(), "`trace.otlp` takes spans again"),
                Ok(()) | Err(_) => {}
            }
            failing = sent.is_err();
            batch.clear();
        }
    }

    async fn send(&self, batch: &[Ended]) -> Result<(), Failure> {
        let body = request(batch).to_string();
        let request = self.address.request("POST").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).expect("the path and the host come from a parsed URL");
        let status = self.client.send(&self.address, request).await?.status;
        if status.is_success() { Ok(()) } else { Err(Failure::Status(status)) }
    }
}

/// ExportTraceServiceRequest, as JSON has it: ids in hexadecimal, times in nanoseconds as text.
fn request(batch: &[Ended]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string();
    let span = |ended: &Ended| {
        let attributes: Vec<Value> = ended.attributes.iter().map(|(key, value)| text(key, value)).collect();
        let mut span = json!({
            "traceId": format!("{:032x}", ended.trace), "spanId": format!("{:016x}", ended.id), "name": ended.name,
            // SPAN_KIND_SERVER for what somebody has asked for, SPAN_KIND_INTERNAL for its parts.
            "kind": if ended.parent.is_none() { 2 } else { 1 },
            "startTimeUnixNano": nanos(ended.since), "endTimeUnixNano": nanos(ended.until), "attributes": attributes,
            // STATUS_CODE_UNSET.
            "status": { "code": 0 },
        });
        if let Some(parent) = ended.parent {
            span["parentSpanId"] = format!("{parent:016x}").into();
        }
        if let Some(why) = &ended.failed {
            // STATUS_CODE_ERROR.
            span["status"] = json!({ "code": 2, "message": why });
        }
        span
    };
    let spans: Vec<Value> = batch.iter().map(span).collect();
    let resource = json!({ "attributes": [text("service.name", "crescendo"), text("service.version", env!("CARGO_PKG_VERSION"))] });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": { "name": "crescendo" }, "spans": spans }] }] })
}
