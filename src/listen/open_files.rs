//! File descriptors: each connection is one, and the usual limit of 1,024 is for programs that are not servers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What the server needs besides connections: media sockets, files of broadcasts, the runtime's own.
const OTHERS: u64 = 1_024;

/// Raises the process's limit as far as the system allows, and says so when that is too little for `connections`.
pub fn allow_open_files(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let have = if raised.is_ok() { maximum } else { current };
    let want = connections as u64 + OTHERS;
    if have.is_some_and(|have| have < want) {
        let have = have.unwrap_or_default();
        warn!(have, want, "too few open files are allowed for `limits.connections`; raise the limit (LimitNOFILE=)");
    }
}
