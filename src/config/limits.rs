//! `[limits]`: how much of everything this server takes.

use serde::{Deserialize, Serialize};

use super::Network;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub rooms: usize,
    /// On all listeners, for HTTP, signaling and TURN over TCP and TLS.
    pub connections: usize,
    pub connections_per_address: usize,
    /// Networks that `connections_per_address` is not for.
    pub exempt_networks: Vec<Network>,
    pub sockets: usize,
    pub legs: usize,
    /// In rooms, however they came.
    pub participants: usize,
    /// Participants who publish anything.
    pub publishers: usize,
    /// Media of all rooms together, up and down; 0: however much.
    pub kbps: u64,
    /// Of the busiest of all cores together and each media thread; 0: whatever it is.
    pub cpu_percent: u32,
    /// How long calls may go on once the server is told to end.
    pub drain_s: u32,
    pub name_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("loopback is a network"));
        Self {
            rooms: 10_000,
            connections: 30_000,
            connections_per_address: 1_000,
            exempt_networks: loopback.into(),
            sockets: 20_000,
            legs: 64,
            participants: 20_000,
            publishers: 20_000,
            kbps: 0,
            cpu_percent: 0,
            drain_s: 0,
            name_chars: 80,
        }
    }
}
