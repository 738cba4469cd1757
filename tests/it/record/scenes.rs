//! Rooms in which things happen to a recording. Time passes in the timestamps; what waits, waits for the leg.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use crescendo::config;
use crescendo::legs;
use crescendo::sfu::{Codec, VideoCodec};
use crescendo_record::{Container, Library, Listed, Options, RecordLeg, RecordedFile, RecordingState, Sync};
use rtc_rtp::codec::av1::Av1Payloader;
use rtc_rtp::codec::vp8::Vp8Payloader;
use rtc_rtp::codec::vp9::Vp9Payloader;
use rtc_rtp::packetizer::Payloader;
use tokio::sync::mpsc;

use crate::feed::Feed;
use crate::hls::check::decode;
use crate::hls::media::{Packetizer, h264, ivf, opus};

const FPS: u32 = 30;
const SECONDS: u32 = 4;

/// A recording under way.
pub(super) struct Scene {
    pub(super) feed: Feed,
    directory: PathBuf,
}

impl Scene {
    pub(super) fn start(directory: &Path) -> Self {
        Self::start_in(Container::Mp4, directory)
    }

    fn start_in(container: Container, directory: &Path) -> Self {
        let leg = RecordLeg::new(Options {
            container,
            directory: directory.to_owned(),
            template: config::Record::default().files.parse().expect("the default is good"),
            room: "demo".into(),
            leg: "l1".into(),
            started_by: None,
            started: SystemTime::now(),
            fragment: Duration::from_millis(500),
            key_frames: Duration::from_secs(10),
            sync: Sync::Fragment,
            queue_bytes: 32 << 20,
        });
        let (to, _) = mpsc::channel(256);
        let host = legs::spawn(Box::new(leg), "record-test".into(), &config::Legs::default(), to);
        Self { feed: Feed::new(host), directory: directory.to_owned() }
    }

    /// Feeds pictures and sound in real time, the frame `index` of which is sent by `video`.
    pub(super) fn play(&self, first: u32, count: u32, sound: &[Bytes], mut video: impl FnMut(&Self, u32)) {
        let mut audio = Packetizer::new(2);
        let mut sounds = sound.iter().enumerate().skip(first as usize * 50 / FPS as usize).peekable();
        for index in first..first + count {
            let time = Duration::from_secs(1) * index / FPS;
            self.feed.until(time);
            video(self, index);
            while let Some((number, packet)) = sounds.next_if(|(n, _)| Duration::from_millis(20) * *n as u32 <= time) {
                self.feed.send(2, Codec::Opus, audio.audio(number as u32 * 960, packet));
            }
        }
    }

    /// Ends the recording; gives what it is.
    pub(super) fn end(self) -> Listed {
        // What was sent last is taken by then.
        std::thread::sleep(Duration::from_millis(500));
        self.feed.end();
        let mut listed = Library::new(self.directory).list(Some("demo"));
        assert_eq!(listed.len(), 1);
        listed.remove(0)
    }
}

/// Paths of a recording's files.
pub(super) fn files(root: &Path, listed: &Listed) -> Vec<PathBuf> {
    let directory = listed.id.to_string().split('~').fold(root.to_owned(), |path, name| path.join(name));
    listed.recording.files.iter().map(|file| directory.join(&file.name)).collect()
}

/// Presentation times of a stream's packets, `v` or `a`, in seconds.
fn times(path: &Path, stream: &str) -> Vec<f64> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

fn longest_gap(times: &[f64]) -> f64 {
    times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
}

/// One participant with picture and sound, the frames of which are `frames`.
fn records<P: Payloader>(frames: &[Bytes], codec: VideoCodec, payloader: impl Fn() -> P, name: &str) {
    for container in [Container::Mp4, Container::WebM] {
        records_in(container, frames, codec, payloader(), name);
    }
}

