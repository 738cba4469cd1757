//! What forwarding costs: the media plane in a process of its own, real sockets, independent clients, next to the floor.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::de::DeserializeOwned;

use self::peer::{Identity, Peer};
use self::scenario::{Figures, Opened, Role, Scenario};
use self::traffic::{Found, Sender};

mod floor;
pub(crate) mod host;
mod peer;
mod scenario;
mod traffic;

/// Receivers that look at what they get; all others have the kernel drop it.
const HOT: usize = 2;
/// Before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct Options {
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Pairs of measurements of each scenario: server and floor, then floor and server.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pairs: u32,
    /// Length of one measurement of the server; the floor is measured for a third of it.
    #[arg(long, default_value_t = 1_500)]
    milliseconds: u64,
    /// Keys of `[sfu]` over their defaults, as a TOML table.
    #[arg(long, default_value = "")]
    set: String,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    println!(
        "{:<15} {:>9} {:>9} {:>7} {:>7} {:>7} {:>13} {:>6} {:>6} {:>7} {:>7} {:>6}",
        "", "offered/s", "forw./s", "ns/pkt", "floor", "of it", "spread", "train", "lost", "p50 ms", "p99 ms", "kB/rcv"
    );
    for scenario in scenario::ALL.iter().filter(|scenario| scenario.name.text().contains(&options.only)) {
        measure(scenario, options).with_context(|| scenario.name.text())?;
    }
    Ok(())
}

fn measure(scenario: &Scenario, options: &Options) -> anyhow::Result<()> {
    // The server's media thread has core 0.
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pin = |core: usize| cores.get(core).is_none_or(|core| core_affinity::set_for_current(*core));
    anyhow::ensure!(pin(1), "this thread can be pinned");
    let identity = Identity::new()?;
    let mut server = Server::start(scenario, &identity, &options.set)?;
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    let idle = server.figures()?;
    for opened in &server.opened {
        let peer = Peer::connect(&identity, opened)?;
        match opened.role {
            Role::Sends { ssrc } => {
                peer.turn_cold()?;
                senders.push(Sender::new(peer, ssrc));
            }
            Role::Receives => receivers.push(peer),
        }
    }
    let cold = receivers.split_off(HOT.min(receivers.len()));
    cold.iter().try_for_each(Peer::turn_cold)?;

    let (epoch, stop) = (Instant::now(), AtomicBool::new(false));
    let (mut runs, mut found) = (Vec::new(), Found::default());
    thread::scope(|scope| -> anyhow::Result<()> {
        let hot: Vec<_> =
            receivers.iter_mut().map(|peer| scope.spawn(|| traffic::receive(peer, &stop, epoch))).collect();
        let result = (|| {
            let mut train = 1;
            traffic::send(scenario, &mut senders, &cold, WARM_UP, epoch)?;
            for pair in 0..options.pairs {
                let time = Duration::from_millis(options.milliseconds);
                let mut run = |train| -> anyhow::Result<Run> {
                    let before = server.figures()?;
                    let begun = Instant::now();
                    traffic::send(scenario, &mut senders, &cold, time, epoch)?;
                    thread::sleep(Duration::from_millis(10));
                    let elapsed = begun.elapsed();
                    Ok(Run { before, after: server.figures()?, elapsed, floor: 0.0, train })
                };
                let floor = |train| {
                    let receivers = scenario.receivers() * scenario.rooms;
                    let measure = || pin(0).then(|| floor::measure(receivers, train, time / 3));
                    let floor = thread::scope(|scope| scope.spawn(measure).join().ok().flatten());
                    floor.context("the floor can be measured")?
                };
                let mut run = if pair % 2 == 0 {
                    let mut run = run(train)?;
                    train = run.train().round().max(1.0) as usize;
                    run.floor = floor(train)?;
                    run
                } else {
                    let floor = floor(train)?;
                    Run { floor, ..run(train)? }
                };
                run.train = train;
                runs.push(run);
            }
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        for hot in hot {
            found.add(hot.join().ok().context("a receiver panicked")??);
        }
        result
    })?;
    let resident = server.figures()?.resident_kb.saturating_sub(idle.resident_kb);
    print(scenario, &runs, &mut found, resident as f64 / (cold.len() + receivers.len()) as f64);
    Ok(())
}

struct Run {
    before: Figures,
    after: Figures,
    elapsed: Duration,
    /// In ns a packet, for trains of `train`.
    floor: f64,
    train: usize,
}

impl Run {
    fn packets(&self) -> f64 {
        (self.after.packets - self.before.packets) as f64
    }

    fn cost(&self) -> f64 {
        (self.after.cpu_ns - self.before.cpu_ns) as f64 / self.packets()
    }

    /// Packets a train.
    fn train(&self) -> f64 {
        self.packets() / (self.after.trains - self.before.trains) as f64
    }
}

fn median(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn print(scenario: &Scenario, runs: &[Run], found: &mut Found, resident: f64) {
    let (cost, ..) = median(runs.iter().map(Run::cost));
    let (floor, ..) = median(runs.iter().map(|run| run.floor));
    let (share, least, most) = median(runs.iter().map(|run| run.floor / run.cost() * 100.0));
    let (rate, ..) = median(runs.iter().map(|run| run.packets() / run.elapsed.as_secs_f64()));
    let (train, ..) = median(runs.iter().map(Run::train));
    found.delays.sort_unstable();
    let delay = |share: f64| {
        let at = (found.delays.len() as f64 * share) as usize;
        found.delays.get(at).map_or(f64::NAN, |delay| delay.as_secs_f64() * 1_000.0)
    };
    println!(
        "{:<15} {:>9.0} {:>9.0} {cost:>7.0} {floor:>7.0} {share:>6.0}% {:>13} {train:>6.1} {:>6} {:>7.2} {:>7.2} {resident:>6.0}{}",
        scenario.name.text(),
        scenario.offered(),
        rate,
        format!("{least:.0}% to {most:.0}%"),
        found.lost,
        delay(0.5),
        delay(0.99),
        if found.wrong + found.disordered > 0 {
            format!("  {} WRONG, {} DISORDERED", found.wrong, found.disordered)
        } else {
            String::new()
        }
    );
}

/// The process that is measured.
struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    opened: Vec<Opened>,
}

impl Server {
    fn start(scenario: &Scenario, identity: &Identity, set: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["host", "--scenario", &serde_json::to_string(scenario)?, "--fingerprint", &identity.fingerprint])
            .args(["--set", set])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().context("a pipe")?;
        let output = BufReader::new(process.stdout.take().context("a pipe")?);
        let mut server = Self { process, input, output, opened: Vec::new() };
        server.opened = server.read()?;
        Ok(server)
    }

    fn read<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("the server says something")
    }

    fn figures(&mut self) -> anyhow::Result<Figures> {
        writeln!(self.input)?;
        self.read()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
