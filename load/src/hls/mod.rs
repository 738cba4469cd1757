//! How HLS is served: many who wait for one part, and what requests and bytes cost next to nginx.
//!
//! Server and client have a core each, and take turns with nginx on the server's.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use client::{Crowd, fetch};

use crate::figures::spread;
use crate::server;

mod client;
pub(crate) mod host;
mod nginx;

const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;
/// Connections that ask as fast as they are answered.
const BUSY: usize = 64;

#[derive(Args)]
pub(crate) struct Options {
    /// Who wait for one part.
    #[arg(long, default_value_t = 10_000)]
    waiters: usize,
    /// How often they do.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Bytes of the part that is waited for.
    #[arg(long, default_value_t = 4_000)]
    part_bytes: usize,
    /// Turns of ours and of nginx.
    #[arg(long, default_value_t = 4)]
    pairs: usize,
    /// Length of a turn.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

/// What the host says, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Listening {
        http: SocketAddr,
        run: String,
    },
    /// The first part of a segment is there; a moment before it was not.
    Published {
        segment: u64,
        at: u64,
    },
    Ended,
}

/// The clock that all processes of a machine share.
fn nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has it");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    pin(CLIENT_CORE);
    crescendo::listen::allow_open_files(&crescendo::config::Config::default());
    wait(options)?;
    compare(options)
}

/// Threads and processes that are started from here on have the same core.
fn pin(core: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if !cores.get(core).is_some_and(|core| core_affinity::set_for_current(*core)) {
        println!("no core {core} of its own: figures are worth less");
    }
}

/// Runs `start` with the server's core.
fn on_server_core<T>(start: impl FnOnce() -> T) -> T {
    pin(SERVER_CORE);
    let started = start();
    pin(CLIENT_CORE);
    started
}

fn wait(options: &Options) -> anyhow::Result<()> {
    // Long enough for all to have asked before it is there.
    let mut host = Host::start(1_000, 3_000, options.part_bytes)?;
    let mut crowd = Crowd::connect(host.http, options.waiters)?;
    // A player holds back two segments before it begins.
    let mut next = host.published()?.0 + 4;
    println!("{} connections wait for one answer; ms from when it can be had to when it is read", options.waiters);
    let (mut parts, mut playlists) = (Vec::new(), Vec::new());
    for round in 0..2 * options.rounds {
        while host.published()?.0 + 1 < next {}
        let part = round % 2 == 0;
        let path = if part {
            // Named by the playlist once the last part before it is there.
            std::thread::sleep(Duration::from_millis(2_200));
            format!("/hls/bench/video-{}-{next}.0.m4s", host.run)
        } else {
            format!("/hls/bench/video.m3u8?_HLS_msn={next}&_HLS_part=0")
        };
        crowd.ask_all(&path)?;
        let asked = nanoseconds();
        let mut read = Vec::with_capacity(options.waiters);
        crowd.await_all(|| read.push(nanoseconds()))?;
        let (segment, at) = host.published()?;
        anyhow::ensure!(segment == next && asked < at, "the part came before all had asked: try fewer waiters");
        let late: Vec<f64> = read.iter().map(|read| read.saturating_sub(at) as f64 / 1e6).collect();
        print(if part { "part" } else { "playlist" }, &late);
        if part {
            parts.extend(late)
        } else {
            playlists.extend(late)
        }
        next += 2;
    }
    print(&format!("all rounds, part of {} bytes", options.part_bytes), &parts);
    print("all rounds, playlist", &playlists);
    Ok(())
}