fn records_in(container: Container, frames: &[Bytes], codec: VideoCodec, mut payloader: impl Payloader, name: &str) {
    let root = tempfile::tempdir().expect("a directory");
    let sound = opus(root.path(), SECONDS);
    let scene = Scene::start_in(container, root.path());
    scene.feed.add(1, "p1", false);
    scene.feed.add(2, "p1", true);
    let mut video = Packetizer::new(1);
    scene.play(0, frames.len() as u32, &sound, |scene, index| {
        let packets = video.frame(&mut payloader, index * 3_000, &frames[index as usize]);
        scene.feed.send(1, Codec::Video(codec), packets);
    });
    let listed = scene.end();
    assert_eq!(listed.recording.state, RecordingState::Finished);
    let [file] = listed.recording.files.as_slice() else { panic!("{:?}", listed.recording.files) };
    assert_eq!(file.tracks.iter().map(|track| track.codec.as_str()).collect::<Vec<_>>(), [name, "Opus"]);
    assert_eq!((file.tracks[0].width, file.tracks[0].height), (Some(320), Some(180)));
    assert!(file.tracks.iter().all(|track| track.gaps.is_empty()), "{file:?}");

    let path = &files(root.path(), &listed)[0];
    assert_eq!(path.extension().and_then(|extension| extension.to_str()), Some(container.extension()));
    let (pictures, packets) = (times(path, "v"), times(path, "a"));
    assert_eq!(pictures.len(), frames.len(), "every picture is there");
    assert!(packets.len() as u32 >= SECONDS * 50 - 10, "{} packets of sound", packets.len());
    assert!(longest_gap(&pictures) < 0.1 && longest_gap(&packets) < 0.021);
    assert!((pictures[0] - packets[0]).abs() < 0.05, "picture and sound begin together");
    let (decoded, complaints) = decode(path);
    assert!(decoded >= frames.len() + packets.len() / 2, "{decoded} were decoded");
    assert_eq!(complaints, "");
}

#[test]
fn vp8_is_recorded_as_it_came() {
    let files = tempfile::tempdir().expect("a directory");
    let frames = ivf(
        files.path(),
        "libvpx",
        &["-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"],
        "320x180",
        FPS,
        SECONDS,
    );
    records(&frames, VideoCodec::Vp8, Vp8Payloader::default, "VP8");
}

#[test]
fn vp9_is_recorded_as_it_came() {
    let files = tempfile::tempdir().expect("a directory");
    let options = ["-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"];
    let frames = ivf(files.path(), "libvpx-vp9", &options, "320x180", FPS, SECONDS);
    records(&frames, VideoCodec::Vp9, Vp9Payloader::default, "VP9");
}

#[test]
fn av1_is_recorded_as_it_came() {
    let files = tempfile::tempdir().expect("a directory");
    let options = ["-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"];
    let frames = ivf(files.path(), "libaom-av1", &options, "320x180", FPS, SECONDS);
    records(&frames, VideoCodec::Av1, Av1Payloader::default, "AV1");
}

#[test]
fn h264_goes_through_a_new_resolution_and_vp8_begins_a_file_of_its_own() {
    let root = tempfile::tempdir().expect("a directory");
    let (described, paths) = h264_and_then_vp8(Container::Mp4, root.path());
    assert_eq!(described.iter().map(|file| file.tracks[0].codec.as_str()).collect::<Vec<_>>(), ["H264", "VP8"]);
    assert_eq!(paths.iter().map(|path| times(path, "v").len()).collect::<Vec<_>>(), [120, 60]);
}

#[test]
fn h264_is_left_out_of_webm_and_vp8_begins_a_file_of_its_own() {
    let root = tempfile::tempdir().expect("a directory");
    let (described, paths) = h264_and_then_vp8(Container::WebM, root.path());
    assert_eq!(described.iter().map(|file| file.tracks[0].codec.as_str()).collect::<Vec<_>>(), ["Opus", "VP8"]);
    assert_eq!(paths.iter().map(|path| times(path, "v").len()).collect::<Vec<_>>(), [0, 60]);
}

