//! The host against a leg that writes down what it is given. Time is ours: nothing here waits.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use crescendo_leg_api::{Frame, Layer, Leg, State, Track, TrackKey};
use tokio::sync::mpsc;

use super::host::Host;
use super::*;
use crate::sfu::{self, Codec, VideoCodec};

mod hour;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Added(TrackKey),
    Removed(TrackKey),
    Gap(TrackKey),
    Frame { track: TrackKey, key: bool, capture: Duration },
    Finished,
}

#[derive(Clone, Default)]
struct Notes {
    seen: Arc<Mutex<Vec<Seen>>>,
    wants: Arc<Mutex<Vec<TrackKey>>>,
    panics: bool,
}

impl Notes {
    fn note(&self, seen: Seen) {
        self.seen.lock().expect("no test panics in here").push(seen);
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().expect("no test panics in here"))
    }
}

impl Leg for Notes {
    fn track_added(&mut self, track: Track) {
        self.note(Seen::Added(track.key));
    }
    fn track_removed(&mut self, key: TrackKey) {
        self.note(Seen::Removed(key));
    }
    fn gap(&mut self, key: TrackKey, _layer: Layer) {
        self.note(Seen::Gap(key));
    }
    fn frame(&mut self, frame: Frame) {
        assert!(!self.panics, "as asked");
        self.note(Seen::Frame { track: frame.track, key: frame.key, capture: frame.capture });
    }
    fn tick(&mut self, _now: Duration) {}
    fn wants_key(&mut self) -> Vec<TrackKey> {
        self.wants.lock().expect("no test panics in here").clone()
    }
    fn state(&self) -> State {
        State::Running
    }
    fn finish(&mut self) {
        self.note(Seen::Finished);
    }
}

const PUBLICATION: PublicationId = PublicationId(7);
const KEY: TrackKey = TrackKey(1);

fn track() -> Track {
    Track { key: KEY, participant: "p1".into(), name: "Ann".into(), screen: false, audio: false }
}

/// A picture of one packet.
fn picture(sequence: u16, timestamp: u32, arrival: Instant, key: bool) -> Tapped {
    let mut packet = BytesMut::new();
    packet.put_slice(&[0x80, 0xe0]);
    packet.put_u16(sequence);
    packet.put_u32(timestamp);
    packet.put_u32(99);
    packet.put_slice(&[if key { 0x65 } else { 0x41 }, 0x9a, 0]);
    let codec = Codec::Video(VideoCodec::H264);
    Tapped::Rtp { publication: PUBLICATION, layer: sfu::Layer::WHOLE, codec, arrival, packet: packet.freeze() }
}

struct Bench {
    host: Host,
    notes: Notes,
    events: mpsc::Receiver<LegEvent>,
    start: Instant,
}

fn bench() -> Bench {
    let (notes, (to, events), start) = (Notes::default(), mpsc::channel(64), Instant::now());
    let mut host = Host::new(Box::new(notes.clone()), &config::Legs::default(), to, Arc::default(), start);
    host.add(PUBLICATION, track());
    assert_eq!(notes.take(), [Seen::Added(KEY)]);
    Bench { host, notes, events, start }
}

const FRAME: Duration = Duration::from_millis(33);

#[test]
fn shuffled_packets_reach_the_leg_in_order_with_even_capture_times() {
    let Bench { mut host, notes, start, .. } = bench();
    for pair in 0..50_u32 {
        let now = start + FRAME * (2 * pair);
        for index in [2 * pair, 2 * pair + 1].into_iter().rev() {
            host.take(picture(index as u16, index * 2_970, now, index == 0));
        }
        host.tick(now);
    }
    let captures: Vec<Duration> = notes
        .take()
        .into_iter()
        .filter_map(|seen| if let Seen::Frame { capture, .. } = seen { Some(capture) } else { None })
        .collect();
    // The first packet to come is the second of its pair, and begins the sequence.
    assert_eq!(captures.len(), 99);
    assert!(captures.is_sorted());
    assert!(captures.windows(2).skip(2).all(|pair| (pair[1] - pair[0]).abs_diff(FRAME) < Duration::from_millis(2)));
}

#[test]
fn a_lost_packet_is_a_gap_once_it_was_waited_for() {
    let Bench { mut host, notes, start, .. } = bench();
    host.take(picture(1, 0, start, true));
    host.take(picture(3, 6_000, start + FRAME, false));
    host.tick(start + FRAME);
    assert_eq!(notes.take().len(), 1);
    host.tick(start + FRAME + Duration::from_millis(100));
    let seen = notes.take();
    assert_eq!(seen[0], Seen::Gap(KEY));
    assert!(matches!(seen[1], Seen::Frame { key: false, .. }), "{seen:?}");
}

