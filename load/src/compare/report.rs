//! What a comparison has shown.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::far::stage::{PAYLOAD, Rate};
use crate::figures::{percentile, spread};
use crate::party::{Joins, Plan, Played};
use crate::server::Counted;
use crate::stamp::Found;

/// One side, over all its runs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Side {
    /// CPU-seconds for each 10^9 bits of RTP payload that were delivered, by run.
    cpu_s_a_gigabit: Vec<f64>,
    /// CPU time for each packet that was delivered, by run.
    ns_a_packet: Vec<f64>,
    /// Share of one core, by run.
    busy: Vec<f64>,
    offered: u64,
    delivered: u64,
    /// Packets a datagram or train, and a system call, where the server counts.
    packets_a_train: Option<f64>,
    packets_a_call: Option<f64>,
    pub(super) kb_a_subscriber: f64,
    /// p50, p99, p99.9.
    delay_ms: [f64; 3],
    /// p50, p99.
    connected_ms: [f64; 2],
    first_packet_ms: [f64; 2],
    looked: Found,
    #[serde(skip)]
    counted: Option<Counted>,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Side {
    pub(super) fn joins(&mut self, joins: &Joins) {
        self.connected_ms = joins.connected().map(ms);
        self.first_packet_ms = joins.first().map(ms);
    }

    pub(super) fn add(&mut self, cpu_ns: u64, played: Played, time: Duration, counted: Option<Counted>) {
        let delivered = played.delivered as f64;
        let gigabits = delivered * PAYLOAD as f64 * 8.0 / 1e9;
        self.cpu_s_a_gigabit.push(cpu_ns as f64 / 1e9 / gigabits);
        self.ns_a_packet.push(cpu_ns as f64 / delivered);
        self.busy.push(cpu_ns as f64 / time.as_nanos() as f64);
        self.offered += played.offered;
        self.delivered += played.delivered;
        let Some(counted) = counted else { return };
        let sum = self.counted.get_or_insert(Counted { packets: 0, trains: 0, calls: 0 });
        sum.packets += counted.packets;
        sum.trains += counted.trains;
        sum.calls += counted.calls;
    }

    pub(super) fn found(&mut self, found: Found) {
        self.delay_ms = [0.5, 0.99, 0.999].map(|share| ms(percentile(&found.delays, share)));
        self.looked = found;
        self.packets_a_train = self.counted.map(|counted| counted.packets as f64 / counted.trains as f64);
        self.packets_a_call = self.counted.map(|counted| counted.packets as f64 / counted.calls as f64);
    }

    /// Share of what was offered that did not come.
    fn loss(&self) -> f64 {
        1.0 - self.delivered as f64 / self.offered as f64
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    name: &'static str,
    /// Packets a second that each side should forward.
    offered_a_second: u64,
    crescendo: Side,
    janus: Side,
    /// How many times fewer CPU-seconds a gigabit ours needs: median, least and most of neighbours.
    times_fewer: [f64; 3],
}

impl Report {
    pub(super) fn new(name: &'static str, plan: Plan, rate: Rate, crescendo: Side, janus: Side) -> Self {
        let pairs = janus.cpu_s_a_gigabit.iter().zip(&crescendo.cpu_s_a_gigabit);
        let times_fewer = spread(pairs.map(|(theirs, ours)| theirs / ours)).unwrap_or_default();
        let offered_a_second = plan.people() as u64 * u64::from(rate.frames * rate.packets);
        Self { name, offered_a_second, crescendo, janus, times_fewer }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} packets a second:", self.name, self.offered_a_second)?;
        let columns = "s/Gbit  spread         ns/pkt  core  pk/call  lost %  dbl wrong  p50 ms   p99  p99.9  kB/sub  up p50, p99  1st p50, p99";
        writeln!(f, "  {:<9} {columns}", "")?;
        for (name, side) in [("crescendo", &self.crescendo), ("janus", &self.janus)] {
            let [cost, least, most] = spread(side.cpu_s_a_gigabit.iter().copied()).unwrap_or_default();
            let [ns, ..] = spread(side.ns_a_packet.iter().copied()).unwrap_or_default();
            let [busy, ..] = spread(side.busy.iter().copied()).unwrap_or_default();
            let call = side.packets_a_call.map_or("-".to_owned(), |packets| format!("{packets:.1}"));
            let [p50, p99, p999] = side.delay_ms;
            let ([up50, up99], [first50, first99]) = (side.connected_ms, side.first_packet_ms);
            writeln!(
                f,
                "  {name:<9} {cost:>6.3}  {least:>5.3} to {most:>5.3} {ns:>6.0} {:>4.0}% {call:>8} {:>7.3} {:>4} {:>5} {p50:>7.2} {p99:>6.2} {p999:>6.2} {:>7.0} {up50:>6.1} {up99:>6.1} {first50:>6.0} {first99:>6.0}",
                busy * 100.0,
                side.loss() * 100.0,
                side.looked.doubled,
                side.looked.wrong,
                side.kb_a_subscriber,
            )?;
        }
        let [median, least, most] = self.times_fewer;
        writeln!(
            f,
            "  {median:.1} times fewer CPU-seconds a gigabit ({least:.1} to {most:.1}, {} pairs)",
            self.janus.busy.len()
        )
    }
}
