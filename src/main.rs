//! The binary: reads the command line, starts the parts, stops them in order.

use std::io::{IsTerminal as _, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use crescendo::access::Access;
use crescendo::check::{self, Report};
use crescendo::config::{self, Config, ConfigError};
use crescendo::doctor;
use crescendo::host::{Rooms, broadcasts, recordings};
use crescendo::http::{self, App, hls::HlsDirectory};
use crescendo::jwks::Jwks;
use crescendo::listen::{self, Beyond, Listeners, StreamDoor};
use crescendo::sfu::Sfu;
use crescendo::trace;
use crescendo::turn::{Pieces, Turn};
use crescendo::webhooks::Webhooks;
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
    Serve(Configured),
    /// Say whether a configuration would run here, what a firewall has to let in, and what is off.
    Check {
        #[command(flatten)]
        configured: Configured,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Try, from here, what clients of a server need: signaling, STUN, TURN on each transport, the media port, HLS.
    Doctor(doctor::Ask),
}

/// Where a configuration comes from.
#[derive(Args)]
struct Configured {
    /// Configuration file; config/crescendo.toml documents every key.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Lays one value over the file, as in `--set room.mesh_limit=2`. May come often.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Configured {
    fn load(&self) -> Result<Config, ConfigError> {
        config::load(self.config.as_deref(), &self.set)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match Cli::parse().command {
        Command::Serve(configured) => {
            let config = configured.load()?;
            log(&config)?;
            runtime()?.block_on(serve(config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { configured, json } => {
            let report = match configured.load() {
                Ok(config) => runtime()?.block_on(check::look(&config, &check::machine()?)),
                Err(error) => Report::unreadable(&error),
            };
            let text = if json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
            print(&text, report.is_good())
        }
        Command::Doctor(ask) => {
            let report = runtime()?.block_on(doctor::examine(&ask))?;
            let text = if ask.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
            print(&text, report.is_good())
        }
    }
}

/// To stdout; the exit code says whether all is well.
fn print(text: &str, good: bool) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// To stderr: stdout says where the server listens and nothing else.
fn log(config: &Config) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter).context("`log.filter`")?;
    // Colours are for people: a file or a journal gets none.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
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
    let access = Access::load(&config).context("who may come in (`[access]`)")?;
    let config = Arc::new(config);
    let metrics = PrometheusBuilder::new().install_recorder().context("the metrics recorder")?;
    let upload = recordings::Upload::new(&config.record).context("uploads of recordings")?;
    let sfu = Sfu::start(&config.sfu).context("the media plane")?;
    listen::allow_open_files(&config);
    let listeners = Listeners::bind(&config).await?;
    warn_if_open(&access, &config);
    let turn = match config.turn.enabled {
        true => Some(Turn::start(&config.turn, sfu.media_addresses()).context("the TURN server")?),
        false => None,
    };
    if let Some(turn) = &turn {
        turn.offer_tls(listeners.turn_ports());
    }
    sfu.offer_tcp(&listeners.media());
    announce(&listeners, &sfu.media_addresses(), &turn.as_ref().map(Turn::addresses).unwrap_or_default())?;

    let archive = broadcasts::archive(&config.hls);
    if let Some(mirror) = broadcasts::Mirror::new(&config.hls).context("`hls.upload_to`")? {
        tokio::spawn(mirror.run());
    }
    let hls = HlsDirectory::new(archive.clone());
    let rooms = Rooms::new(config.as_ref().clone(), sfu.clone(), hls.clone(), turn.clone());
    let (tracer, exporter) = trace::start(&config.trace).context("traces")?;
    rooms.trace(tracer);
    if let Some(exporter) = exporter {
        tokio::spawn(exporter.run());
    }
    if let Some(library) = recordings::library(&config.record) {
        let (config, events) = (config.clone(), rooms.events().clone());
        tokio::spawn(async move { recordings::tend(library, &config.record, upload, &events).await });
    }
    if let Some(archive) = archive {
        let config = config.clone();
        tokio::spawn(async move { broadcasts::tend(archive, &config.hls).await });
    }
    let (processor, media) = (rooms.clone(), rooms.clone());
    tokio::spawn(async move { processor.watch_processor().await });
    tokio::spawn(async move { media.watch_media().await });
    if let Some(jwks) = Jwks::new(&config.access).context("published keys")? {
        tokio::spawn(jwks.tend(access.clone()));
    }
    let webhooks = Webhooks::start(&config.webhooks, rooms.events()).await?;
    let drain = Duration::from_secs(config.limits.drain_s.into());
    let site = http::router(App::new(rooms.clone(), hls, metrics, access, config.clone()));
    info!(http = ?listeners.http(), https = ?listeners.https(), "ready");
    let beyond = Beyond { turn: turn.clone().map(turn_door), media: Some(media_door(sfu.clone())) };
    listeners.serve(&config, site, beyond, drained(rooms, drain, terminate)).await;
    webhooks.finish().await;
    sfu.stop();
    if let Some(turn) = turn {
        turn.stop();
    }
    info!("stopped");
    Ok(())
}

/// Loud, because nothing else tells an open server from one that somebody has closed.
fn warn_if_open(access: &Access, config: &Config) {
    match (access.is_open(), config.access.open) {
        (false, _) => {}
        (true, false) => warn!(
            "NO KEYS ARE SET: everybody on this machine, and whoever a proxy on it lets through, may join, record and watch \
             every room. Set `access.api_keys` to ask for tokens"
        ),
        (true, true) => warn!(
            "NO KEYS ARE SET AND `access.open` IS TRUE: EVERYBODY who reaches this server may join, record and watch every \
             room. The API answers this machine only"
        ),
    }
}

/// The first line on stdout: every address that was really bound. `more` has those beyond the first of HTTP and HTTPS, and
/// those of `turn.tls_listen` and `sfu.tcp_listen`.
fn announce(listeners: &Listeners, media: &[SocketAddr], turn: &[SocketAddr]) -> anyhow::Result<()> {
    let texts = |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
    let (http, https) = (texts(&listeners.http()), texts(&listeners.https()));
    let urls = |scheme: &str, addresses: &[String]| {
        addresses.iter().skip(1).map(|address| format!("{scheme}://{address}")).collect::<Vec<_>>()
    };
    let turns = listeners.turns().iter().map(|address| format!("turns://{address}")).collect();
    let media_tcp = listeners.media().iter().map(|address| format!("tcp://{address}")).collect();
    let more = [urls("http", &http), urls("https", &https), turns, media_tcp].concat();
    let line = serde_json::json!({
        "http": http.first(), "https": https.first(), "media": texts(media), "turn": texts(turn), "more": more,
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// The TURN server's way in through listeners that others have, too.
fn turn_door(turn: Turn) -> StreamDoor {
    Arc::new(move |stream, peer, local| {
        let turn = turn.clone();
        Box::pin(async move { turn.serve_stream(stream, Pieces::Messages, peer, local).await })
    })
}

/// The same of the media plane.
fn media_door(sfu: Sfu) -> StreamDoor {
    Arc::new(move |stream, peer, _| {
        let sfu = sfu.clone();
        Box::pin(async move { sfu.serve_stream(stream, peer).await })
    })
}

/// Waits until the server is to end, for its rooms to come to their end as long as `drain` says or until asked again, and then
/// lets them go.
async fn drained(rooms: Rooms, drain: Duration, mut terminate: Signal) {
    asked_to_end(&mut terminate).await;
    info!(seconds = drain.as_secs(), "draining: no new rooms");
    tokio::select! {
        () = rooms.drain() => {}
        () = tokio::time::sleep(drain) => {}
        () = asked_to_end(&mut terminate) => {}
    }
    info!("closing");
    rooms.close_all().await;
    // Streams of events end, and with them their connections.
    rooms.events().close();
}

/// SIGTERM or Ctrl-C.
async fn asked_to_end(terminate: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
