//! One publication: what its sender brings, in one encoding or several ([`Layer`]s), and who gets which.
//!
//! Packets gather here for a moment (`sfu.train_us`) and are then sent on together, receiver by receiver: one train each.

mod bandwidth;
mod begin;
mod encoding;
mod meter;
mod pace;
mod redundant;
mod subscription;
mod taps;

use std::time::{Duration, Instant};

pub(crate) use bandwidth::{Demand, Use};
pub(crate) use encoding::{Clock, Origin};
use encoding::{Encoding, Gathered};
use subscription::{Subscription, is_silent, send};

use super::by_id::ById;
use super::forward::header::Header;
use super::forward::layer::{LAYERS, Layer, Sent as SentLayers, Wish};
use super::meters::Meters;
use super::out::Out;
use super::rtcp::{self, Sent};
use super::tap::Tap;
use super::transport::Transport;
use super::{Codec, Event, Kind, PublicationId, Send, TransportId};

#[derive(Debug)]
pub(crate) struct Publication {
    id: PublicationId,
    /// By layer, as soon as something of it has come.
    encodings: [Option<Box<Encoding>>; LAYERS],
    subscriptions: Vec<Subscription>,
    taps: Vec<Tap>,
    /// The layer that taps of one layer get, which is the largest that comes.
    tapped: Option<Layer>,
}

/// What a publication goes by; from configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) history_packets: usize,
    /// How long packets gather.
    pub(crate) train: Duration,
    /// Share of the pixels shown that a layer must have to be enough.
    pub(crate) layer_enough: f32,
    /// How old a key frame may be for a receiver to begin with it.
    pub(crate) key_frame_reuse: Duration,
    /// Most that a receiver is sent at once to begin with, of all that it gets.
    pub(crate) key_frame_reuse_bytes: usize,
    /// What paths take is estimated: packets have room for a transport-wide number, and what comes is metered.
    pub(crate) estimates: bool,
}

/// All that a packet meets on its way out.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    pub(crate) transports: &'a mut ById<TransportId, Transport>,
    pub(crate) out: &'a mut Out,
    pub(crate) meters: &'a Meters,
    /// What waits for room on the way to a receiver.
    pub(crate) lagging: &'a mut Vec<(TransportId, PublicationId)>,
    pub(crate) now: Instant,
}

/// What was sent, until the meters are told.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    packets: u64,
    bytes: u64,
    unheard: u64,
    paced: u64,
    redundant: u64,
}

impl Tally {
    fn told(self, meters: &Meters) {
        meters.forwarded(self.packets, self.bytes);
        meters.unheard(self.unheard);
        meters.paced(self.paced);
        meters.redundant(self.redundant);
    }
}

/// Whom packets go to, of those who take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receivers {
    All,
    AllBut(TransportId),
    Only(TransportId),
}

impl Receivers {
    fn include(self, transport: TransportId) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(other) => transport != other,
            Self::Only(one) => transport == one,
        }
    }
}

/// What has become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The codec is another than before.
    pub(crate) changed: bool,
    /// It is the first to wait for others, until then.
    pub(crate) departs: Option<Instant>,
}

/// A packet that came in, opened and without RTP padding.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) packet: &'a [u8],
    pub(crate) header: &'a Header,
    pub(crate) codec: Codec,
    pub(crate) layer: Layer,
    /// Of its stream.
    pub(crate) index: u64,
    /// False for sound that louder voices leave no place for.
    pub(crate) heard: bool,
    pub(crate) now: Instant,
}

impl Publication {
    pub(crate) fn new(id: PublicationId) -> Self {
        Self { id, encodings: Default::default(), subscriptions: Vec::new(), taps: Vec::new(), tapped: None }
    }

    /// Nobody brings it, gets it or taps it.
    pub(crate) fn is_idle(&self) -> bool {
        self.known().all(|(_, encoding)| encoding.source.is_none())
            && self.subscriptions.is_empty()
            && self.taps.is_empty()
    }

    pub(crate) fn source(&self, layer: Layer) -> Option<Origin> {
        self.encoding(layer)?.source
    }

    /// Something of it comes by this transport.
    pub(crate) fn is_from(&self, transport: TransportId) -> bool {
        self.known().any(|(_, encoding)| encoding.source.is_some_and(|source| source.transport == transport))
    }

    fn encoding(&self, layer: Layer) -> Option<&Encoding> {
        self.encodings[layer.index()].as_deref()
    }

    fn known(&self) -> impl Iterator<Item = (Layer, &Encoding)> {
        Layer::ALL.into_iter().filter_map(|layer| Some((layer, self.encoding(layer)?)))
    }

