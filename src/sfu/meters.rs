//! What the media plane counts. Handles are taken once, so that counting costs an atomic addition.
//! The recorder has to be installed before the shards start.

use metrics::{Counter, Gauge};

use super::Direction;

/// Why a datagram went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Neither STUN, DTLS, RTP nor RTCP (RFC 7983).
    Unknown,
    /// STUN that is no Binding request with a known user name, not authentic, or from port 0.
    Stun,
    /// Media or DTLS from an address that no authentic check came from.
    Stranger,
    /// Media before the transport is open.
    Early,
    /// SRTP that is malformed, not authentic or received before.
    Srtp,
    /// RTP whose payload type is in no table, that belongs to no m-line, is larger than networks carry, or has come before.
    Unroutable,
    /// RTP of a stream that another one has taken the place of.
    Stale,
    /// RTP beyond what an up transport may bring.
    Rate,
}

impl Dropped {
    const ALL: [Self; 8] =
        [Self::Unknown, Self::Stun, Self::Stranger, Self::Early, Self::Srtp, Self::Unroutable, Self::Stale, Self::Rate];

    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Stun => "stun",
            Self::Stranger => "stranger",
            Self::Early => "early",
            Self::Srtp => "srtp",
            Self::Unroutable => "unroutable",
            Self::Stale => "stale",
            Self::Rate => "rate",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Meters {
    dropped: [Counter; Dropped::ALL.len()],
    packets: Counter,
    bytes: Counter,
    up: Gauge,
    down: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            dropped: Dropped::ALL
                .map(|reason| metrics::counter!("crescendo_dropped_datagrams_total", "reason" => reason.name())),
            packets: metrics::counter!("crescendo_forwarded_packets_total"),
            bytes: metrics::counter!("crescendo_forwarded_bytes_total"),
            up: metrics::gauge!("crescendo_transports", "direction" => "up"),
            down: metrics::gauge!("crescendo_transports", "direction" => "down"),
        }
    }

    pub(crate) fn dropped(&self, reason: Dropped) {
        self.dropped[reason as usize].increment(1);
    }

    pub(crate) fn forwarded(&self, packets: u64, bytes: u64) {
        self.packets.increment(packets);
        self.bytes.increment(bytes);
    }

    pub(crate) fn transports(&self, direction: Direction) -> &Gauge {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}