#[test]
fn a_key_frame_is_asked_for_again_until_it_comes() {
    let Bench { mut host, notes, mut events, start } = bench();
    notes.wants.lock().expect("unpoisoned").push(KEY);
    for tick in 0..60 {
        host.tick(start + Duration::from_millis(20 * tick));
    }
    let asked = std::iter::from_fn(|| events.try_recv().ok()).filter(|event| *event == LegEvent::WantsKey(PUBLICATION));
    assert_eq!(asked.count(), 3);
}

#[test]
fn a_track_whose_stream_ended_goes_on_with_the_next_one_until_it_is_removed() {
    let Bench { mut host, notes, start, .. } = bench();
    host.take(Tapped::Ended { publication: PUBLICATION });
    host.take(picture(1, 0, start, true));
    host.remove(PUBLICATION);
    host.take(Tapped::Ended { publication: PUBLICATION });
    host.take(picture(2, 3_000, start, true));
    let seen = notes.take();
    assert!(
        matches!(seen[..], [Seen::Removed(KEY), Seen::Added(KEY), Seen::Frame { .. }, Seen::Removed(KEY)]),
        "{seen:?}"
    );
}

#[test]
fn packets_of_random_bytes_disturb_nothing() {
    let Bench { mut host, start, .. } = bench();
    let mut random = fastrand::Rng::with_seed(11);
    for step in 0..20_000_u32 {
        let arrival = start + Duration::from_millis(step.into());
        let mut packet = vec![0; random.usize(0..60)];
        random.fill(&mut packet);
        if let Some(first) = packet.first_mut() {
            *first = *first & 0x1f | 0x80;
        }
        let codec = [Codec::Opus, Codec::Video(VideoCodec::H264), Codec::Video(VideoCodec::Av1)][random.usize(0..3)];
        host.take(Tapped::Rtp {
            publication: PUBLICATION,
            layer: sfu::Layer::WHOLE,
            codec,
            arrival,
            packet: Bytes::from(packet),
        });
        host.take({
            let (ntp, rtp) = (random.u64(..), random.u32(..));
            let layer = sfu::Layer::ALL[random.usize(..3)];
            Tapped::SenderReport { publication: PUBLICATION, layer, ntp, rtp, arrival }
        });
        host.tick(arrival);
    }
}

#[test]
fn a_leg_that_panics_fails_alone() {
    let (to, mut events) = mpsc::channel(8);
    let leg = Notes { panics: true, ..Notes::default() };
    let host = spawn(Box::new(leg), "leg-test".into(), &config::Legs::default(), to);
    host.add(PUBLICATION, track());
    let tap = host.tap(TapId(5));
    let mut said = Vec::new();
    let mut sequence = 0;
    while let Some(event) = events.blocking_recv() {
        said.push(event);
        // Until it is gone. The track may not be known at the first of them.
        tap.push(picture(sequence, 0, Instant::now(), true));
        sequence += 1;
        if sequence == 1 {
            while tap.push(picture(sequence, u32::from(sequence), Instant::now(), true)) {
                sequence = sequence.wrapping_add(1);
                std::thread::yield_now();
            }
        }
    }
    assert_eq!(said.last(), Some(&LegEvent::State(State::Failed("the leg panicked".into()))));
}

#[test]
fn stopping_finishes_the_leg() {
    let (to, _events) = mpsc::channel(8);
    let notes = Notes::default();
    let host = spawn(Box::new(notes.clone()), "leg-test".into(), &config::Legs::default(), to);
    host.stop().join().expect("the thread ended");
    assert_eq!(notes.take(), [Seen::Finished]);
}

#[test]
fn a_leg_without_a_thread_has_failed_and_says_so() {
    let (to, mut events) = mpsc::channel(8);
    // More stack than there are addresses.
    let thread = std::thread::Builder::new().stack_size(1 << 60);
    let host = spawn_on(thread, Box::new(Notes::default()), &config::Legs::default(), to);
    assert!(matches!(events.blocking_recv(), Some(LegEvent::State(State::Failed(_)))));
    assert_eq!(events.blocking_recv(), None, "nothing comes after it");
    host.add(PUBLICATION, track());
    assert!(!host.tap(TapId(5)).push(picture(0, 0, Instant::now(), true)), "the tap ends");
    host.stop().join().expect("there is nothing to wait for");
}
