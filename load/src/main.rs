//! Clients that mean no good, for tests that watch whether anybody else notices, and clients that are many, to measure with.
//!
//! Everything the former do is bounded in count and time, aimed at this machine alone, and drawn from a seed that is printed. The
//! last line is one JSON object that says what was sent and how the server took it.

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

mod bench;
mod media;
mod socket;

#[derive(Parser)]
#[command(about = "Hostile and heavy clients for tests of Crescendo")]
struct Arguments {
    /// The same seed sends the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Joins a room and floods its socket with junk and with frames that are too large.
    Socket(socket::Options),
    /// Sends packets of every wrong kind to a media port at a fixed rate.
    Media(media::Options),
    /// Measures what forwarding costs.
    Bench(bench::Options),
    /// The server's side of `bench`, which starts it.
    #[command(hide = true)]
    Host(bench::host::Options),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let random = fastrand::Rng::with_seed(arguments.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = match arguments.work {
        Work::Socket(options) => runtime.block_on(socket::flood(options, random))?,
        Work::Media(options) => runtime.block_on(media::flood(options, random))?,
        Work::Bench(options) => return bench::run(&options),
        Work::Host(options) => return bench::host::run(&options),
    };
    println!("{}", serde_json::json!({ "seed": arguments.seed, "report": sent }));
    Ok(())
}

/// Nothing here may ever reach another machine.
fn loopback(target: SocketAddr) -> anyhow::Result<SocketAddr> {
    anyhow::ensure!(target.ip().is_loopback(), "{target} is not a loopback address");
    Ok(target)
}
