//! How a receiver begins whose transport has just opened: with the last key frame, while that is young, and all that has come
//! since; else with the next one. It was asked for when the receiver subscribed, so that it comes while ICE and DTLS go on.
//!
//! A browser whose DTLS is done may not listen yet: Firefox drops what comes before its page has been through with the answer. Who
//! asks for a key frame right after it began is therefore sent the beginning once more, which is a packet loss repaired: nobody
//! else pays for it, and the picture is there as soon as the packets are.

use std::time::{Duration, Instant};

use super::super::forward::layer::Layer;
use super::super::{Kind, TransportId};
use super::encoding::{Encoding, Gathered, Media};
use super::subscription::Subscription;
use super::{Limits, Publication, Receivers, Way};

impl Publication {
    /// A transport is open: what it gets of this begins now, or with the next key frame. `left`: bytes that may be sent there at
    /// once; less afterwards.
    pub(crate) fn begin(&mut self, transport: TransportId, limits: Limits, left: &mut usize, way: &mut Way<'_>) {
        for layer in Layer::ALL {
            if !self.subscriptions.iter().any(|s| s.begins(transport, layer)) {
                continue;
            }
            // What has gathered may still be padded; what has been sent may not. To this one it goes with what was before it.
            self.depart_to(Receivers::AllBut(transport), layer, way);
            // An encoding that has not come yet is asked for a key frame as soon as it does.
            let Some(mut encoding) = self.encodings[layer.index()].take() else { continue };
            let begun =
                encoding.since_key_frame(layer, way.now, limits.key_frame_reuse).and_then(|(media, packets)| {
                    let bytes: usize = packets.iter().map(|packet| packet.length).sum();
                    Some((media, packets, left.checked_sub(bytes)?))
                });
            match begun {
                Some((media, packets, rest)) => {
                    *left = rest;
                    self.send_on(Receivers::Only(transport), layer, media, &packets, way);
                }
                None => encoding.requests.want(),
            }
            self.encodings[layer.index()] = Some(encoding);
        }
    }

    /// The packets that a receiver began with and all since, if it began less than `age` ago and has not had them again: it
    /// asks for a key frame, so it may have missed them.
    pub(crate) fn begun_with(&mut self, transport: TransportId, ssrc: u32, now: Instant, age: Duration) -> Vec<u16> {
        let known = self.subscriptions.iter_mut().find(|s| s.transport == transport && s.ssrc == ssrc);
        let Some(subscription) = known.filter(|s| s.is_sent()) else { return Vec::new() };
        let is_young = |began: Instant| now.saturating_duration_since(began) <= age;
        let first = subscription.beginning.take().filter(|_| subscription.began.is_some_and(is_young));
        let sent = first.zip(subscription.rewrite.last());
        sent.map_or_else(Vec::new, |(first, last)| (first..=last).map(|index| index as u16).collect())
    }
}

impl Subscription {
    /// A transport that has just opened is to get this layer, of which it has got nothing yet.
    fn begins(&self, transport: TransportId, layer: Layer) -> bool {
        self.transport == transport && self.is_sent() && self.gets.is_none() && self.wanted == layer
    }
}

impl Encoding {
    /// Its last key frame and all that came after it, if that is young and still there.
    fn since_key_frame(&self, layer: Layer, now: Instant, age: Duration) -> Option<(&Media, Vec<Gathered>)> {
        let media = self.media.as_ref().filter(|media| media.codec.kind() == Kind::Video && self.source.is_some())?;
        let start = media.start.filter(|start| now.saturating_duration_since(start.at) <= age)?;
        media.history.get(start.index)?;
        // Of what is further apart than the history is long, the key frame cannot be whole.
        let indices = (start.index..=media.highest).take(media.history.capacity());
        let packets = indices.filter_map(|index| media.again(layer, index, index == start.index, now));
        Some((media, packets.collect()))
    }
}
