//! What one leg is fed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crescendo_leg_api::{Codec, Frame, Leg, State, Track, TrackKey};
use tokio::sync::mpsc;

use super::LegEvent;
use super::assemble::{Assembler, Malformed};
use super::clock::{RtpClock, WallClock};
use super::order::{Order, Ordered};
use super::rtp;
use crate::config;
use crate::sfu::tap::Tapped;
use crate::sfu::{self, PublicationId, VideoCodec};

/// RTP clock rates (RFC 7587 section 4.1, and all video formats).
const AUDIO_RATE: u32 = 48_000;
const VIDEO_RATE: u32 = 90_000;

pub(super) struct Host {
    leg: Box<dyn Leg>,
    started: Instant,
    reorder: Duration,
    key_frame_retry: Duration,
    inputs: BTreeMap<PublicationId, Input>,
    /// By participant: the tracks of one share its wall clock.
    walls: BTreeMap<String, WallClock>,
    events: mpsc::Sender<LegEvent>,
    said: Option<State>,
    /// Packets that found the queue full, and how many of them are counted.
    dropped: Arc<AtomicU64>,
    counted: u64,
}

struct Input {
    track: Track,
    order: Order,
    assembler: Assembler,
    clock: RtpClock,
    /// When a key frame was asked for that has not come.
    key_asked: Option<Instant>,
}

/// Why frames did not reach a leg: label `kind` of the metric.
#[derive(Debug, Clone, Copy)]
enum Drop {
    /// The leg was too slow.
    Queue,
    /// The network, or the sender.
    Lost,
    Malformed,
    /// By the leg itself: it had no room for it.
    Leg,
}

fn count(drop: Drop, frames: u64) {
    let kind = match drop {
        Drop::Queue => "queue",
        Drop::Lost => "lost",
        Drop::Malformed => "malformed",
        Drop::Leg => "leg",
    };
    metrics::counter!("crescendo_leg_dropped_frames_total", "kind" => kind).increment(frames);
}

impl Host {
    pub(super) fn new(
        leg: Box<dyn Leg>,
        config: &config::Legs,
        events: mpsc::Sender<LegEvent>,
        dropped: Arc<AtomicU64>,
        started: Instant,
    ) -> Self {
        Self {
            leg,
            started,
            reorder: Duration::from_millis(config.reorder_ms.into()),
            key_frame_retry: Duration::from_millis(config.key_frame_retry_ms.into()),
            inputs: BTreeMap::new(),
            walls: BTreeMap::new(),
            events,
            said: None,
            dropped,
            counted: 0,
        }
    }

    pub(super) fn add(&mut self, publication: PublicationId, track: Track) {
        self.remove(publication);
        let (rate, codec) = if track.audio { (AUDIO_RATE, Codec::Opus) } else { (VIDEO_RATE, Codec::H264) };
        self.leg.track_added(track.clone());
        let (order, assembler, clock) = (Order::new(self.reorder), Assembler::new(codec), RtpClock::new(rate));
        self.inputs.insert(publication, Input { track, order, assembler, clock, key_asked: None });
    }

    pub(super) fn remove(&mut self, publication: PublicationId) {
        let Some(input) = self.inputs.remove(&publication) else { return };
        self.leg.track_removed(input.track.key);
        let participant = input.track.participant;
        if self.inputs.values().all(|other| other.track.participant != participant) {
            self.walls.remove(&participant);
        }
    }

    /// What is not of a track that was added is dropped.
    pub(super) fn take(&mut self, tapped: Tapped) {
        match tapped {
            Tapped::Rtp { publication, codec, arrival, packet } => self.packet(publication, codec, arrival, &packet),
            Tapped::SenderReport { publication, ntp, rtp, arrival } => {
                let arrival = self.since(arrival);
                if let Some(input) = self.inputs.get_mut(&publication) {
                    self.walls.entry(input.track.participant.clone()).or_default().report(ntp, arrival);
                    input.clock.report(ntp, rtp);
                }
            }
            // The stream is over and the track is not: the participant's next up transport brings it again, and the tap is
            // still there. What is no longer wanted is removed by who added it.
            Tapped::Ended { publication } => {
                if let Some(track) = self.inputs.get(&publication).map(|input| input.track.clone()) {
                    self.add(publication, track);
                }
            }
        }
    }

