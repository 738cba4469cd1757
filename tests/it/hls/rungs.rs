//! A picture of one size becomes a ladder where that is asked for: decoded or composed once, encoded in each size.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use crescendo::legs::LegEvent;
use crescendo::sfu::{Codec, PublicationId, VideoCodec};
use crescendo_hls::{Answer, Budget, Layout, Query, Store};
use crescendo_leg_api::State;
use rtc_rtp::codec::vp8::Vp8Payloader;

use super::check::{attribute, decode, init, media, media_playlist, text, values, whole};
use super::media::{Packetizer, h264, ivf};
use super::scenes::{FPS, H264, Scene, frame_time, lengths};

const VP8: Codec = Codec::Video(VideoCodec::Vp8);
const NAMES: [&str; 3] = ["video", "medium", "low"];
/// Behind the room's clock, so that an ending has come from the encoders too.
const SETTLED: Duration = Duration::from_millis(7_000);

fn vp8(directory: &Path, size: &str, seconds: u32) -> Vec<Bytes> {
    ivf(directory, "libvpx", &["-deadline", "realtime", "-cpu-used", "8"], size, FPS, seconds)
}

/// Sends VP8 in real time, as publication 1, from picture number `from` on.
fn film(scene: &Scene, packetizer: &mut Packetizer, from: usize, frames: &[Bytes]) {
    let mut payloader = Vp8Payloader::default();
    for (index, frame) in frames.iter().enumerate() {
        let index = from + index;
        scene.feed.until(frame_time(index));
        scene.feed.send(1, VP8, packetizer.frame(&mut payloader, index as u32 * 3_000, frame));
    }
}

fn sizes(store: &Store) -> Vec<String> {
    let index = text(store, "index.m3u8");
    let rungs = values(&index, "#EXT-X-STREAM-INF");
    rungs.iter().filter_map(|rung| attribute(rung, "RESOLUTION").map(String::from)).collect()
}

/// Width and height of every picture of a file, as they are decoded.
fn decoded(path: &Path) -> Vec<String> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "frame=width,height", "-of", "csv=p=0:s=x"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    let lines = String::from_utf8_lossy(&out.stdout);
    lines.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches('x').to_owned()).collect()
}

/// The rungs `names` of a broadcast that has ended have segments of the same numbers and lengths, each of which can be decoded alone
/// and is of the rung's size.
fn cut_together(store: &Store, files: &Path, rungs: &[(&str, &str)], least: usize) {
    let lengths_of_first = lengths(&text(store, &format!("{}.m3u8", rungs[0].0)));
    assert!(lengths_of_first.len() >= least, "{lengths_of_first:?}");
    for (name, size) in rungs {
        let file = format!("{name}.m3u8");
        media_playlist(store, &file);
        let playlist = text(store, &file);
        let lengths = lengths(&playlist);
        let even = lengths.iter().zip(&lengths_of_first).filter(|(one, other)| one == other).count();
        assert!(even + 1 >= lengths_of_first.len(), "{name}: {lengths:?}, {lengths_of_first:?}");
        for segment in playlist.lines().filter(|line| !line.starts_with('#')) {
            let path = files.join("segment.mp4");
            std::fs::write(&path, [init(store, &playlist), media(store, segment)].concat()).expect("written");
            let (frames, complaints) = decode(&path);
            // It begins with a key frame, or ffmpeg would complain.
            assert!(frames >= 1 && complaints.is_empty(), "{segment}: {frames} frames, {complaints}");
            assert!(decoded(&path).iter().all(|of| of == size), "{segment} is not all of {size}");
        }
        let path = files.join(format!("{name}.mp4"));
        std::fs::write(&path, whole(store, &file)).expect("written");
        let (frames, complaints) = decode(&path);
        assert!(frames >= least * 20, "{frames} frames of {name}");
        assert_eq!(complaints, "", "{name}");
    }
}

/// What the multivariant playlist says of three rungs.
fn three_rungs(store: &Store, expected: [&str; 3]) {
    assert_eq!(sizes(store), expected);
    let index = text(store, "index.m3u8");
    let rungs = values(&index, "#EXT-X-STREAM-INF");
    let bandwidths: Vec<u64> = rungs.iter().filter_map(|rung| attribute(rung, "BANDWIDTH")?.parse().ok()).collect();
    assert!(bandwidths.len() == 3 && bandwidths.is_sorted_by(|larger, smaller| larger > smaller), "{index}");
    assert_eq!(index.matches("CODECS=\"avc3.").count(), 3, "{index}");
}

