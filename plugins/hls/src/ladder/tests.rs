use bytes::Bytes;
use crescendo_cmaf::avc::{AccessUnit, ParameterSets};

use super::*;

const FRAME: u64 = 3_000;
const SECOND: u64 = 90_000;
const CUT: Cut = Cut {
    part: 18_000,
    segment: SECOND,
    longest: 135_000,
    together: 450,
    patience: 27_000,
    silent: 45_000,
    fill_after: 45_000,
    fill_patience: 27_000,
};

/// 320x180 and up, by layer: what differs is enough.
fn shown(layer: Layer, key: bool) -> Shown {
    let width = 320 << layer as u16;
    let sps = Sps { profile: [0x42, 0xc0, 0x1f], width, height: width / 16 * 9 };
    let sets = ParameterSets {
        sps: Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f]),
        pps: Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]),
    };
    let unit = AccessUnit { data: Bytes::from(vec![0, 0, 0, 2, 0x65, layer as u8]), key };
    Shown { layer, switched: false, unit, sequence: key.then_some((sps, sets)) }
}

/// A ladder, and what was made by it.
struct Scene {
    ladder: Ladder,
    made: Vec<Made>,
    now: u64,
}

impl Scene {
    fn new() -> Self {
        Self { ladder: Ladder::new(CUT), made: Vec::new(), now: 0 }
    }

    fn frame(&mut self, layer: Layer, time: u64, key: bool) {
        self.now = self.now.max(time);
        self.ladder.take(time, shown(layer, key), self.now, &mut self.made).expect("encodes");
        self.ladder.tick(self.now, &mut self.made).expect("encodes");
    }

    /// Pictures from `from` to `to`, of each layer as much later as `late` says; key frames at the times in `keys`.
    fn film(&mut self, layers: &[(Layer, u64)], from: u64, to: u64, keys: &[u64]) {
        let times = (from..to).step_by(FRAME as usize);
        let mut frames: Vec<_> =
            times.flat_map(|time| layers.iter().map(move |(layer, late)| (time + late, time, *layer))).collect();
        frames.sort();
        for (at, time, layer) in frames {
            self.now = self.now.max(at);
            // The layers' clocks disagree by up to a millisecond.
            self.frame(layer, time + 45 * layer as u64, keys.contains(&time));
        }
    }

    fn end(&mut self) {
        self.ladder.finish(self.now + FRAME, &mut self.made).expect("encodes");
    }

    /// Where each of a rung's segments began, how long it lasted, and whether it began with a key frame.
    fn segments(&self, of: Layer) -> Vec<(u64, u64, bool)> {
        let (mut segments, mut first) = (Vec::new(), None);
        for made in &self.made {
            let Made::Chunk { rung, chunk } = made else { continue };
            if *rung == of {
                let key = *first.get_or_insert(chunk.independent);
                if let Some(length) = chunk.ends_segment {
                    segments.push((chunk.segment_start, length, key));
                    first = None;
                }
            }
        }
        segments
    }

    fn offers(&self) -> Vec<(Layer, bool)> {
        let offers = self.made.iter().filter_map(|made| match made {
            Made::Offer { rung, offered } => Some((*rung, *offered)),
            Made::Begin { .. } | Made::Picture { .. } | Made::Chunk { .. } => None,
        });
        offers.collect()
    }

    /// The widths that a rung has shown.
    fn widths(&self, of: Layer) -> Vec<u16> {
        let widths = self.made.iter().filter_map(|made| match made {
            Made::Picture { rung, picture } if *rung == of => Some(picture.width),
            Made::Picture { .. } | Made::Offer { .. } | Made::Begin { .. } | Made::Chunk { .. } => None,
        });
        widths.collect()
    }
}

use Layer::{High, Low, Medium};

const ALL: [(Layer, u64); 3] = [(Low, 0), (Medium, 900), (High, 9_000)];

