//! Rooms in which things happen to a broadcast.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use crescendo::config;
use crescendo::legs::{self, LegEvent};
use crescendo::sfu::{Codec, PublicationId, VideoCodec};
use crescendo_hls::{Answer, Budget, Composition, HlsLeg, Layout, Options, Query, Size, Store};
use crescendo_leg_api::State;
use tokio::sync::mpsc;

use super::check::{attribute, decode, media_playlist, text, values, whole};
use super::media::{Packetizer, h264, opus};
use crate::feed::Feed;

pub(super) const FPS: u32 = 30;

/// A broadcast under way.
pub(super) struct Scene {
    pub(super) feed: Feed,
    pub(super) store: Arc<Store>,
    events: mpsc::Receiver<LegEvent>,
}

impl Scene {
    pub(super) fn start(directory: Option<&Path>, of: Option<&str>) -> Self {
        Self::begin(directory, of, Budget::new(1), Layout::Single, &[])
    }

    /// Of what broadcasts may transcode together.
    pub(super) fn with_budget(transcodes: Arc<Budget>) -> Self {
        Self::begin(None, None, transcodes, Layout::Single, &[])
    }

    pub(super) fn composed(layout: Layout) -> Self {
        Self::begin(None, None, Budget::new(1), layout, &[])
    }

    /// A ladder of these heights is asked for.
    pub(super) fn laddered(ladder: &[usize], transcodes: Arc<Budget>, layout: Layout) -> Self {
        Self::begin(None, None, transcodes, layout, ladder)
    }

    fn begin(
        directory: Option<&Path>,
        of: Option<&str>,
        transcodes: Arc<Budget>,
        layout: Layout,
        ladder: &[usize],
    ) -> Self {
        let options = Options {
            part: Duration::from_millis(200),
            segment: Duration::from_millis(1_000),
            segments: 10,
            window: Duration::from_secs(7_200),
            audio_kbps: 96,
            transcodes,
            transcode_kbps: 500,
            ladder: ladder.to_vec(),
            directory: directory.map(Path::to_owned),
            of: of.map(str::to_owned),
            composition: composition(layout),
            started: SystemTime::now(),
        };
        let (leg, store) = HlsLeg::new(options);
        let (to, mut events) = mpsc::channel(256);
        let host = legs::spawn(Box::new(leg), "hls-test".into(), &config::Legs::default(), to);
        // Said after the first tick, which opens GStreamer: on a machine that never ran it that takes seconds.
        assert_eq!(events.blocking_recv(), Some(LegEvent::State(State::Starting)));
        Self { feed: Feed::new(host), store, events }
    }

    /// Ends the broadcast; gives what it had said.
    pub(super) fn end(mut self) -> (Arc<Store>, Vec<LegEvent>) {
        self.feed.end();
        let events = std::iter::from_fn(|| self.events.try_recv().ok()).collect();
        (self.store, events)
    }
}

fn composition(layout: Layout) -> Composition {
    Composition { layout, size: Size { width: 640, height: 360 }, fps: 25, kbps: 1_000, tiles: 16, ladder: Vec::new() }
}

pub(super) const H264: Codec = Codec::Video(VideoCodec::H264);

pub(super) fn frame_time(index: usize) -> Duration {
    Duration::from_secs(1) * index as u32 / FPS
}

/// Feeds 30 pictures a second and 50 sound packets a second in real time until `units` are used up.
fn play(
    scene: &Scene,
    number: u64,
    units: &[Bytes],
    sound: &[Bytes],
    mut change: impl FnMut(usize, Vec<Bytes>) -> Vec<Bytes>,
) {
    let (mut video, mut audio) = (Packetizer::new(1), Packetizer::new(2));
    let mut sounds = sound.iter().enumerate().peekable();
    for (index, unit) in units.iter().enumerate() {
        let time = frame_time(index);
        scene.feed.until(time);
        let packets = video.video((index as u32 * 3_000).wrapping_add(4_294_900_000), unit);
        scene.feed.send(number, H264, change(index, packets));
        while let Some((count, packet)) = sounds.next_if(|(count, _)| Duration::from_millis(20) * *count as u32 <= time)
        {
            scene.feed.send(number + 1, Codec::Opus, audio.audio(count as u32 * 960, packet));
        }
    }
}

