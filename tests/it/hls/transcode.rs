//! Senders of other codecs than H.264 are transcoded, as many at once as the server may.

use std::time::Duration;

use bytes::Bytes;
use crescendo::legs::LegEvent;
use crescendo::sfu::{Codec, PublicationId, VideoCodec};
use crescendo_hls::{Answer, Budget, Query};
use crescendo_leg_api::State;
use rtc_rtp::codec::vp8::Vp8Payloader;

use super::check::{attribute, decode, media_playlist, text, values, whole};
use super::media::{Packetizer, ivf};
use super::scenes::{FPS, Scene, frame_time, lengths};

const VP8: Codec = Codec::Video(VideoCodec::Vp8);

/// `seconds` of VP8.
fn vp8(directory: &std::path::Path, seconds: u32) -> Vec<Bytes> {
    let options = ["-deadline", "realtime", "-cpu-used", "8"];
    ivf(directory, "libvpx", &options, "320x180", FPS, seconds)
}

/// Sends them in real time.
fn film(scene: &Scene, frames: &[Bytes]) {
    let (mut packetizer, mut payloader) = (Packetizer::new(1), Vp8Payloader::default());
    for (index, frame) in frames.iter().enumerate() {
        scene.feed.until(frame_time(index));
        scene.feed.send(1, VP8, packetizer.frame(&mut payloader, index as u32 * 3_000, frame));
    }
}

#[test]
fn vp8_is_broadcast_as_h264_with_a_key_frame_for_each_segment() {
    let files = tempfile::tempdir().expect("a directory");
    let frames = vp8(files.path(), 7);
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    film(&scene, &frames);
    media_playlist(&scene.store, "video.m3u8");
    let index = text(&scene.store, "index.m3u8");
    let stream = values(&index, "#EXT-X-STREAM-INF")[0];
    assert_eq!(attribute(stream, "RESOLUTION"), Some("320x180"));
    assert!(index.contains("CODECS=\"avc3."), "{index}");
    let playlist = text(&scene.store, "video.m3u8");
    let lengths = lengths(&playlist);
    assert!(lengths.len() >= 4 && lengths.iter().all(|length| (0.75..=1.3).contains(length)), "{lengths:?}");

    let (store, events) = scene.end();
    assert!(events.contains(&LegEvent::State(State::Running)), "{events:?}");
    // It is our encoder that is asked, not the sender.
    assert!(!events.contains(&LegEvent::WantsKey(PublicationId(1))), "{events:?}");
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    let (frames, complaints) = decode(&path);
    assert!(frames >= 170, "{frames} frames");
    assert_eq!(complaints, "");
}

#[test]
fn who_finds_the_budget_spent_has_no_picture_and_says_why() {
    let files = tempfile::tempdir().expect("a directory");
    let frames = vp8(files.path(), 3);
    let scene = Scene::with_budget(Budget::new(0));
    scene.feed.add(1, "p1", false);
    film(&scene, &frames);
    scene.feed.until(Duration::from_millis(3_100));
    assert!(matches!(scene.store.get("video.m3u8", Query::default()), Answer::NotFound));
    let (_, events) = scene.end();
    let says =
        |event: &LegEvent| matches!(event, LegEvent::State(State::Waiting(why)) if why.contains("hls.transcodes"));
    assert!(events.iter().any(says), "{events:?}");
}
