//! Servers that are measured, each a process on core 0; whoever measures has the others.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::door::{self, Place};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether it has.
const RETRY: Duration = Duration::from_millis(50);

pub(crate) struct Server {
    process: Child,
    /// Its files, if it has any; removed with it.
    directory: Option<PathBuf>,
    pub(crate) place: Place,
    /// Where its counters are read, if it has any.
    metrics: Option<String>,
}

/// What it has done so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// CPU time of all threads.
    pub(crate) cpu_ns: u64,
    pub(crate) resident_kb: u64,
}

/// What it says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// Packets forwarded.
    pub(crate) packets: u64,
    /// Datagrams and trains of datagrams.
    pub(crate) trains: u64,
    /// System calls that send.
    pub(crate) calls: u64,
}

/// On core 0, where there is more than one.
fn command(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0", program]).stdin(Stdio::null());
    command
}

impl Server {
    /// Our own. `set` are keys over its defaults.
    pub(crate) fn crescendo(binary: &str, ip: IpAddr, set: &[String]) -> anyhow::Result<Self> {
        let media = format!("sfu.listen={ip}:0");
        let fixed = [
            "http.listen=127.0.0.1:0",
            // What is on this machine is none of ours.
            "hls.directory=",
            &media,
            "turn.enabled=false",
            "room.capacity=10000",
            "whip.requests_per_second=100000",
            "log.filter=warn",
        ];
        let mut command = command(binary);
        command.arg("serve").stdout(Stdio::piped());
        for assignment in fixed.into_iter().chain(set.iter().map(String::as_str)) {
            command.args(["--set", assignment]);
        }
        let mut process = command.spawn().with_context(|| binary.to_owned())?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("a pipe")?).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).context("the server says where it listens")?;
        let http = format!("http://{}", said["http"].as_str().context("an address")?);
        let door = |name| Some(format!("{http}/{name}/{{room}}"));
        let place = Place { whip: door("whip"), whep: door("whep"), token: None, janus: None };
        Ok(Self { process, directory: None, place, metrics: Some(format!("{http}/metrics")) })
    }

    /// Janus as Debian has it, with what it needs for video rooms and nothing else. It does not use loopback addresses.
    pub(crate) fn janus(binary: &str, ip: IpAddr, loops: u32) -> anyhow::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let directory = std::env::temp_dir().join(format!("crescendo-load-janus-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let write = |name: &str, text: &str| fs::write(directory.join(name), text);
        write(
            "janus.jcfg",
            &format!(
                "general: {{ event_loops = {loops} session_timeout = 0 debug_level = 2 debug_timestamps = false log_to_stdout = true }}\n\
                 media: {{ ipv6 = false }}\n\
                 nat: {{ ice_enforce_list = \"{ip}\" }}\n\
                 transports: {{ disable = \"{}\" }}\n\
                 plugins: {{ disable = \"{}\" }}\n\
                 loggers: {{ }}\n\
                 events: {{ broadcast = false }}\n",
                libraries("transports", "libjanus_websockets.so"),
                libraries("plugins", "libjanus_videoroom.so"),
            ),
        )?;
        write("janus.plugin.videoroom.jcfg", "general: { }\n")?;
        write(
            "janus.transport.websockets.jcfg",
            &format!(
                "general: {{ json = \"compact\" ws = true ws_port = {port} ws_ip = \"127.0.0.1\" }}\nadmin: {{ admin_ws = false }}\n"
            ),
        )?;
        let log = fs::File::create(directory.join("log"))?;
        let configuration = directory.to_str().context("a path in UTF-8")?;
        let process = command(binary)
            .args(["--configs-folder", configuration, "--disable-colors"])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| binary.to_owned())?;
        let place = Place { whip: None, whep: None, token: None, janus: Some(format!("ws://127.0.0.1:{port}")) };
        let mut server = Self { process, directory: Some(directory), place, metrics: None };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.process.try_wait()?;
            let late = begun.elapsed() > PATIENCE;
            anyhow::ensure!(ended.is_none() && !late, "Janus did not start: {}", server.log());
            thread::sleep(RETRY);
        }
        Ok(server)
    }

    /// What it has written about itself.
    pub(crate) fn log(&self) -> String {
        let file = self.directory.as_ref().map(|directory| directory.join("log"));
        file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default()
    }

    pub(crate) fn spent(&self) -> anyhow::Result<Spent> {
        let of = Path::new("/proc").join(self.process.id().to_string());
        Ok(Spent { cpu_ns: cpu_ns(&of)?, resident_kb: resident_kb(&of)? })
    }

    /// Its counters, if it has any. Asking costs it CPU time.
    pub(crate) fn counted(&self) -> anyhow::Result<Option<Counted>> {
        self.metrics.as_ref().map(|url| counted(&door::get(url)?)).transpose()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// Names of Janus' libraries of a kind, as Debian has them, but for one.
fn libraries(kind: &str, but: &str) -> String {
    let found = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let places = found.map(|entry| entry.path().join("janus").join(kind)).filter(|place| place.is_dir());
    let names = places.flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let names: Vec<String> = names.filter(|name| name.ends_with(".so") && name != but).collect();
    names.join(",")
}

/// From what a server of ours tells its operators.
pub(crate) fn counted(text: &str) -> anyhow::Result<Counted> {
    let counter = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(Ok(0), str::parse::<u64>)
    };
    Ok(Counted {
        packets: counter("crescendo_forwarded_packets_total")?,
        trains: counter("crescendo_sent_trains_total")?,
        calls: counter("crescendo_send_calls_total")?,
    })
}

/// Time that all threads of a process have run, in user and kernel mode. `of` is its directory in /proc.
pub(crate) fn cpu_ns(of: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(of.join("task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().context("schedstat has three numbers")?.parse::<u64>()?;
    }
    Ok(sum)
}

pub(crate) fn resident_kb(of: &Path) -> anyhow::Result<u64> {
    let status = fs::read_to_string(of.join("status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(resident.context("the kernel says what is resident")?.trim_end_matches("kB").trim().parse()?)
}
