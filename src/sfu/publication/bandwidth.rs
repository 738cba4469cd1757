//! What the receivers of a publication could use, and what their paths leave to them.

use std::time::Instant;

use super::super::bwe::Rate;
use super::super::bwe::allocate::{Grant, Track};
use super::super::forward::layer::{self, LAYERS, Layer};
use super::super::out::Out;
use super::super::transport::Transport;
use super::super::{Kind, PublicationId, TransportId};
use super::{Limits, Publication};

/// What a layer is taken to need while it has not come for long enough to know, in kbit/s.
const ASSUMED_KBPS: [u32; LAYERS] = [150, 500, 1_500];

/// What one subscription takes, or could take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Demand {
    pub(crate) transport: TransportId,
    pub(crate) publication: PublicationId,
    /// Which subscription of the publication it is, until one comes or goes.
    at: usize,
    pub(crate) of: Use,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Use {
    /// Sound is always sent.
    Sound(Rate),
    Picture {
        track: Track,
        /// What is sent of it now.
        sent: Rate,
        /// Padding can be sent beside it.
        pads: bool,
    },
}

impl Publication {
    /// What everybody takes whose path is known to bound it.
    pub(crate) fn demands(&self, now: Instant, limits: Limits, demands: &mut Vec<Demand>) {
        let Some(codec) = self.known().find_map(|(_, encoding)| encoding.codec()) else { return };
        let sent = self.sent(now);
        let rate = |layer: Layer| {
            let known = self.encoding(layer).and_then(|encoding| encoding.meter.rate());
            known.unwrap_or(Rate::from_kbps(ASSUMED_KBPS[layer.index()]))
        };
        for (at, subscription) in self.subscriptions.iter().enumerate().filter(|(_, s)| s.is_bounded()) {
            let of = match codec.kind() {
                Kind::Audio => {
                    let known = self.known().find_map(|(_, encoding)| encoding.meter.rate());
                    // What louder voices leave no place for takes nothing.
                    Use::Sound(known.filter(|_| subscription.gets.is_some()).unwrap_or(Rate::ZERO))
                }
                Kind::Video => {
                    let most = layer::choose(&sent, &subscription.wish, limits.layer_enough);
                    let wished =
                        |layer: &Layer| sent[layer.index()].is_some() && most.is_some_and(|most| *layer <= most);
                    let rates = Layer::ALL.map(|layer| wished(&layer).then(|| rate(layer)));
                    let shown = subscription.wish.shown.map_or(f32::INFINITY, |shown| shown.pixels());
                    let track = Track { screen: subscription.screen, shown, rates, before: subscription.grant };
                    let sent = subscription.gets.map_or(Rate::ZERO, rate);
                    Use::Picture { track, sent, pads: subscription.rtx.is_some() }
                }
            };
            demands.push(Demand { transport: subscription.transport, publication: self.id, at, of });
        }
    }

    /// What the path leaves to a subscription from now on. `hurry`: what is sent of it now is far too much; it stops at once, and
    /// goes on with the next key frame of what is granted.
    pub(crate) fn grant(&mut self, demand: &Demand, grant: Grant, hurry: bool, now: Instant, limits: Limits) {
        let sent = self.sent(now);
        let Some(subscription) = self.subscriptions.get_mut(demand.at) else { return };
        let before = std::mem::replace(&mut subscription.grant, grant);
        if grant == Grant::Paused {
            if before != grant {
                subscription.give_up();
            }
            return;
        }
        if before != grant {
            subscription.choose(&sent, &mut self.encodings, limits);
        }
        let is_less = subscription.gets.is_some_and(|gets| gets > subscription.wanted);
        // Also when it was granted before: the key frame that it waits for is late.
        let stops = hurry && is_less;
        if stops {
            subscription.give_up();
        }
        if stops || before != grant && subscription.gets.is_none() {
            let wanted = subscription.wanted;
            self.want_key_frame_of(wanted);
        }
    }

    /// Sends the padding that is due to a transport, beside the first picture of this publication that it gets. False when it
    /// gets none.
    pub(crate) fn pad(&mut self, transport: &mut Transport, out: &mut Out, now: Instant) -> bool {
        let codec = self.known().find_map(|(_, encoding)| encoding.codec());
        let mut subscriptions = self.subscriptions.iter_mut().filter(|s| s.transport == transport.id);
        let rtx = subscriptions.find_map(|subscription| subscription.rtx.as_mut());
        let (Some(codec), Some(rtx), Some(mut to)) = (codec, rtx, transport.sending()) else { return false };
        while to.bandwidth.as_mut().is_some_and(|bandwidth| bandwidth.padding(now) > 0) {
            if rtx.pad(&mut to, codec, now, out).is_none() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
