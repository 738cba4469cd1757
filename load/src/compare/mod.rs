//! Ours and Janus side by side: the same people by each one's public door, the same load, the same core, in turns A-B-B-A.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use self::report::{Report, Side};
use crate::far::Identity;
use crate::far::stage::Rate;
use crate::party::{Party, Plan};
use crate::server::{Counted, Server};

mod report;

/// Watchers that look at what they get.
const HOT: usize = 2;
/// Played to both before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct Options {
    /// Our server.
    #[arg(long, default_value = "target/release/crescendo")]
    crescendo: String,
    /// Keys over our server's defaults, as sfu.train_us=0.
    #[arg(long)]
    set: Vec<String>,
    #[arg(long, default_value = "janus")]
    janus: String,
    /// Threads that Janus shares among all its connections; 0: it has one for each, as it comes.
    #[arg(long, default_value_t = 0)]
    janus_loops: u32,
    /// Address of this machine for media. Janus uses no loopback address; packets never leave the machine.
    #[arg(long)]
    ip: IpAddr,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Pairs of neighbours, ours and Janus'.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    pairs: u32,
    /// Length of one measurement.
    #[arg(long, default_value_t = 1_500)]
    milliseconds: u64,
    /// Where all figures go, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

struct Case {
    name: &'static str,
    plan: Plan,
    rate: Rate,
}

const CASES: [Case; 4] = [
    Case { name: "1 to 50", plan: Plan { rooms: 1, watchers: 50, hot: HOT }, rate: Rate { frames: 30, packets: 10 } },
    // What Janus can still do on one core here.
    Case { name: "1 to 80", plan: Plan { rooms: 1, watchers: 80, hot: HOT }, rate: Rate { frames: 30, packets: 10 } },
    Case {
        name: "20 rooms of 1 to 10",
        plan: Plan { rooms: 20, watchers: 10, hot: HOT },
        rate: Rate { frames: 15, packets: 4 },
    },
    // For joining and for memory.
    Case {
        name: "1 to 1000",
        plan: Plan { rooms: 1, watchers: 1_000, hot: HOT },
        rate: Rate { frames: 2, packets: 5 },
    },
];

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pinned = cores.get(1).is_none_or(|core| core_affinity::set_for_current(*core));
    anyhow::ensure!(pinned, "this thread can be pinned");
    let mut reports = Vec::new();
    for case in CASES.iter().filter(|case| case.name.contains(&options.only)) {
        let report = measure(case, options).with_context(|| case.name)?;
        print!("{report}");
        reports.push(report);
        if let Some(path) = &options.json {
            std::fs::write(path, serde_json::to_string_pretty(&reports)?)?;
        }
    }
    Ok(())
}

/// One server and its people.
struct Camp {
    server: Server,
    party: Party,
    side: Side,
}

impl Camp {
    fn pitch(identity: &Identity, server: Server, plan: Plan) -> anyhow::Result<Self> {
        let (place, mut alone) = (server.place.clone(), 0);
        let party = Party::gather(identity, &place, plan, || {
            alone = server.spent()?.resident_kb;
            Ok(())
        });
        let party = party.with_context(|| format!("its log: {}", server.log()))?;
        let mut side = Side::default();
        let grown = server.spent()?.resident_kb.saturating_sub(alone);
        side.kb_a_subscriber = grown as f64 / plan.people() as f64;
        side.joins(&party.joins);
        Ok(Self { server, party, side })
    }

    /// One measurement of this one, while the other only stays.
    fn run(&mut self, other: &mut Camp, rate: Rate, time: Duration) -> anyhow::Result<()> {
        let counted = self.server.counted()?;
        let before = self.server.spent()?;
        let played = self.party.play(rate, time, || other.party.step())?;
        let after = self.server.spent()?;
        let counted = counted.zip(self.server.counted()?).map(|(before, after)| Counted {
            packets: after.packets - before.packets,
            trains: after.trains - before.trains,
            calls: after.calls - before.calls,
        });
        self.side.add(after.cpu_ns - before.cpu_ns, played, time, counted);
        Ok(())
    }

    fn strike(self) -> anyhow::Result<Side> {
        let mut side = self.side;
        side.found(self.party.end()?);
        Ok(side)
    }
}

fn measure(case: &Case, options: &Options) -> anyhow::Result<Report> {
    let identity = Identity::new(options.ip)?;
    let ours = Server::crescendo(&options.crescendo, options.ip, &options.set)?;
    let mut ours = Camp::pitch(&identity, ours, case.plan).context("Crescendo")?;
    let theirs = Server::janus(&options.janus, options.ip, options.janus_loops)?;
    let mut theirs = Camp::pitch(&identity, theirs, case.plan).context("Janus")?;
    ours.party.play(case.rate, WARM_UP, || theirs.party.step())?;
    theirs.party.play(case.rate, WARM_UP, || ours.party.step())?;
    let time = Duration::from_millis(options.milliseconds);
    for pair in 0..options.pairs {
        if pair % 2 == 0 {
            ours.run(&mut theirs, case.rate, time)?;
            theirs.run(&mut ours, case.rate, time)?;
        } else {
            theirs.run(&mut ours, case.rate, time)?;
            ours.run(&mut theirs, case.rate, time)?;
        }
    }
    Ok(Report::new(case.name, case.plan, case.rate, ours.strike()?, theirs.strike()?))
}
