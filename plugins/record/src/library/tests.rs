use crate::container::Container;
use bytes::Bytes;
use crescendo_leg_api::{Codec, Frame, Layer, Leg as _, State, Track, TrackKey};

use super::*;
use crate::writer::Sync;
use crate::{Options, RecordLeg};

fn options(root: &Path, room: &str) -> Options {
    Options {
        container: Container::Mp4,
        directory: root.to_owned(),
        template: "{room}/{time}-{leg}/{name}-{participant}-{source}".parse().expect("good"),
        room: room.into(),
        leg: "l1".into(),
        started_by: None,
        started: SystemTime::UNIX_EPOCH,
        fragment: Duration::from_millis(500),
        key_frames: Duration::from_secs(10),
        sync: Sync::Fragment,
        queue_bytes: 1 << 20,
    }
}

fn leg(root: &Path, room: &str) -> RecordLeg {
    RecordLeg::new(options(root, room))
}

/// Two seconds of sound.
fn talk(leg: &mut RecordLeg, name: &str) {
    let (key, participant, name) = (TrackKey(1), "p1".to_owned(), name.to_owned());
    leg.track_added(Track { key, participant, name, screen: false, audio: true });
    for number in 0..100 {
        let capture = Duration::from_millis(20 * number);
        let data = Bytes::from_static(&[0xfc, 1, 2, 3]);
        leg.frame(Frame { track: key, layer: Layer::WHOLE, codec: Codec::Opus, capture, key: true, data });
        leg.tick(capture);
    }
}

fn record(root: &Path, room: &str) {
    let mut leg = leg(root, room);
    talk(&mut leg, "Ann");
    leg.finish();
}

#[test]
fn a_recording_is_listed_opened_and_deleted_by_its_room() {
    let root = tempfile::tempdir().expect("a directory");
    let library = Library::new(root.path().to_owned());
    record(root.path(), "demo");
    record(root.path(), "demo");
    record(root.path(), "other");
    let listed = library.list(Some("demo"));
    let ids: Vec<String> = listed.iter().map(|listed| listed.id.to_string()).collect();
    assert_eq!(ids, ["demo~19700101T000000Z-l1", "demo~19700101T000000Z-l1-2"]);
    assert_eq!(library.list(None).len(), 3);
    let Listed { id, bytes, recording } = &listed[0];
    assert_eq!((recording.state, recording.started.as_str()), (RecordingState::Finished, "1970-01-01T00:00:00.000Z"));
    let file = &recording.files[0];
    assert_eq!((file.name.as_str(), file.finished, file.tracks.len()), ("Ann-p1-camera.mp4", true, 1));
    assert!((1_980..=2_020).contains(&file.duration_ms) && *bytes > file.bytes, "{file:?}");

    let opened = library.open("demo", id, "Ann-p1-camera.mp4").expect("there");
    assert_eq!(opened.metadata().expect("a file").len(), file.bytes);
    for name in ["recording.json", "../../other/x", "", "Ann-p1-camera.mp4/"] {
        assert!(matches!(library.open("demo", id, name), Err(LibraryError::NotThere)), "{name}");
    }
    assert!(matches!(library.get("other", id), Err(LibraryError::NotThere)), "of another room");
    library.delete("demo", id).expect("deleted");
    assert!(matches!(library.get("demo", id), Err(LibraryError::NotThere)));
    assert_eq!(library.list(Some("demo")).len(), 1);
}

#[test]
fn identifiers_that_are_paths_are_none() {
    for bad in ["", "..", "a~..", "a/b", "~a", "a~", "a~~b", "a\\b", "a\0", ".hidden", "a~b c"] {
        assert!(bad.parse::<RecordingId>().is_err(), "{bad:?}");
    }
    assert!("a~b~c~d~e~f~g~h~i~j".parse::<RecordingId>().is_err(), "too deep");
    assert!("x".repeat(2_000).parse::<RecordingId>().is_err(), "too long");
}

#[test]
fn a_recording_that_runs_is_not_deleted_nor_finished_by_others() {
    let root = tempfile::tempdir().expect("a directory");
    let library = Library::new(root.path().to_owned());
    let mut leg = leg(root.path(), "demo");
    talk(&mut leg, "Ann");
    let listed = loop {
        if let Some(listed) = library.list(None).pop().filter(|listed| !listed.recording.files.is_empty()) {
            break listed;
        }
        std::thread::yield_now();
    };
    assert!(matches!(library.delete("demo", &listed.id), Err(LibraryError::Busy)));
    assert!(library.recover().is_empty());
    let nothing = Keep { age: Some(Duration::ZERO), bytes: Some(0), only_uploaded: false };
    assert_eq!(library.sweep(nothing, SystemTime::now() + Duration::from_secs(1)), 0);
    leg.finish();
    assert_eq!(library.sweep(nothing, SystemTime::now() + Duration::from_secs(1)), 1);
    assert_eq!(fs::read_dir(root.path()).expect("the root stays").count(), 0);
}

