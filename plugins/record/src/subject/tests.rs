use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};

use crescendo_leg_api::{Codec, Layer};
use mp4_atom::{Decode as _, Moov};

use super::*;
use crate::finish::{Finished, Outcome, finish};

const VIDEO: TrackKey = TrackKey(1);
const AUDIO: TrackKey = TrackKey(2);
const FRAGMENT: Duration = Duration::from_millis(500);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A VP8 key frame of this width, or one that follows.
fn vp8(key: bool, width: u8) -> Bytes {
    match key {
        true => Bytes::copy_from_slice(&[0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, width, 1, 0xb4, 0, 7, 7]),
        false => Bytes::from_static(&[0x11, 0x02, 0x00, 0x11]),
    }
}

/// A VP9 key frame of 320 × 180.
fn vp9() -> Bytes {
    Bytes::from_static(&[0x82, 0x49, 0x83, 0x42, 0x40, 0x13, 0xf0, 0x0b, 0x30, 0, 0])
}

/// A subject whose time is ours, and the files that it makes, as bytes.
struct Bench {
    subject: Subject,
    desk: Desk,
    now: u64,
    files: BTreeMap<FileId, (Vec<u8>, RecordedFile)>,
    closed: Vec<FileId>,
}

impl Bench {
    fn new() -> Self {
        let mut subject = Subject::new(Container::Mp4, "p1".into(), Source::Camera);
        subject.add(VIDEO, false);
        subject.add(AUDIO, true);
        Self { subject, desk: Desk::default(), now: 0, files: BTreeMap::new(), closed: Vec::new() }
    }

    fn video(&mut self, codec: Codec, capture: u64, key: bool, data: Bytes) {
        let frame = Frame { track: VIDEO, layer: Layer::WHOLE, codec, capture: ms(capture), key, data };
        self.subject.frame(frame, ms(self.now), &mut self.desk).expect("encodes");
    }

    fn audio(&mut self, capture: u64) {
        let data = Bytes::from_static(&[0xfc, 1, 2, 3]);
        let frame =
            Frame { track: AUDIO, layer: Layer::WHOLE, codec: Codec::Opus, capture: ms(capture), key: true, data };
        self.subject.frame(frame, ms(self.now), &mut self.desk).expect("encodes");
    }

    fn tick(&mut self) -> bool {
        let goes_on = self.subject.tick(ms(self.now), FRAGMENT, &mut self.desk).expect("encodes");
        self.write();
        goes_on
    }

    fn write(&mut self) {
        for job in std::mem::take(&mut self.desk.jobs) {
            match job {
                Job::Open { file, head, about } => {
                    assert!(self.files.insert(file, (head.to_vec(), about)).is_none());
                }
                Job::Write { file, data, about } => {
                    assert!(!self.closed.contains(&file));
                    let (bytes, described) = self.files.get_mut(&file).expect("it was opened");
                    bytes.extend_from_slice(&data);
                    *described = about;
                }
                Job::Close { file } => self.closed.push(file),
            }
        }
    }

    /// Both tracks from `from` to `to`, 100 ms under way, with 25 pictures a second and a key frame each second.
    fn play(&mut self, from: u64, to: u64) {
        for capture in (from..to).step_by(20) {
            self.now = capture + 100;
            self.audio(capture);
            if capture % 40 == 0 {
                self.video(Codec::Vp8, capture, capture % 1_000 == 0, vp8(capture % 1_000 == 0, 64));
            }
            self.tick();
        }
    }

    /// What the only file is said to hold so far.
    fn described(&self) -> RecordedFile {
        assert_eq!(self.files.len(), 1);
        self.files.values().next().expect("one").1.clone()
    }

    fn end(mut self) -> Vec<(Finished, Moov, RecordedFile)> {
        self.subject.finish(ms(self.now), &mut self.desk).expect("encodes");
        self.write();
        assert_eq!(self.closed.len(), self.files.len());
        self.files
            .values()
            .map(|(bytes, about)| {
                let (finished, moov) = finished(bytes);
                (finished, moov, about.clone())
            })
            .collect()
    }
}

/// What a file of these bytes is once it is finished.
fn finished(bytes: &[u8]) -> (Finished, Moov) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let Outcome::Finished(finished) = finish(&file).expect("a recording") else { panic!("with fragments") };
    file.seek(SeekFrom::Start(0)).expect("a file");
    let text = std::fs::read(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file))).expect("readable");
    let at = text.windows(4).rposition(|w| w == b"moov").expect("at the end") - 4;
    (finished, Moov::decode(&mut &text[at..]).expect("decodes"))
}

