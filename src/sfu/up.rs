//! The receiving half of an up transport: which stream a packet belongs to, what is missing, and what the sender is told.

use std::collections::HashMap;
use std::time::Instant;

use super::forward::bucket::Bucket;
use super::forward::header::{self, Header};
use super::forward::layer::Layer;
use super::forward::nack::Losses;
use super::forward::numbers::Numbers;
use super::forward::reception::Reception;
use super::forward::twcc::Recorder;
use super::forward::window::Window;
use super::forward::{Unwrap, nearest};
use super::publication::Clock;
use super::rtcp::{self, Received};
use super::sdp::tables;
use super::{Codec, Kind, PublicationId, Receive};

/// Streams that are known at once; beyond, the one that was silent longest is forgotten. A far end has four tracks, and one
/// that is replaced may bring a new SSRC.
const MAX_STREAMS: usize = 32;

/// Feedbacks that tell of one round of packets; the rest waits for the next round. More is needed by nobody who counts its
/// packets one by one; who does not would have one back for each.
const MAX_FEEDBACKS: usize = 4;

#[derive(Debug)]
pub(crate) struct Up {
    receive: Vec<Receive>,
    numbers: Option<Box<Numbers>>,
    streams: HashMap<u32, Stream>,
    /// Streams that were found so far.
    found: u64,
    twcc: Recorder,
    /// A feedback while it is written.
    information: Vec<u8>,
    rate: Bucket,
}

#[derive(Debug)]
struct Stream {
    /// Of its m-line.
    mid: String,
    publication: PublicationId,
    layer: Layer,
    kind: Kind,
    unwrap: Unwrap,
    /// By what `unwrap` gives, on which everything behind goes. SRTP refuses replays by its own indices: it counts packets
    /// that come no further than there, and so may be a round of 2^16 ahead.
    window: Window,
    losses: Losses,
    reception: Reception,
    clock: Option<Clock>,
    heard: Instant,
    /// Counts streams: of two with one MID the later one is what is sent now.
    number: u64,
}

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Sent,
    /// As a retransmission, on a stream of its own. It says nothing of how its own stream is received.
    Repaired,
}

/// A packet that belongs to a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) publication: PublicationId,
    pub(crate) layer: Layer,
    pub(crate) index: u64,
    /// The first packet of its stream.
    pub(crate) first: bool,
}

impl Up {
    pub(crate) fn new(epoch: Instant, max_kbps: u32) -> Self {
        let (twcc, rate) = (Recorder::new(epoch), Bucket::new(max_kbps, epoch));
        let streams = HashMap::new();
        Self { receive: Vec::new(), numbers: None, streams, found: 0, twcc, information: Vec::new(), rate }
    }

    /// May a packet of this many bytes be forwarded? What may not never came, for everything else here: its sender takes it
    /// for lost and sends less.
    pub(crate) fn admits(&mut self, bytes: usize, now: Instant) -> bool {
        self.rate.take(bytes, now)
    }

    pub(crate) fn set_numbers(&mut self, numbers: Option<Box<Numbers>>) {
        self.numbers = numbers;
    }

    /// Gives an opened packet the numbers of the tables. False when it is of no use.
    pub(crate) fn renumber(&self, packet: &mut [u8]) -> bool {
        self.numbers.as_ref().is_none_or(|numbers| numbers.apply(packet))
    }

    /// The m-lines as the answer has them. Streams of others are forgotten; their publications come back.
    pub(crate) fn set_receive(&mut self, receive: Vec<Receive>) -> Vec<PublicationId> {
        let kept = |publication: PublicationId| receive.iter().any(|r| r.publication == publication);
        // An m-line may be for something else now.
        self.streams.retain(|_, s| receive.iter().any(|r| r.publication == s.publication && r.mid == s.mid));
        let gone = self.receive.iter().map(|r| r.publication).filter(|p| !kept(*p)).collect();
        self.receive = receive;
        gone
    }

    pub(crate) fn publications(&self) -> impl Iterator<Item = PublicationId> {
        self.receive.iter().map(|receive| receive.publication)
    }

    /// Counts an opened packet for the feedback to its sender.
    pub(crate) fn heard(&mut self, packet: &[u8], header: &Header, now: Instant) {
        if let Some(&[high, low]) = header.extension(packet, tables::TRANSPORT_CC) {
            self.twcc.arrived(u16::from_be_bytes([high, low]), now);
        }
    }

    /// The SSRC of the stream that a retransmission repairs (RFC 4588), if the packet that it brings is missing. Most bring
    /// none: senders probe with padding, and with packets that have come.
    pub(crate) fn repairs(&self, packet: &[u8], header: &Header) -> Option<u32> {
        let original = header::original(packet, header)?;
        let mid = match header.extension(packet, tables::MID) {
            Some(mid) => mid,
            None => self.receive.iter().find(|r| r.repair_ssrc == Some(header.ssrc))?.mid.as_bytes(),
        };
        let layer = layer(header.extension(packet, tables::REPAIRED_RID))?;
        let same = |stream: &Stream| stream.mid.as_bytes() == mid && stream.layer == layer;
        let streams = self.streams.iter().filter(|(_, stream)| same(stream));
        let (ssrc, stream) = streams.max_by_key(|(_, stream)| stream.number)?;
        // A repair is of the past, and never moves the stream on.
        let highest = stream.window.highest();
        let index = nearest(highest, original);
        (index < highest && !stream.window.seen(index)).then_some(*ssrc)
    }