#[test]
fn a_broadcast_of_picture_and_sound_is_what_its_playlists_say() {
    let files = tempfile::tempdir().expect("a directory");
    let (units, sound) = (h264(files.path(), "320x180", FPS, 6, FPS), opus(files.path(), 6));
    let disk = files.path().join("disk");
    let scene = Scene::start(Some(&disk), None);
    scene.feed.add(1, "p1", false);
    scene.feed.add(2, "p1", true);
    assert!(matches!(scene.store.get("index.m3u8", Query::default()), Answer::NotFound));
    play(&scene, 1, &units, &sound, |_, packets| packets);
    media_playlist(&scene.store, "video.m3u8");
    media_playlist(&scene.store, "audio.m3u8");

    let index = text(&scene.store, "index.m3u8");
    let stream = values(&index, "#EXT-X-STREAM-INF")[0];
    assert_eq!(attribute(stream, "RESOLUTION"), Some("320x180"));
    assert!(index.contains("CODECS=\"avc3.42c0"), "{index}");

    let (store, events) = scene.end();
    assert!(events.contains(&LegEvent::State(State::Running)), "{events:?}");
    assert!(events.contains(&LegEvent::WantsKey(PublicationId(1))), "{events:?}");
    for (name, least) in [("video", 175), ("audio", 230)] {
        let playlist = text(&store, &format!("{name}.m3u8"));
        assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
        let path = files.path().join(format!("{name}.mp4"));
        std::fs::write(&path, whole(&store, &format!("{name}.m3u8"))).expect("written");
        let (frames, complaints) = decode(&path);
        assert!(frames >= least, "{frames} frames of {name}");
        assert_eq!(complaints, "", "{name}");
    }
    drop(store);
    let run = std::fs::read_dir(&disk).expect("a directory").next().expect("one broadcast").expect("an entry");
    let (frames, complaints) = decode(&run.path().join("index.m3u8"));
    assert!(frames >= 175, "{frames} frames on disk");
    assert_eq!(complaints, "");
}

#[test]
fn loss_disorder_clock_jumps_and_a_new_resolution_break_neither_files_nor_timeline() {
    let files = tempfile::tempdir().expect("a directory");
    let mut units = h264(files.path(), "320x180", FPS, 4, FPS);
    units.extend(h264(files.path(), "640x360", FPS, 4, FPS));
    let sound = opus(files.path(), 8);
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    scene.feed.add(2, "p1", true);
    let mut random = fastrand::Rng::with_seed(3);
    play(&scene, 1, &units, &sound, |index, mut packets| {
        random.shuffle(&mut packets);
        // One frame in the middle of each group of pictures loses a packet, and later the sender's clock jumps an hour.
        if index % 30 == 20 {
            packets.pop();
        }
        let jump = if index < 150 { 0 } else { 3_600 * 90_000 };
        packets.iter().map(|packet| shifted(packet, jump)).collect()
    });
    media_playlist(&scene.store, "video.m3u8");
    let (store, _) = scene.end();
    media_playlist(&store, "video.m3u8");
    assert!(!text(&store, "video.m3u8").contains("DISCONTINUITY"));
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    let (frames, complaints) = decode(&path);
    // Two thirds of each group, up to the loss.
    assert!((130..200).contains(&frames), "{frames} frames");
    assert_eq!(complaints, "");
    let index = text(&store, "index.m3u8");
    assert!(index.contains("RESOLUTION=640x360"), "{index}");
    let total: f64 = lengths(&text(&store, "video.m3u8")).iter().sum();
    // Up to a second is lost where the very first packets come shuffled and so the first key frame is not whole.
    assert!((6.5..8.5).contains(&total), "{total} s of video");
}

#[test]
fn without_key_frames_and_then_without_any_frames_segments_keep_their_length() {
    let files = tempfile::tempdir().expect("a directory");
    let units = h264(files.path(), "320x180", FPS, 5, 10_000);
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    play(&scene, 1, &units, &[], |_, packets| packets);
    let from_sender = lengths(&text(&scene.store, "video.m3u8")).len();
    // Silence: the last key frame stands in.
    scene.feed.until(Duration::from_secs(9));
    media_playlist(&scene.store, "video.m3u8");
    let with_silence = lengths(&text(&scene.store, "video.m3u8")).len();
    assert!(from_sender >= 2 && with_silence >= from_sender + 2, "{from_sender}, then {with_silence} segments");
    let (store, events) = scene.end();
    media_playlist(&store, "video.m3u8");
    assert!(events.iter().any(|event| matches!(event, LegEvent::State(State::Waiting(_)))), "{events:?}");
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    assert_eq!(decode(&path).1, "");
}

