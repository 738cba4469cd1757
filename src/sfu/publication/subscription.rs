//! Who gets a publication: which of its encodings, and with which numbers.

use std::time::{Duration, Instant};

use super::super::bwe::allocate::Grant;
use super::super::forward::header::{self, Fixed, Repair};
use super::super::forward::keyframe::Wishes;
use super::super::forward::layer::{self, LAYERS, Layer, Sent, Wish};
use super::super::forward::picture;
use super::super::forward::rewrite::{Place, Rewrite};
use super::super::out::Out;
use super::super::sdp::tables;
use super::super::transport::Sending;
use super::super::{Codec, Kind, Send, TransportId};
use super::encoding::{Encoding, Gathered, Media};
use super::pace::Behind;
use super::{Limits, Tally, redundant};

/// Layers that were silent for this long while others of their publication came are not sent now: senders leave out the large
/// ones when their bandwidth is short. Higher: pictures stand still for longer before a smaller layer takes over; lower: few
/// pictures a second are taken for silence.
const SILENT: Duration = Duration::from_millis(500);

/// Bytes of a packet that is only padding, its last byte included (RFC 3550 section 5.1): as many as one can say.
const PADDING: u8 = 255;

/// Sound that is new to its receiver is forwarded for this long however quiet it is: clients take a path for proven when something
/// has come over it. Higher: more is sent for nothing when many come at once.
const PROVING: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) transport: TransportId,
    pub(super) mid: String,
    pub(super) ssrc: u32,
    pub(super) rtx: Option<Rtx>,
    /// False while its receiver wants none of it.
    pub(super) on: bool,
    pub(super) wish: Wish,
    pub(super) screen: bool,
    /// Its packets may have transport-wide numbers.
    transport_cc: bool,
    /// What its transport's path leaves to it.
    pub(super) grant: Grant,
    /// What was sent up to here is not sent again: the path had no room for it.
    given_up: Option<u64>,
    /// What its path has no room for yet.
    pub(super) behind: Option<Behind>,
    /// The highest index of the layer it gets that was sent.
    pub(super) highest: u64,
    /// The layer that it is to get.
    pub(super) wanted: Layer,
    /// The layer that it gets; nothing until a packet of the wanted one has come from which it can be decoded.
    pub(super) gets: Option<Layer>,
    /// When it got its first packet.
    pub(super) began: Option<Instant>,
    /// Index of that packet, until it was asked for once more.
    pub(super) beginning: Option<u64>,
    pub(super) rewrite: Rewrite,
    pub(super) wishes: Wishes,
    pub(super) packets: u32,
    pub(super) octets: u32,
    /// Packets that never came, as its receiver said last.
    pub(super) lost: u32,
    /// Its receiver takes redundant sound.
    pub(super) red: bool,
    pub(super) redundant_until: Option<Instant>,
}

/// The stream of retransmissions to a receiver (RFC 4588).
#[derive(Debug)]
pub(super) struct Rtx {
    ssrc: u32,
    /// Of the next one.
    index: u64,
}

/// Where a packet goes, and whether it is the first of another layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) place: Place,
    pub(super) switched: bool,
}

impl Subscription {
    pub(super) fn new(transport: TransportId, send: Send, wish: Wish) -> Self {
        let Send { mid, ssrc, rtx, red, transport_cc, screen, publication: _ } = send;
        // In the lower half, so that the far end cannot misjudge the first roll-over (RFC 3711 section 3.3.1).
        let first = || u64::from(fastrand::u16(1..1 << 15));
        Self {
            transport,
            mid,
            ssrc,
            rtx: rtx.map(|ssrc| Rtx { ssrc, index: first() }),
            on: true,
            wish,
            screen,
            transport_cc,
            grant: Grant::default(),
            given_up: None,
            behind: None,
            highest: 0,
            wanted: Layer::WHOLE,
            gets: None,
            began: None,
            beginning: None,
            rewrite: Rewrite::new(first()),
            wishes: Wishes::default(),
            packets: 0,
            octets: 0,
            lost: 0,
            red,
            redundant_until: None,
        }
    }

    /// Packets of this layer may be for it.
    pub(super) fn takes(&self, layer: Layer) -> bool {
        self.is_sent() && (self.gets == Some(layer) || self.wanted == layer)
    }

    /// Its receiver wants it, and the path has room.
    pub(super) fn is_sent(&self) -> bool {
        self.on && self.grant != Grant::Paused
    }

    /// Its transport's path is known to bound it.
    pub(super) fn is_bounded(&self) -> bool {
        self.on && self.transport_cc
    }

