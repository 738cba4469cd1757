//! One receiver's task: what happens goes to the disk first and from there to the receiver.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{debug, warn};

use super::format;
use super::lanes::Lanes;
use super::send::Sender;
use super::store::{Store, Waiting};
use crate::config::{WebhookFormat, Webhooks};
use crate::fetch::{Address, Failure};
use crate::host::events::{Event, Reader, Told};

/// Events that are put on the disk at once. Higher: fewer waits for the disk in a storm of events, for memory.
const BATCH: usize = 64;
/// How long nothing is looked for when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// Who is told.
#[derive(Debug, Clone)]
pub(super) enum To {
    One(Address),
    /// Whoever an event names.
    Each,
}

impl To {
    /// For logs and metrics.
    pub(super) fn name(&self) -> &str {
        match self {
            To::One(address) => address.name(),
            To::Each => "broadcasts",
        }
    }
}

pub(super) struct Receiver {
    to: To,
    sender: Arc<Sender>,
    store: Store,
    lanes: Lanes,
    /// What is under way.
    flights: JoinSet<(Waiting, Outcome)>,
    at_once: usize,
    gates: Arc<Gates>,
    most_events: usize,
    most_bytes: u64,
    give_up: Duration,
    /// Addresses that broadcasts name are told by another.
    hooks: bool,
}

/// So many deliveries at once to each address: one that does not answer holds up its own.
#[derive(Debug)]
struct Gates {
    most: usize,
    open: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Gates {
    fn of(&self, address: &str) -> Arc<Semaphore> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = open.get(address).and_then(Weak::upgrade) {
            return gate;
        }
        open.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Semaphore::new(self.most));
        open.insert(address.to_owned(), Arc::downgrade(&gate));
        gate
    }
}

/// What one delivery takes.
struct Flight {
    to: To,
    sender: Arc<Sender>,
    store: Store,
    gates: Arc<Gates>,
}

impl Flight {
    async fn deliver(self, waiting: &Waiting) -> Outcome {
        let (store, reading) = (self.store, waiting.clone());
        let kept = tokio::task::spawn_blocking(move || store.read(&reading)).await;
        let kept = match kept.map_err(std::io::Error::other).and_then(|kept| kept) {
            Ok(kept) => kept,
            Err(error) => return Outcome::Lost(error),
        };
        let Some((address, body)) = addressed(self.to, kept) else {
            return Outcome::Lost(ErrorKind::InvalidData.into());
        };
        let gate = self.gates.of(address.name());
        // It is never closed.
        let _place = gate.acquire().await;
        match self.sender.send(&address, waiting.id, body).await {
            Ok(()) => Outcome::Taken,
            Err(failure) => Outcome::Failed(failure),
        }
    }
}

enum Outcome {
    Taken,
    Failed(Failure),
    /// The file is gone or cannot be read: there is nothing to send.
    Lost(std::io::Error),
}

impl Receiver {
    pub(super) fn new(config: &Webhooks, to: To, sender: Sender, store: Store, left: Vec<Waiting>) -> Self {
        let mut lanes = Lanes::new(Duration::from_millis(config.retry_ms.into()));
        let now = Instant::now();
        let queued = left.len();
        for waiting in left {
            lanes.add(now, waiting);
        }
        let at_once = match to {
            To::One(_) => config.at_once,
            To::Each => config.broadcasts_at_once,
        };
        let receiver = Self {
            to,
            sender: Arc::new(sender),
            store,
            lanes,
            flights: JoinSet::new(),
            at_once,
            gates: Arc::new(Gates { most: config.at_once, open: Mutex::default() }),
            most_events: config.queue_events,
            most_bytes: config.queue_mib << 20,
            give_up: Duration::from_secs(config.give_up_s.into()),
            hooks: config.broadcast_hooks.format().is_some(),
        };
        receiver.queued(queued as f64);
        receiver
    }

    /// Until the events end; what has not been delivered by then is left on the disk.
    pub(super) async fn run(mut self, mut reader: Reader) {
        loop {
            self.start();
            let idle = Instant::now() + IDLE;
            let due = self.lanes.due().filter(|_| self.flights.len() < self.at_once).unwrap_or(idle);
            tokio::select! {
                told = reader.next() => match told {
                    Some(told) => self.keep(told, &mut reader).await,
                    None => return,
                },
                Some(landed) = self.flights.join_next() => match landed {
                    Ok((waiting, outcome)) => self.landed(waiting, outcome).await,
                    Err(error) => warn!(%error, "a delivery has ended early"),
                },
                () = sleep_until(due.into()) => {}
            }
        }
    }

    /// Sends what is due, as much as may go at once.
    fn start(&mut self) {
        while self.flights.len() < self.at_once {
            let Some(waiting) = self.lanes.take(Instant::now()) else { return };
            let flight = Flight {
                to: self.to.clone(),
                sender: self.sender.clone(),
                store: self.store.clone(),
                gates: self.gates.clone(),
            };
            self.flights.spawn(async move {
                let outcome = flight.deliver(&waiting).await;
                (waiting, outcome)
            });
        }
    }