    /// Another stream brings an encoding from now on. Numbers go on; pictures go on with its first key frame. What another
    /// transport brought is over.
    pub(crate) fn set_source(&mut self, layer: Layer, source: Origin, now: Instant, limits: Limits, way: &mut Way<'_>) {
        self.depart(layer, way);
        for encoding in self.encodings.iter_mut().flatten() {
            encoding.source = encoding.source.filter(|before| before.transport == source.transport);
        }
        self.encodings[layer.index()].get_or_insert_default().set_source(source, now);
        for subscription in self.subscriptions.iter_mut().filter(|subscription| subscription.gets == Some(layer)) {
            subscription.gets = None;
        }
        self.choose(now, limits);
    }

    /// The source is gone.
    pub(crate) fn end(&mut self) {
        self.encodings.iter_mut().flatten().for_each(|encoding| encoding.source = None);
        self.end_taps();
    }

    /// Packets go on their way from a key frame on: when the transport opens ([`Self::begin`]), or from the next one that comes.
    pub(crate) fn subscribe(&mut self, transport: TransportId, send: Send, wish: Wish, now: Instant, limits: Limits) {
        self.subscriptions.push(Subscription::new(transport, send, wish));
        self.choose(now, limits);
    }

    /// What a receiver can use from now on.
    pub(crate) fn wish(&mut self, transport: TransportId, mid: &str, wish: Wish, now: Instant, limits: Limits) {
        let known = self.subscriptions.iter_mut().find(|s| s.transport == transport && s.mid == mid);
        if let Some(subscription) = known.filter(|subscription| subscription.wish != wish) {
            subscription.wish = wish;
            self.choose(now, limits);
        }
    }

    /// Decides anew which layer each subscription is to get; who is to get another one gets it from its next key frame on.
    pub(crate) fn choose(&mut self, now: Instant, limits: Limits) {
        let sent = self.sent(now);
        for subscription in &mut self.subscriptions {
            subscription.choose(&sent, &mut self.encodings, limits);
        }
        let top = Layer::ALL.into_iter().rfind(|layer| sent[layer.index()].is_some());
        if let Some(top) = top.filter(|top| !self.taps.is_empty() && self.tapped.is_some_and(|tapped| tapped != *top))
            && let Some(encoding) = &mut self.encodings[top.index()]
        {
            encoding.requests.want();
        }
    }

    /// What its sender brings now.
    fn sent(&self, now: Instant) -> SentLayers {
        let newest = self.known().filter_map(|(_, encoding)| Some(encoding.media.as_ref()?.last_packet)).max();
        let mut sent: SentLayers = [None; LAYERS];
        for (layer, encoding) in self.known() {
            let last = encoding.media.as_ref().map_or(now, |media| media.last_packet);
            let comes = encoding.source.is_some() && newest.is_none_or(|newest| !is_silent(last, newest));
            sent[layer.index()] = comes.then_some(encoding.size);
        }
        sent
    }

    /// It comes in more than one encoding.
    pub(crate) fn has_layers(&self) -> bool {
        self.known().filter(|(_, encoding)| encoding.source.is_some()).count() > 1
    }

    /// Pauses a subscription, or goes on with it from the next key frame.
    pub(crate) fn forward(&mut self, transport: TransportId, mid: &str, on: bool) {
        let paused = self.subscriptions.iter_mut().find(|s| s.transport == transport && s.mid == mid && s.on != on);
        let Some(subscription) = paused else { return };
        subscription.on = on;
        subscription.gets = None;
        let wanted = subscription.wanted;
        if on {
            self.want_key_frame_of(wanted);
        }
    }

    /// Nothing is sent there any more with this SSRC. False when it has another mid.
    pub(crate) fn unsubscribe(&mut self, transport: TransportId, mid: &str, ssrc: u32) -> bool {
        let is_it = |s: &Subscription| s.transport == transport && s.mid == mid && s.ssrc == ssrc;
        let Some(at) = self.subscriptions.iter().position(is_it) else { return false };
        self.subscriptions.swap_remove(at);
        self.forget_gathered();
        true
    }

    /// A down transport is gone, with all that it got.
    pub(crate) fn drop_transport(&mut self, transport: TransportId) {
        self.subscriptions.retain(|subscription| subscription.transport != transport);
        self.forget_gathered();
    }

    /// What has gathered is for nobody when no subscription is left.
    fn forget_gathered(&mut self) {
        if self.subscriptions.is_empty() {
            self.encodings.iter_mut().flatten().for_each(|encoding| encoding.gathered.clear());
        }
    }

