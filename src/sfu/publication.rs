//! One publication: what its sender brings, and who gets it.
//!
//! Packets gather here for a moment (`sfu.train_us`) and are then sent on together, receiver by receiver: one train each.
//!
//! Later: several layers of one publication are several [`Media`], and a subscription moves between them by
//! [`Rewrite::start`]; retransmissions over RTX change [`Publication::resend`].

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::by_id::ById;
use super::forward::header::{self, Fixed, Header};
use super::forward::history::History;
use super::forward::keyframe::{self, Requests, Wishes};
use super::forward::rewrite::{Place, Rewrite};
use super::forward::train;
use super::meters::Meters;
use super::out::{Out, Route};
use super::rtcp::{self, Sent};
use super::sdp::tables;
use super::tap::{Tap, TapId, Tapped};
use super::transport::{Media as Keys, Transport};
use super::{Codec, Kind, PublicationId, TransportId};

/// Audio is not retransmitted; what is kept is for receivers that ask all the same. A power of two.
const AUDIO_HISTORY: usize = 64;
/// Packets that gather before they are sent on whatever the time is: a train's worth, and fewer than any history keeps.
const MAX_GATHERED: usize = 44;
/// After this long without packets a sender is taken for paused: it is not asked for key frames, and when it goes on, its RTP
/// clock may have stood still meanwhile.
const PAUSED: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Publication {
    id: PublicationId,
    source: Option<Origin>,
    media: Option<Media>,
    requests: Requests,
    subscriptions: Vec<Subscription>,
    taps: Vec<Tap>,
    gathered: Vec<Gathered>,
    /// When they are to be sent on; of the past when there are none.
    departs: Option<Instant>,
}

/// What a publication goes by; from configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) history_packets: usize,
    /// How long packets gather.
    pub(crate) train: Duration,
}

/// All that a packet meets on its way out.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    pub(crate) transports: &'a mut ById<TransportId, Transport>,
    pub(crate) out: &'a mut Out,
    pub(crate) meters: &'a Meters,
}

/// What has become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The codec is another than before.
    pub(crate) changed: bool,
    /// It is the first to wait for others, until then.
    pub(crate) departs: Option<Instant>,
}

/// A packet in the history that has not been sent on yet.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    index: u64,
    timestamp: u32,
    /// In bytes, as in the history.
    length: usize,
    /// In bytes; 0 for one that was padding only.
    payload: usize,
    /// One can begin to decode here.
    starts: bool,
    at: Instant,
}

/// The stream that brings a publication now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) transport: TransportId,
    pub(crate) ssrc: u32,
}

/// What is there once a packet has come; it outlives its source, so that numbers go on when another one comes.
#[derive(Debug)]
struct Media {
    codec: Codec,
    history: History,
    /// Added to a source's indices, so that those of the next source are above all of this one. A multiple of 2^16.
    base: u64,
    highest: u64,
    last_packet: Instant,
    report: Option<Clock>,
}

/// A sender report of the source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) ntp: u64,
    pub(crate) rtp: u32,
    pub(crate) at: Instant,
}

#[derive(Debug)]
struct Subscription {
    transport: TransportId,
    mid: String,
    ssrc: u32,
    /// False while its receiver wants none of it.
    on: bool,
    rewrite: Rewrite,
    state: State,
    wishes: Wishes,
    packets: u32,
    octets: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// For the first packet of the source from which it can be decoded.
    Waiting,
    Going,
}

/// A packet that came in, opened and without RTP padding.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) packet: &'a [u8],
    pub(crate) header: &'a Header,
    pub(crate) codec: Codec,
    /// Of its stream.
    pub(crate) index: u64,
    pub(crate) now: Instant,
}

impl Publication {
    pub(crate) fn new(id: PublicationId) -> Self {
        Self {
            id,
            source: None,
            media: None,
            requests: Requests::default(),
            subscriptions: Vec::new(),
            taps: Vec::new(),
            gathered: Vec::new(),
            departs: None,
        }
    }

