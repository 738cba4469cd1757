//! `crescendo check`: whether a configuration would run here, what a firewall has to let in, and what is off.
//!
//! [`look`] gathers a [`Report`]; [`openings`] knows the ports, [`places`] what the system has to give, [`off`] what a value
//! leaves out. Nothing is changed: ports are bound for a moment, directories only looked at.

mod off;
mod openings;
mod places;
mod show;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

pub use openings::{Opening, Protocol};

use crate::config::{Config, ConfigError};
use crate::sfu::machine_addresses;

/// Everything there is to say about a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Ports that others connect to.
    pub open: Vec<Opening>,
    /// Where clients are told to send media to, and where to find the relay.
    pub media: Vec<SocketAddr>,
    pub turn: Vec<SocketAddr>,
}

/// Something to know about one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    /// Dotted; empty where it is about the file as a whole.
    pub key: &'static str,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The server would not start, or something would not work for anybody.
    Problem,
    /// It runs, and probably not as it is meant to.
    Warning,
    /// A part that is left out by choice, and what that means.
    Off,
}

impl Finding {
    fn problem(key: &'static str, text: impl ToString) -> Self {
        Self { level: Level::Problem, key, text: text.to_string() }
    }

    fn warning(key: &'static str, text: impl ToString) -> Self {
        Self { level: Level::Warning, key, text: text.to_string() }
    }

    fn off(key: &'static str, text: impl ToString) -> Self {
        Self { level: Level::Off, key, text: text.to_string() }
    }
}

impl Report {
    /// Of a configuration that could not be read.
    pub fn unreadable(error: &ConfigError) -> Self {
        Self { findings: vec![Finding::problem("", error)], ..Self::default() }
    }

    /// Nothing is in the way.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Problem)
    }
}

/// Addresses of this machine.
pub fn machine() -> std::io::Result<Vec<IpAddr>> {
    machine_addresses()
}

/// Looks at everything that `config` names. `machine` has the addresses of this machine.
pub async fn look(config: &Config, machine: &[IpAddr]) -> Report {
    let open = openings::openings(config, machine);
    let media = openings::media_addresses(&config.sfu, machine);
    let turn = if config.turn.enabled { openings::turn_addresses(&config.turn, machine) } else { Vec::new() };
    let mut findings = places::findings(config).await;
    findings.extend(openings::findings(config, &media, &turn));
    findings.extend(off::findings(config));
    findings.sort_by_key(|finding| finding.level);
    Report { findings, open, media, turn }
}
