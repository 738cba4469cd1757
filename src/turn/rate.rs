//! Limits on how much and how often, in fixed memory: the generic cell rate algorithm, of which one number is the whole state.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::Origin;

/// Cells of a [`Gate`]. More: sources share one less often; fewer: less memory, which is 8 bytes each.
const CELLS: usize = 8_192;

/// The time at which everything that was let through would have come at the allowed rate, in nanoseconds.
#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl Cell {
    /// Takes `cost_ns` if that leaves the cell no more than `burst_ns` ahead of `now_ns`.
    fn take(&self, now_ns: u64, cost_ns: u64, burst_ns: u64) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| {
                let next = ahead.max(now_ns).saturating_add(cost_ns);
                (next - now_ns <= burst_ns).then_some(next)
            })
            .is_ok()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes a user may have relayed: so many a second, and a second's worth at once.
#[derive(Debug)]
pub(super) struct Budget {
    cell: Cell,
    since: Instant,
    byte_ns: u64,
}

impl Budget {
    const BURST: Duration = Duration::from_secs(1);

    pub(super) fn new(now: Instant, kbps: u32) -> Self {
        Self { cell: Cell::default(), since: now, byte_ns: 8_000_000 / u64::from(kbps.max(1)) }
    }

    /// A new one would let through no more.
    pub(super) fn is_whole(&self, now: Instant) -> bool {
        self.cell.0.load(Ordering::Relaxed) <= nanos(now.saturating_duration_since(self.since))
    }

    pub(super) fn take(&self, now: Instant, bytes: usize) -> bool {
        let now_ns = nanos(now.saturating_duration_since(self.since));
        self.cell.take(now_ns, self.byte_ns * bytes as u64, nanos(Self::BURST))
    }
}

/// Requests a source address may make. Sources are hashed, with a key of this process, onto a fixed number of cells: 500,000 of
/// them take no more memory than one.
#[derive(Debug)]
pub struct Gate {
    cells: Box<[Cell]>,
    hasher: RandomState,
    since: Instant,
    request_ns: u64,
    burst_ns: u64,
}

impl Gate {
    /// So many a second on average, so many at once.
    pub fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let request_ns = 1_000_000_000 / u64::from(per_second.max(1));
        let cells = (0..CELLS).map(|_| Cell::default()).collect();
        Self {
            cells,
            hasher: RandomState::new(),
            since: now,
            request_ns,
            burst_ns: request_ns * u64::from(burst.max(1)),
        }
    }

    /// True when the source may make a request now, which is counted.
    pub fn lets_in(&self, now: Instant, source: IpAddr) -> bool {
        let cell = &self.cells[self.hasher.hash_one(Origin::of(source)) as usize % CELLS];
        cell.take(nanos(now.saturating_duration_since(self.since)), self.request_ns, self.burst_ns)
    }
}
