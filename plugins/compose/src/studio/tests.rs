use std::time::Instant;

use super::*;
use crate::{Layout, Size};

/// Packets of 20 ms without a hole from the beginning, beside pictures as many as the clock says.
#[test]
fn one_picture_and_one_sound_come_out() {
    let size = Size { width: 320, height: 176 };
    let how = Composition { layout: Layout::Grid, size, fps: 25, kbps: 500, tiles: 4, ladder: Vec::new() };
    let mut studio = Studio::new(how, None, 64, Budget::new(1));
    for (key, participant) in [(1, "p1"), (2, "p2")] {
        let (participant, name) = (participant.to_owned(), "Ann".to_owned());
        studio.add(&Track { key: TrackKey(key), participant, name, screen: false, audio: true });
    }
    let (mut frames, mut now, begun) = (Vec::new(), Duration::ZERO, Instant::now());
    let count = |frames: &[Frame], codec| frames.iter().filter(|frame| frame.codec == codec).count();
    while count(&frames, Codec::H264) < 30 || count(&frames, Codec::Opus) < 30 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} frames", frames.len());
        now += Duration::from_millis(20);
        frames.extend(studio.tick(now).expect("elements are installed"));
        std::thread::yield_now();
    }
    frames.extend(studio.finish());
    let heard: Vec<_> = frames.iter().filter(|frame| frame.track == MIXED).map(|frame| frame.capture).collect();
    let steps: Vec<_> = heard.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    // The first is older by what the encoder looks ahead, and nothing is older than the clock.
    assert!(steps.iter().skip(1).all(|step| (19..=20).contains(step)), "{steps:?}");
    assert!(now.saturating_sub(*heard.last().expect("sound")) < crate::MIX_DELAY + Duration::from_millis(100));
    let seen = frames.iter().filter(|frame| frame.track != MIXED);
    assert!(seen.clone().all(|frame| frame.track == crate::COMPOSED));
    assert!(seen.clone().next().is_some_and(|frame| frame.key));
}