#[test]
fn picture_and_sound_make_one_file_whose_times_are_the_rooms() {
    let mut bench = Bench::new();
    bench.play(1_000, 6_000);
    let files = bench.end();
    let [(finished, moov, about)] = files.as_slice() else { panic!("{} files", files.len()) };
    assert_eq!(
        (about.offset_ms, about.tracks[0].codec.as_str(), about.tracks[1].codec.as_str()),
        (1_000, "VP8", "Opus")
    );
    assert_eq!((about.tracks[0].width, about.tracks[0].height), (Some(320), Some(180)));
    assert!(about.tracks.iter().all(|track| track.gaps.is_empty()), "{about:?}");
    assert_eq!(finished.tracks.iter().map(|track| track.samples).collect::<Vec<_>>(), [125, 250]);
    assert!((4_990..=5_010).contains(&crate::millis(finished.duration)), "{finished:?}");
    let stbl = &moov.trak[0].mdia.minf.stbl;
    assert_eq!(stbl.stts.entries[0].sample_delta, 3_600, "40 ms");
    assert_eq!(stbl.stss.as_ref().map(|stss| stss.entries.len()), Some(5), "key frames");
    assert!(moov.mvex.is_none() && moov.trak.iter().all(|trak| trak.edts.is_none()));
}

#[test]
fn the_track_that_begins_later_says_so() {
    let mut bench = Bench::new();
    for capture in (0..400).step_by(20) {
        bench.now = capture + 100;
        bench.audio(capture);
        bench.tick();
    }
    bench.play(1_000, 3_000);
    let files = bench.end();
    let (finished, moov, _) = &files[0];
    assert_eq!((files.len(), finished.tracks[0].start, finished.tracks[1].start), (1, ms(1_000), ms(0)));
    let edits = &moov.trak[0].edts.as_ref().and_then(|edts| edts.elst.as_ref()).expect("an edit list").entries;
    assert_eq!((edits[0].media_time, edits[0].segment_duration), (None, 90_000));
}

#[test]
fn another_codec_is_another_file_and_sound_loses_nothing() {
    let mut bench = Bench::new();
    bench.play(1_000, 3_000);
    for capture in (3_000..5_000).step_by(20) {
        bench.now = capture + 100;
        bench.audio(capture);
        if capture % 40 == 0 {
            let key = capture == 3_000;
            bench.video(Codec::Vp9, capture, key, if key { vp9() } else { Bytes::from_static(&[0x86, 0, 1]) });
        }
        bench.tick();
    }
    let files = bench.end();
    assert_eq!(files.iter().map(|(.., about)| about.tracks[0].codec.as_str()).collect::<Vec<_>>(), ["VP8", "VP9"]);
    let samples: u64 = files.iter().map(|(finished, ..)| finished.tracks[1].samples).sum();
    assert_eq!(samples, 200, "4 s of packets of 20 ms");
    assert_eq!(files[1].2.offset_ms, 3_000);
}

#[test]
fn another_resolution_stays_in_its_file() {
    let mut bench = Bench::new();
    bench.play(0, 2_000);
    bench.video(Codec::Vp8, 2_000, true, vp8(true, 128));
    assert_eq!(bench.end().len(), 1);
}