    /// Nobody brings it, gets it or taps it.
    pub(crate) fn is_idle(&self) -> bool {
        self.source.is_none() && self.subscriptions.is_empty() && self.taps.is_empty()
    }

    pub(crate) fn source(&self) -> Option<Origin> {
        self.source
    }

    /// Another stream brings the publication from now on. Numbers go on; pictures go on with its first key frame.
    pub(crate) fn set_source(&mut self, source: Origin, way: &mut Way<'_>) {
        self.depart(way);
        self.source = Some(source);
        if let Some(media) = &mut self.media {
            media.base = ((media.highest >> 16) + 1) << 16;
            media.report = None;
        }
        for subscription in &mut self.subscriptions {
            subscription.state = State::Waiting;
        }
        self.requests.want();
    }

    /// The source is gone.
    pub(crate) fn end(&mut self) {
        self.source = None;
        let id = self.id;
        self.taps.retain(|tap| tap.push(Tapped::Ended { publication: id }));
    }

    /// Packets go on their way from the next key frame on, which the caller asks for when the transport is open.
    pub(crate) fn subscribe(&mut self, transport: TransportId, mid: String, ssrc: u32) {
        // In the lower half, so that the far end cannot misjudge the first roll-over (RFC 3711 section 3.3.1).
        let first = u64::from(fastrand::u16(1..1 << 15));
        let (rewrite, state, wishes) = (Rewrite::new(first), State::Waiting, Wishes::default());
        self.subscriptions.push(Subscription {
            transport,
            mid,
            ssrc,
            on: true,
            rewrite,
            state,
            wishes,
            packets: 0,
            octets: 0,
        });
    }

    /// Pauses a subscription, or goes on with it from the next key frame.
    pub(crate) fn forward(&mut self, transport: TransportId, mid: &str, on: bool) {
        let paused = self.subscriptions.iter_mut().find(|s| s.transport == transport && s.mid == mid && s.on != on);
        let Some(subscription) = paused else { return };
        subscription.on = on;
        subscription.state = State::Waiting;
        if on {
            self.requests.want();
        }
    }

    /// The SSRC that is sent no more.
    pub(crate) fn unsubscribe(&mut self, transport: TransportId, mid: &str) -> Option<u32> {
        let at = self.subscriptions.iter().position(|s| s.transport == transport && s.mid == mid)?;
        let gone = self.subscriptions.swap_remove(at);
        self.forget_gathered();
        Some(gone.ssrc)
    }

    /// A down transport is gone, with all that it got.
    pub(crate) fn drop_transport(&mut self, transport: TransportId) {
        self.subscriptions.retain(|subscription| subscription.transport != transport);
        self.forget_gathered();
    }

    /// What has gathered is for nobody when no subscription is left.
    fn forget_gathered(&mut self) {
        if self.subscriptions.is_empty() {
            self.gathered.clear();
        }
    }

    pub(crate) fn tap(&mut self, tap: Tap) {
        self.taps.retain(|known| known.id != tap.id);
        self.taps.push(tap);
        self.requests.want();
    }

    pub(crate) fn untap(&mut self, tap: TapId) {
        self.taps.retain(|known| known.id != tap);
    }

    pub(crate) fn want_key_frame(&mut self) {
        self.requests.want();
    }

    /// The receiver of a subscription says that it needs a key frame. It is heard so often and no more.
    pub(crate) fn wish_key_frame(&mut self, transport: TransportId, ssrc: u32, now: Instant) {
        let known = self.subscriptions.iter_mut().find(|s| s.transport == transport && s.ssrc == ssrc);
        if known.is_some_and(|subscription| subscription.wishes.grant(now)) {
            self.requests.want();
        }
    }

    /// Whom to ask for a key frame now.
    pub(crate) fn key_frame_due(&mut self, now: Instant, interval: Duration) -> Option<Origin> {
        let media = self.media.as_ref()?;
        let sends = now.saturating_duration_since(media.last_packet) < PAUSED;
        match media.codec {
            Codec::Video(_) if sends && self.requests.due(now, interval) => self.source,
            Codec::Video(_) | Codec::Opus => None,
        }
    }

