//! A copy of opened packets for legs. Forwarding never waits for it: what does not fit is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::forward::layer::Layer;
use super::{Codec, PublicationId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub u64);

/// What a tap carries.
#[derive(Debug, Clone)]
pub enum Tapped {
    /// One RTP packet, decrypted, header included, RTP padding removed.
    Rtp { publication: PublicationId, layer: Layer, codec: Codec, arrival: Instant, packet: Bytes },
    /// From an RTCP sender report (RFC 3550 section 6.4.1): at NTP time `ntp` (32.32 fixed point seconds since 1900) the
    /// stream's RTP clock stood at `rtp`.
    SenderReport { publication: PublicationId, layer: Layer, ntp: u64, rtp: u32, arrival: Instant },
    /// The streams that brought the publication are gone, or the tapped layer is another one. Others may follow.
    Ended { publication: PublicationId },
}

/// Which layers of a publication a tap carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layers {
    /// The largest that comes, as [`Layer::WHOLE`].
    #[default]
    Largest,
    Every,
}

/// The shard's end of a tap.
#[derive(Debug, Clone)]
pub struct Tap {
    pub id: TapId,
    pub layers: Layers,
    to: mpsc::Sender<Tapped>,
    dropped: Arc<AtomicU64>,
}

/// A tap and the end that a leg reads; `capacity` is in packets.
pub fn channel(id: TapId, capacity: usize) -> (Tap, mpsc::Receiver<Tapped>, Arc<AtomicU64>) {
    let (to, from) = mpsc::channel(capacity);
    let dropped = Arc::new(AtomicU64::new(0));
    (Tap { id, layers: Layers::default(), to, dropped: dropped.clone() }, from, dropped)
}

impl Tap {
    /// False once nobody reads any more.
    pub fn push(&self, item: Tapped) -> bool {
        match self.to.try_send(item) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}