#[test]
fn vp8_of_one_size_is_a_ladder_whose_rungs_are_cut_at_the_same_moments() {
    let files = tempfile::tempdir().expect("a directory");
    let frames = vp8(files.path(), "640x360", 7);
    let scene = Scene::laddered(&[360, 180, 90], Budget::new(3), Layout::Single);
    scene.feed.add(1, "p1", false);
    film(&scene, &mut Packetizer::new(1), 0, &frames);
    three_rungs(&scene.store, ["640x360", "320x180", "160x90"]);
    scene.feed.until(SETTLED);
    let (store, events) = scene.end();
    assert!(events.contains(&LegEvent::State(State::Running)), "{events:?}");
    cut_together(&store, files.path(), &[("video", "640x360"), ("medium", "320x180"), ("low", "160x90")], 5);
}

#[test]
fn h264_is_decoded_for_a_ladder_that_has_no_rung_larger_than_the_picture() {
    let files = tempfile::tempdir().expect("a directory");
    let units = h264(files.path(), "640x360", FPS, 6, FPS);
    let scene = Scene::laddered(&[720, 240, 120], Budget::new(3), Layout::Single);
    scene.feed.add(1, "p1", false);
    let mut packetizer = Packetizer::new(1);
    for (index, unit) in units.iter().enumerate() {
        scene.feed.until(frame_time(index));
        scene.feed.send(1, H264, packetizer.video(index as u32 * 3_000, unit));
    }
    assert_eq!(sizes(&scene.store), ["426x240", "212x120"]);
    scene.feed.until(SETTLED);
    let (store, events) = scene.end();
    // It is our encoders that are asked, not the sender, who is asked for the beginning only.
    let asked = events.iter().filter(|event| **event == LegEvent::WantsKey(PublicationId(1))).count();
    assert!(asked <= 2, "{events:?}");
    cut_together(&store, files.path(), &[("video", "426x240"), ("low", "212x120")], 4);
}

#[test]
fn rungs_come_and_go_with_the_size_of_the_picture() {
    let files = tempfile::tempdir().expect("a directory");
    let (large, small) = (vp8(files.path(), "320x180", 4), vp8(files.path(), "160x90", 4));
    let scene = Scene::laddered(&[180, 90], Budget::new(2), Layout::Single);
    scene.feed.add(1, "p1", false);
    let mut packetizer = Packetizer::new(1);
    film(&scene, &mut packetizer, 0, &small);
    assert_eq!(sizes(&scene.store), ["160x90"]);
    film(&scene, &mut packetizer, 120, &large);
    assert_eq!(sizes(&scene.store), ["320x180", "160x90"]);
    film(&scene, &mut packetizer, 240, &small);
    assert_eq!(sizes(&scene.store), ["160x90"]);
    let (store, _) = scene.end();
    for name in ["video", "medium"] {
        let file = format!("{name}.m3u8");
        media_playlist(&store, &file);
        assert!(!text(&store, &file).contains("DISCONTINUITY"));
        let path = files.path().join(format!("{name}.mp4"));
        std::fs::write(&path, whole(&store, &file)).expect("written");
        assert_eq!(decode(&path).1, "", "{name}");
    }
}

#[test]
fn everybody_in_one_picture_is_a_ladder_too() {
    let files = tempfile::tempdir().expect("a directory");
    let frames = vp8(files.path(), "320x180", 7);
    let scene = Scene::laddered(&[360, 180, 90], Budget::new(3), Layout::Grid);
    scene.feed.add(1, "p1", false);
    film(&scene, &mut Packetizer::new(1), 0, &frames);
    three_rungs(&scene.store, ["640x360", "320x180", "160x90"]);
    scene.feed.until(SETTLED);
    let (store, _) = scene.end();
    cut_together(&store, files.path(), &[("video", "640x360"), ("medium", "320x180"), ("low", "160x90")], 5);
}

#[test]
fn a_ladder_that_does_not_fit_the_budget_has_no_picture_and_says_why() {
    let files = tempfile::tempdir().expect("a directory");
    let frames = vp8(files.path(), "320x180", 3);
    for layout in [Layout::Single, Layout::Grid] {
        let scene = Scene::laddered(&[180, 90], Budget::new(1), layout);
        scene.feed.add(1, "p1", false);
        film(&scene, &mut Packetizer::new(1), 0, &frames);
        scene.feed.until(Duration::from_millis(3_500));
        for name in NAMES {
            assert!(matches!(scene.store.get(&format!("{name}.m3u8"), Query::default()), Answer::NotFound));
        }
        let (_, events) = scene.end();
        let says = |event: &LegEvent| match event {
            LegEvent::State(State::Waiting(why)) => why.contains("2 size(s)") && why.contains("hls.transcodes = 1"),
            _ => false,
        };
        assert!(events.iter().any(says), "{events:?}");
    }
}