    /// Takes a packet of the source. It is sent on at once, or with those that follow until the time that is given back has
    /// come ([`Self::depart`]): sound and what is late never wait.
    pub(crate) fn accept(&mut self, incoming: &Incoming<'_>, limits: Limits, way: &mut Way<'_>) -> Accepted {
        let &Incoming { packet, header, codec, now, .. } = incoming;
        let changed = self.media.as_ref().is_none_or(|media| media.codec != codec);
        if changed {
            self.depart(way);
        }
        let media = self.media.get_or_insert_with(|| {
            let capacity = match codec.kind() {
                Kind::Audio => AUDIO_HISTORY,
                Kind::Video => limits.history_packets,
            };
            Media { codec, history: History::new(capacity), base: 0, highest: 0, last_packet: now, report: None }
        });
        let index = media.base + incoming.index;
        if now.saturating_duration_since(media.last_packet) >= PAUSED && index > media.highest {
            // Sound goes on as much later as it is; a picture's clock never stands still, and a gap would cost a key frame.
            media.report = None;
            if codec.kind() == Kind::Audio {
                self.subscriptions.iter_mut().for_each(|subscription| subscription.state = State::Waiting);
            }
        }
        let late = index < media.highest;
        media.codec = codec;
        media.last_packet = now;
        media.highest = media.highest.max(index);

        let payload = &packet[header.payload.clone()];
        let starts = !payload.is_empty() && keyframe::is_start(codec, payload);
        if starts {
            self.requests.satisfied();
        }
        let kept = media.history.put(index, now, |slot| {
            let extensions = header.extensions(packet).filter(|(id, _)| tables::is_forwarded(*id));
            header::write(slot, Fixed::from(header), extensions, payload);
        });
        if !payload.is_empty() && !self.taps.is_empty() {
            let (publication, packet) = (self.id, Bytes::copy_from_slice(packet));
            self.taps.retain(|tap| tap.push(Tapped::Rtp { publication, codec, arrival: now, packet: packet.clone() }));
        }
        let first = self.gathered.is_empty();
        if kept && !self.subscriptions.is_empty() {
            let length = media.history.get(index).map_or(0, <[u8]>::len);
            self.gathered.push(Gathered {
                index,
                timestamp: header.timestamp,
                length,
                payload: payload.len(),
                starts,
                at: now,
            });
        }
        let gathers = codec.kind() == Kind::Video && !late && !limits.train.is_zero() && way.out.takes_trains();
        if !gathers || self.gathered.len() >= MAX_GATHERED {
            self.depart(way);
        }
        let departs = (first && !self.gathered.is_empty()).then(|| now + limits.train);
        self.departs = departs.or(self.departs);
        Accepted { changed, departs }
    }

    /// When what has gathered is to be sent on.
    pub(crate) fn departs(&self) -> Option<Instant> {
        self.departs.filter(|_| !self.gathered.is_empty())
    }

    /// Sends on what has gathered: to each receiver, one behind the other, so that it makes a train.
    pub(crate) fn depart(&mut self, way: &mut Way<'_>) {
        let Some(media) = self.media.as_mut().filter(|_| !self.gathered.is_empty()) else { return };
        if way.out.takes_trains() {
            media.equalise(&self.gathered);
        }
        let clock_rate = tables::clock_rate(media.codec);
        let (mut packets, mut bytes) = (0, 0);
        for subscription in self.subscriptions.iter_mut().filter(|subscription| subscription.on) {
            let transport = way.transports.get_mut(&subscription.transport);
            let Some((keys, route)) = transport.and_then(Transport::media) else { continue };
            for gathered in &self.gathered {
                let Some(packet) = media.history.get(gathered.index) else { continue };
                let Some(place) = subscription.place(gathered, clock_rate) else { continue };
                if let Some(length) = send(keys, route, subscription.ssrc, packet, place, way.out) {
                    subscription.packets = subscription.packets.wrapping_add(1);
                    subscription.octets = subscription.octets.wrapping_add(gathered.payload as u32);
                    packets += 1;
                    bytes += length as u64;
                }
            }
        }
        way.meters.forwarded(packets, bytes);
        self.gathered.clear();
    }