    pub(crate) fn want_key_frame_of(&mut self, layer: Layer) {
        // One that has not come yet is asked for as soon as it does.
        if let Some(encoding) = &mut self.encodings[layer.index()] {
            encoding.requests.want();
        }
    }

    /// A receiver is to begin with a key frame.
    pub(crate) fn want_key_frame_for(&mut self, transport: TransportId) {
        let wanted = self.subscriptions.iter().find(|s| s.transport == transport && s.is_sent()).map(|s| s.wanted);
        wanted.into_iter().for_each(|layer| self.want_key_frame_of(layer));
    }

    /// The receiver of a subscription says that it needs a key frame. It is heard so often and no more.
    pub(crate) fn wish_key_frame(&mut self, transport: TransportId, ssrc: u32, now: Instant) {
        let known = self.subscriptions.iter_mut().find(|s| s.transport == transport && s.ssrc == ssrc);
        if let Some(subscription) = known.filter(|s| s.is_sent())
            && subscription.wishes.grant(now)
        {
            let layer = subscription.gets.unwrap_or(subscription.wanted);
            self.want_key_frame_of(layer);
        }
    }

    /// A receiver says how many packets never came; how many more that is than it said before.
    pub(crate) fn lost(&mut self, transport: TransportId, ssrc: u32, lost: u32, now: Instant) -> u64 {
        let known = self.subscriptions.iter_mut().find(|s| s.transport == transport && s.ssrc == ssrc);
        let Some(subscription) = known else { return 0 };
        let more = lost.saturating_sub(subscription.lost);
        subscription.lost += more;
        if more > 0 {
            subscription.has_lost(now);
        }
        more.into()
    }

    /// Whom to ask for key frames now.
    pub(crate) fn key_frames_due(&mut self, now: Instant, interval: Duration) -> impl Iterator<Item = Origin> {
        self.encodings.iter_mut().flatten().filter_map(move |encoding| encoding.key_frame_due(now, interval))
    }

    /// Takes a packet of the source. It is sent on at once, or with those that follow until the time that is given back has
    /// come ([`Self::depart`]): sound and what is late never wait.
    pub(crate) fn accept(&mut self, incoming: &Incoming<'_>, limits: Limits, way: &mut Way<'_>) -> Accepted {
        let &Incoming { codec, layer, .. } = incoming;
        let changed = self.encoding(layer).is_none_or(|encoding| encoding.codec() != Some(codec));
        if changed {
            self.depart(layer, way);
        }
        let (wanted, trains) = (!self.subscriptions.is_empty(), way.out.takes_trains());
        let encoding = self.encodings[layer.index()].get_or_insert_default();
        let kept = encoding.keep(incoming, limits, wanted, trains);
        if kept.resumed && codec.kind() == Kind::Audio {
            // Sound goes on as much later as it is; a picture's clock never stands still, and a gap would cost a key frame.
            self.subscriptions.iter_mut().for_each(|subscription| subscription.gets = None);
        }
        if !self.taps.is_empty() {
            self.hand_to_taps(incoming, kept.starts);
        }
        if kept.full {
            self.depart(layer, way);
        }
        Accepted { changed, departs: kept.departs }
    }

    /// When what has gathered of a layer is to be sent on.
    pub(crate) fn departs(&self, layer: Layer) -> Option<Instant> {
        self.encoding(layer)?.departs()
    }

    /// Sends on what has gathered of a layer: to each receiver, one behind the other, so that it makes a train.
    pub(crate) fn depart(&mut self, layer: Layer, way: &mut Way<'_>) {
        self.depart_to(Receivers::All, layer, way);
    }

    fn depart_to(&mut self, receivers: Receivers, layer: Layer, way: &mut Way<'_>) {
        // Taken out, so that the clocks of the others can be looked at.
        let Some(mut encoding) = self.encodings[layer.index()].take() else { return };
        if let Some(media) = encoding.media.as_mut().filter(|_| !encoding.gathered.is_empty()) {
            if way.out.takes_trains() {
                media.equalise(&encoding.gathered);
            }
            self.send_on(receivers, layer, media, &encoding.gathered, way);
            encoding.gathered.clear();
        }
        self.encodings[layer.index()] = Some(encoding);
    }

