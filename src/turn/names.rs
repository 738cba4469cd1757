//! What own addresses are called outside.

use std::net::{IpAddr, SocketAddr};

/// Own addresses that are known by another name outside, as behind a one-to-one NAT.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Vec<(IpAddr, IpAddr)>);

impl Names {
    /// (bound, announced) pairs.
    pub(super) fn new(pairs: Vec<(IpAddr, IpAddr)>) -> Self {
        Self(pairs)
    }

    /// These addresses, and by what they are called inside: peers are asked about by the latter.
    pub(super) fn in_both_forms(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        addresses.into_iter().flat_map(|address| [address, self.inside(address)]).collect()
    }

    /// An own address as it is told to others.
    pub(super) fn outside(&self, address: SocketAddr) -> SocketAddr {
        let named = self.0.iter().find(|(bound, _)| *bound == address.ip());
        SocketAddr::new(named.map_or(address.ip(), |(_, announced)| *announced), address.port())
    }

    /// An address that others name, as it is bound here.
    pub(super) fn inside(&self, address: SocketAddr) -> SocketAddr {
        let named = self.0.iter().find(|(_, announced)| *announced == address.ip());
        SocketAddr::new(named.map_or(address.ip(), |(bound, _)| *bound), address.port())
    }
}