    /// Answers a NACK from the history.
    pub(crate) fn resend(&self, transport: &mut Transport, ssrc: u32, sequences: &[u16], out: &mut Out) {
        let Some(media) = &self.media else { return };
        let subscription = self.subscriptions.iter().find(|s| s.transport == transport.id && s.ssrc == ssrc);
        let (Some(subscription), Some((keys, route))) = (subscription, transport.media()) else { return };
        for sequence in sequences {
            let Some((index, place)) = subscription.rewrite.sent(*sequence) else { continue };
            let Some(packet) = media.history.get(index) else { continue };
            send(keys, route, ssrc, packet, place, out);
        }
    }

    pub(crate) fn reported(&mut self, clock: Clock) {
        let Clock { ntp, rtp, at } = clock;
        if let Some(media) = &mut self.media {
            media.report = Some(clock);
        }
        let publication = self.id;
        self.taps.retain(|tap| tap.push(Tapped::SenderReport { publication, ntp, rtp, arrival: at }));
    }

    /// Sender reports for everybody who gets it. They carry on the publisher's own clock, so that what it sends together
    /// stays together.
    pub(crate) fn report(&self, transports: &mut ById<TransportId, Transport>, out: &mut Out, now: Instant) {
        let Some((media, clock)) = self.media.as_ref().and_then(|media| Some((media, media.report?))) else { return };
        let elapsed = now.saturating_duration_since(clock.at).as_secs_f64();
        let ntp = clock.ntp.wrapping_add((elapsed * (1u64 << 32) as f64) as u64);
        let ticks = (elapsed * f64::from(tables::clock_rate(media.codec))) as u32;
        for subscription in self.subscriptions.iter().filter(|s| s.state == State::Going && s.packets > 0) {
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

impl Media {
    /// Makes what leaves together of one length, as far as padding can. Nobody has been sent it yet: later it must not change
    /// (RFC 3711 section 9.1: one key stream, one plaintext).
    fn equalise(&mut self, gathered: &[Gathered]) {
        let mut rest = gathered;
        while !rest.is_empty() {
            let (count, length) = train::train(rest.iter().map(|packet| packet.length));
            let (train, after) = rest.split_at(count);
            for packet in &train[..count - 1] {
                let Some(padding) = u8::try_from(length - packet.length).ok().filter(|padding| *padding > 0) else {
                    continue;
                };
                if let Some(slot) = self.history.get_mut(packet.index) {
                    header::pad(slot, padding);
                }
            }
            rest = after;
        }
    }
}

impl Subscription {
    /// Where a packet of the source goes; nothing when this receiver does not get it.
    fn place(&mut self, packet: &Gathered, clock_rate: u32) -> Option<Place> {
        let &Gathered { index, timestamp, at, .. } = packet;
        if self.state == State::Waiting {
            if !packet.starts {
                return None;
            }
            self.rewrite.start(index, timestamp, at, clock_rate);
            self.state = State::Going;
        }
        // Padding is for the way it came; what was probed there says nothing here.
        if packet.payload == 0 && self.rewrite.skip(index) {
            return None;
        }
        self.rewrite.place(index, timestamp, at)
    }
}

/// Copies, numbers, seals and queues one packet; its length on the wire. Nothing when its receiver has no number for its codec.
fn send(keys: &mut Keys, route: Route, ssrc: u32, packet: &[u8], place: Place, out: &mut Out) -> Option<usize> {
    out.push_with(route, |buffer, start| {
        buffer.extend_from_slice(packet);
        header::renumber(&mut buffer[start..], place.index as u16, place.timestamp_shift, ssrc);
        if !keys.renumber(&mut buffer[start..]) {
            return Err(());
        }
        keys.outbound.seal_rtp(place.index, buffer, start).map_err(drop)
    })
    .ok()
}
