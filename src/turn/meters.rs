//! What the TURN server counts. The recorder has to be installed before it starts.

use metrics::Counter;

use super::message::Refusal;
use super::quota::Exceeded;

/// Why a message or datagram went no further and was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Neither a request that is known nor data that can be read.
    Malformed,
    /// Data from somebody without an allocation.
    Stranger,
    /// No permission for the peer, or no such channel.
    NoPermission,
    /// To a port of this machine that is no media or relay port.
    Forbidden,
    /// Beyond `turn.user_kbps`.
    Rate,
    /// Beyond `turn.requests_per_second`.
    TooManyRequests,
    /// The client does not read what it is sent: `turn.stream_buffer_bytes` are waiting.
    SlowClient,
    /// The kernel did not take it.
    Unsent,
}

impl Dropped {
    const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Stranger,
        Self::NoPermission,
        Self::Forbidden,
        Self::Rate,
        Self::TooManyRequests,
        Self::SlowClient,
        Self::Unsent,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Stranger => "stranger",
            Self::NoPermission => "no-permission",
            Self::Forbidden => "forbidden",
            Self::Rate => "rate",
            Self::TooManyRequests => "too-many-requests",
            Self::SlowClient => "slow-client",
            Self::Unsent => "unsent",
        }
    }
}

/// Which way a packet is relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToPeer,
    ToClient,
}

#[derive(Debug)]
struct Relayed {
    packets: Counter,
    bytes: Counter,
}

impl Relayed {
    fn new(way: &'static str) -> Self {
        Self {
            packets: metrics::counter!("crescendo_turn_relayed_packets_total", "to" => way),
            bytes: metrics::counter!("crescendo_turn_relayed_bytes_total", "to" => way),
        }
    }
}

#[derive(Debug)]
pub(super) struct Meters {
    to_peer: Relayed,
    to_client: Relayed,
    bindings: Counter,
    refused: [Counter; Refusal::ALL.len()],
    dropped: [Counter; Dropped::ALL.len()],
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            to_peer: Relayed::new("peer"),
            to_client: Relayed::new("client"),
            bindings: metrics::counter!("crescendo_turn_bindings_total"),
            refused: Refusal::ALL
                .map(|refusal| metrics::counter!("crescendo_turn_refused_total", "code" => refusal.code().to_string())),
            dropped: Dropped::ALL.map(|why| metrics::counter!("crescendo_turn_dropped_total", "reason" => why.name())),
        }
    }

    pub(super) fn relayed(&self, way: Way, bytes: usize) {
        let relayed = match way {
            Way::ToPeer => &self.to_peer,
            Way::ToClient => &self.to_client,
        };
        relayed.packets.increment(1);
        relayed.bytes.increment(bytes as u64);
    }

    pub(super) fn binding(&self) {
        self.bindings.increment(1);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refused[refusal as usize].increment(1);
    }

    pub(super) fn exceeded(&self, exceeded: Exceeded) {
        metrics::counter!("crescendo_refused_total", "limit" => exceeded.limit()).increment(1);
    }

    pub(super) fn dropped(&self, why: Dropped) {
        self.dropped[why as usize].increment(1);
    }
}
