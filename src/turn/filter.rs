//! Whom a relay may talk to. Without this a TURN server is a way into the network that it stands in.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Network;

/// Networks that are no place of a peer's: this machine, private and shared ones, link-local ones (cloud metadata is there),
/// documentation, benchmarks, tunnels, multicast, what is reserved (the registries of RFC 6890, as of 2025).
const DENIED: [&str; 31] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    // Azure's platform, which every machine there reaches.
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // The unspecified address, loopback, and IPv4-compatible ones.
    "::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    // Teredo, ORCHID, benchmarks.
    "2001::/23",
    "2001:db8::/32",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The relayed addresses that exist at this moment, on whichever thread; copies are the same set.
#[derive(Debug, Clone, Default)]
pub(super) struct Relays(Arc<RwLock<HashSet<SocketAddr>>>);

/// A relayed address in the set; taken out when dropped.
#[derive(Debug)]
pub(super) struct Relayed {
    relays: Relays,
    address: SocketAddr,
}

impl Relays {
    pub(super) fn add(&self, address: SocketAddr) -> Relayed {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(address);
        Relayed { relays: self.clone(), address }
    }

    fn contains(&self, address: SocketAddr) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&address)
    }
}

impl Relayed {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.relays.0.write().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
    }
}

/// The rules. In this order: networks that the operator allows; our own media and relayed addresses, port and all; nothing else
/// on this machine; nothing in a denied network; the rest of the world.
#[derive(Debug)]
pub struct Filter {
    allowed: Vec<Network>,
    denied: Vec<Network>,
    /// Addresses that are ours for as long as the server runs: announced ones, and those of relays and media.
    own: Vec<IpAddr>,
    /// Addresses of this machine, which come and go.
    machine: RwLock<Vec<IpAddr>>,
    media: Vec<SocketAddr>,
    relays: Relays,
}

impl Filter {
    pub fn new(allowed: Vec<Network>, own: Vec<IpAddr>, media: Vec<SocketAddr>) -> Self {
        let denied = DENIED.iter().map(|net| net.parse().expect("the table holds networks")).collect();
        let own = own.into_iter().chain(media.iter().map(SocketAddr::ip)).collect();
        Self { allowed, denied, own, machine: RwLock::default(), media, relays: Relays::default() }
    }

    /// These are the machine's addresses now.
    pub fn set_machine(&self, addresses: Vec<IpAddr>) {
        *self.machine.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    pub(super) fn relays(&self) -> &Relays {
        &self.relays
    }

    /// Whether a relay may send to this peer.
    pub fn permits(&self, peer: SocketAddr) -> bool {
        let reached = reached(peer.ip());
        self.allowed.iter().any(|net| net.contains(reached))
            || self.media.contains(&peer)
            || self.relays.contains(peer)
            || !(self.is_own(peer.ip()) || self.denied.iter().any(|net| net.contains(reached)))
    }

    /// Whether the address is this machine's, where one port is open and the next is not.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        let reached = reached(ip);
        self.own.contains(&reached) || self.machine.read().unwrap_or_else(PoisonError::into_inner).contains(&reached)
    }
}

/// The IPv4 address that an IPv6 address leads to in the end, or the address itself.
fn reached(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match v6.segments() {
        // Mapped (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => ip,
    }
}
