//! A sender of three sizes becomes a ladder.

use std::time::Duration;

use bytes::Bytes;
use crescendo::legs::LegEvent;
use crescendo::sfu::{Layer, PublicationId};

use super::check::{attribute, decode, init, media, media_playlist, text, values, whole};
use super::media::{Packetizer, h264};
use super::scenes::{FPS, H264, Scene, frame_time, lengths};

/// Each layer's RTP clock begins elsewhere, one of them close to its end.
const CLOCKS: [u32; 3] = [7, 3_000_000_000, u32::MAX - 100_000];
const SIZES: [&str; 3] = ["160x90", "320x180", "640x360"];
const NAMES: [&str; 3] = ["low", "medium", "video"];

/// Its pictures, layer by layer, and how many of them have come.
struct Sender {
    units: [Vec<Bytes>; 3],
    packetizers: [Packetizer; 3],
}

impl Sender {
    fn new(directory: &std::path::Path, seconds: u32) -> Self {
        let units = SIZES.map(|size| h264(directory, size, FPS, seconds, FPS));
        Self { units, packetizers: [1, 2, 3].map(Packetizer::new) }
    }

    /// Sends the pictures numbered `from..to` of these layers in real time; of the largest each comes later than of the others.
    fn film(&mut self, scene: &Scene, layers: &[usize], from: usize, to: usize) {
        for index in from..to {
            scene.feed.until(frame_time(index));
            for &layer in layers {
                if index % 15 == 0 {
                    scene.feed.report(1, Layer::ALL[layer], frame_time(index), timestamp(layer, index));
                }
                let late = if layer == 2 { 2 } else { 0 };
                let Some(index) = index.checked_sub(late) else { continue };
                let packets = self.packetizers[layer].video(timestamp(layer, index), &self.units[layer][index]);
                scene.feed.send_layer(1, Layer::ALL[layer], H264, packets);
            }
        }
    }
}

fn timestamp(layer: usize, index: usize) -> u32 {
    CLOCKS[layer].wrapping_add(index as u32 * 3_000)
}

/// Media sequence numbers, dates and lengths, and the names of the segments.
fn segments(playlist: &str) -> (Vec<f64>, Vec<&str>) {
    (lengths(playlist), playlist.lines().filter(|line| !line.starts_with('#')).collect())
}

#[test]
fn three_layers_are_three_rungs_cut_at_the_same_moments() {
    let files = tempfile::tempdir().expect("a directory");
    let mut sender = Sender::new(files.path(), 7);
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    sender.film(&scene, &[0, 1, 2], 0, 200);
    NAMES.iter().for_each(|name| media_playlist(&scene.store, &format!("{name}.m3u8")));

    let index = text(&scene.store, "index.m3u8");
    let rungs = values(&index, "#EXT-X-STREAM-INF");
    let sizes: Vec<_> = rungs.iter().filter_map(|rung| attribute(rung, "RESOLUTION")).collect();
    assert_eq!(sizes, ["640x360", "320x180", "160x90"], "{index}");
    let bandwidths: Vec<u64> = rungs.iter().filter_map(|rung| attribute(rung, "BANDWIDTH")?.parse().ok()).collect();
    assert!(bandwidths.is_sorted_by(|larger, smaller| larger > smaller), "{index}");
    assert!(rungs.iter().all(|rung| attribute(rung, "AUDIO") == Some("sound")));
    let playlist = text(&scene.store, "low.m3u8");
    let reports: Vec<_> =
        values(&playlist, "#EXT-X-RENDITION-REPORT").iter().filter_map(|report| attribute(report, "URI")).collect();
    assert_eq!(reports, ["video.m3u8", "medium.m3u8", "audio.m3u8"]);

    let (store, events) = scene.end();
    assert!(events.contains(&LegEvent::WantsKey(PublicationId(1))), "{events:?}");
    let (lengths_of_whole, names_of_whole) = {
        let playlist = text(&store, "video.m3u8");
        let (lengths, names) = segments(&playlist);
        (lengths, names.into_iter().map(String::from).collect::<Vec<_>>())
    };
    assert!(lengths_of_whole.len() >= 6, "{lengths_of_whole:?}");
    for name in NAMES {
        let file = format!("{name}.m3u8");
        let playlist = text(&store, &file);
        let (lengths, names) = segments(&playlist);
        let even = lengths.iter().zip(&lengths_of_whole).filter(|(one, other)| one == other).count();
        assert!(even + 1 >= lengths.len(), "{name}: {lengths:?}, {lengths_of_whole:?}");
        for (index, (of, whole)) in names.iter().zip(&names_of_whole).enumerate() {
            assert_eq!(of.replace(name, "video"), **whole, "the same moment has the same number");
            let path = files.path().join("segment.mp4");
            let (init, segment) = (init(&store, &playlist), media(&store, of));
            std::fs::write(&path, [init, segment].concat()).expect("written");
            let (frames, complaints) = decode(&path);
            // It begins with a key frame, or ffmpeg would complain.
            assert!(frames >= 1 && complaints.is_empty(), "segment {index} of {name}: {frames} frames, {complaints}");
        }
        let path = files.path().join(format!("{name}.mp4"));
        std::fs::write(&path, whole(&store, &file)).expect("written");
        let (frames, complaints) = decode(&path);
        assert!(frames > 180, "{frames} frames of {name}");
        assert_eq!(complaints, "", "{name}");
    }
}

