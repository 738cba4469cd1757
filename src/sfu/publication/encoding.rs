//! One encoding of a publication: what its sender brings on one stream.

use std::time::{Duration, Instant};

use super::super::forward::header::{self, Fixed, Header};
use super::super::forward::history::History;
use super::super::forward::keyframe::{self, Requests};
use super::super::forward::layer::Layer;
use super::super::forward::picture::{self, Size};
use super::super::forward::rewrite::Input;
use super::super::forward::train;
use super::super::sdp::tables;
use super::super::{Codec, Kind, TransportId};
use super::meter::Meter;
use super::{Incoming, Limits};

/// Audio is not retransmitted; what is kept is for receivers that ask all the same. A power of two.
const AUDIO_HISTORY: usize = 64;
/// Packets that gather before they are sent on whatever the time is: a train's worth, and fewer than any history keeps.
const MAX_GATHERED: usize = 44;
/// After this long without packets a sender is taken for paused: it is not asked for key frames, and when it goes on, its RTP
/// clock may have stood still meanwhile.
const PAUSED: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Encoding {
    pub(super) source: Option<Origin>,
    pub(super) media: Option<Media>,
    /// What its last key frame said.
    pub(super) size: Option<Size>,
    pub(super) requests: Requests,
    /// What it takes to send it on.
    pub(super) meter: Meter,
    pub(super) gathered: Vec<Gathered>,
    /// When they are to be sent on; of the past when there are none.
    departs: Option<Instant>,
}

/// The stream that brings an encoding now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) transport: TransportId,
    pub(crate) ssrc: u32,
}

/// What is there once a packet has come; it outlives its source, so that numbers go on when another one comes.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) codec: Codec,
    pub(super) history: History,
    /// Added to a source's indices, so that those of the next source are above all of this one. A multiple of 2^16.
    base: u64,
    pub(super) highest: u64,
    /// The last key frame of this source.
    pub(super) start: Option<Start>,
    pub(super) last_packet: Instant,
    pub(super) report: Option<Clock>,
}

/// The first packet of a key frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) index: u64,
    timestamp: u32,
    pub(super) at: Instant,
}

/// A packet in the history that has not been sent on yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathered {
    pub(super) input: Input,
    /// In bytes, as in the history.
    pub(super) length: usize,
    /// In bytes; 0 for one that was padding only.
    pub(super) payload: usize,
    /// One can begin to decode here.
    pub(super) starts: bool,
    pub(super) heard: bool,
    pub(super) at: Instant,
}

/// A sender report of the source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) ntp: u64,
    pub(crate) rtp: u32,
    pub(crate) at: Instant,
}

impl Clock {
    /// A timestamp of this clock as the other one of the same sender has it at that moment.
    pub(super) fn translate(&self, timestamp: u32, to: &Self, clock_rate: u32) -> u32 {
        let seconds = self.ntp.wrapping_sub(to.ntp) as i64 as f64 / (1u64 << 32) as f64;
        let ticks = (seconds * f64::from(clock_rate)).round() as i64;
        timestamp.wrapping_sub(self.rtp).wrapping_add(to.rtp).wrapping_add(ticks as u32)
    }
}

/// What has become of a packet in its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// One can begin to decode here.
    pub(super) starts: bool,
    /// The first after a pause.
    pub(super) resumed: bool,
    /// It is the first to wait for others, until then.
    pub(super) departs: Option<Instant>,
    /// What has gathered is to be sent on at once.
    pub(super) full: bool,
}

impl Encoding {
    pub(super) fn codec(&self) -> Option<Codec> {
        self.media.as_ref().map(|media| media.codec)
    }

    /// Another stream brings it from now on.
    pub(super) fn set_source(&mut self, source: Origin, now: Instant) {
        self.source = Some(source);
        if let Some(media) = &mut self.media {
            media.base = ((media.highest >> 16) + 1) << 16;
            media.report = None;
            media.start = None;
            media.last_packet = now;
        }
        self.requests.want();
    }

    /// Packets of it came a moment ago.
    pub(super) fn flows(&self, now: Instant) -> bool {
        let last = self.media.as_ref().map(|media| media.last_packet);
        self.source.is_some() && last.is_some_and(|last| now.saturating_duration_since(last) < PAUSED)
    }

    /// Whom to ask for a key frame now.
    pub(super) fn key_frame_due(&mut self, now: Instant, interval: Duration) -> Option<Origin> {
        let due = self.codec()?.kind() == Kind::Video && self.flows(now) && self.requests.due(now, interval);
        self.source.filter(|_| due)
    }