#[test]
fn sound_waits_for_its_picture_and_then_begins_without() {
    let mut bench = Bench::new();
    for capture in (0..4_000).step_by(20) {
        bench.now = capture + 50;
        bench.audio(capture);
        bench.tick();
    }
    assert_eq!(bench.files.len(), 1);
    bench.play(4_000, 6_000);
    let files = bench.end();
    assert_eq!(files.iter().map(|(.., about)| about.tracks.len()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(files[0].0.tracks.len(), 1, "the track that had no samples is gone");
    assert_eq!(files[1].2.offset_ms, 4_000);
}

#[test]
fn who_sends_no_more_stands_still_in_files_that_grow_and_the_gap_is_noted() {
    let mut bench = Bench::new();
    bench.play(0, 2_000);
    for now in (2_100..5_000).step_by(20) {
        bench.now = now;
        bench.tick();
    }
    let so_far = bench.files.values().next().expect("one").0.clone();
    let (at_once, _) = finished(&so_far);
    assert!(at_once.duration > ms(3_600), "what is there without an end: {:?}", at_once.duration);
    bench.play(5_000, 6_000);
    let files = bench.end();
    let (finished, _, about) = &files[0];
    assert_eq!(files.len(), 1);
    assert!(finished.duration.abs_diff(ms(6_000)) < ms(25), "{finished:?}");
    let [video, audio] = about.tracks.as_slice() else { panic!("{about:?}") };
    assert!(matches!(video.gaps[..], [Gap { at_ms: 1_960, length_ms: 3_040 }]), "{:?}", video.gaps);
    let [silence] = audio.gaps[..] else { panic!("{:?}", audio.gaps) };
    assert!(silence.at_ms.abs_diff(2_000) <= 20 && silence.length_ms.abs_diff(3_000) <= 40, "{silence:?}");
}

#[test]
fn a_subject_without_tracks_is_over_unless_they_come_back() {
    let mut bench = Bench::new();
    bench.play(0, 2_000);
    bench.subject.remove(VIDEO, ms(2_000));
    bench.subject.remove(AUDIO, ms(2_000));
    bench.subject.add(VIDEO, false);
    bench.subject.add(AUDIO, true);
    bench.play(2_000, 4_000);
    assert_eq!((bench.files.len(), bench.closed.len()), (1, 0));
    bench.subject.remove(VIDEO, ms(4_000));
    bench.subject.remove(AUDIO, ms(4_000));
    bench.now = 5_900;
    assert!(bench.tick());
    bench.now = 6_100;
    assert!(!bench.tick());
    assert_eq!(bench.closed.len(), 1);
}

#[test]
fn what_waits_for_a_file_is_bounded() {
    let mut bench = Bench::new();
    let mut large = vp8(true, 64).to_vec();
    large.resize(1 << 20, 0);
    for _ in 0..100 {
        bench.video(Codec::Vp8, 0, true, Bytes::from(large.clone()));
    }
    assert!(bench.subject.seen.len() <= WAITING_BYTES_MAX >> 20);
}

#[test]
fn when_too_much_waits_nothing_of_it_stays_and_a_file_begins_with_the_next_key_frame() {
    let mut bench = Bench::new();
    let mut large = vp8(false, 64).to_vec();
    large.resize(WAITING_BYTES_MAX / 2, 0);
    bench.video(Codec::Vp8, 0, true, vp8(true, 64));
    for capture in [40, 80, 120] {
        bench.video(Codec::Vp8, capture, false, Bytes::from(large.clone()));
    }
    assert_eq!((bench.subject.seen.len(), bench.subject.waiting_bytes), (0, 0), "the last one went with the others");
    assert!(bench.subject.wants_key(ms(120), ms(10_000)));
    bench.play(1_000, 2_000);
    let files = bench.end();
    assert_eq!((files.len(), files[0].2.offset_ms, files[0].0.tracks[0].samples), (1, 1_000, 25));
}

#[test]
fn what_was_refused_is_a_gap_and_nothing_that_the_file_is_said_to_hold() {
    let mut bench = Bench::new();
    bench.play(0, 1_000);
    let before = bench.described();
    // The next fragment finds no room.
    for capture in (1_000..1_700).step_by(20) {
        bench.now = capture + 100;
        bench.audio(capture);
        if capture % 40 == 0 {
            bench.video(Codec::Vp8, capture, false, vp8(false, 64));
        }
        bench.subject.tick(ms(bench.now), FRAGMENT, &mut bench.desk).expect("encodes");
        if let [Job::Write { file, .. }] = bench.desk.jobs[..] {
            bench.desk.jobs.clear();
            bench.subject.refused(file);
            break;
        }
    }
    let (_, take) = bench.subject.take.as_ref().expect("it goes on");
    let after = take.about();
    let samples = |about: &RecordedFile| about.tracks.iter().map(|track| track.samples).collect::<Vec<_>>();
    assert_eq!((samples(&after), after.duration_ms), (samples(&before), before.duration_ms));
    let refused = after.tracks[1].gaps[0];
    assert_eq!(refused.at_ms, before.offset_ms + before.duration_ms);
    bench.play(2_000, 4_000);
    let files = bench.end();
    let [(finished, _, about)] = files.as_slice() else { panic!("{} files", files.len()) };
    assert_eq!(samples(about), finished.tracks.iter().map(|track| track.samples).collect::<Vec<_>>());
    let [gap] = about.tracks[0].gaps[..] else { panic!("{:?}", about.tracks[0].gaps) };
    assert_eq!((gap.at_ms, gap.at_ms + gap.length_ms), (refused.at_ms, 2_000), "one gap, no longer than it was");
}