fn print(what: &str, times: &[f64]) {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get(((sorted.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    println!("  {what:<34} p50 {:6.1}  p99 {:6.1}  max {:6.1}", at(0.5), at(0.99), at(1.0));
}

/// The same playlist and the same segment from us and from nginx, in turns.
fn compare(options: &Options) -> anyhow::Result<()> {
    // 1 MB a segment.
    let mut host = Host::start(200, 1_000, 200_000)?;
    while host.published()?.0 < 6 {}
    host.end()?;
    let playlist = fetch(host.http, "/hls/bench/video.m3u8")?;
    let text = String::from_utf8(playlist.clone())?;
    let name = text.lines().rfind(|line| line.ends_with(".m4s")).context("no segment")?.to_owned();
    // The last one may be short.
    let name = text.lines().filter(|line| line.ends_with(".m4s")).nth_back(1).map_or(name, str::to_owned);
    let segment = fetch(host.http, &format!("/hls/bench/{name}"))?;
    let nginx = nginx::Nginx::start(&[("video.m3u8", playlist.as_slice()), (name.as_str(), segment.as_slice())])?;
    let time = Duration::from_secs(options.seconds);
    for (what, file, length) in [("playlist", "video.m3u8", playlist.len()), ("segment", name.as_str(), segment.len())]
    {
        let path = format!("/hls/bench/{file}");
        let mut ratios = Vec::new();
        println!("{what} of {length} bytes, {BUSY} connections, per CPU-second of the server");
        for pair in 0..options.pairs {
            let measure = |ours: bool| {
                let (server, process) = if ours { (host.http, host.child.id()) } else { (nginx.http, nginx.id()) };
                cost(server, process, &path, time)
            };
            // A-B-B-A, so that a machine that warms up favours neither.
            let (ours, theirs) = if pair % 2 == 0 {
                let ours = measure(true)?;
                (ours, measure(false)?)
            } else {
                let theirs = measure(false)?;
                (measure(true)?, theirs)
            };
            println!(
                "  ours {:9.0} requests {:7.0} MB    nginx {:9.0} requests {:7.0} MB    ratio {:.2}",
                ours.0,
                ours.1 / 1e6,
                theirs.0,
                theirs.1 / 1e6,
                ours.0 / theirs.0,
            );
            ratios.push(ours.0 / theirs.0);
        }
        let [median, least, most] = spread(ratios).context("no pair was measured")?;
        println!("  {what}: {median:.2} times nginx ({least:.2} to {most:.2})");
    }
    Ok(())
}

/// Requests and bytes for each second of CPU time that the server's process took.
fn cost(server: SocketAddr, process: u32, path: &str, time: Duration) -> anyhow::Result<(f64, f64)> {
    let mut crowd = Crowd::connect(server, BUSY)?;
    crowd.ask_on(path, Duration::from_millis(200))?;
    let process = Path::new("/proc").join(process.to_string());
    let before = server::cpu_ns(&process)?;
    let (answers, bytes) = crowd.ask_on(path, time)?;
    let used = (server::cpu_ns(&process)? - before) as f64 / 1e9;
    Ok((answers as f64 / used, bytes as f64 / used))
}

/// The host, as its own process; ended with the value.
struct Host {
    child: Child,
    stdin: ChildStdin,
    lines: BufReader<ChildStdout>,
    http: SocketAddr,
    run: String,
}

impl Host {
    fn start(part_ms: u64, segment_ms: u64, part_bytes: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("hls-host").args(["--part-ms", &part_ms.to_string(), "--segment-ms", &segment_ms.to_string()]);
        command.args(["--part-bytes", &part_bytes.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = on_server_core(|| command.spawn())?;
        let stdin = child.stdin.take().context("stdin")?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout")?);
        let Said::Listening { http, run } = read(&mut lines)? else { anyhow::bail!("the host said something else") };
        Ok(Self { child, stdin, lines, http, run })
    }

    /// The next segment whose first part is there, and when that came.
    fn published(&mut self) -> anyhow::Result<(u64, u64)> {
        match read(&mut self.lines)? {
            Said::Published { segment, at } => Ok((segment, at)),
            said @ (Said::Listening { .. } | Said::Ended) => anyhow::bail!("the host said {said:?}"),
        }
    }

    /// Ends the broadcast; its files stay.
    fn end(&mut self) -> anyhow::Result<()> {
        writeln!(self.stdin)?;
        while !matches!(read(&mut self.lines)?, Said::Ended) {}
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(lines: &mut BufReader<ChildStdout>) -> anyhow::Result<Said> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("the host said {line:?}"))
}
