//! What has gone over a transport, for those who run the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Since a transport was opened: media alone, without ICE, DTLS, RTCP and data channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of RTP packets, sealed on the way down and opened on the way up.
    pub bytes: u64,
    pub packets: u64,
    /// Packets that did not come at first; a retransmission may have brought them since.
    pub lost: u64,
}

impl Counts {
    pub(super) fn add(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
    }
}

/// Where a shard tells the counts of one transport; copies are the same. They may be of two moments that are close to each other.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    bytes: AtomicU64,
    packets: AtomicU64,
    lost: AtomicU64,
}

impl Traffic {
    pub(crate) fn tell(&self, counts: Counts) {
        self.0.bytes.store(counts.bytes, Ordering::Relaxed);
        self.0.packets.store(counts.packets, Ordering::Relaxed);
        self.0.lost.store(counts.lost, Ordering::Relaxed);
    }

    /// To be read as long as there is another copy.
    pub fn downgrade(&self) -> WeakTraffic {
        WeakTraffic(Arc::downgrade(&self.0))
    }

    pub fn read(&self) -> Counts {
        let Told { bytes, packets, lost } = &*self.0;
        let [bytes, packets, lost] = [bytes, packets, lost].map(|count| count.load(Ordering::Relaxed));
        Counts { bytes, packets, lost }
    }
}

/// Of a transport that may be gone.
#[derive(Debug, Clone)]
pub struct WeakTraffic(Weak<Told>);

impl WeakTraffic {
    pub fn read(&self) -> Option<Counts> {
        self.0.upgrade().map(|told| Traffic(told).read())
    }
}
