use std::fs;
use std::os::fd::AsRawFd as _;

use bytes::Bytes;
use crescendo_cmaf::{Coding, Sample, Size, fragment, recording_head};

use super::*;

/// A recording of ten fragments with ten pictures and five packets each, and where each fragment ends.
fn recording() -> (Vec<u8>, Vec<usize>) {
    let size = Size { width: 320, height: 180 };
    let mut bytes = recording_head(&[Coding::Vp8 { size }, Coding::Opus]).expect("encodes").to_vec();
    let mut ends = Vec::new();
    let sample = |time, key, data| (Sample { time, key, data: Bytes::from_static(data) }, 0);
    for number in 0..10_u64 {
        let video: Vec<_> = (0..10)
            .map(|index| ((number * 10 + index) * 3_000, index == 0))
            .map(|(time, key)| (sample(time, key, b"picture").0, 3_000))
            .collect();
        let audio: Vec<_> =
            (0..5).map(|index| (sample((number * 5 + index) * 3_200, true, b"sound").0, 3_200)).collect();
        let tracks = [(1, video.as_slice()), (2, audio.as_slice())];
        bytes.extend(fragment(number as u32 + 1, &tracks).expect("encodes"));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn file(bytes: &[u8]) -> File {
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(bytes, 0).expect("written");
    file
}

/// Finishes a file that holds something.
fn finished(file: &File) -> Finished {
    match finish(file) {
        Ok(Outcome::Finished(finished)) => finished,
        other => panic!("{other:?}"),
    }
}

/// Where the head ends and the fragments begin.
fn head(ends: &[usize]) -> usize {
    ends[0] - (ends[1] - ends[0])
}

fn contents(file: &File) -> Vec<u8> {
    fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("readable")
}

#[test]
fn every_sample_is_where_the_tables_say() {
    let (bytes, _) = recording();
    let file = file(&bytes);
    let finished = finished(&file);
    assert_eq!(finished.duration.as_millis(), 3_333);
    assert_eq!(
        finished.tracks.iter().map(|track| (track.audio, track.samples)).collect::<Vec<_>>(),
        [(false, 100), (true, 50)]
    );
    let text = contents(&file);
    assert_eq!(text.len() as u64, finished.bytes);
    let at = text.windows(4).rposition(|w| w == b"moov").expect("there") - 4;
    let moov = Moov::decode(&mut &text[at..]).expect("decodes");
    for (trak, data) in moov.trak.iter().zip([&b"picture"[..], b"sound"]) {
        let stbl = &trak.mdia.minf.stbl;
        let chunks = &stbl.co64.as_ref().expect("offsets").entries;
        let each = stbl.stsc.entries[0].samples_per_chunk as usize;
        assert_eq!((chunks.len(), stbl.stsc.entries.len()), (10, 1));
        for &chunk in chunks {
            let chunk = chunk as usize;
            assert_eq!(&text[chunk..chunk + each * data.len()], data.repeat(each));
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_holds_every_whole_fragment() {
    let (bytes, ends) = recording();
    let head = head(&ends);
    let mut random = 7_usize;
    for _ in 0..300 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let cut = head + (random >> 33) % (bytes.len() - head + 1);
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        let file = file(&bytes[..cut]);
        let samples = match finish(&file) {
            Ok(Outcome::Finished(finished)) => finished.tracks[0].samples,
            Ok(Outcome::Empty) => {
                assert_eq!(cut, head);
                0
            }
            Err(FinishError::Damaged) => {
                assert_eq!(contents(&file), &bytes[..cut], "it is left alone");
                0
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(samples, 10 * whole as u64, "cut at {cut}");
    }
}

#[test]
fn finishing_twice_changes_nothing_and_a_finish_that_was_cut_off_is_done_again() {
    let (bytes, ends) = recording();
    let file = file(&bytes);
    let once = finished(&file);
    let text = contents(&file);
    assert_eq!(finished(&file), once);
    assert_eq!(contents(&file), text);
    // The tables are there, or a part of them, and the fragments are not hidden yet.
    for length in [text.len(), text.len() - 100, ends[9] + 3] {
        let mut torn = text[..length].to_vec();
        torn[..ends[9]].copy_from_slice(&bytes);
        let file = self::file(&torn);
        assert_eq!(finished(&file), once);
        assert_eq!(contents(&file), text);
    }
}

#[test]
fn a_fragment_that_cannot_be_read_costs_no_other() {
    let (bytes, ends) = recording();
    // What a disk may have made of the fourth fragment, and what else goes with it: nothing.
    type Damage<'a> = (&'a str, &'a dyn Fn(&mut [u8]));
    let damages: [Damage<'_>; 5] = [
        ("its boxes make no sense", &|fragment| fragment[16..60].fill(0xff)),
        ("it was never written", &|fragment| fragment.fill(0)),
        ("its length is wrong", &|fragment| fragment[2] = 0x7f),
        ("it says that it has what lies behind it", &|fragment| {
            let trun = fragment.windows(4).position(|w| w == b"trun").expect("there");
            fragment[trun + 12..trun + 16].copy_from_slice(&0x00ff_ffff_u32.to_be_bytes());
        }),
        ("it is another's, in part", &|fragment| {
            let half = fragment.len() / 2;
            fragment[..half].reverse();
        }),
    ];
    for (what, damage) in damages {
        for number in [0, 3, 8] {
            let mut torn = bytes.clone();
            let begin = if number == 0 { head(&ends) } else { ends[number - 1] };
            damage(&mut torn[begin..ends[number]]);
            let file = file(&torn);
            let finished = finished(&file);
            assert_eq!(finished.tracks[0].samples, 90, "{what}: {number}");
            assert_eq!(finished.duration.as_millis(), 3_333, "{what}: {number}");
            assert_eq!(contents(&file)[ends[0]..ends[9]], torn[ends[0]..ends[9]], "no byte of media is touched");
        }
    }
}

#[test]
fn words_of_a_hostile_sender_that_look_like_a_fragment_are_none_and_take_no_time() {
    let (bytes, ends) = recording();
    let lure = |size: u32| [&size.to_be_bytes()[..], b"moof"].concat();
    let mut torn = bytes[..ends[0]].to_vec();
    for size in [8, 16, 0x00ff_ffff, u32::MAX, 0, 1].into_iter().cycle().take(100_000) {
        torn.extend_from_slice(&lure(size));
    }
    let file = file(&torn);
    assert_eq!(finished(&file).tracks[0].samples, 10);
}

#[test]
fn a_head_alone_is_empty_and_media_that_cannot_be_read_stays() {
    let (bytes, ends) = recording();
    let empty = file(&bytes[..head(&ends)]);
    assert_eq!(finish(&empty).expect("a recording"), Outcome::Empty);
    let mut torn = bytes[..ends[0]].to_vec();
    torn[head(&ends) + 16..head(&ends) + 60].fill(0xff);
    let damaged = file(&torn);
    assert!(matches!(finish(&damaged), Err(FinishError::Damaged)));
    assert_eq!(contents(&damaged), torn);
}

#[test]
fn what_is_no_recording_is_refused_and_left_alone() {
    let mut state = 1_u32;
    for length in [0, 7, 8, 40, 500] {
        let junk: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                (state >> 16) as u8
            })
            .collect();
        let file = file(&junk);
        assert!(finish(&file).is_err());
        assert_eq!(contents(&file), junk);
    }
    let (bytes, ends) = recording();
    let (head, mut flipped) = (head(&ends), bytes.clone());
    for at in 0..bytes.len() {
        flipped[at] ^= 0x81;
        if at < head || at % 7 == 0 {
            // Whatever it says of itself now, it is read without a panic and without more memory than it has bytes.
            let _ = finish(&file(&flipped));
        }
        flipped[at] = bytes[at];
    }
}

/// For `make bench-record`: how long an hour of 30 pictures and 50 packets of sound a second takes, at 1.5 Mbit/s.
#[test]
#[ignore = "writes 700 MB to print a time"]
fn an_hour_takes() {
    const FRAGMENTS: u64 = 3_600;
    let size = Size { width: 1_280, height: 720 };
    let file = tempfile::tempfile().expect("a file");
    let head = recording_head(&[Coding::Vp8 { size }, Coding::Opus]).expect("encodes");
    file.write_all_at(&head, 0).expect("written");
    let mut at = head.len() as u64;
    let (picture, sound) = (Bytes::from(vec![0; 6_000]), Bytes::from(vec![0; 80]));
    let samples = |second: u64, count: u64, ticks: u32, data: &Bytes, all_keys: bool| -> Vec<(Sample, u32)> {
        let sample = |index: u64| {
            let time = (second * count + index) * u64::from(ticks);
            (Sample { time, key: all_keys || index == 0, data: data.clone() }, ticks)
        };
        (0..count).map(sample).collect()
    };
    for second in 0..FRAGMENTS {
        let (video, audio) = (samples(second, 30, 3_000, &picture, false), samples(second, 50, 960, &sound, true));
        let bytes = fragment(second as u32 + 1, &[(1, video.as_slice()), (2, audio.as_slice())]).expect("encodes");
        file.write_all_at(&bytes, at).expect("written");
        at += bytes.len() as u64;
    }
    // What a recording has done by then: each fragment is synced as it is written.
    file.sync_all().expect("synced");
    let begun = std::time::Instant::now();
    let finished = finished(&file);
    let took = begun.elapsed();
    println!("an hour of {} MB is finished in {} ms", finished.bytes / 1_000_000, took.as_millis());
    assert_eq!(finished.tracks.iter().map(|track| track.samples).collect::<Vec<_>>(), [30 * FRAGMENTS, 50 * FRAGMENTS]);
}
