//! What the measurements of one scenario come to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::scenario::{Figures, Scenario};
use crate::figures::{percentile, spread};
use crate::stamp::Found;

/// One measurement.
pub(super) struct Run {
    pub(super) before: Figures,
    pub(super) after: Figures,
    pub(super) elapsed: Duration,
    /// In ns a packet, for trains as long; where it was measured.
    pub(super) floor: Option<f64>,
}

impl Run {
    fn packets(&self) -> f64 {
        (self.after.packets - self.before.packets) as f64
    }

    fn cpu_ns(&self) -> f64 {
        (self.after.cpu_ns - self.before.cpu_ns) as f64
    }

    /// CPU time of a packet, in ns.
    pub(super) fn cost(&self) -> f64 {
        self.cpu_ns() / self.packets()
    }

    pub(super) fn packets_a_train(&self) -> f64 {
        self.packets() / (self.after.trains - self.before.trains) as f64
    }

    fn packets_a_call(&self) -> f64 {
        self.packets() / (self.after.calls - self.before.calls) as f64
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: &'static str,
    offered_a_second: f64,
    forwarded_a_second: f64,
    /// CPU time of a packet, by measurement.
    ns_a_packet: Vec<f64>,
    floor_ns: Vec<f64>,
    /// Share of one core.
    busy: f64,
    packets_a_train: f64,
    packets_a_call: f64,
    found: Found,
    /// p50, p99, p99.9.
    delay_ms: [f64; 3],
    kb_a_receiver: f64,
}

impl Row {
    pub(super) const HEAD: &'static str = "                offered/s   forw./s  core  ns/pkt   floor   of it        spread  train  a call   lost  p50 ms  p99 ms   p99.9  kB/rcv";

    pub(super) fn new(scenario: &Scenario, runs: &[Run], mut found: Found, kb_a_receiver: f64) -> Self {
        let median = |of: &dyn Fn(&Run) -> f64| spread(runs.iter().map(of)).map_or(f64::NAN, |[median, ..]| median);
        found.delays.sort_unstable();
        Self {
            name: scenario.name.text(),
            offered_a_second: scenario.offered(),
            forwarded_a_second: median(&|run| run.packets() / run.elapsed.as_secs_f64()),
            ns_a_packet: runs.iter().map(Run::cost).collect(),
            floor_ns: runs.iter().filter_map(|run| run.floor).collect(),
            busy: median(&|run| run.cpu_ns() / run.elapsed.as_nanos() as f64),
            packets_a_train: median(&Run::packets_a_train),
            packets_a_call: median(&Run::packets_a_call),
            delay_ms: [0.5, 0.99, 0.999].map(|share| percentile(&found.delays, share).as_secs_f64() * 1e3),
            found,
            kb_a_receiver,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [cost, ..] = spread(self.ns_a_packet.iter().copied()).unwrap_or_default();
        write!(
            f,
            "{:<15} {:>9.0} {:>9.0} {:>4.0}% {cost:>7.0}",
            self.name,
            self.offered_a_second,
            self.forwarded_a_second,
            self.busy * 100.0,
        )?;
        let shares = || self.floor_ns.iter().zip(&self.ns_a_packet).map(|(floor, cost)| floor / cost * 100.0);
        match (spread(self.floor_ns.iter().copied()), spread(shares())) {
            (Some([floor, ..]), Some([share, least, most])) => {
                write!(f, " {floor:>7.0} {share:>6.0}% {:>13}", format!("{least:.0}% to {most:.0}%"))?;
            }
            (None, _) | (_, None) => write!(f, " {:>7} {:>7} {:>13}", "-", "-", "-")?,
        }
        let [p50, p99, p999] = self.delay_ms;
        let (train, call, lost) = (self.packets_a_train, self.packets_a_call, self.found.lost);
        write!(f, " {train:>6.1} {call:>7.1} {lost:>6} {p50:>7.2} {p99:>7.2} {p999:>7.2} {:>7.0}", self.kb_a_receiver)?;
        let Found { wrong, doubled, late, .. } = self.found;
        if wrong + doubled + late > 0 {
            write!(f, "  {wrong} WRONG, {doubled} DOUBLED, {late} LATE")?;
        }
        Ok(())
    }
}
