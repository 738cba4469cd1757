//! The binary: reads the command line, starts the parts, stops them in order.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use crescendo::config::{self, Config};
use crescendo::host::{Rooms, recordings};
use crescendo::http::{self, App, hls::HlsDirectory};
use crescendo::listen::{self, Listeners, TurnDoor};
use crescendo::sfu::Sfu;
use crescendo::turn::Turn;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// Configuration file; config/crescendo.toml documents every key.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Lays one value over the file, as in `--set room.mesh_limit=2`. May come often.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Serve { config, set } = Cli::parse().command;
    let config = config::load(config.as_deref(), &set)?;
    log(&config)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

/// To stderr: stdout says where the server listens and nothing else.
fn log(config: &Config) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter).context("`log.filter`")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if config.log.json {
        lines.json().init()
    } else {
        lines.init()
    }
    Ok(())
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Before anybody knows that the server is there, so that nobody ends it by less than a drain.
    let terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    // A limit on the size of files (RLIMIT_FSIZE) is an error of the write that meets it, and not the end of the server.
    let _oversize = signal(SignalKind::from_raw(libc::SIGXFSZ)).context("SIGXFSZ")?;
    let config = Arc::new(config);
    let metrics = PrometheusBuilder::new().install_recorder().context("the metrics recorder")?;
    let sfu = Sfu::start(&config.sfu).context("the media plane")?;
    listen::allow_open_files(&config);
    let listeners = Listeners::bind(&config).await?;
    if !listeners.http().iter().chain(&listeners.https()).all(|address| address.ip().is_loopback()) {
        warn!("rooms are open to everybody who reaches this server; the API answers this machine only");
    }
    let turn = match config.turn.enabled {
        true => Some(Turn::start(&config.turn, sfu.media_addresses()).context("the TURN server")?),
        false => None,
    };
    if let Some(turn) = &turn {
        turn.offer_tls(listeners.turn_ports());
    }
    announce(&listeners, &sfu.media_addresses(), &turn.as_ref().map(Turn::addresses).unwrap_or_default())?;

    let hls = HlsDirectory::default();
    let rooms = Rooms::new(config.as_ref().clone(), sfu.clone(), hls.clone(), turn.clone());
    if let Some(library) = recordings::library(&config.record) {
        let config = config.clone();
        tokio::spawn(async move { recordings::tend(library, &config.record).await });
    }
    let site = http::router(App::new(rooms.clone(), hls, metrics, config.clone()));
    info!(http = ?listeners.http(), https = ?listeners.https(), "ready");
    listeners.serve(&config, site, turn.clone().map(door), drained(rooms, terminate)).await;
    sfu.stop();
    if let Some(turn) = turn {
        turn.stop();
    }
    info!("stopped");
    Ok(())
}

/// The first line on stdout: every address that was really bound. `more` has those beyond the first of HTTP and HTTPS, and
/// those of `turn.tls_listen`.
fn announce(listeners: &Listeners, media: &[SocketAddr], turn: &[SocketAddr]) -> anyhow::Result<()> {
    let texts = |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
    let (http, https) = (texts(&listeners.http()), texts(&listeners.https()));
    let urls = |scheme: &str, addresses: &[String]| {
        addresses.iter().skip(1).map(|address| format!("{scheme}://{address}")).collect::<Vec<_>>()
    };
    let turns = listeners.turns().iter().map(|address| format!("turns://{address}")).collect();
    let more = [urls("http", &http), urls("https", &https), turns].concat();
    let line = serde_json::json!({
        "http": http.first(), "https": https.first(), "media": texts(media), "turn": texts(turn), "more": more,
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// The TURN server's way in through listeners that others have, too.
fn door(turn: Turn) -> TurnDoor {
    Arc::new(move |stream, peer, local| {
        let turn = turn.clone();
        Box::pin(async move { turn.serve_stream(stream, peer, local).await })
    })
}

/// Waits for SIGTERM or Ctrl-C, then lets the rooms go.
async fn drained(rooms: Rooms, mut terminate: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    info!("draining");
    rooms.drain().await;
}
