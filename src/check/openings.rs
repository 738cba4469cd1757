//! Ports and addresses: what a firewall has to let in, and what clients are told.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use serde::Serialize;

use super::Finding;
use crate::config::{Config, Sfu, Turn};

/// Where Linux takes ports from when any will do.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The same where it does not say.
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Ports that somebody connects to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    pub protocol: Protocol,
    /// 0: any free one, known once the server runs.
    pub first_port: u16,
    pub last_port: u16,
    /// Where it is bound: an unspecified address stands for all of the machine's.
    pub address: IpAddr,
    pub what: &'static str,
    /// The key that says so.
    pub key: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Udp,
    Tcp,
}

impl Opening {
    fn one(protocol: Protocol, at: SocketAddr, what: &'static str, key: &'static str) -> Self {
        Self { protocol, first_port: at.port(), last_port: at.port(), address: at.ip(), what, key }
    }

    /// Nobody but the machine itself gets there, so no firewall plays a part.
    pub fn is_local(&self) -> bool {
        self.address.is_loopback()
    }
}

pub(super) fn openings(config: &Config, machine: &[IpAddr]) -> Vec<Opening> {
    use Protocol::{Tcp, Udp};
    let Config { http, tls, sfu, turn, .. } = config;
    let mut open = Vec::new();
    open.extend(http.listen.iter().map(|at| Opening::one(Tcp, *at, "HTTP: pages, API, signaling, HLS", "http.listen")));
    let https = if turn.enabled { "HTTPS and TURN over TLS" } else { "HTTPS: pages, API, signaling, HLS" };
    open.extend(tls.listen.iter().map(|at| Opening::one(Tcp, *at, https, "tls.listen")));
    open.push(Opening { last_port: last_media_port(sfu), ..Opening::one(Udp, sfu.listen, "media", "sfu.listen") });
    open.extend(sfu.tcp_listen.iter().map(|at| Opening::one(Tcp, *at, "media over TCP", "sfu.tcp_listen")));
    if turn.enabled {
        open.push(Opening::one(Udp, turn.listen, "STUN and TURN", "turn.listen"));
        open.push(Opening::one(Tcp, turn.listen, "TURN over TCP", "turn.listen"));
        open.extend(turn.tls_listen.iter().map(|at| Opening::one(Tcp, *at, "TURN over TLS", "turn.tls_listen")));
        let range = match turn.first_port {
            0 => ephemeral(std::fs::read_to_string(EPHEMERAL).ok().as_deref()),
            first => first..=turn.last_port,
        };
        let (first_port, last_port) = range.into_inner();
        let (what, key) = ("packets that are relayed", "turn.first_port");
        let relays = relays(turn, machine).into_iter();
        open.extend(relays.map(|address| Opening { protocol: Udp, first_port, last_port, address, what, key }));
    }
    open
}

/// Of the shards; the first one's where the system chooses.
fn last_media_port(sfu: &Sfu) -> u16 {
    let shards =
        if sfu.shards == 0 { core_affinity::get_core_ids().map_or(1, |cores| cores.len()) } else { sfu.shards };
    match sfu.listen.port() {
        0 => 0,
        first => first.saturating_add(u16::try_from(shards.saturating_sub(1)).unwrap_or(u16::MAX)),
    }
}

pub(super) fn ephemeral(text: Option<&str>) -> RangeInclusive<u16> {
    let mut ports = text.unwrap_or_default().split_whitespace().map(str::parse::<u16>);
    match (ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last))) => first..=last,
        (_, _) => USUAL_EPHEMERAL,
    }
}

/// Addresses that packets are relayed from: one a family.
fn relays(turn: &Turn, machine: &[IpAddr]) -> Vec<IpAddr> {
    let from = if turn.relay.is_empty() { bound(turn.listen, machine) } else { turn.relay.clone() };
    one_a_family(&from)
}

fn one_a_family(all: &[IpAddr]) -> Vec<IpAddr> {
    [all.iter().find(|ip| ip.is_ipv4()), all.iter().find(|ip| ip.is_ipv6())].into_iter().flatten().copied().collect()
}

/// The addresses that a listener has.
fn bound(listen: SocketAddr, machine: &[IpAddr]) -> Vec<IpAddr> {
    match listen.ip().is_unspecified() {
        true => machine.iter().copied().filter(|ip| ip.is_ipv4() || listen.is_ipv6()).collect(),
        false => vec![listen.ip()],
    }
}

/// Where clients are told to send media to, on the first shard.
pub(super) fn media_addresses(sfu: &Sfu, machine: &[IpAddr]) -> Vec<SocketAddr> {
    let addresses = if sfu.announce.is_empty() { bound(sfu.listen, machine) } else { sfu.announce.clone() };
    addresses.into_iter().map(|ip| SocketAddr::new(ip, sfu.listen.port())).collect()
}

pub(super) fn turn_addresses(turn: &Turn, machine: &[IpAddr]) -> Vec<SocketAddr> {
    let announced = |ip: IpAddr| turn.announce.iter().copied().find(|other| other.is_ipv4() == ip.is_ipv4());
    let here = one_a_family(&bound(turn.listen, machine)).into_iter();
    here.map(|ip| SocketAddr::new(announced(ip).unwrap_or(ip), turn.listen.port())).collect()
}

/// Addresses that will not be reached as they are announced.
pub(super) fn findings(config: &Config, media: &[SocketAddr], turn: &[SocketAddr]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, told) in [("sfu.announce", media), ("turn.announce", turn)] {
        let texts = told.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ");
        if key == "sfu.announce" && told.is_empty() {
            found.push(Finding::problem(key, "the machine has no address that clients could be told of"));
        } else if !told.is_empty() && told.iter().all(|at| is_private(at.ip())) {
            let text = format!(
                "clients are told {texts}, which is not reached from the internet; behind a NAT, say its address"
            );
            found.push(Finding::warning(key, text));
        }
    }
    let random = |key, at: SocketAddr| {
        (at.port() == 0).then(|| Finding::warning(key, "port 0 is another one at each start: no firewall can know it"))
    };
    let Config { http, tls, sfu, turn, .. } = config;
    found.extend(http.listen.iter().filter_map(|at| random("http.listen", *at)));
    found.extend(tls.listen.iter().filter_map(|at| random("tls.listen", *at)));
    found.extend(random("sfu.listen", sfu.listen));
    found.extend(sfu.tcp_listen.iter().filter_map(|at| random("sfu.tcp_listen", *at)));
    if turn.enabled {
        found.extend(random("turn.listen", turn.listen));
    }
    if http.listen.iter().any(|at| !at.ip().is_loopback()) && tls.listen.is_empty() {
        let text = "browsers give camera and microphone to https:// alone: set [tls], or put a proxy that has a certificate in front";
        found.push(Finding::warning("tls.listen", text));
    }
    let over_tls = !tls.listen.is_empty() || !turn.tls_listen.is_empty();
    if turn.enabled && over_tls && turn.public_host.is_empty() {
        let text = "TURN over TLS is told of by address, which few certificates have: set the name that yours has";
        found.push(Finding::warning("turn.public_host", text));
    }
    found
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // 100.64.0.0/10 is shared behind carriers' NATs (RFC 6598).
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