#[test]
fn all_rungs_are_cut_at_the_same_moments_whichever_layer_comes_first() {
    for layers in [ALL, [(Low, 12_000), (Medium, 0), (High, 1_000)]] {
        let mut scene = Scene::new();
        scene.film(&layers, 0, 5 * SECOND, &[0, 90_000, 186_000, 270_000, 360_000]);
        scene.end();
        let starts = |rung| scene.segments(rung).into_iter().map(|(start, _, key)| (start, key)).collect::<Vec<_>>();
        let whole = starts(High);
        assert_eq!(whole.len(), 5, "{whole:?}");
        assert!(whole.iter().all(|(_, key)| *key));
        assert_eq!(starts(Medium), whole);
        assert_eq!(starts(Low), whole);
        let mut offers = scene.offers();
        offers.sort();
        assert_eq!(offers, [(Low, true), (Medium, true), (High, true)]);
    }
}

#[test]
fn one_layer_is_one_rung_and_waits_for_nobody() {
    let mut scene = Scene::new();
    scene.film(&[(High, 0)], 0, SECOND + FRAME, &[0, SECOND]);
    assert_eq!(scene.segments(High), [(90, SECOND, true)], "it ended with the key frame");
    scene.film(&[(High, 0)], SECOND + FRAME, 2 * SECOND, &[]);
    scene.end();
    assert!(scene.segments(Low).is_empty() && scene.segments(Medium).is_empty());
    assert_eq!(scene.offers(), [(High, true)]);
}

#[test]
fn a_key_frame_that_comes_early_does_not_end_the_segment_and_without_one_it_ends_at_its_longest() {
    let mut scene = Scene::new();
    scene.film(&ALL, 0, 4 * SECOND, &[0, 30_000, 60_000]);
    scene.end();
    for rung in [Low, Medium, High] {
        let lengths: Vec<u64> = scene.segments(rung).iter().map(|(_, length, _)| *length).collect();
        assert!(lengths[..2].iter().all(|length| length.abs_diff(CUT.longest) <= FRAME), "{rung:?}: {lengths:?}");
    }
}

#[test]
fn a_layer_that_begins_late_becomes_a_rung_at_the_next_segment() {
    let mut scene = Scene::new();
    scene.film(&ALL[..1], 0, SECOND, &[0]);
    assert_eq!(scene.widths(High), [320], "the only one is the best there is");
    scene.film(&ALL, SECOND, 4 * SECOND, &[SECOND, 2 * SECOND, 3 * SECOND]);
    scene.end();
    assert_eq!(scene.widths(High), [320, 1_280]);
    let whole = scene.segments(High);
    assert_eq!(whole.len(), 4);
    let starts = |rung| scene.segments(rung).into_iter().map(|(start, _, _)| start).collect::<Vec<_>>();
    let of_whole = starts(High);
    assert!(of_whole.ends_with(&starts(Low)) && of_whole.ends_with(&starts(Medium)), "{of_whole:?}");
    // Nobody knew of the others when the first one ended its segment.
    assert_eq!((starts(Low).len(), starts(Medium).len()), (2, 2));
}

#[test]
fn a_layer_that_stops_is_stood_in_for_and_comes_back() {
    let mut scene = Scene::new();
    let keys: Vec<u64> = (0..10).map(|second| second * SECOND).collect();
    scene.film(&ALL, 0, 3 * SECOND, &keys);
    scene.film(&ALL[..2], 3 * SECOND, 6 * SECOND, &keys);
    assert!(scene.offers().contains(&(Medium, false)), "{:?}", scene.offers());
    assert_eq!(scene.widths(High), [1_280, 640]);
    scene.film(&ALL, 6 * SECOND, 9 * SECOND, &keys);
    scene.end();
    assert_eq!(scene.widths(High), [1_280, 640, 1_280]);
    assert_eq!(
        scene.offers().iter().filter(|(rung, _)| *rung == Medium).map(|(_, is)| *is).collect::<Vec<_>>(),
        [true, false, true]
    );
    // Whoever watches it has a segment for each of the others', of the same moment but for what the layers' clocks differ by.
    let (low, high) = (scene.segments(Low), scene.segments(High));
    assert_eq!(low.len(), high.len());
    assert!(low.iter().zip(&high).all(|(low, high)| low.0 == high.0), "{low:?} {high:?}");
    assert!(high.iter().all(|(_, length, _)| *length <= CUT.longest + CUT.fill_after));
}

