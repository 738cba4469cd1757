//! What one leg is fed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crescendo_leg_api::{Codec, Frame, Layer, Leg, State, Track, TrackKey};
use tokio::sync::mpsc;

use super::assemble::{Assembler, Malformed};
use super::clock::{RtpClock, WallClock};
use super::order::{Order, Ordered};
use super::rtp;
use super::shift::{self, Report};
use super::{Health, LegEvent};
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
    health: Arc<Health>,
}

struct Input {
    track: Track,
    clock: RtpClock,
    /// The last sender report, with its RTP time on the clock of all layers.
    report: Option<Report>,
    layers: BTreeMap<Layer, Stream>,
    /// When key frames were asked for that have not all come.
    key_asked: Option<Instant>,
}

/// One layer of a picture, or sound.
struct Stream {
    order: Order,
    assembler: Assembler,
    report: Option<Report>,
    /// Added to its RTP timestamps to have them on the clock of all layers. Until it is known frames go nowhere.
    shift: Option<u32>,
    awaits_key: bool,
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

fn count(health: &Health, drop: Drop, frames: u64) {
    health.dropped_frames.fetch_add(frames, Ordering::Relaxed);
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
            health: Arc::default(),
        }
    }

    pub(super) fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    pub(super) fn add(&mut self, publication: PublicationId, track: Track) {
        self.remove(publication);
        let clock = RtpClock::new(if track.audio { AUDIO_RATE } else { VIDEO_RATE });
        self.leg.track_added(track.clone());
        let input = Input { track, clock, report: None, layers: BTreeMap::new(), key_asked: None };
        self.inputs.insert(publication, input);
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
            Tapped::Rtp { publication, layer, codec, arrival, packet } => {
                self.packet(publication, leg_layer(layer), codec, arrival, &packet);
            }
            Tapped::SenderReport { publication, layer, ntp, rtp, arrival } => {
                let Some(input) = self.inputs.get_mut(&publication) else { return };
                input.report(leg_layer(layer), Report { ntp, rtp }, self.reorder);
                // What came before the leg began says how layers lie, and no more.
                if let Some(arrival) = arrival.checked_duration_since(self.started) {
                    let wall = self.walls.entry(input.track.participant.clone()).or_default();
                    wall.report(ntp, nanoseconds(arrival));
                    input.report.into_iter().for_each(|report| input.clock.report(report.ntp, report.rtp));
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
        let streams = self.inputs.iter().flat_map(|(id, input)| input.layers.keys().map(|layer| (*id, *layer)));
        for (publication, layer) in streams.collect::<Vec<_>>() {
            self.drain(publication, layer, now);
        }
        self.leg.tick(now.saturating_duration_since(self.started));
        for key in self.leg.wants_key() {
            self.ask(key, now);
        }
        self.say();
        let by_leg = self.leg.dropped();
        if by_leg > 0 {
            count(&self.health, Drop::Leg, by_leg);
        }
        let late = self.leg.late();
        if late > 0 {
            self.health.late_parts.fetch_add(late, Ordering::Relaxed);
            metrics::counter!("crescendo_leg_late_parts_total").increment(late);
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > self.counted {
            count(&self.health, Drop::Queue, dropped - self.counted);
            self.counted = dropped;
        }
    }

    pub(super) fn finish(&mut self, now: Instant) {
        self.leg.tick(now.saturating_duration_since(self.started));
        self.leg.finish();
        self.say();
    }

    fn packet(
        &mut self,
        publication: PublicationId,
        layer: Layer,
        codec: sfu::Codec,
        arrival: Instant,
        packet: &Bytes,
    ) {
        let Some(input) = self.inputs.get_mut(&publication) else { return };
        let codec = leg_codec(codec);
        if codec.is_audio() != input.track.audio {
            return;
        }
        let Some(packet) = rtp::parse(packet) else {
            count(&self.health, Drop::Malformed, 1);
            return;
        };
        let is_first = input.layers.values().all(|stream| stream.shift.is_none());
        let stream = input.layers.entry(layer).or_insert_with(|| Stream::new(codec, self.reorder));
        if is_first {
            stream.shift = Some(0);
            input.report = stream.report;
            input.report.into_iter().for_each(|report| input.clock.report(report.ntp, report.rtp));
        }
        if stream.assembler.codec() != codec {
            stream.assembler = Assembler::new(codec);
        }
        stream.order.push(arrival, packet);
        if is_first {
            input.align();
        }
        self.drain(publication, layer, arrival);
    }

    /// Hands on what is in order.
    fn drain(&mut self, publication: PublicationId, layer: Layer, now: Instant) {
        let Some(Input { track, clock, layers, key_asked, .. }) = self.inputs.get_mut(&publication) else { return };
        let Some(stream) = layers.get_mut(&layer) else { return };
        let key = track.key;
        while let Some(ordered) = stream.order.pop(now) {
            let (arrival, packet) = match ordered {
                Ordered::Packet { arrival, packet } => (arrival, packet),
                Ordered::Gap => {
                    stream.assembler.gap();
                    count(&self.health, Drop::Lost, 1);
                    self.leg.gap(key, layer);
                    continue;
                }
            };
            let codec = stream.assembler.codec();
            let pushed = stream.assembler.push(arrival, &packet, |done| {
                let Some(shift) = stream.shift else { return };
                let arrival = nanoseconds(done.arrival.saturating_duration_since(self.started));
                let wall = self.walls.get(&track.participant).cloned().unwrap_or_default();
                let capture = clock.capture(done.timestamp.wrapping_add(shift), arrival, &wall);
                if done.key {
                    stream.awaits_key = false;
                }
                let capture = Duration::from_nanos(u64::try_from(capture).unwrap_or(0));
                self.leg.frame(Frame { track: key, layer, codec, capture, key: done.key, data: done.data });
            });
            if let Err(Malformed) = pushed {
                count(&self.health, Drop::Malformed, 1);
                self.leg.gap(key, layer);
            }
        }
        if layers.values().all(|stream| !stream.awaits_key) {
            *key_asked = None;
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
            input.layers.values_mut().for_each(|stream| stream.awaits_key = true);
        }
    }

    fn say(&mut self) {
        let state = self.leg.state();
        if self.said.as_ref() != Some(&state) && self.events.try_send(LegEvent::State(state.clone())).is_ok() {
            self.said = Some(state);
        }
    }
}

impl Stream {
    fn new(codec: Codec, reorder: Duration) -> Self {
        let (order, assembler) = (Order::new(reorder), Assembler::new(codec));
        Self { order, assembler, report: None, shift: None, awaits_key: false }
    }
}

impl Input {
    /// A layer's sender report: on the clock of all layers where its place there is known, and by it the place of others.
    fn report(&mut self, layer: Layer, report: Report, reorder: Duration) {
        let codec = if self.track.audio { Codec::Opus } else { Codec::H264 };
        let stream = self.layers.entry(layer).or_insert_with(|| Stream::new(codec, reorder));
        stream.report = Some(report);
        self.align();
        let shift = self.layers.get(&layer).and_then(|stream| stream.shift);
        self.report = shift.map(|shift| report.shifted(shift)).or(self.report);
        self.align();
    }

    fn align(&mut self) {
        let rate = if self.track.audio { AUDIO_RATE } else { VIDEO_RATE };
        // A layer alone is its own clock.
        if self.layers.len() > 1 {
            for stream in self.layers.values_mut() {
                if let (Some(own), Some(common)) = (stream.report, self.report) {
                    stream.shift = Some(shift::of(own, common, stream.shift, rate));
                }
            }
        }
    }
}

fn leg_layer(layer: sfu::Layer) -> Layer {
    Layer::ALL[layer.index()]
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
