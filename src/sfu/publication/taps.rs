//! What of a publication is copied for legs.

use std::time::Instant;

use bytes::Bytes;

use super::super::PublicationId;
use super::super::forward::layer::Layer;
use super::super::tap::{Layers, Tap, TapId, Tapped};
use super::subscription::is_silent;
use super::{Clock, Incoming, Publication};

impl Publication {
    pub(crate) fn tap(&mut self, tap: Tap) {
        self.taps.retain(|known| known.id != tap.id);
        if tap.layers == Layers::Every {
            // Layers are placed on one clock by their sender reports, and the next ones may be seconds away.
            for (layer, encoding) in self.known() {
                let report =
                    encoding.media.as_ref().filter(|_| encoding.source.is_some()).and_then(|media| media.report);
                if let Some(clock) = report {
                    tap.push(report_of(self.id, layer, clock));
                }
            }
        }
        self.taps.push(tap);
        self.want_tapped();
    }

    pub(crate) fn untap(&mut self, tap: TapId) {
        self.taps.retain(|known| known.id != tap);
    }

    /// A tap needs a key frame; one of every layer where it gets them all, at the same moment.
    pub(crate) fn want_tapped(&mut self) {
        if self.taps.iter().any(|tap| tap.layers == Layers::Every) {
            self.encodings.iter_mut().flatten().for_each(|encoding| encoding.requests.want());
            return;
        }
        let tapped = self.tapped.or_else(|| self.known().map(|(layer, _)| layer).last());
        self.want_key_frame_of(tapped.unwrap_or(Layer::WHOLE));
    }

    /// Takes a packet of the source.
    pub(super) fn hand_to_taps(&mut self, incoming: &Incoming<'_>, starts: bool) {
        let &Incoming { packet, header, codec, layer, now, .. } = incoming;
        if header.payload.is_empty() {
            return;
        }
        self.choose_tapped(layer, starts, now);
        let (publication, tapped) = (self.id, self.tapped == Some(layer));
        if !tapped && self.taps.iter().all(|tap| tap.layers == Layers::Largest) {
            return;
        }
        let packet = Bytes::copy_from_slice(packet);
        self.taps.retain(|tap| {
            let layer = match tap.layers {
                Layers::Every => layer,
                Layers::Largest if tapped => Layer::WHOLE,
                Layers::Largest => return true,
            };
            tap.push(Tapped::Rtp { publication, layer, codec, arrival: now, packet: packet.clone() })
        });
    }

    /// Taps of one layer get the largest that comes, and another one only from a key frame on.
    fn choose_tapped(&mut self, layer: Layer, starts: bool, now: Instant) {
        let larger = self.known().filter(|(other, _)| *other > layer);
        let best = larger.filter_map(|(_, e)| Some(e.media.as_ref().filter(|_| e.source.is_some())?.last_packet));
        if self.tapped == Some(layer) || !best.into_iter().all(|last| is_silent(last, now)) {
            return;
        }
        match self.tapped {
            None => self.tapped = Some(layer),
            Some(_) if starts => {
                self.tapped = Some(layer);
                let publication = self.id;
                let is_of_one = |tap: &Tap| tap.layers == Layers::Largest;
                self.taps.retain(|tap| !is_of_one(tap) || tap.push(Tapped::Ended { publication }));
                let report = self.encoding(layer).and_then(|encoding| encoding.media.as_ref()?.report);
                if let Some(clock) = report {
                    let report = report_of(publication, Layer::WHOLE, clock);
                    self.taps.retain(|tap| !is_of_one(tap) || tap.push(report.clone()));
                }
            }
            Some(_) => {}
        }
    }

    pub(super) fn report_to_taps(&mut self, layer: Layer, clock: Clock) {
        let (publication, tapped) = (self.id, self.tapped.is_none_or(|tapped| tapped == layer));
        self.taps.retain(|tap| match tap.layers {
            Layers::Every => tap.push(report_of(publication, layer, clock)),
            Layers::Largest if tapped => tap.push(report_of(publication, Layer::WHOLE, clock)),
            Layers::Largest => true,
        });
    }

    /// The source is gone.
    pub(super) fn end_taps(&mut self) {
        self.tapped = None;
        let publication = self.id;
        self.taps.retain(|tap| tap.push(Tapped::Ended { publication }));
    }
}

fn report_of(publication: PublicationId, layer: Layer, Clock { ntp, rtp, at }: Clock) -> Tapped {
    Tapped::SenderReport { publication, layer, ntp, rtp, arrival: at }
}
