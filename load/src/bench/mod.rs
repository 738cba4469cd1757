//! What forwarding costs: the media plane in a process of its own, real sockets, independent clients, next to the floor.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::de::DeserializeOwned;

use self::peer::{Identity, Peer};
use self::row::{Row, Run};
use self::scenario::{Figures, Opened, Role, Scenario};
use self::traffic::Sender;
use crate::stamp::Found;

mod floor;
pub(crate) mod host;
mod peer;
mod row;
mod scenario;
mod traffic;

/// Receivers that look at what they get; all others have the kernel drop it.
const HOT: usize = 2;
/// Before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long what is on its way may take.
const SETTLE: Duration = Duration::from_millis(10);
/// How often the rate is set anew when a share of the core is wanted, and after how long. What a packet costs depends on it.
const CALIBRATIONS: u32 = 3;
const CALIBRATION: Duration = Duration::from_millis(700);

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
    /// Instead of each scenario's own rate: as many frames as take this share of the server's core. The floor is left out.
    #[arg(long, value_parser = share)]
    busy: Option<f64>,
    /// Where all figures go, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().map_err(|error| error.to_string())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("between 0 and 1".into()) }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    println!("{}", Row::HEAD);
    let mut rows = Vec::new();
    for scenario in scenario::ALL.iter().filter(|scenario| scenario.name.text().contains(&options.only)) {
        let row = measure(*scenario, options).with_context(|| scenario.name.text())?;
        println!("{row}");
        rows.push(row);
        if let Some(path) = &options.json {
            std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
        }
    }
    Ok(())
}

fn measure(mut scenario: Scenario, options: &Options) -> anyhow::Result<Row> {
    // The server's media thread has core 0.
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pin = |core: usize| cores.get(core).is_none_or(|core| core_affinity::set_for_current(*core));
    anyhow::ensure!(pin(1), "this thread can be pinned");
    let identity = Identity::new()?;
    let mut server = Server::start(&scenario, &identity, &options.set)?;
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
    // They are spread over all, so that no place in the server's order is theirs alone.
    let hot = HOT.min(receivers.len());
    let places: Vec<usize> = (0..hot).map(|at| (2 * at + 1) * receivers.len() / (2 * hot)).collect();
    let looking: Vec<Peer> = places.iter().rev().map(|place| receivers.remove(*place)).collect();
    let cold = std::mem::replace(&mut receivers, looking);
    cold.iter().try_for_each(Peer::turn_cold)?;

    let (stop, timed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut runs, mut found) = (Vec::new(), Found::default());
    thread::scope(|scope| -> anyhow::Result<()> {
        let hot: Vec<_> =
            receivers.iter_mut().map(|peer| scope.spawn(|| traffic::receive(peer, &stop, &timed))).collect();
        let result = (|| {
            let mut train = 1;
            traffic::send(&scenario, &mut senders, &cold, WARM_UP)?;
            let mut run = |scenario: &Scenario, time: Duration| -> anyhow::Result<Run> {
                let before = server.figures()?;
                let begun = Instant::now();
                traffic::send(scenario, &mut senders, &cold, time)?;
                thread::sleep(SETTLE);
                Ok(Run { before, elapsed: begun.elapsed(), after: server.figures()?, floor: None })
            };
            for _ in 0..options.busy.map_or(0, |_| CALIBRATIONS) {
                let cost = run(&scenario, CALIBRATION)?.cost();
                let share = options.busy.unwrap_or_default();
                let all = scenario.offered() / f64::from(scenario.frames_per_second);
                scenario.frames_per_second = ((share * 1e9 / cost / all).round() as u32).max(1);
            }
            timed.store(true, Ordering::Relaxed);
            let time = Duration::from_millis(options.milliseconds);
            let floor = |train| {
                let receivers = scenario.receivers() * scenario.rooms;
                let measure = || pin(0).then(|| floor::measure(receivers, train, time / 3));
                let floor = thread::scope(|scope| scope.spawn(measure).join().ok().flatten());
                floor.context("the floor can be measured")?
            };
            for pair in 0..options.pairs {
                runs.push(match (options.busy, pair % 2) {
                    (Some(_), _) => run(&scenario, time)?,
                    (None, 0) => {
                        let run = run(&scenario, time)?;
                        train = run.packets_a_train().round().max(1.0) as usize;
                        Run { floor: Some(floor(train)?), ..run }
                    }
                    (None, _) => {
                        let floor = Some(floor(train)?);
                        Run { floor, ..run(&scenario, time)? }
                    }
                });
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
    Ok(Row::new(&scenario, &runs, found, resident as f64 / (cold.len() + receivers.len()) as f64))
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
