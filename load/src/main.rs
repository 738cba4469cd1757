//! A client that means no good, for tests that watch whether anybody else notices.
//!
//! Everything it does is bounded in count and time, aimed at this machine alone, and drawn from a seed that it prints. Its
//! last line is one JSON object that says what was sent and how the server took it.

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

mod media;
mod socket;

#[derive(Parser)]
#[command(about = "Hostile clients for tests of Crescendo")]
struct Arguments {
    /// The same seed sends the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    attack: Attack,
}

#[derive(Subcommand)]
enum Attack {
    /// Joins a room and floods its socket with junk and with frames that are too large.
    Socket(socket::Options),
    /// Sends packets of every wrong kind to a media port at a fixed rate.
    Media(media::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let random = fastrand::Rng::with_seed(arguments.seed);
    let sent = match arguments.attack {
        Attack::Socket(options) => socket::flood(options, random).await?,
        Attack::Media(options) => media::flood(options, random).await?,
    };
    println!("{}", serde_json::json!({ "seed": arguments.seed, "report": sent }));
    Ok(())
}

/// Nothing here may ever reach another machine.
fn loopback(target: SocketAddr) -> anyhow::Result<SocketAddr> {
    anyhow::ensure!(target.ip().is_loopback(), "{target} is not a loopback address");
    Ok(target)
}
