use std::time::Instant;

use crescendo_compose::{Budget, Composition, Layout, Size};

use super::*;

/// A file with sound alone is not what was asked for.
#[test]
fn everybody_in_one_picture_that_nobody_may_encode_is_waited_for() {
    let root = tempfile::tempdir().expect("a directory");
    let options = Options {
        container: Container::Mp4,
        directory: root.path().to_owned(),
        template: "{room}/{time}-{leg}/{name}-{participant}-{source}".parse().expect("a template"),
        room: "demo".into(),
        leg: "l1".into(),
        started_by: None,
        started: SystemTime::UNIX_EPOCH,
        fragment: Duration::from_secs(1),
        key_frames: Duration::from_secs(2),
        sync: Sync::Finish,
        queue_bytes: 1 << 20,
    };
    let size = Size { width: 320, height: 176 };
    let how = Composition { layout: Layout::Grid, size, fps: 25, kbps: 500, tiles: 4, ladder: Vec::new() };
    let mut leg = RecordLeg::together(options, Studio::new(how, None, 64, Budget::new(0)));
    let (participant, name) = ("p1".to_owned(), "Ann".to_owned());
    leg.track_added(Track { key: TrackKey(1), participant, name, screen: false, audio: true });
    let (mut now, begun) = (Duration::ZERO, Instant::now());
    while !leg.subjects.values().any(Subject::has_file) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no sound comes out");
        now += Duration::from_millis(20);
        leg.tick(now);
        std::thread::yield_now();
    }
    let State::Waiting(why) = leg.state() else { panic!("{:?}", leg.state()) };
    assert!(why.contains("hls.transcodes = 0"), "{why}");
}
