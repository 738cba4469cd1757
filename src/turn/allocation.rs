//! One relayed address and what is known of it: who may send to it, and by which channel.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::data::Wrapping;
use super::filter::Relayed;
use super::quota::Place;

/// RFC 8656 sections 3.2, 9 and 12.
pub(super) const LIFETIME_LEAST_S: u32 = 600;
pub(super) const LIFETIME_MOST_S: u32 = 3_600;
const PERMISSION: Duration = Duration::from_secs(300);
const CHANNEL: Duration = Duration::from_secs(600);

/// How a client's messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    /// TCP or TLS.
    Stream,
}

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    until: Instant,
    /// On this machine, where a peer is judged by its port as well, for each datagram.
    own: bool,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    until: Instant,
}

/// There is no place for another permission or channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) relayed: Relayed,
    pub(super) place: Place,
    pub(super) transport: Transport,
    /// The request that made it, and its answer, for when it comes again (RFC 8656 section 7.2).
    pub(super) made_by: ([u8; 12], Vec<u8>),
    pub(super) until: Instant,
    /// Short lists: they are searched for every packet, and bounded by `turn.permissions` and `turn.channels`.
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
}

impl Allocation {
    pub(super) fn new(
        relayed: Relayed,
        place: Place,
        transport: Transport,
        made_by: ([u8; 12], Vec<u8>),
        until: Instant,
    ) -> Self {
        Self { relayed, place, transport, made_by, until, permissions: Vec::new(), channels: Vec::new() }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until <= now
    }

    /// Installs or renews the permission for a peer that the filter has let pass.
    pub(super) fn permit(&mut self, now: Instant, ip: IpAddr, own: bool, most: usize) -> Result<(), Full> {
        let until = now + PERMISSION;
        if let Some(known) = self.permissions.iter_mut().find(|permission| permission.ip == ip) {
            (known.until, known.own) = (until, own);
            return Ok(());
        }
        self.permissions.retain(|permission| permission.until > now);
        if self.permissions.len() >= most {
            return Err(Full);
        }
        self.permissions.push(Permission { ip, until, own });
        Ok(())
    }

    /// Whether channel and peer are both free, or bound to each other (RFC 8656 section 12.2).
    pub(super) fn can_bind(&mut self, now: Instant, number: u16, peer: SocketAddr) -> bool {
        self.channels.retain(|channel| channel.until > now);
        self.channels.iter().all(|channel| (channel.number == number) == (channel.peer == peer))
    }

    /// Binds or renews what [`Self::can_bind`] found nothing against.
    pub(super) fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr, most: usize) -> Result<(), Full> {
        let until = now + CHANNEL;
        if let Some(known) = self.channels.iter_mut().find(|channel| channel.number == number) {
            known.until = until;
            return Ok(());
        }
        if self.channels.len() >= most {
            return Err(Full);
        }
        self.channels.push(Channel { number, peer, until });
        Ok(())
    }

    /// The peer that a channel leads to.
    pub(super) fn channel(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        self.channels.iter().find(|channel| channel.number == number && channel.until > now).map(|channel| channel.peer)
    }

    /// Nothing without a permission; otherwise whether the peer is on this machine.
    pub(super) fn permission(&self, now: Instant, ip: IpAddr) -> Option<bool> {
        self.permissions.iter().find(|permission| permission.ip == ip && permission.until > now).map(|found| found.own)
    }

    /// How a datagram of `payload` bytes from a peer is wrapped for the client, by whose name `announced` the peer is known to
    /// it; nothing when it is not to have it.
    pub(super) fn wrap(
        &self,
        now: Instant,
        peer: SocketAddr,
        announced: SocketAddr,
        payload: usize,
    ) -> Option<Wrapping> {
        self.permission(now, peer.ip())?;
        match self.channels.iter().find(|channel| channel.peer == peer && channel.until > now) {
            Some(channel) => Wrapping::channel(channel.number, payload, self.transport == Transport::Stream),
            None => {
                let mut transaction = [0; 12];
                fastrand::fill(&mut transaction);
                Wrapping::indication(announced, payload, transaction)
            }
        }
    }
}