#[test]
fn a_layer_that_its_sender_drops_leaves_the_ladder_and_comes_back_and_no_viewer_is_left_behind() {
    let files = tempfile::tempdir().expect("a directory");
    let mut sender = Sender::new(files.path(), 14);
    let disk = files.path().join("disk");
    let scene = Scene::start(Some(&disk), None);
    scene.feed.add(1, "p1", false);
    let sizes = |scene: &Scene| {
        let index = text(&scene.store, "index.m3u8");
        let rungs = values(&index, "#EXT-X-STREAM-INF");
        rungs.iter().filter_map(|rung| attribute(rung, "RESOLUTION").map(String::from)).collect::<Vec<_>>()
    };
    // The largest comes late, as an encoder's that first finds out what its network takes.
    sender.film(&scene, &[0, 1], 0, 120);
    assert_eq!(sizes(&scene), ["320x180", "160x90"]);
    sender.film(&scene, &[0, 1, 2], 120, 240);
    assert_eq!(sizes(&scene), ["640x360", "320x180", "160x90"]);
    sender.film(&scene, &[0, 1], 240, 330);
    assert_eq!(sizes(&scene), ["320x180", "160x90"]);
    sender.film(&scene, &[0, 1, 2], 330, 420);
    assert_eq!(sizes(&scene), ["640x360", "320x180", "160x90"]);
    NAMES.iter().for_each(|name| media_playlist(&scene.store, &format!("{name}.m3u8")));

    let (store, _) = scene.end();
    let total = |name: &str| lengths(&text(&store, &format!("{name}.m3u8"))).iter().sum::<f64>();
    for name in NAMES {
        let file = format!("{name}.m3u8");
        assert!((total(name) - total("video")).abs() < 0.5, "{name}: {} of {} s", total(name), total("video"));
        assert!(!text(&store, &file).contains("DISCONTINUITY"));
        let path = files.path().join(format!("{name}.mp4"));
        std::fs::write(&path, whole(&store, &file)).expect("written");
        assert_eq!(decode(&path).1, "", "{name}");
    }
    drop(store);
    let run = std::fs::read_dir(&disk).expect("a directory").next().expect("one broadcast").expect("an entry");
    for file in ["index.m3u8", "medium.m3u8"] {
        let (frames, complaints) = decode(&run.path().join(file));
        assert!(frames >= 300, "{frames} frames of {file} on disk");
        assert_eq!(complaints, "");
    }
}

#[test]
fn a_sender_without_reports_is_one_rung() {
    let files = tempfile::tempdir().expect("a directory");
    let mut sender = Sender::new(files.path(), 4);
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    for index in 0..110 {
        scene.feed.until(frame_time(index));
        for layer in [2, 0] {
            let packets = sender.packetizers[layer].video(timestamp(layer, index), &sender.units[layer][index]);
            scene.feed.send_layer(1, Layer::ALL[layer], H264, packets);
        }
    }
    let index = text(&scene.store, "index.m3u8");
    let rungs = values(&index, "#EXT-X-STREAM-INF");
    assert_eq!(rungs.iter().map(|rung| attribute(rung, "RESOLUTION")).collect::<Vec<_>>(), [Some("640x360")]);
    assert!(Duration::from_secs_f64(lengths(&text(&scene.store, "video.m3u8")).iter().sum()) > Duration::from_secs(1));
    scene.end();
}
