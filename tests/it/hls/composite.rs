//! Several participants in one picture.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use crescendo::legs::LegEvent;
use crescendo::sfu::{Codec, PublicationId, VideoCodec};
use crescendo_hls::Layout;
use crescendo_leg_api::State;
use rtc_rtp::codec::vp8::Vp8Payloader;

use super::check::{attribute, decode, media_playlist, text, values, whole};
use super::media::{Packetizer, h264_of, ivf_of, opus};
use super::scenes::{FPS, H264, Scene, frame_time, lengths};

/// As scenes compose it.
const SIZE: (usize, usize) = (640, 360);
const COMPOSED_FPS: usize = 25;

/// Luma and chroma of what ffmpeg calls so.
const RED: [u8; 3] = [81, 90, 240];
const BLUE: [u8; 3] = [41, 240, 110];
const BLACK: [u8; 3] = [16, 128, 128];

/// Y'CbCr at a point of a picture; each picture is planar 4:2:0.
fn colour(picture: &[u8], (width, height): (usize, usize), (x, y): (usize, usize)) -> [u8; 3] {
    let luma = width * height;
    let chroma = y / 2 * width / 2 + x / 2;
    [picture[y * width + x], picture[luma + chroma], picture[luma + luma / 4 + chroma]]
}

fn is(colour: [u8; 3], expected: [u8; 3]) -> bool {
    colour.iter().zip(expected).all(|(one, other)| one.abs_diff(other) < 24)
}

fn pictures(path: &Path, (width, height): (usize, usize)) -> Vec<Vec<u8>> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-"])
        .output()
        .expect("ffmpeg is installed");
    out.stdout.chunks_exact(width * height * 3 / 2).map(<[u8]>::to_vec).collect()
}

fn source(colour: &str, size: &str, seconds: u32) -> String {
    format!("color={colour}:size={size}:rate={FPS}:duration={seconds}")
}

/// H.264 of one, VP8 of another who films upright and leaves, and somebody who only speaks.
#[test]
fn everybody_is_in_the_picture_whatever_they_send_and_who_leaves_makes_room() {
    let files = tempfile::tempdir().expect("a directory");
    let red: Vec<Bytes> = h264_of(files.path(), &source("red", "320x180", 8), FPS);
    let options = ["-deadline", "realtime", "-cpu-used", "8"];
    let blue = ivf_of(files.path(), "libvpx", &options, &source("blue", "90x160", 4), FPS);
    let sound = opus(files.path(), 8);
    let scene = Scene::composed(Layout::Grid);
    scene.feed.add(1, "p1", false);
    scene.feed.add(2, "p2", false);
    scene.feed.add(3, "p3", true);
    let (mut one, mut other, mut third) = (Packetizer::new(1), Packetizer::new(2), Packetizer::new(3));
    let mut payloader = Vp8Payloader::default();
    let mut sounds = sound.iter().enumerate().peekable();
    for (index, unit) in red.iter().enumerate() {
        let (time, rtp) = (frame_time(index), index as u32 * 3_000);
        scene.feed.until(time);
        scene.feed.send(1, H264, one.video(rtp, unit));
        match blue.get(index) {
            Some(frame) => scene.feed.send(2, Codec::Video(VideoCodec::Vp8), other.frame(&mut payloader, rtp, frame)),
            None if index == blue.len() => scene.feed.remove(2),
            None => {}
        }
        while let Some((count, packet)) = sounds.next_if(|(count, _)| Duration::from_millis(20) * *count as u32 <= time)
        {
            scene.feed.send(3, Codec::Opus, third.audio(count as u32 * 960, packet));
        }
    }
    media_playlist(&scene.store, "video.m3u8");
    let index = text(&scene.store, "index.m3u8");
    let stream = values(&index, "#EXT-X-STREAM-INF")[0];
    assert_eq!(attribute(stream, "RESOLUTION"), Some("640x360"));
    let lengths = lengths(&text(&scene.store, "video.m3u8"));
    assert!(lengths.len() >= 5 && lengths.iter().all(|length| (0.75..=1.3).contains(length)), "{lengths:?}");

    let (store, events) = scene.end();
    assert!(events.contains(&LegEvent::State(State::Running)), "{events:?}");
    assert!(events.contains(&LegEvent::WantsKey(PublicationId(1))), "{events:?}");
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    assert_eq!(decode(&path).1, "");
    let pictures = pictures(&path, SIZE);
    assert!(pictures.len() >= 6 * COMPOSED_FPS, "{} pictures", pictures.len());

    // Two and one below; upright, the second has black beside it. The third is a card: neither of them, and not black.
    let three = |picture: &&Vec<u8>| {
        let card = colour(picture, SIZE, (200, 200));
        is(colour(picture, SIZE, (160, 90)), RED)
            && is(colour(picture, SIZE, (480, 90)), BLUE)
            && is(colour(picture, SIZE, (340, 90)), BLACK)
            && is(card, [40, 128, 128])
            && is(colour(picture, SIZE, (80, 270)), BLACK)
    };
    let seen = pictures.iter().filter(three).count();
    assert!(seen >= 2 * COMPOSED_FPS, "{seen} pictures of three");
    // Side by side then, without the one who left.
    let two = |picture: &&Vec<u8>| {
        is(colour(picture, SIZE, (160, 180)), RED) && is(colour(picture, SIZE, (480, 20)), [40, 128, 128])
    };
    let seen = pictures.iter().filter(two).count();
    assert!(seen >= 2 * COMPOSED_FPS, "{seen} pictures of two");
    assert!(!pictures.iter().any(|picture| three(&picture) && two(&picture)));
}