    fn send_on(
        &mut self,
        receivers: Receivers,
        layer: Layer,
        media: &encoding::Media,
        gathered: &[Gathered],
        way: &mut Way<'_>,
    ) {
        let (publication, kind, clock_rate) = (self.id, media.codec.kind(), media.clock_rate());
        let mut tally = Tally::default();
        let takes = |s: &&mut Subscription| s.takes(layer) && receivers.include(s.transport);
        for subscription in self.subscriptions.iter_mut().filter(takes) {
            // Sound leaves packet by packet.
            if let [sound] = gathered
                && !sound.heard
                && subscription.leaves_out(sound.at)
            {
                tally.unheard += 1;
                continue;
            }
            let Some(transport) = way.transports.get_mut(&subscription.transport) else { continue };
            let mut switched = false;
            let Some(mut to) = transport.sending() else { continue };
            let before = tally;
            for gathered in gathered {
                if subscription.is_behind(gathered) {
                    continue;
                }
                if kind == Kind::Video && !to.has_room(way.now) && subscription.falls_behind(gathered, way.now) {
                    way.lagging.push((subscription.transport, publication));
                    continue;
                }
                let captured = |before: Layer| {
                    let to = self.encodings[before.index()].as_ref()?.media.as_ref()?.report?;
                    Some(media.report?.translate(gathered.input.timestamp, &to, clock_rate))
                };
                switched |= subscription.send(&mut to, gathered, media, captured, (way.now, way.out), &mut tally);
            }
            transport.counts.add(tally.packets - before.packets, tally.bytes - before.bytes);
            if switched && kind == Kind::Video {
                way.meters.switched(layer);
                transport.tell_layer(Event::Layer { transport: subscription.transport, publication, layer });
            }
        }
        tally.told(way.meters);
    }

    /// Answers a NACK from the history: with retransmissions where the receiver takes them, else with the same packets again.
    pub(crate) fn resend(
        &mut self,
        transport: &mut Transport,
        ssrc: u32,
        sequences: &[u16],
        now: Instant,
        out: &mut Out,
        meters: &Meters,
    ) {
        let subscription = self.subscriptions.iter_mut().find(|s| s.transport == transport.id && s.ssrc == ssrc);
        let (Some(subscription), Some(mut to)) = (subscription, transport.sending()) else { return };
        let mut sent = 0;
        for sequence in sequences {
            let Some((layer, index, place)) = subscription.rewrite.sent(*sequence) else { continue };
            let media = self.encodings[layer.index()].as_ref().and_then(|encoding| encoding.media.as_ref());
            let Some((packet, codec)) = media.and_then(|m| Some((m.history.get(index)?, m.codec))) else { continue };
            if subscription.is_given_up(place) {
                continue;
            }
            let numbered = subscription.is_numbered(codec.kind());
            let length = match &mut subscription.rtx {
                Some(rtx) => rtx.send(&mut to, packet, codec, place, now, out),
                // With another number it would be another packet, as it would without what it brought of others.
                None if numbered || subscription.red => None,
                None => send(&mut to, ssrc, packet, codec, place, None, out),
            };
            sent += u64::from(length.is_some());
        }
        meters.retransmitted(sent, subscription.rtx.is_some());
    }

    pub(crate) fn reported(&mut self, layer: Layer, clock: Clock) {
        if let Some(media) = self.encodings[layer.index()].as_mut().and_then(|encoding| encoding.media.as_mut()) {
            media.report = Some(clock);
        }
        self.report_to_taps(layer, clock);
    }

    /// Sender reports for everybody who gets it. They carry on the publisher's own clock, so that what it sends together
    /// stays together.
    pub(crate) fn report(&self, transports: &mut ById<TransportId, Transport>, out: &mut Out, now: Instant) {
        for subscription in self.subscriptions.iter().filter(|subscription| subscription.packets > 0) {
            let media = subscription.gets.and_then(|layer| self.encoding(layer)?.media.as_ref());
            let Some((media, clock)) = media.and_then(|media| Some((media, media.report?))) else { continue };
            let elapsed = now.saturating_duration_since(clock.at).as_secs_f64();
            let ntp = clock.ntp.wrapping_add((elapsed * (1u64 << 32) as f64) as u64);
            let ticks = (elapsed * f64::from(media.clock_rate())) as u32;
            let Subscription { ssrc, packets, octets, .. } = *subscription;
            let (Some(shift), Some(transport)) =
                (subscription.rewrite.timestamp_shift(), transports.get_mut(&subscription.transport))
            else {
                continue;
            };
            let rtp = clock.rtp.wrapping_add(ticks).wrapping_add(shift);
            let Some((keys, route)) = transport.media() else { continue };
            // A packet that cannot be sealed is not sent; the next report is a second away.
            let _ = out.push_with(route, |buffer, start| {
                rtcp::write_sender_report(buffer, &Sent { ssrc, ntp, rtp, packets, octets });
                keys.outbound.seal_rtcp(buffer, start)
            });
        }
    }
}