    /// Puts what happened on the disk, with what has happened by now.
    async fn keep(&mut self, first: Told, reader: &mut Reader) {
        let told: Vec<Told> =
            std::iter::once(first).chain(std::iter::from_fn(|| reader.try_next())).take(BATCH).collect();
        let (mut events, mut bytes) = self.lanes.size();
        let mut batch = Vec::new();
        for told in told {
            match told {
                Told::Missed(count) => self.dropped("missed", count.unwrap_or(1)),
                Told::Event(event) => {
                    let Some((waiting, body)) = self.written(&event) else { continue };
                    if events >= self.most_events || bytes + waiting.bytes > self.most_bytes {
                        self.dropped("queue full", 1);
                        continue;
                    }
                    events += 1;
                    bytes += waiting.bytes;
                    batch.push((waiting, body));
                }
            }
        }
        let store = self.store.clone();
        let stored = tokio::task::spawn_blocking(move || store.add(&batch).map(|()| batch)).await;
        match stored.map_err(std::io::Error::other).and_then(|stored| stored) {
            Ok(batch) => {
                self.queued(batch.len() as f64);
                for (waiting, _) in batch {
                    self.lanes.add(Instant::now(), waiting);
                }
            }
            Err(error) => {
                warn!(receiver = self.to.name(), %error, "events cannot be kept for a webhook and are dropped");
                self.dropped("disk", (events - self.lanes.size().0) as u64);
            }
        }
    }

    async fn landed(&mut self, waiting: Waiting, outcome: Outcome) {
        let now = Instant::now();
        let name = self.to.name().to_owned();
        match outcome {
            Outcome::Taken => {
                metrics::counter!("crescendo_webhooks_sent_total", "receiver" => name).increment(1);
                self.lanes.done(now, &waiting.room);
                self.forget(waiting).await;
            }
            Outcome::Lost(error) => {
                warn!(receiver = name, %error, "an event that waited for a webhook cannot be read");
                self.dropped("disk", 1);
                self.lanes.done(now, &waiting.room);
                self.forget(waiting).await;
            }
            Outcome::Failed(failure) => {
                let why = failure.name();
                metrics::counter!("crescendo_webhooks_failed_total", "receiver" => name.clone(), "why" => why)
                    .increment(1);
                let age = SystemTime::now().duration_since(waiting.since).unwrap_or_default();
                if age < self.give_up {
                    let wait = self.lanes.failed(now, &waiting.room);
                    debug!(receiver = name, id = waiting.id, %failure, seconds = wait.as_secs(), "a webhook failed");
                } else {
                    warn!(receiver = name, id = waiting.id, %failure, "a webhook failed for so long that it is given up");
                    self.dropped("too old", 1);
                    self.lanes.given_up(now, &waiting.room);
                    self.forget(waiting).await;
                }
            }
        }
    }

    async fn forget(&mut self, waiting: Waiting) {
        let store = self.store.clone();
        let removed = tokio::task::spawn_blocking(move || store.remove(&waiting)).await;
        if let Ok(Err(error)) = removed {
            warn!(receiver = self.to.name(), %error, "an event that a webhook has taken stays on the disk");
        }
        self.queued(-1.0);
    }

    /// An event as it is kept; None where it is none for this receiver.
    fn written(&self, event: &Event) -> Option<(Waiting, Vec<u8>)> {
        let format = self.sender.format();
        let body = match (&self.to, &event.hook) {
            (To::Each, Some(url)) => [url.as_bytes(), b"\n", &format::write(format, event)?].concat(),
            (To::Each, None) => return None,
            // In Ant Media's words a stream's own address takes the place of the app's.
            (To::One(_), Some(_)) if format != WebhookFormat::Standard && self.hooks => return None,
            (To::One(_), _) => format::write(format, event)?,
        };
        let bytes = body.len() as u64;
        Some((Waiting { id: event.id, room: event.room.clone(), bytes, since: SystemTime::now() }, body))
    }

    fn dropped(&self, why: &'static str, count: u64) {
        let name = self.to.name().to_owned();
        metrics::counter!("crescendo_webhooks_dropped_total", "receiver" => name, "why" => why).increment(count);
    }

    fn queued(&self, change: f64) {
        let name = self.to.name().to_owned();
        metrics::gauge!("crescendo_webhooks_queued", "receiver" => name).increment(change);
    }
}

/// To whom what was kept goes, and what: for one of many receivers its address is the first line.
fn addressed(to: To, mut kept: Vec<u8>) -> Option<(Address, Vec<u8>)> {
    match to {
        To::One(address) => Some((address, kept)),
        To::Each => {
            let end = kept.iter().position(|byte| *byte == b'\n')?;
            let body = kept.split_off(end + 1);
            let address = Address::parse(str::from_utf8(&kept[..end]).ok()?).ok()?;
            Some((address, body))
        }
    }
}
