//! The server that is visited, and what a visit has to have found.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// The real binary, which `cargo test` builds beside this one's; killed with the value.
pub(crate) struct Server {
    child: Child,
    /// Visits take all that a machine has: one after the other.
    _turn: MutexGuard<'static, ()>,
    http: String,
    /// Where it takes media.
    pub(crate) media: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let binary = Path::new(env!("CARGO_BIN_EXE_crescendo-load")).with_file_name("crescendo");
        assert!(binary.exists(), "cargo build makes {}", binary.display());
        let set = [
            "http.listen=127.0.0.1:0",
            "sfu.listen=127.0.0.1:0",
            "sfu.pin=false",
            "turn.enabled=false",
            "hls.directory=",
        ];
        let mut command = Command::new(binary);
        command.arg("serve").stdout(Stdio::piped());
        for assignment in set {
            command.args(["--set", assignment]);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let media = said["media"][0].as_str().unwrap().parse().unwrap();
        Self { child, _turn: turn, http: said["http"].as_str().unwrap().to_owned(), media }
    }

    /// What a visit has found.
    pub(crate) fn visit(&self, options: &[&str]) -> Value {
        let door = |name| format!("http://{}/{name}/{{room}}", self.http);
        let mut command = Command::new(env!("CARGO_BIN_EXE_crescendo-load"));
        command.arg("visit").args(["--whip", &door("whip"), "--whep", &door("whep")]).args(options);
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        said["report"].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn number(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {report}"))
}

/// Whoever looks has got everything once, and unchanged. What was lost on the way is there, if late.
pub(crate) fn is_whole(report: &Value, least: u64) {
    assert_eq!(number(report, "/looked/lost"), 0, "{report}");
    is_sound(report, least);
}

/// The same, but for what got lost.
pub(crate) fn is_sound(report: &Value, least: u64) {
    assert!(number(report, "/looked/packets") >= least, "{report}");
    for fault in ["/looked/doubled", "/looked/wrong"] {
        assert_eq!(number(report, fault), 0, "{fault} of {report}");
    }
}
