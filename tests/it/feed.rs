//! What a leg is fed in tests: tracks that come and go, and packets in real time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use crescendo::legs::LegHost;
use crescendo::sfu::tap::{Tap, TapId, Tapped};
use crescendo::sfu::{Codec, Layer, PublicationId};
use crescendo_leg_api::{Track, TrackKey};

pub(crate) struct Feed {
    host: LegHost,
    tap: Tap,
    started: Instant,
}

impl Feed {
    pub(crate) fn new(host: LegHost) -> Self {
        Self { tap: host.tap(TapId(1)), host, started: Instant::now() }
    }

    pub(crate) fn add(&self, number: u64, participant: &str, audio: bool) {
        let (participant, name) = (participant.to_owned(), "Ann".to_owned());
        let track = Track { key: TrackKey(number), participant, name, screen: false, audio };
        self.host.add(PublicationId(number), track);
    }

    pub(crate) fn remove(&self, number: u64) {
        self.host.remove(PublicationId(number));
    }

    pub(crate) fn send(&self, number: u64, codec: Codec, packets: impl IntoIterator<Item = Bytes>) {
        self.send_layer(number, Layer::WHOLE, codec, packets);
    }

    pub(crate) fn send_layer(&self, number: u64, layer: Layer, codec: Codec, packets: impl IntoIterator<Item = Bytes>) {
        for packet in packets {
            let (publication, arrival) = (PublicationId(number), Instant::now());
            assert!(self.tap.push(Tapped::Rtp { publication, layer, codec, arrival, packet }));
        }
    }

    /// The sender's RTP clock of this layer stood at `rtp` when the feed's time was `time`.
    pub(crate) fn report(&self, number: u64, layer: Layer, time: Duration, rtp: u32) {
        let (publication, arrival) = (PublicationId(number), Instant::now());
        let ntp = (3_900_000_000 << 32) + ((time.as_nanos() << 32) / 1_000_000_000) as u64;
        assert!(self.tap.push(Tapped::SenderReport { publication, layer, ntp, rtp, arrival }));
    }

    /// Waits until this much of the feed's time has passed.
    pub(crate) fn until(&self, time: Duration) {
        std::thread::sleep((self.started + time).saturating_duration_since(Instant::now()));
    }

    /// Ends the leg.
    pub(crate) fn end(self) {
        self.host.stop().join().expect("the leg's thread ended");
    }
}
