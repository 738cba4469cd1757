//! Clients that mean no good, for tests that watch whether anybody else notices, and clients that are many, to measure with.
//!
//! `bench` measures the media plane by itself, next to the least that forwarding could cost; `visit` and `compare` come in by the
//! public doors of whole servers, ours or others', on a stack that shares nothing with ours.
//!
//! Everything that hostile ones do is bounded in count and time, aimed at this machine alone, and drawn from a seed that is
//! printed. The last line is one JSON object that says what was sent and how the server took it.

use std::net::{SocketAddr, UdpSocket};

use clap::{Parser, Subcommand};

mod arrival;
mod bench;
mod compare;
mod composite;
mod door;
mod echo;
mod far;
mod figures;
mod hls;
mod media;
mod party;
mod server;
mod socket;
mod stamp;
mod visit;

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
    /// Publishes into a server by WHIP, or into Janus, watches what comes and checks it.
    Visit(visit::Options),
    /// Measures our server and Janus side by side.
    Compare(compare::Options),
    /// The server's side of `bench`, which starts it.
    #[command(hide = true)]
    Host(bench::host::Options),
    /// Says back what comes over WebSockets, for Autobahn's test suite, until stdin ends.
    Echo,
    /// Measures what a broadcast of several in one picture costs.
    Composite(composite::Options),
    /// Measures how HLS is served.
    Hls(hls::Options),
    /// The server's side of `hls`, which starts it.
    #[command(hide = true)]
    HlsHost(hls::host::Options),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let random = fastrand::Rng::with_seed(arguments.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = match arguments.work {
        Work::Socket(options) => runtime.block_on(socket::flood(options, random))?,
        Work::Media(options) => runtime.block_on(media::flood(options, random))?,
        Work::Visit(options) => visit::run(&options)?,
        Work::Compare(options) => return compare::run(&options),
        Work::Bench(options) => return bench::run(&options),
        Work::Echo => return echo::run(),
        Work::Host(options) => return bench::host::run(&options),
        Work::Composite(options) => return composite::run(&options),
        Work::Hls(options) => return hls::run(&options),
        Work::HlsHost(options) => return hls::host::run(&options),
    };
    println!("{}", serde_json::json!({ "seed": arguments.seed, "report": sent }));
    Ok(())
}

/// Nothing here may ever reach another machine.
fn loopback(target: SocketAddr) -> anyhow::Result<SocketAddr> {
    anyhow::ensure!(target.ip().is_loopback(), "{target} is not a loopback address");
    Ok(target)
}

/// Measuring stays on this machine, by whichever of its addresses.
fn this_machine(target: SocketAddr) -> anyhow::Result<SocketAddr> {
    let is_here = UdpSocket::bind((target.ip(), 0)).is_ok();
    anyhow::ensure!(is_here, "{target} is not an address of this machine");
    Ok(target)
}
