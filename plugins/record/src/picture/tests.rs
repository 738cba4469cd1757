use crescendo_leg_api::{Layer, TrackKey};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn frame(codec: Codec, at: Duration, key: bool, data: &'static [u8]) -> Frame {
    Frame { track: TrackKey(1), layer: Layer::WHOLE, codec, capture: at, key, data: Bytes::from_static(data) }
}

/// A VP8 key frame of 320 × 180, and one that follows.
const KEY: &[u8] = &[0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0];
const DELTA: &[u8] = &[0x11, 0x02, 0x00, 0x11];

#[test]
fn nothing_is_taken_before_a_key_frame_nor_after_a_loss() {
    let mut picture = Picture::default();
    assert!(picture.push(frame(Codec::Vp8, Duration::ZERO, false, DELTA)).is_none());
    assert!(picture.wants_key(Duration::ZERO, 10 * SECOND));
    let unit = picture.push(frame(Codec::Vp8, SECOND, true, KEY)).expect("a key frame");
    assert_eq!(unit.coding.and_then(|coding| coding.size()).map(|size| size.width), Some(320));
    assert!(picture.push(frame(Codec::Vp8, SECOND, false, DELTA)).is_some());
    assert!(!picture.wants_key(SECOND, 10 * SECOND));
    picture.interrupt();
    assert!(picture.push(frame(Codec::Vp8, SECOND, false, DELTA)).is_none());
    assert!(picture.wants_key(SECOND, 10 * SECOND));
}

#[test]
fn a_key_frame_is_wanted_when_the_last_is_old_and_somebody_sends() {
    let mut picture = Picture::default();
    picture.push(frame(Codec::Vp8, Duration::ZERO, true, KEY)).expect("a key frame");
    picture.push(frame(Codec::Vp8, 10 * SECOND, false, DELTA)).expect("goes on");
    assert!(picture.wants_key(10 * SECOND, 10 * SECOND));
    assert!(!picture.wants_key(13 * SECOND, 10 * SECOND), "nobody sends any more");
}

#[test]
fn another_codec_begins_with_a_key_frame_of_its_own() {
    let mut picture = Picture::default();
    picture.push(frame(Codec::Vp8, Duration::ZERO, true, KEY)).expect("a key frame");
    assert!(picture.push(frame(Codec::Vp9, SECOND, false, &[0x86, 0])).is_none());
    assert!(picture.push(frame(Codec::Vp9, SECOND, true, &[0, 0])).is_none(), "what says key frame and is none");
    assert!(picture.push(frame(Codec::H264, SECOND, true, &[0, 0, 0, 2, 0x65, 0x88])).is_none(), "no parameter sets");
}
