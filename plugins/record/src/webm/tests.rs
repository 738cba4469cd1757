use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::Command;
use std::time::Duration;

use crescendo_cmaf::{AUDIO_TIMESCALE, Size, VIDEO_TIMESCALE, opus};

use super::*;
use crate::finish::{Finished, Outcome};

const SIZE: Size = Size { width: 64, height: 48 };

/// A second of 10 pictures, of which the first is a key frame, and of sound.
fn second(number: u64) -> Bytes {
    let picture = |at: u64| {
        let time = (number * 10 + at) * u64::from(VIDEO_TIMESCALE) / 10;
        let data = Bytes::from(vec![at as u8; 40 + at as usize]);
        (Sample { time, key: at == 0, data }, VIDEO_TIMESCALE / 10)
    };
    let sound = |at: u64| {
        let time = (number * 50 + at) * u64::from(opus::SILENCE_LENGTH);
        (Sample { time, key: true, data: Bytes::from_static(&opus::SILENCE) }, opus::SILENCE_LENGTH)
    };
    let (pictures, sounds): (Vec<_>, Vec<_>) = ((0..10).map(picture).collect(), (0..50).map(sound).collect());
    clusters(&[(1, VIDEO_TIMESCALE, &pictures), (2, AUDIO_TIMESCALE, &sounds)])
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

fn content(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("read");
    bytes
}

fn finished(file: &File) -> Finished {
    match finish(file).expect("finished") {
        Outcome::Finished(finished) => finished,
        Outcome::Empty => panic!("there is something in it"),
    }
}

fn written(seconds: u64) -> Vec<u8> {
    let head = head(&[Coding::Vp8 { size: SIZE }, Coding::Opus]);
    (0..seconds).fold(head.to_vec(), |mut bytes, number| {
        bytes.extend_from_slice(&second(number));
        bytes
    })
}

#[test]
fn what_is_written_is_found_again_and_can_be_finished_twice() {
    let file = file(&written(7));
    let first = finished(&file);
    assert_eq!(first.duration, Duration::from_secs(7));
    let samples: Vec<_> = first.tracks.iter().map(|track| (track.audio, track.samples, track.start)).collect();
    assert_eq!(samples, [(false, 70, Duration::ZERO), (true, 350, Duration::ZERO)]);
    let bytes = content(&file);
    assert_eq!(first.bytes, bytes.len() as u64);
    assert_eq!(finished(&file), first);
    assert_eq!(content(&file), bytes, "nothing is done twice");
}

#[test]
fn a_file_that_is_cut_off_anywhere_keeps_all_whole_clusters() {
    let bytes = written(3);
    let begin = head(&[Coding::Vp8 { size: SIZE }, Coding::Opus]).len();
    let cluster = second(0).len();
    for length in (begin..bytes.len()).step_by(7) {
        let file = file(&bytes[..length]);
        let whole = (length - begin) / cluster;
        match finish(&file) {
            Ok(Outcome::Empty) => assert_eq!(length, begin),
            Ok(Outcome::Finished(finished)) => {
                assert_eq!(finished.duration, Duration::from_secs(whole as u64), "of {length} bytes");
                assert_eq!(finished.bytes, content(&file).len() as u64);
            }
            Err(_) => {
                assert_eq!(whole, 0);
                assert_eq!(content(&file), &bytes[..length], "it is left as it is");
            }
        }
    }
}

#[test]
fn what_is_torn_between_two_clusters_is_hidden() {
    let (bytes, begin, cluster) =
        (written(3), head(&[Coding::Vp8 { size: SIZE }, Coding::Opus]).len(), second(0).len());
    for at in [begin + cluster, begin + cluster + 20, begin + 2 * cluster - 1] {
        let mut torn = bytes.clone();
        torn[at..begin + 2 * cluster].fill(0);
        let file = file(&torn);
        let found = finished(&file);
        // A last block that is all zeros is a block all the same.
        let lost = if at == begin + 2 * cluster - 1 { 0 } else { 10 };
        assert_eq!((found.tracks[0].samples, found.duration), (30 - lost, Duration::from_secs(3)), "from {at} on");
        assert_eq!(finished(&file), found);
    }
}

#[test]
fn samples_far_apart_are_in_clusters_of_their_own() {
    let at = |seconds: u64| {
        (Sample { time: seconds * u64::from(VIDEO_TIMESCALE), key: true, data: Bytes::from_static(b"picture") }, 1)
    };
    let mut bytes = head(&[Coding::Vp8 { size: SIZE }, Coding::Opus]).to_vec();
    bytes.extend_from_slice(&clusters(&[(1, VIDEO_TIMESCALE, &[at(0), at(29), at(61), at(200)])]));
    let file = file(&bytes);
    let found = finished(&file);
    assert_eq!(found.tracks.len(), 1);
    assert_eq!((found.tracks[0].samples, found.duration), (4, Duration::from_secs(201)));
}

#[test]
fn codecs_that_webm_does_not_have_are_no_tracks() {
    assert!(takes(&Coding::Vp8 { size: SIZE }) && takes(&Coding::Opus));
    assert!(!takes(&Coding::Aac { bits_per_second: 64_000 }));
    let with = head(&[Coding::Aac { bits_per_second: 64_000 }, Coding::Opus]);
    assert!(with.windows(6).any(|bytes| bytes == b"A_OPUS") && !with.windows(5).any(|bytes| bytes == b"A_AAC"));
}

/// What ffprobe, which is somebody else's reader, makes of a file: its packets of each stream, and its length.
fn probed(bytes: &[u8]) -> (Vec<usize>, String) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    let probe = |of: &[&str]| {
        let out = Command::new("ffprobe").args(["-v", "fatal", "-of", "csv=p=0"]).args(of).arg(file.path()).output();
        let out = out.expect("ffprobe");
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{of:?}");
        String::from_utf8(out.stdout).expect("text")
    };
    let packets = probe(&["-show_entries", "packet=stream_index"]);
    let of = |stream: &str| packets.lines().filter(|line| line.trim_end_matches(',') == stream).count();
    (vec![of("0"), of("1")], probe(&["-show_entries", "format=duration"]).trim().to_owned())
}

#[test]
fn another_reader_finds_the_same_before_and_after_the_end() {
    let live = written(4);
    assert_eq!(probed(&live), (vec![40, 200], "N/A".to_owned()));
    let file = file(&live);
    finished(&file);
    assert_eq!(probed(&content(&file)), (vec![40, 200], "4.000000".to_owned()));
}
