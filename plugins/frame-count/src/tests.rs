use bytes::Bytes;
use crescendo_leg_api::Codec;
use serde_json::Value;

use super::*;

const KEY: TrackKey = TrackKey(7);

fn track() -> Track {
    Track { key: KEY, participant: "p1".into(), name: "Ann \"A\"".into(), screen: false, audio: false }
}

fn frame(key: bool) -> Frame {
    let data = Bytes::from_static(&[1, 2, 3]);
    Frame { track: KEY, layer: Layer::WHOLE, codec: Codec::Vp8, capture: Duration::ZERO, key, data }
}

#[test]
fn what_was_counted_is_written_every_second_and_at_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("below/count.json");
    let mut leg = FrameCount::new(file.clone());
    let counted = || {
        let text = std::fs::read_to_string(&file).expect("written");
        let all: Value = serde_json::from_str(&text).expect("JSON");
        all["tracks"][0].clone()
    };
    leg.track_added(track());
    leg.tick(Duration::ZERO);
    assert!(matches!(leg.state(), State::Waiting(_)));
    leg.frame(frame(true));
    leg.tick(Duration::from_millis(500));
    assert_eq!(counted()["frames"], 0);
    leg.tick(Duration::from_millis(1_000));
    assert_eq!(counted()["frames"], 1);
    leg.gap(KEY, Layer::WHOLE);
    leg.track_removed(KEY);
    leg.track_added(track());
    leg.frame(frame(false));
    leg.finish();
    assert_eq!(leg.state(), State::Running);
    let Value::Object(counted) = counted() else { panic!("an object") };
    assert_eq!((&counted["name"], &counted["participant"]), (&"Ann \"A\"".into(), &"p1".into()));
    assert_eq!([&counted["frames"], &counted["keyFrames"], &counted["gaps"], &counted["bytes"]], [2, 1, 1, 6]);
}

#[test]
fn a_file_that_cannot_be_written_is_a_failure() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut leg = FrameCount::new(directory.path().to_owned());
    leg.tick(Duration::ZERO);
    assert!(matches!(leg.state(), State::Failed(_)));
}
