//! Whom an address stands for where a limit counts by address, and how many of something each has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the /64 of an IPv6 one: everybody has at least that to choose addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        })
    }
}

/// Only origins that have some are in it: it is no larger than what is counted, which has a limit of its own.
#[derive(Debug, Default)]
pub struct Origins(HashMap<Origin, usize>);

impl Origins {
    /// False when the origin has `most` already.
    pub fn take(&mut self, origin: Origin, most: usize) -> bool {
        let has = self.0.get(&origin).copied().unwrap_or_default();
        if has < most {
            self.0.insert(origin, has + 1);
        }
        has < most
    }

    /// How many origins have some.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn give_back(&mut self, origin: Origin) {
        if let Some(has) = self.0.get_mut(&origin) {
            *has -= 1;
            if *has == 0 {
                self.0.remove(&origin);
            }
        }
    }
}