    /// A packet of a stream that is known has not come.
    pub(crate) fn lacks(&self, ssrc: u32, sequence: u16) -> bool {
        self.streams.get(&ssrc).is_some_and(|stream| !stream.window.seen(nearest(stream.window.highest(), sequence)))
    }

    /// Finds the stream of an opened packet, by its SSRC, else by its MID (RFC 8843 section 9.2). No index is given twice: what
    /// is sent on goes by it, and SRTP needs one plaintext for each (RFC 3711 section 9.1).
    pub(crate) fn found(
        &mut self,
        packet: &[u8],
        header: &Header,
        codec: Codec,
        manner: Manner,
        now: Instant,
    ) -> Option<Found> {
        self.heard(packet, header, now);
        if let Some(stream) = self.streams.get_mut(&header.ssrc) {
            if stream.kind != codec.kind() {
                return None;
            }
            let index = stream.unwrap.index(header.sequence);
            if stream.window.seen(index) {
                return None;
            }
            stream.window.admit(index);
            stream.heard = now;
            stream.losses.arrived(index);
            match manner {
                Manner::Sent => stream.reception.arrived(index, header.timestamp, now),
                Manner::Repaired => {}
            }
            let Stream { publication, layer, .. } = *stream;
            return Some(Found { publication, layer, index, first: false });
        }
        let mid = header.extension(packet, tables::MID);
        let receive = match mid {
            Some(mid) => self.receive.iter().find(|r| r.mid.as_bytes() == mid)?,
            None => self.receive.iter().find(|r| r.ssrc == Some(header.ssrc))?,
        };
        if receive.kind != codec.kind() {
            return None;
        }
        let layer = layer(header.extension(packet, tables::RID))?;
        let (mid, publication, kind) = (receive.mid.clone(), receive.publication, receive.kind);
        if self.streams.len() == MAX_STREAMS {
            let silent = self.streams.iter().min_by_key(|(_, stream)| stream.heard).map(|(ssrc, _)| *ssrc);
            silent.and_then(|ssrc| self.streams.remove(&ssrc));
        }
        let (mut unwrap, mut window, mut losses) = (Unwrap::default(), Window::default(), Losses::default());
        let index = unwrap.index(header.sequence);
        window.admit(index);
        losses.arrived(index);
        let reception = Reception::new(index, header.timestamp, now, tables::clock_rate(codec));
        self.found += 1;
        let (number, clock, heard) = (self.found, None, now);
        let stream = Stream { mid, publication, layer, kind, unwrap, window, losses, reception, clock, heard, number };
        self.streams.insert(header.ssrc, stream);
        Some(Found { publication, layer, index, first: true })
    }

    /// A sender report; the publication and the layer that it is about.
    pub(crate) fn reported(&mut self, ssrc: u32, clock: Clock) -> Option<(PublicationId, Layer)> {
        let stream = self.streams.get_mut(&ssrc)?;
        stream.clock = Some(clock);
        Some((stream.publication, stream.layer))
    }

    /// Appends requests for what is missing. `broken` gets that in which something was given up.
    pub(crate) fn write_nacks(&mut self, now: Instant, out: &mut Vec<u8>, broken: &mut Vec<(PublicationId, Layer)>) {
        let mut lost = Vec::new();
        // Opus conceals what is lost; asking for it would come too late.
        for (ssrc, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.kind == Kind::Video) {
            stream.losses.due(now, &mut lost);
            if !lost.is_empty() {
                rtcp::write_nacks(out, *ssrc, &lost);
                lost.clear();
            }
            if stream.losses.take_broken() {
                broken.push((stream.publication, stream.layer));
            }
        }
    }

    /// Appends when packets have arrived.
    pub(crate) fn write_twcc(&mut self, out: &mut Vec<u8>) {
        let Some(ssrc) = self.streams.keys().next().copied() else { return };
        for _ in 0..MAX_FEEDBACKS {
            self.information.clear();
            if !self.twcc.feedback(&mut self.information) {
                return;
            }
            rtcp::write_twcc(out, ssrc, &self.information);
        }
    }

    /// Packets of the streams that are known now that have not come at first.
    pub(crate) fn lost(&self) -> u64 {
        self.streams.values().map(|stream| stream.reception.lost()).sum()
    }

    /// Appends how each stream is received.
    pub(crate) fn write_report(&mut self, now: Instant, out: &mut Vec<u8>) {
        if self.streams.is_empty() {
            return;
        }
        let received = self.streams.iter_mut().map(|(ssrc, stream)| {
            let (last_report, delay) = stream.clock.map_or((0, 0), |clock| {
                let delay = now.saturating_duration_since(clock.at).as_secs_f64() * 65_536.0;
                ((clock.ntp >> 16) as u32, delay as u32)
            });
            Received { ssrc: *ssrc, block: stream.reception.report(), last_report, delay }
        });
        rtcp::write_receiver_report(out, received);
    }
}

/// The layer that an encoding's name stands for (RFC 8852); who sends one encoding names none.
fn layer(rid: Option<&[u8]>) -> Option<Layer> {
    match rid {
        None => Some(Layer::WHOLE),
        Some(rid) => Layer::ALL.into_iter().find(|layer| tables::rid(*layer).as_bytes() == rid),
    }
}