    /// What its receiver can use of what it may have.
    pub(super) fn bounded_wish(&self) -> Wish {
        let most = match self.grant {
            Grant::All | Grant::Paused => self.wish.most,
            Grant::Most(layer) => Some(self.wish.most.map_or(layer, |most| most.min(layer))),
        };
        Wish { most, ..self.wish }
    }

    /// Decides anew which layer it is to get, of those that are sent; it gets another one from its next key frame on.
    pub(super) fn choose(&mut self, sent: &Sent, encodings: &mut [Option<Box<Encoding>>; LAYERS], limits: Limits) {
        let Some(chosen) = layer::choose(sent, &self.bounded_wish(), limits.layer_enough) else { return };
        if chosen == self.wanted {
            return;
        }
        self.wanted = chosen;
        if self.is_sent()
            && self.gets != Some(chosen)
            && let Some(encoding) = &mut encodings[chosen.index()]
        {
            encoding.requests.want();
        }
    }

    /// Packets of this kind get transport-wide numbers. Those that are sent again as they were must not: the same packet with
    /// another number would be a second one under one index of SRTP (RFC 3711 section 9.1).
    pub(super) fn is_numbered(&self, kind: Kind) -> bool {
        self.transport_cc && (self.rtx.is_some() || kind == Kind::Audio)
    }

    /// Nothing is sent any more of what it gets, nor again, until the wanted layer begins.
    pub(super) fn give_up(&mut self) {
        self.gets = None;
        self.given_up = self.rewrite.last();
    }

    pub(super) fn is_given_up(&self, place: Place) -> bool {
        self.given_up.is_some_and(|last| place.index <= last)
    }

    /// Is sound that is not heard left out? When it is heard again, it goes on as after a pause.
    pub(super) fn leaves_out(&mut self, now: Instant) -> bool {
        let proven = self.began.is_some_and(|began| now.saturating_duration_since(began) >= PROVING);
        if proven {
            self.gets = None;
        }
        proven
    }

    /// Where a packet goes; nothing when this receiver does not get it. `captured` is what [`Rewrite::start`] is to know
    /// when the receiver goes on with this layer in the place of the one that it is given.
    pub(super) fn place(
        &mut self,
        packet: &Gathered,
        clock_rate: u32,
        captured: impl FnOnce(Layer) -> Option<u32>,
    ) -> Option<Placed> {
        let &Gathered { input, at, .. } = packet;
        let switched = self.gets != Some(input.layer);
        if switched {
            if self.wanted != input.layer || !packet.starts {
                return None;
            }
            let shift = self.rewrite.timestamp_shift();
            let captured = self.gets.and_then(captured).zip(shift).map(|(at, shift)| at.wrapping_add(shift));
            self.rewrite.start(input, at, clock_rate, captured);
            self.gets = Some(input.layer);
            (self.behind, self.highest) = (None, 0);
        }
        self.highest = self.highest.max(input.index);
        // Padding is for the way it came; what was probed there says nothing here.
        if packet.payload == 0 && self.rewrite.skip(input.layer, input.index) {
            return None;
        }
        let place = self.rewrite.place(input, at)?;
        if self.began.is_none() {
            (self.began, self.beginning) = (Some(at), Some(place.index));
        }
        Some(Placed { place, switched })
    }
}

impl Subscription {
    /// Sends a packet of a layer that it takes, if it is for it. True when it is the first of another layer.
    pub(super) fn send(
        &mut self,
        to: &mut Sending<'_>,
        packet: &Gathered,
        media: &Media,
        captured: impl FnOnce(Layer) -> Option<u32>,
        (now, out): (Instant, &mut Out),
        tally: &mut Tally,
    ) -> bool {
        let Some(kept) = media.history.get(packet.input.index) else { return false };
        let Some(Placed { place, switched }) = self.place(packet, media.clock_rate(), captured) else { return false };
        let numbered = self.is_numbered(media.codec.kind()).then_some(now);
        let mut length = None;
        if self.is_redundant(to, now) {
            length = redundant::send(to, self.ssrc, media, packet.input.index, place, numbered, out);
            tally.redundant += u64::from(length.is_some());
        }
        let length = length.or_else(|| send(to, self.ssrc, kept, media.codec, place, numbered, out));
        if let Some(length) = length {
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(packet.payload as u32);
            tally.packets += 1;
            tally.bytes += length as u64;
        }
        switched
    }
}