#[test]
fn what_was_cut_off_is_finished_once() {
    let root = tempfile::tempdir().expect("a directory");
    let library = Library::new(root.path().to_owned());
    record(root.path(), "demo");
    let [listed] = &library.list(None)[..] else { panic!("one") };
    // As a kill leaves it: the sidecar of a recording that goes on, and fragments, the last of them torn.
    let directory = root.path().join("demo/19700101T000000Z-l1");
    let mut about = listed.recording.clone();
    about.state = RecordingState::Recording;
    (about.files[0].finished, about.files[0].duration_ms) = (false, 0);
    about.save(&Machine, &directory).expect("saved");
    let path = directory.join(&about.files[0].name);
    let mut bytes = fs::read(&path).expect("there");
    let mdat = bytes.windows(4).position(|w| w == b"mdat").expect("finished") - 4;
    bytes[mdat..mdat + 16].copy_from_slice(&[0, 0, 0, 16, b'f', b'r', b'e', b'e', 0, 0, 0, 0, 0, 0, 0, 0]);
    let moov = bytes.windows(4).rposition(|w| w == b"moov").expect("at the end") - 4;
    fs::write(&path, &bytes[..moov - 3]).expect("written");

    let [recovered] = &library.recover()[..] else { panic!("one") };
    let recording = &recovered.recording;
    assert_eq!((recording.state, recording.files[0].finished), (RecordingState::Recovered, true));
    assert!((1_000..2_000).contains(&recording.files[0].duration_ms), "{:?}", recording.files);
    assert!(library.recover().is_empty(), "nothing is left to do");
}

#[test]
fn the_oldest_go_first_where_there_is_too_much() {
    let root = tempfile::tempdir().expect("a directory");
    let library = Library::new(root.path().to_owned());
    let mut at = SystemTime::UNIX_EPOCH;
    for room in ["a", "b", "c"] {
        record(root.path(), room);
        at += Duration::from_secs(3_600);
        let sidecar = root.path().join(room).join("19700101T000000Z-l1").join(SIDECAR);
        File::options().append(true).open(sidecar).and_then(|file| file.set_modified(at)).expect("set");
    }
    let each = library.list(None)[0].bytes;
    let keep = Keep { age: None, bytes: Some(each * 2 + 100), only_uploaded: false };
    assert_eq!(library.sweep(keep, at), 1);
    let rooms = || library.list(None).into_iter().map(|listed| listed.recording.room).collect::<Vec<_>>();
    assert_eq!(rooms(), ["b", "c"]);
    let keep = Keep { age: Some(Duration::from_secs(1_800)), bytes: None, only_uploaded: false };
    assert_eq!(library.sweep(keep, at), 1);
    assert_eq!(rooms(), ["c"]);
}

#[test]
fn a_directory_that_cannot_be_made_fails_the_leg_and_says_why() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("file");
    fs::write(&file, "").expect("written");
    let mut leg = leg(&file, "demo");
    talk(&mut leg, "Ann");
    leg.finish();
    assert!(matches!(leg.state(), State::Failed(reason) if reason.contains("cannot write")));
}

#[test]
fn what_may_not_wait_for_the_disk_is_dropped_and_counted_and_the_leg_goes_on() {
    let root = tempfile::tempdir().expect("a directory");
    let mut leg = RecordLeg::new(Options { queue_bytes: 100, ..options(root.path(), "demo") });
    talk(&mut leg, "Ann");
    assert!(leg.dropped() > 0);
    assert!(!matches!(leg.state(), State::Failed(_)), "{:?}", leg.state());
    leg.finish();
    assert!(Library::new(root.path().to_owned()).list(None).is_empty(), "of nothing, nothing stays");
}

#[test]
fn what_waits_to_be_uploaded_is_not_swept_and_once_it_is_confirmed_it_is_there_only() {
    let root = tempfile::tempdir().expect("a directory");
    let library = Library::new(root.path().to_owned());
    record(root.path(), "demo");
    let (waiting, there) = library.to_upload(BTreeSet::new());
    let [id] = &waiting[..] else { panic!("{waiting:?}") };
    assert!(there.is_empty());
    let later = SystemTime::now() + Duration::from_secs(1);
    let nothing = Keep { age: Some(Duration::ZERO), bytes: Some(0), only_uploaded: true };
    assert_eq!(library.sweep(nothing, later), 0);

    let outgoing = library.take_out(id).expect("it has ended");
    assert!(matches!(library.delete("demo", id), Err(LibraryError::Busy)), "while it is uploaded");
    let names: Vec<&str> = outgoing.names().collect();
    assert_eq!(names, ["Ann-p1-camera.mp4", SIDECAR], "the sidecar is the last");
    let media = outgoing.path("Ann-p1-camera.mp4");
    let text = fs::read(&media).expect("there");
    outgoing.uploaded("s3://bucket/demo/x".into(), true).expect("noted");
    assert!(!media.exists());
    assert!(
        matches!(library.open("demo", id, "Ann-p1-camera.mp4"), Err(LibraryError::Moved(to)) if to == "s3://bucket/demo/x")
    );
    let (waiting, there) = library.to_upload(there);
    assert!(waiting.is_empty() && there.contains(id));
    assert_eq!(library.get("demo", id).expect("it is listed").recording.files.len(), 1);

    // Killed between the note and the deletion.
    fs::write(&media, text).expect("written");
    assert!(library.recover().is_empty());
    assert!(!media.exists());
    assert_eq!(library.sweep(nothing, later), 1);
}