/// Four seconds in H.264, of two sizes, and two in VP8, with sound: the files that they are in.
fn h264_and_then_vp8(container: Container, root: &Path) -> (Vec<RecordedFile>, Vec<PathBuf>) {
    let mut units = h264(root, "320x180", FPS, 2, FPS);
    units.extend(h264(root, "640x360", FPS, 2, FPS));
    let frames =
        ivf(root, "libvpx", &["-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"], "320x180", FPS, 2);
    let sound = opus(root, 6);
    let scene = Scene::start_in(container, root);
    scene.feed.add(1, "p1", false);
    scene.feed.add(2, "p1", true);
    let (mut video, mut payloader) = (Packetizer::new(1), Vp8Payloader::default());
    scene.play(0, 180, &sound, |scene, index| {
        let timestamp = index * 3_000;
        match units.get(index as usize) {
            Some(unit) => scene.feed.send(1, Codec::Video(VideoCodec::H264), video.video(timestamp, unit)),
            None => {
                let packets = video.frame(&mut payloader, timestamp, &frames[index as usize - units.len()]);
                scene.feed.send(1, Codec::Video(VideoCodec::Vp8), packets);
            }
        }
    });
    let listed = scene.end();
    let (paths, described) = (files(root, &listed), listed.recording.files);
    for path in &paths {
        assert_eq!(decode(path).1, "", "{}", path.display());
    }
    let sounds: usize = paths.iter().map(|path| times(path, "a").len()).sum();
    assert!((290..=302).contains(&sounds), "{sounds} packets of sound over both");
    let end = described[0].offset_ms + described[0].duration_ms;
    assert!(described[1].offset_ms.abs_diff(end) < 150, "{described:?}");
    (described, paths)
}

#[test]
fn after_a_loss_it_goes_on_with_a_key_frame_and_says_what_is_missing() {
    let root = tempfile::tempdir().expect("a directory");
    let units = h264(root.path(), "320x180", FPS, SECONDS, FPS);
    let sound = opus(root.path(), SECONDS);
    let scene = Scene::start(root.path());
    scene.feed.add(1, "p1", false);
    scene.feed.add(2, "p1", true);
    let mut video = Packetizer::new(1);
    scene.play(0, units.len() as u32, &sound, |scene, index| {
        let mut packets = video.video(index * 3_000, &units[index as usize]);
        if index == 40 {
            packets.pop();
        }
        scene.feed.send(1, Codec::Video(VideoCodec::H264), packets);
    });
    let listed = scene.end();
    let file = &listed.recording.files[0];
    let [gap] = file.tracks[0].gaps.as_slice() else { panic!("{file:?}") };
    assert!(gap.length_ms.abs_diff(700) < 100, "from frame 39 to the key frame at 60: {gap:?}");
    let path = &files(root.path(), &listed)[0];
    assert_eq!(times(path, "v").len(), units.len() - 20);
    assert_eq!(decode(path).1, "");
}

#[test]
fn who_comes_later_or_comes_back_has_a_file_with_its_offset() {
    let root = tempfile::tempdir().expect("a directory");
    let sound = opus(root.path(), 7);
    let scene = Scene::start(root.path());
    scene.feed.add(2, "p1", true);
    scene.play(0, 60, &sound, |_, _| ());
    scene.feed.remove(2);
    scene.feed.until(Duration::from_millis(4_500));
    scene.feed.add(2, "p2", true);
    scene.play(135, 45, &sound, |_, _| ());
    let listed = scene.end();
    let said: Vec<(&str, u64)> =
        listed.recording.files.iter().map(|file| (file.participant.as_str(), file.offset_ms)).collect();
    let [("p1", first), ("p2", second)] = said[..] else { panic!("{said:?}") };
    assert!(first < 300 && (4_400..5_000).contains(&second), "{said:?}");
    let people = &listed.recording.participants;
    assert!(people[0].left_ms.is_some_and(|left| (1_800..2_600).contains(&left)), "{people:?}");
    assert!((4_400..4_800).contains(&people[1].joined_ms), "{people:?}");
}