    /// Gives up packets that did not come, lets the leg work, passes on what it says.
    pub(super) fn tick(&mut self, now: Instant) {
        for publication in self.inputs.keys().copied().collect::<Vec<_>>() {
            self.drain(publication, now);
        }
        self.leg.tick(now.saturating_duration_since(self.started));
        for key in self.leg.wants_key() {
            self.ask(key, now);
        }
        self.say();
        let by_leg = self.leg.dropped();
        if by_leg > 0 {
            count(Drop::Leg, by_leg);
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > self.counted {
            count(Drop::Queue, dropped - self.counted);
            self.counted = dropped;
        }
    }

    pub(super) fn finish(&mut self, now: Instant) {
        self.leg.tick(now.saturating_duration_since(self.started));
        self.leg.finish();
        self.say();
    }

    fn packet(&mut self, publication: PublicationId, codec: sfu::Codec, arrival: Instant, packet: &Bytes) {
        let Some(input) = self.inputs.get_mut(&publication) else { return };
        let codec = leg_codec(codec);
        if codec.is_audio() != input.track.audio {
            return;
        }
        let Some(packet) = rtp::parse(packet) else {
            count(Drop::Malformed, 1);
            return;
        };
        if input.assembler.codec() != codec {
            input.assembler = Assembler::new(codec);
        }
        input.order.push(arrival, packet);
        self.drain(publication, arrival);
    }

    /// Hands on what is in order.
    fn drain(&mut self, publication: PublicationId, now: Instant) {
        let Some(input) = self.inputs.get_mut(&publication) else { return };
        let key = input.track.key;
        while let Some(ordered) = input.order.pop(now) {
            let (arrival, packet) = match ordered {
                Ordered::Packet { arrival, packet } => (arrival, packet),
                Ordered::Gap => {
                    input.assembler.gap();
                    count(Drop::Lost, 1);
                    self.leg.gap(key);
                    continue;
                }
            };
            let codec = input.assembler.codec();
            let pushed = input.assembler.push(arrival, &packet, |done| {
                let arrival = nanoseconds(done.arrival.saturating_duration_since(self.started));
                let wall = self.walls.get(&input.track.participant).cloned().unwrap_or_default();
                let capture = input.clock.capture(done.timestamp, arrival, &wall);
                if done.key {
                    input.key_asked = None;
                }
                let capture = Duration::from_nanos(u64::try_from(capture).unwrap_or(0));
                self.leg.frame(Frame { track: key, codec, capture, key: done.key, data: done.data });
            });
            if let Err(Malformed) = pushed {
                count(Drop::Malformed, 1);
                self.leg.gap(key);
            }
        }
    }

    fn ask(&mut self, key: TrackKey, now: Instant) {
        let Some((publication, input)) = self.inputs.iter_mut().find(|(_, input)| input.track.key == key) else {
            return;
        };
        let waits = |asked: Instant| now.saturating_duration_since(asked) < self.key_frame_retry;
        if input.key_asked.is_some_and(waits) {
            return;
        }
        if self.events.try_send(LegEvent::WantsKey(*publication)).is_ok() {
            input.key_asked = Some(now);
        }
    }

    fn say(&mut self) {
        let state = self.leg.state();
        if self.said.as_ref() != Some(&state) && self.events.try_send(LegEvent::State(state.clone())).is_ok() {
            self.said = Some(state);
        }
    }

    fn since(&self, instant: Instant) -> i64 {
        nanoseconds(instant.saturating_duration_since(self.started))
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn leg_codec(codec: sfu::Codec) -> Codec {
    match codec {
        sfu::Codec::Opus => Codec::Opus,
        sfu::Codec::Video(VideoCodec::H264) => Codec::H264,
        sfu::Codec::Video(VideoCodec::Vp8) => Codec::Vp8,
        sfu::Codec::Video(VideoCodec::Vp9) => Codec::Vp9,
        sfu::Codec::Video(VideoCodec::Av1) => Codec::Av1,
    }
}
