//! How much media goes over the server, for each room and for all: who comes next is refused before those who are there have less.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::beat::Beat;
use crate::room::ids::RoomName;
use crate::sfu::{Traffic, WeakTraffic};

#[cfg(test)]
mod tests;

/// How often it is measured, and over how long. Longer: short bursts refuse nobody; shorter: a rush is seen sooner.
const EVERY: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<Measured>);

#[derive(Debug, Default)]
struct Measured {
    transports: Vec<Watched>,
    at: Option<Instant>,
    /// In kbit/s, up and down together, of rooms that have any.
    rooms: HashMap<RoomName, u64>,
    all: u64,
}

#[derive(Debug)]
struct Watched {
    room: RoomName,
    traffic: WeakTraffic,
    /// Of media so far, at the last measurement.
    bytes: u64,
}

impl Rates {
    /// A transport of this room counts until it is gone.
    pub(super) fn add(&self, room: &RoomName, traffic: &Traffic) {
        let watched = Watched { room: room.clone(), traffic: traffic.downgrade(), bytes: traffic.read().bytes };
        self.lock().transports.push(watched);
    }

    /// In kbit/s.
    pub(super) fn of(&self, room: &RoomName) -> u64 {
        self.lock().rooms.get(room).copied().unwrap_or_default()
    }

    /// In kbit/s.
    pub(super) fn of_all(&self) -> u64 {
        self.lock().all
    }

    /// Measures for ever.
    pub(super) async fn watch(&self) {
        self.watch_every(EVERY).await;
    }

    async fn watch_every(&self, every: Duration) {
        let mut beat = Beat::new(every);
        loop {
            let now = beat.next().await;
            self.lock().measure(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    fn measure(&mut self, now: Instant) {
        let passed = self.at.replace(now).map(|before| now.saturating_duration_since(before).as_secs_f64());
        let mut bytes = HashMap::new();
        self.transports.retain_mut(|watched| {
            let Some(counts) = watched.traffic.read() else { return false };
            let more = counts.bytes.saturating_sub(std::mem::replace(&mut watched.bytes, counts.bytes));
            if more > 0 {
                *bytes.entry(watched.room.clone()).or_default() += more;
            }
            true
        });
        let Some(passed) = passed.filter(|passed| *passed > 0.0) else { return };
        let kbps = |bytes: u64| (bytes as f64 * 8.0 / 1_000.0 / passed) as u64;
        self.all = kbps(bytes.values().sum());
        self.rooms = bytes.into_iter().map(|(room, bytes)| (room, kbps(bytes))).collect();
        metrics::gauge!("crescendo_media_kbps").set(self.all as f64);
    }
}
