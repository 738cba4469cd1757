//! File descriptors: each connection and each relay is one, and the usual limit of 1,024 is for programs that are not servers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Config;

/// What the server needs besides connections and relays: media sockets, files of broadcasts, the runtime's own.
const OTHERS: u64 = 1_024;

/// Raises the process's limit as far as the system allows, and says so when that is too little for all that `config` allows.
pub fn allow_open_files(config: &Config) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let have = if raised.is_ok() { maximum } else { current };
    let want = wanted(config);
    if have.is_some_and(|have| have < want) {
        let have = have.unwrap_or_default();
        warn!(
            have,
            want,
            "thousands of clients at once would find no room: fewer open files are allowed than `limits.connections`, \
             `turn.streams` and `turn.allocations` add up to; raise the limit (ulimit -n, or LimitNOFILE= of a unit), or lower \
             these"
        );
    }
}

/// TURN over TLS is among the connections, TURN over TCP has `turn.streams` of its own.
fn wanted(config: &Config) -> u64 {
    let Config { limits, turn, .. } = config;
    let relayed = if turn.enabled { turn.streams.saturating_add(turn.allocations) } else { 0 };
    (limits.connections.saturating_add(relayed) as u64).saturating_add(OTHERS)
}

#[cfg(test)]
mod tests;
