//! What the media plane counts. Handles are taken once, so that counting costs an atomic addition.
//! The recorder has to be installed before the shards start.

use metrics::{Counter, Gauge, Histogram};

use super::Direction;
use super::forward::layer::{LAYERS, Layer};

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
    /// A retransmission that repairs nothing: padding, or a packet that has come.
    Padding,
}

impl Dropped {
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Stun,
        Self::Stranger,
        Self::Early,
        Self::Srtp,
        Self::Unroutable,
        Self::Stale,
        Self::Rate,
        Self::Padding,
    ];

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
            Self::Padding => "padding",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Meters {
    dropped: [Counter; Dropped::ALL.len()],
    packets: Counter,
    bytes: Counter,
    unheard: Counter,
    repaired: Counter,
    rtx: Counter,
    again: Counter,
    switched: [Counter; LAYERS],
    up: Gauge,
    down: Gauge,
    estimates: Histogram,
    probes: Counter,
    paced: Counter,
    redundant: Counter,
    paused: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            dropped: Dropped::ALL
                .map(|reason| metrics::counter!("crescendo_dropped_datagrams_total", "reason" => reason.name())),
            packets: metrics::counter!("crescendo_forwarded_packets_total"),
            bytes: metrics::counter!("crescendo_forwarded_bytes_total"),
            unheard: metrics::counter!("crescendo_unheard_packets_total"),
            repaired: metrics::counter!("crescendo_repaired_packets_total"),
            rtx: metrics::counter!("crescendo_retransmitted_packets_total", "how" => "rtx"),
            again: metrics::counter!("crescendo_retransmitted_packets_total", "how" => "same"),
            switched: ["low", "medium", "high"]
                .map(|layer| metrics::counter!("crescendo_layer_switches_total", "layer" => layer)),
            estimates: metrics::histogram!("crescendo_down_estimate_kbps"),
            probes: metrics::counter!("crescendo_bandwidth_probes_total"),
            paced: metrics::counter!("crescendo_paced_packets_total"),
            redundant: metrics::counter!("crescendo_redundant_packets_total"),
            paused: metrics::gauge!("crescendo_paused_tracks"),
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

    /// Sound was not sent on to a receiver, since others were louder.
    pub(crate) fn unheard(&self, packets: u64) {
        self.unheard.increment(packets);
    }

    /// Packets left later than they came, as their path had no room for them.
    /// Sound that brought what was before it once more.
    pub(crate) fn redundant(&self, packets: u64) {
        self.redundant.increment(packets);
    }

    pub(crate) fn paced(&self, packets: u64) {
        self.paced.increment(packets);
    }

    /// A retransmission brought what was missing.
    pub(crate) fn repaired(&self) {
        self.repaired.increment(1);
    }

    /// Packets were sent again: on a stream of their own (RFC 4588), or as they were.
    pub(crate) fn retransmitted(&self, packets: u64, rtx: bool) {
        if rtx { &self.rtx } else { &self.again }.increment(packets);
    }

    /// A receiver gets this layer from now on.
    pub(crate) fn switched(&self, layer: Layer) {
        self.switched[layer.index()].increment(1);
    }

    /// What the path of a receiver takes, in kbit/s.
    pub(crate) fn estimate(&self, kbps: f64) {
        self.estimates.record(kbps);
    }

    /// A path is tried with more than there is to send.
    pub(crate) fn probed(&self) {
        self.probes.increment(1);
    }

    /// So many more pictures than before find no room on their receiver's path.
    pub(crate) fn paused(&self, more: f64) {
        self.paused.increment(more);
    }

    pub(crate) fn transports(&self, direction: Direction) -> &Gauge {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}