#[test]
fn key_frames_at_different_moments_end_segments_with_those_of_the_largest_layer() {
    let mut scene = Scene::new();
    scene.film(&ALL, 0, FRAME, &[0]);
    for time in (FRAME..6 * SECOND).step_by(FRAME as usize) {
        // Never at the same time, and each layer a second and a tenth apart.
        scene.frame(Low, time, time % 99_000 == 0);
        scene.frame(High, time, time % 99_000 == 48_000);
    }
    scene.end();
    let (low, high) = (scene.segments(Low), scene.segments(High));
    assert_eq!(low.len(), high.len());
    assert!(low.iter().zip(&high).skip(1).all(|(low, high)| low.0 == high.0), "{low:?} {high:?}");
    assert!(high.iter().all(|(_, length, _)| *length <= CUT.longest), "{high:?}");
}

#[test]
fn silence_is_filled_in_all_rungs_alike() {
    let mut scene = Scene::new();
    scene.film(&ALL, 0, 2 * SECOND, &[0, SECOND]);
    for now in (2 * SECOND..6 * SECOND).step_by(1_800) {
        scene.now = now;
        scene.ladder.tick(now, &mut scene.made).expect("encodes");
    }
    assert!(scene.ladder.wants_key(scene.now, 0));
    scene.film(&ALL, 6 * SECOND, 7 * SECOND, &[6 * SECOND]);
    scene.end();
    let (low, high) = (scene.segments(Low), scene.segments(High));
    assert!(high.len() >= 5, "{high:?}");
    assert_eq!(low, high);
    assert_eq!(scene.segments(Medium), high);
}

#[test]
fn another_sender_of_one_layer_goes_on_in_every_rung() {
    let mut scene = Scene::new();
    scene.film(&ALL, 0, 2 * SECOND, &[0, SECOND]);
    let first = Shown { switched: true, ..shown(High, true) };
    scene.ladder.take(2 * SECOND, first, scene.now, &mut scene.made).expect("encodes");
    let keys: Vec<u64> = (0..10).map(|second| second * SECOND).collect();
    scene.film(&[(High, 0)], 2 * SECOND + FRAME, 5 * SECOND, &keys);
    scene.end();
    assert_eq!(scene.widths(Low), [320, 1_280]);
    assert!(scene.offers().contains(&(Low, false)) && scene.offers().contains(&(Medium, false)));
    assert_eq!(scene.segments(Low).len(), scene.segments(High).len());
}

#[test]
fn any_frames_in_any_order_make_segments_of_bounded_length() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut scene = Scene::new();
        for step in 0..600 {
            scene.now += random.u64(0..6_000);
            let time = (scene.now + random.u64(0..9_000)).saturating_sub(random.u64(0..40_000));
            let layer = Layer::ALL[random.usize(0..3)];
            let mut frame = shown(layer, random.u8(0..20) == 0);
            frame.switched = step > 0 && frame.unit.key && random.u8(0..10) == 0;
            scene.ladder.fill(time, &mut scene.made).expect("encodes");
            scene.ladder.take(time, frame, scene.now, &mut scene.made).expect("encodes");
            scene.ladder.tick(scene.now, &mut scene.made).expect("encodes");
        }
        scene.end();
        for rung in Layer::ALL {
            for (start, length, _) in scene.segments(rung) {
                let most = CUT.longest + CUT.fill_after + CUT.fill_patience;
                assert!(length <= most, "seed {seed}, {rung:?}: {length} from {start}");
            }
        }
    }
}
