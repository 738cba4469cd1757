//! What each receiver's path takes, and how that is divided.

use std::time::Instant;

use super::Shard;
use crate::sfu::TransportId;
use crate::sfu::bwe::Rate;
use crate::sfu::bwe::allocate::{Grant, wanted};
use crate::sfu::publication::{Demand, Use, Way};

/// Times the estimate that may be sent before pictures that are to become smaller stop at once. Higher: fewer stand still for a
/// moment; lower: less in the queue of a path that has become thin.
const FAR_TOO_MUCH: f64 = 1.3;

impl Shard {
    /// Divides what each path takes among what is sent there.
    pub(super) fn allocate(&mut self, now: Instant) {
        let limits = self.settings.publication;
        let mut demands = std::mem::take(&mut self.demands);
        for publication in self.publications.values() {
            publication.demands(now, limits, &mut demands);
        }
        demands.sort_unstable_by_key(|demand| (demand.transport, demand.publication));
        let mut paused = 0;
        for demands in demands.chunk_by(|a, b| a.transport == b.transport) {
            if let Some(demand) = demands.first() {
                paused += self.divide(demand.transport, demands, now);
            }
        }
        self.meters.paused(paused as f64 - self.paused as f64);
        self.paused = paused;
        demands.clear();
        self.demands = demands;
    }

    /// How many pictures find no room.
    fn divide(&mut self, id: TransportId, demands: &[Demand], now: Instant) -> usize {
        let Self { transports, publications, meters, probing, allocator, tracks, settings, .. } = self;
        let Some(bandwidth) = transports.get_mut(&id).and_then(|transport| transport.bandwidth()) else {
            return 0;
        };
        let Some(estimate) = bandwidth.estimate() else { return 0 };
        let (mut sound, mut sent, mut pads) = (Rate::ZERO, Rate::ZERO, None);
        tracks.clear();
        for demand in demands {
            match demand.of {
                Use::Sound(rate) => sound = sound + rate,
                Use::Picture { track, sent: rate, pads: can } => {
                    tracks.push(track);
                    sent = sent + rate;
                    pads = pads.or(can.then_some(demand.publication));
                }
            }
        }
        if let Some(publication) = pads {
            if bandwidth.want(wanted(tracks) + sound, now) {
                meters.probed();
            }
            if bandwidth.is_probing() && !probing.iter().any(|(known, _)| *known == id) {
                probing.push((id, publication));
            }
        }
        let grants = allocator.allocate(estimate - sound, tracks);
        let hurry = sent + sound > estimate * FAR_TOO_MUCH;
        let paused = grants.iter().filter(|grant| **grant == Grant::Paused).count();
        let pictures = demands.iter().filter(|demand| matches!(demand.of, Use::Picture { .. }));
        for (demand, grant) in pictures.zip(grants) {
            if let Some(publication) = publications.get_mut(&demand.publication) {
                publication.grant(demand, *grant, hurry, now, settings.publication);
            }
        }
        paused
    }

    /// Sends the padding of probes that are under way.
    pub(super) fn probe(&mut self, now: Instant) {
        let Self { probing, transports, publications, out, .. } = self;
        probing.retain(|(transport, publication)| {
            let (Some(transport), Some(publication)) =
                (transports.get_mut(transport), publications.get_mut(publication))
            else {
                return false;
            };
            publication.pad(transport, out, now)
                && transport.bandwidth().is_some_and(|bandwidth| bandwidth.is_probing())
        });
    }

    /// Sends what waits for room on its way, as far as there is some now.
    pub(super) fn pace(&mut self, now: Instant) {
        if self.lagging.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.lagging);
        // Another one first each time, or the others would never get there.
        all.rotate_left(1);
        let Self { transports, publications, out, meters, lagging, .. } = self;
        all.retain(|(transport, publication)| {
            let way = &mut Way { transports, out, meters, lagging, now };
            publications.get_mut(publication).is_some_and(|publication| publication.catch_up(*transport, way))
        });
        // Others may have fallen behind meanwhile.
        all.append(&mut self.lagging);
        self.lagging = all;
    }
}