/// Both film; the large picture, or the only one, is of the one who speaks.
#[test]
fn who_speaks_is_large() {
    speakers(Layout::Speaker, (640, 360), (320, 100), 2 * COMPOSED_FPS);
}

#[test]
fn a_broadcast_of_one_follows_who_speaks() {
    speakers(Layout::Single, (320, 180), (160, 90), 2 * FPS as usize);
}

/// Looks at this point of pictures of this size; each is to be seen in so many.
fn speakers(layout: Layout, size: (usize, usize), at: (usize, usize), least: usize) {
    let files = tempfile::tempdir().expect("a directory");
    let red = h264_of(files.path(), &source("red", "320x180", 8), FPS);
    let blue = h264_of(files.path(), &source("blue", "320x180", 8), FPS);
    let sound = opus(files.path(), 4);
    let scene = Scene::composed(layout);
    for (number, participant) in [(1, "p1"), (2, "p2")] {
        scene.feed.add(number, participant, false);
        scene.feed.add(number + 10, participant, true);
    }
    let mut video = [Packetizer::new(1), Packetizer::new(2)];
    let mut audio = [Packetizer::new(11), Packetizer::new(12)];
    // The first speaks for four seconds, then the second.
    for (index, (red, blue)) in red.iter().zip(&blue).enumerate() {
        scene.feed.until(frame_time(index));
        scene.feed.send(1, H264, video[0].video(index as u32 * 3_000, red));
        scene.feed.send(2, H264, video[1].video(index as u32 * 3_000, blue));
        let speaker = usize::from(index as u32 >= 4 * FPS);
        let from = index * 50 / FPS as usize;
        for count in from..(index + 1) * 50 / FPS as usize {
            let packet = &sound[count % sound.len()];
            let number = speaker as u64 + 11;
            scene.feed.send(number, Codec::Opus, audio[speaker].audio(count as u32 * 960, packet));
        }
    }
    let (store, _) = scene.end();
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    let pictures = pictures(&path, size);
    let shows = |picture: &Vec<u8>, expected| is(colour(picture, size, at), expected);
    let large = |expected| pictures.iter().filter(|picture| shows(picture, expected)).count();
    let (first, second) = (large(RED), large(BLUE));
    assert!(first >= least && second >= least, "{first} of the first, {second} of the second");
    let changes = pictures.windows(2).filter(|two| shows(&two[0], RED) && !shows(&two[1], RED));
    assert_eq!(changes.count(), 1);
}
