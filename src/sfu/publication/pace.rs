//! Packets that a receiver's path has no room for yet. They wait in the history, where they are anyway: a subscription that is behind
//! knows only from which one on, and goes on from there as its path lets it.

use std::time::{Duration, Instant};

use super::super::TransportId;
use super::super::forward::layer::Layer;
use super::encoding::{Encoding, Gathered};
use super::subscription::Subscription;
use super::{Publication, Tally, Way};

/// A subscription that has been behind for this long is sent everything at once: the path takes less than it is taken for, and
/// to say so is not the pace's part. Higher: pictures come later on a path whose rate is misjudged; lower: queues fill sooner.
const PATIENCE: Duration = Duration::from_millis(500);

/// What of the layer that it gets waits to be sent to a receiver.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind {
    /// Of the first packet; all that were sent are below.
    index: u64,
    since: Instant,
}

impl Subscription {
    /// The packet is for later.
    pub(super) fn is_behind(&self, packet: &Gathered) -> bool {
        self.gets == Some(packet.input.layer) && self.behind.is_some_and(|behind| packet.input.index >= behind.index)
    }

    /// The packet is to wait, and all that follow it. False where it cannot: there is nothing to go on from, or others behind it
    /// were sent.
    pub(super) fn falls_behind(&mut self, packet: &Gathered, now: Instant) -> bool {
        let falls = self.gets == Some(packet.input.layer) && packet.input.index > self.highest;
        if falls {
            self.behind = Some(Behind { index: packet.input.index, since: now });
        }
        falls
    }

    fn lags(&self, transport: TransportId) -> bool {
        self.transport == transport && self.is_sent() && self.behind.is_some()
    }
}

impl Publication {
    /// Sends what waits for room on the way to a transport, as far as there is some. False when nothing is left.
    pub(crate) fn catch_up(&mut self, transport: TransportId, way: &mut Way<'_>) -> bool {
        let mut tally = Tally::default();
        for layer in Layer::ALL {
            let lags = |s: &Subscription| s.gets == Some(layer) && s.lags(transport);
            if !self.subscriptions.iter().any(lags) {
                continue;
            }
            // What gathers is padded before anybody is sent it.
            self.depart(layer, way);
            let Some(mut encoding) = self.encodings[layer.index()].take() else { continue };
            for subscription in self.subscriptions.iter_mut().filter(|s| lags(s)) {
                subscription.catch_up(layer, &mut encoding, way, &mut tally);
            }
            self.encodings[layer.index()] = Some(encoding);
        }
        tally.told(way.meters);
        self.subscriptions.iter().any(|s| s.gets.is_some() && s.lags(transport))
    }
}

impl Subscription {
    fn catch_up(&mut self, layer: Layer, encoding: &mut Encoding, way: &mut Way<'_>, tally: &mut Tally) {
        let (Some(media), Some(behind)) = (&encoding.media, self.behind) else { return };
        let (mut at, since) = (behind.index, behind.since);
        let Some(transport) = way.transports.get_mut(&self.transport) else { return };
        let Some(mut to) = transport.sending() else { return };
        let may_wait = way.now.saturating_duration_since(since) < PATIENCE;
        let is_gone = at + media.history.capacity() as u64 <= media.highest;
        let before = *tally;
        while !is_gone && at <= media.highest && (!may_wait || to.has_room(way.now)) {
            if let Some(packet) = media.again(layer, at, false, way.now) {
                self.send(&mut to, &packet, media, |_| None, (way.now, way.out), tally);
                tally.paced += 1;
            }
            at += 1;
        }
        transport.counts.add(tally.packets - before.packets, tally.bytes - before.bytes);
        self.behind = (at <= media.highest).then_some(Behind { index: at, since });
        if is_gone {
            // What it waits for is no longer there.
            self.give_up();
            encoding.requests.want();
        }
    }
}
