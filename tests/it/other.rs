//! A server that was built with a leg of its own (docs/extending.md).

use std::time::Duration;

use bytes::Bytes;
use crescendo::config;
use crescendo::legs::{self, LegEvent};
use crescendo::sfu::Codec;
use crescendo_frame_count::FrameCount;
use crescendo_leg_api::State;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::feed::Feed;

#[test]
fn a_leg_of_a_crate_of_its_own_is_fed_by_the_host_of_legs() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("count.json");
    let (to, mut events) = mpsc::channel(64);
    let leg = Box::new(FrameCount::new(file.clone()));
    let feed = Feed::new(legs::spawn(leg, "other-test".into(), &config::Legs::default(), to));
    feed.add(1, "p1", true);
    // Opus in RTP: ten packets of 20 ms.
    for index in 0..10_u8 {
        let mut packet = vec![0x80, 111, 0, index, 0, 0, index * 15 / 4, index.wrapping_mul(192), 0, 0, 0, 1];
        packet.extend([0xfc, 0xff, 0xfe]);
        feed.send(1, Codec::Opus, [Bytes::from(packet)]);
        feed.until(Duration::from_millis(20 * u64::from(index)));
    }
    while events.blocking_recv() != Some(LegEvent::State(State::Running)) {}
    feed.end();
    let counted: Value = serde_json::from_slice(&std::fs::read(file).expect("written")).expect("JSON");
    assert_eq!(counted["tracks"][0]["frames"], 10, "{counted}");
    assert_eq!(counted["tracks"][0]["participant"], "p1");
}
