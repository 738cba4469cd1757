//! The binary: reads the command line, starts the parts, stops them in order.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use crescendo::config::{self, Config};
use crescendo::host::Rooms;
use crescendo::http::{self, App, hls::HlsDirectory};
use crescendo::sfu::Sfu;
use crescendo::turn::Turn;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// How long requests that are under way may take once the rooms are gone.
const FINISH: Duration = Duration::from_secs(5);

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
    let config = Arc::new(config);
    let metrics = PrometheusBuilder::new().install_recorder().context("the metrics recorder")?;
    let sfu = Sfu::start(&config.sfu).context("the media plane")?;
    let listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("cannot listen on {} (`http.listen`)", config.http.listen))?;
    let http = listener.local_addr()?;
    if !http.ip().is_loopback() {
        warn!(%http, "rooms are open to everybody who reaches this address; the API answers this machine only");
    }
    let turn = match config.turn.enabled {
        true => Some(Turn::start(&config.turn, sfu.media_addresses()).await.context("the TURN server")?),
        false => None,
    };
    announce(http, &sfu.media_addresses(), &turn.as_ref().map(Turn::addresses).unwrap_or_default())?;

    let hls = HlsDirectory::default();
    let rooms = Rooms::new(config.as_ref().clone(), sfu.clone(), hls.clone());
    let router = http::router(App::new(rooms.clone(), hls, metrics, config));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    info!(%http, "ready");
    let (over, mut is_over) = tokio::sync::watch::channel(false);
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        drained(rooms).await;
        let _ = over.send(true);
    });
    // Requests that were under way are finished; one that is never finished holds nobody up.
    tokio::select! {
        served = serving.into_future() => served?,
        () = async {
            let _ = is_over.wait_for(|over| *over).await;
            tokio::time::sleep(FINISH).await;
        } => warn!("requests that did not end were cut off"),
    }
    sfu.stop();
    if let Some(turn) = turn {
        turn.stop();
    }
    info!("stopped");
    Ok(())
}

/// The first line on stdout: every address that was really bound.
fn announce(http: SocketAddr, media: &[SocketAddr], turn: &[SocketAddr]) -> anyhow::Result<()> {
    let texts = |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
    let line =
        serde_json::json!({ "http": http.to_string(), "https": null, "media": texts(media), "turn": texts(turn) });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C, then lets the rooms go.
async fn drained(rooms: Rooms) {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
    info!("draining");
    rooms.drain().await;
}