#[test]
fn when_the_shown_participant_leaves_another_ones_picture_follows() {
    let files = tempfile::tempdir().expect("a directory");
    let (one, two) = (h264(files.path(), "320x180", FPS, 6, FPS), h264(files.path(), "160x120", FPS, 6, 45));
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    scene.feed.add(2, "p2", false);
    let (mut first, mut second) = (Packetizer::new(1), Packetizer::new(2));
    for (index, (a, b)) in one.iter().zip(&two).enumerate() {
        scene.feed.until(frame_time(index));
        let timestamp = index as u32 * 3_000;
        match index {
            0..90 => scene.feed.send(1, H264, first.video(timestamp, a)),
            90 => scene.feed.remove(1),
            _ => {}
        }
        scene.feed.send(2, H264, second.video(timestamp + 77, b));
    }
    let (store, events) = scene.end();
    assert!(events.contains(&LegEvent::WantsKey(PublicationId(2))), "{events:?}");
    media_playlist(&store, "video.m3u8");
    assert!(text(&store, "index.m3u8").contains("RESOLUTION=160x120"));
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    let (frames, complaints) = decode(&path);
    assert!(frames > 160, "{frames} frames");
    assert_eq!(complaints, "");
}

#[test]
fn a_sender_who_leaves_and_comes_back_finds_the_timeline_where_it_would_be() {
    let files = tempfile::tempdir().expect("a directory");
    let (before, after) = (h264(files.path(), "320x180", FPS, 3, FPS), h264(files.path(), "160x120", FPS, 3, FPS));
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    play(&scene, 1, &before, &[], |_, packets| packets);
    scene.feed.remove(1);
    scene.feed.until(Duration::from_secs(6));
    // Another participant to the room, another SSRC, another place of its RTP clock.
    scene.feed.add(3, "p2", false);
    let mut video = Packetizer::new(7);
    for (index, unit) in after.iter().enumerate() {
        scene.feed.until(Duration::from_secs(6) + frame_time(index));
        scene.feed.send(3, H264, video.video(12_345 + index as u32 * 3_000, unit));
    }
    media_playlist(&scene.store, "video.m3u8");
    let (store, _) = scene.end();
    let playlist = text(&store, "video.m3u8");
    let total: f64 = lengths(&playlist).iter().sum();
    assert!((8.0..9.6).contains(&total), "{total} s: {playlist}");
    assert!(!playlist.contains("DISCONTINUITY"), "{playlist}");
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    assert_eq!(decode(&path).1, "");
    assert!(text(&store, "index.m3u8").contains("RESOLUTION=160x120"));
}

#[test]
fn a_frame_a_second_and_key_frames_at_odd_moments_make_no_segment_too_long() {
    let files = tempfile::tempdir().expect("a directory");
    let units = h264(files.path(), "160x120", FPS, 8, 50);
    let scene = Scene::start(None, None);
    scene.feed.add(1, "p1", false);
    let mut video = Packetizer::new(1);
    for (index, unit) in units.iter().enumerate() {
        // Of each second but the first two all frames come at its end, as from a network that stands still.
        let at = if index < 60 { frame_time(index) } else { Duration::from_secs(index as u64 / 30 + 1) };
        scene.feed.until(at);
        scene.feed.send(1, H264, video.video(index as u32 * 3_000, unit));
    }
    media_playlist(&scene.store, "video.m3u8");
    let (store, _) = scene.end();
    media_playlist(&store, "video.m3u8");
    let path = files.path().join("video.mp4");
    std::fs::write(&path, whole(&store, "video.m3u8")).expect("written");
    assert_eq!(decode(&path).1, "");
}

pub(super) fn lengths(playlist: &str) -> Vec<f64> {
    values(playlist, "#EXTINF").iter().map(|value| value.trim_end_matches(',').parse().expect("a number")).collect()
}

/// The same RTP packet with a later timestamp.
fn shifted(packet: &Bytes, ticks: u32) -> Bytes {
    let mut packet = packet.to_vec();
    let timestamp = u32::from_be_bytes(packet[4..8].try_into().expect("four bytes"));
    packet[4..8].copy_from_slice(&timestamp.wrapping_add(ticks).to_be_bytes());
    packet.into()
}
