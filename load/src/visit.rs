//! Publishes into one server by its public doors, watches what comes, and says what it was like.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::door::Place;
use crate::far::Identity;
use crate::far::stage::Rate;
use crate::figures::percentile;
use crate::party::{Party, Plan};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    place: Place,
    /// Address of this machine that clients have.
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rooms: u32,
    /// Watchers of each room.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    watchers: u32,
    /// Watchers that open and check what they get; the others have the kernel drop and count it.
    #[arg(long, default_value_t = 2)]
    hot: u32,
    /// Frames a second of each who sends, and packets of a frame.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    frames: u32,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=500))]
    packets: u32,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Watchers of those that do not look, gone without a word after half of the time.
    #[arg(long, default_value_t = 0)]
    vanish: u32,
    /// Those that look ask for key frames without a pause.
    #[arg(long)]
    storm: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    let plan = Plan {
        rooms: options.rooms as usize,
        watchers: options.watchers as usize,
        hot: (options.hot as usize).min((options.rooms * options.watchers) as usize),
    };
    let mut party = Party::gather(&Identity::new(options.ip)?, &options.place, plan, || Ok(()))?;
    party.storm(options.storm);
    let rate = Rate { frames: options.frames, packets: options.packets };
    let half = Duration::from_millis(options.seconds * 500);
    let before = party.play(rate, half, || Ok(()))?;
    party.vanish(options.vanish as usize)?;
    let after = party.play(rate, half, || Ok(()))?;
    let joins = party.joins.clone();
    let found = party.end()?;
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let delay = |share| ms(percentile(&found.delays, share));
    Ok(json!({
        "offered": before.offered + after.offered,
        "delivered": before.delivered + after.delivered,
        "offeredBeforeAnybodyVanished": before.offered,
        "deliveredBeforeAnybodyVanished": before.delivered,
        "looked": found,
        "delayMs": { "p50": delay(0.5), "p99": delay(0.99), "p999": delay(0.999) },
        "connectedMs": joins.connected().map(ms),
        "firstPacketMs": joins.first().map(ms),
    }))
}