    /// Takes a packet into the history, and to those that gather when somebody gets them. `trains`: they may wait.
    pub(super) fn keep(&mut self, incoming: &Incoming<'_>, limits: Limits, wanted: bool, trains: bool) -> Kept {
        let &Incoming { packet, header, codec, layer, heard, now, .. } = incoming;
        let media = self.media.get_or_insert_with(|| {
            let capacity = match codec.kind() {
                Kind::Audio => AUDIO_HISTORY,
                Kind::Video => limits.history_packets,
            };
            Media {
                codec,
                history: History::new(capacity),
                base: 0,
                highest: 0,
                last_packet: now,
                start: None,
                report: None,
            }
        });
        let index = media.base + incoming.index;
        let resumed = now.saturating_duration_since(media.last_packet) >= PAUSED && index > media.highest;
        if resumed {
            media.report = None;
        }
        let late = index < media.highest;
        media.codec = codec;
        media.last_packet = now;
        media.highest = media.highest.max(index);

        let payload = &packet[header.payload.clone()];
        let starts = !payload.is_empty() && keyframe::is_start(codec, payload);
        if starts {
            self.requests.satisfied();
            media.starts(index, header.timestamp, now);
            self.size = picture::size(codec, payload).or(self.size);
        }
        let kept = media.history.put(index, now, |slot| {
            let number = limits.estimates.then_some((tables::TRANSPORT_CC, &header::NO_NUMBER[..])).into_iter();
            let extensions = header.extensions(packet).filter(|(id, _)| tables::is_forwarded(*id));
            header::write(slot, Fixed::from(header), number.chain(extensions), payload);
        });
        if limits.estimates {
            self.meter.add(packet.len(), now);
        }
        let first = self.gathered.is_empty();
        if kept && wanted {
            let length = media.history.get(index).map_or(0, <[u8]>::len);
            let input = Input { layer, index, timestamp: header.timestamp, picture: picture::read(codec, payload) };
            self.gathered.push(Gathered { input, length, payload: payload.len(), starts, heard, at: now });
        }
        let gathers = codec.kind() == Kind::Video && !late && !limits.train.is_zero() && trains;
        let full = !gathers || self.gathered.len() >= MAX_GATHERED;
        let departs = (first && !full && !self.gathered.is_empty()).then(|| now + limits.train);
        self.departs = departs.or(self.departs);
        Kept { starts, resumed, departs, full }
    }

    /// When what has gathered is to be sent on.
    pub(super) fn departs(&self) -> Option<Instant> {
        self.departs.filter(|_| !self.gathered.is_empty())
    }
}

impl Media {
    /// Makes what leaves together of one length, as far as padding can. Nobody has been sent it yet: later it must not change
    /// (RFC 3711 section 9.1: one key stream, one plaintext).
    pub(super) fn equalise(&mut self, gathered: &[Gathered]) {
        let mut rest = gathered;
        while !rest.is_empty() {
            let (count, length) = train::train(rest.iter().map(|packet| packet.length));
            let (train, after) = rest.split_at(count);
            for packet in &train[..count - 1] {
                let Some(padding) = u8::try_from(length - packet.length).ok().filter(|padding| *padding > 0) else {
                    continue;
                };
                if let Some(slot) = self.history.get_mut(packet.input.index) {
                    header::pad(slot, padding);
                }
            }
            rest = after;
        }
    }

    /// A packet that one can begin with has come: of a newer key frame, or an earlier one of the same (an H.264 key frame has
    /// several, and packets overtake each other).
    fn starts(&mut self, index: u64, timestamp: u32, now: Instant) {
        let known = self.start.filter(|known| known.timestamp == timestamp || known.index > index);
        match known {
            None => self.start = Some(Start { index, timestamp, at: now }),
            Some(known) if known.timestamp == timestamp && index < known.index => {
                self.start = Some(Start { index, ..known });
            }
            Some(_) => {}
        }
    }

    /// A packet of the history, to be sent on once more.
    pub(super) fn again(&self, layer: Layer, index: u64, starts: bool, now: Instant) -> Option<Gathered> {
        let packet = self.history.get(index)?;
        let header = Header::parse(packet)?;
        let (length, payload) = (packet.len(), &packet[header.payload]);
        let input = Input { layer, index, timestamp: header.timestamp, picture: picture::read(self.codec, payload) };
        Some(Gathered { input, length, payload: payload.len(), starts, heard: true, at: now })
    }

    /// In Hz.
    pub(super) fn clock_rate(&self) -> u32 {
        tables::clock_rate(self.codec)
    }
}