impl Rtx {
    /// Sends what was sent before; its length on the wire.
    pub(super) fn send(
        &mut self,
        to: &mut Sending<'_>,
        packet: &[u8],
        codec: Codec,
        place: Place,
        now: Instant,
        out: &mut Out,
    ) -> Option<usize> {
        let payload_type = tables::rtx(*packet.get(1)? & 0x7f)?;
        let payload = header::header_len(packet)? + 2;
        let index = self.index;
        self.index += 1;
        let repair = Repair { payload_type, sequence: index as u16, ssrc: self.ssrc };
        let number = to.bandwidth.as_ref().map(|bandwidth| bandwidth.number());
        let length = out.push_with(to.route, |buffer, start| {
            header::write_repair(buffer, packet, repair, place.index as u16, place.timestamp_shift);
            header::set_number(&mut buffer[start..], tables::TRANSPORT_CC, number);
            if let Some(payload) = buffer.get_mut(start + payload..) {
                picture::shift(codec, payload, place.picture_shift);
            }
            to.keys.outbound.seal_rtp(index, buffer, start)
        });
        count(to, number, length.ok()?, now)
    }

    /// Sends padding and nothing else, which says only whether the path takes it; its length on the wire.
    pub(super) fn pad(&mut self, to: &mut Sending<'_>, codec: Codec, now: Instant, out: &mut Out) -> Option<usize> {
        let payload_type = tables::rtx_of(codec)?;
        let index = self.index;
        self.index += 1;
        let number = to.bandwidth.as_ref().map(|bandwidth| bandwidth.number());
        let fixed = Fixed { marker: false, payload_type, sequence: index as u16, timestamp: 0, ssrc: self.ssrc };
        let length = out.push_with(to.route, |buffer, start| {
            let room = std::iter::once((tables::TRANSPORT_CC, &header::NO_NUMBER[..]));
            header::write(buffer, fixed, room, &[0; PADDING as usize - 1]);
            buffer.push(PADDING);
            buffer[start] |= 0x20;
            header::set_number(&mut buffer[start..], tables::TRANSPORT_CC, number);
            to.keys.outbound.seal_rtp(index, buffer, start)
        });
        count(to, number, length.ok()?, now)
    }
}

/// A packet has gone out, with this number if any; its length.
fn count(to: &mut Sending<'_>, number: Option<u16>, length: usize, now: Instant) -> Option<usize> {
    if let (Some(_), Some(bandwidth)) = (number, &mut to.bandwidth) {
        bandwidth.sent(length, now);
    }
    Some(length)
}

/// Copies, numbers, seals and queues one packet; its length on the wire. Nothing when its receiver has no number for its codec.
/// `numbered`: when it leaves, if it gets a transport-wide number.
pub(super) fn send(
    to: &mut Sending<'_>,
    ssrc: u32,
    packet: &[u8],
    codec: Codec,
    place: Place,
    numbered: Option<Instant>,
    out: &mut Out,
) -> Option<usize> {
    push(to, place, numbered, out, |buffer, start| {
        buffer.extend_from_slice(packet);
        let copy = &mut buffer[start..];
        header::renumber(copy, place.index as u16, place.timestamp_shift, ssrc);
        if place.picture_shift != picture::Picture::default()
            && let Some(payload) = header::header_len(copy).and_then(|len| copy.get_mut(len..))
        {
            picture::shift(codec, payload, place.picture_shift);
        }
        true
    })
}

/// Numbers, seals and queues the packet that `write` appends from the position it is given on, as [`send`] does. Nothing when that
/// says false.
pub(super) fn push(
    to: &mut Sending<'_>,
    place: Place,
    numbered: Option<Instant>,
    out: &mut Out,
    write: impl FnOnce(&mut Vec<u8>, usize) -> bool,
) -> Option<usize> {
    let number = numbered.and(to.bandwidth.as_ref().map(|bandwidth| bandwidth.number()));
    let length = out.push_with(to.route, |buffer, start| {
        if !write(buffer, start) {
            return Err(());
        }
        header::set_number(&mut buffer[start..], tables::TRANSPORT_CC, number);
        if !to.keys.renumber(&mut buffer[start..]) {
            return Err(());
        }
        to.keys.outbound.seal_rtp(place.index, buffer, start).map_err(drop)
    });
    match (length, numbered) {
        (Ok(length), Some(now)) => count(to, number, length, now),
        (length, _) => length.ok(),
    }
}

/// It came before `newest` by more than a layer that is sent does.
pub(super) fn is_silent(last: Instant, newest: Instant) -> bool {
    newest.saturating_duration_since(last) >= SILENT
}
