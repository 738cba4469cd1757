//! Recordings on disks that are full, slow, gone or broken. The leg's time is ours.

use crate::container::Container;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use crescendo_leg_api::{Codec, Frame, Layer, Leg as _, State, Track, TrackKey};

use super::*;
use crate::disk::{Disk, Machine};
use crate::{Library, Listed, RecordLeg, RecordingState};

fn options(root: &Path) -> Options {
    Options {
        container: Container::Mp4,
        directory: root.to_owned(),
        template: "{room}/{time}-{leg}/{name}-{participant}-{source}".parse().expect("good"),
        room: "demo".into(),
        leg: "l1".into(),
        started_by: None,
        started: SystemTime::UNIX_EPOCH,
        fragment: Duration::from_millis(500),
        key_frames: Duration::from_secs(10),
        sync: Sync::Fragment,
        queue_bytes: 1 << 20,
    }
}

/// Sound of one participant, from 20 ms times `from` on.
fn talk(leg: &mut RecordLeg, packets: std::ops::Range<u64>) {
    let key = TrackKey(1);
    if packets.start == 0 {
        leg.track_added(Track { key, participant: "p1".into(), name: "Ann".into(), screen: false, audio: true });
    }
    for number in packets {
        let capture = Duration::from_millis(20 * number);
        let data = Bytes::from_static(&[0xfc, 1, 2, 3]);
        leg.frame(Frame { track: key, layer: Layer::WHOLE, codec: Codec::Opus, capture, key: true, data });
        leg.tick(capture);
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(std::time::Instant::now() < patience, "{what}");
        thread::yield_now();
    }
}

fn reason(leg: &RecordLeg) -> Option<String> {
    match leg.state() {
        State::Failed(reason) => Some(reason),
        State::Starting | State::Running | State::Waiting(_) => None,
    }
}

fn listed(root: &Path) -> Listed {
    let mut listed = Library::new(root.to_owned()).list(None);
    assert_eq!(listed.len(), 1);
    listed.remove(0)
}

/// Writes down what it is asked for, with the last part of each path.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: &str, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.0.lock().expect("nobody panics").push(format!("{what} {name}"));
    }

    fn note_file(&self, what: &str, file: &File) {
        use std::os::fd::AsRawFd as _;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("it has a name");
        self.note(what, &path);
    }
}

impl Disk for Log {
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.note("make", path);
        Machine.make_directory(path)
    }
    fn create(&self, path: &Path) -> io::Result<File> {
        self.note("create", path);
        Machine.create(path)
    }
    fn write(&self, file: &File, data: &[u8]) -> io::Result<()> {
        self.note_file("write", file);
        Machine.write(file, data)
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.note_file("sync", file);
        Machine.sync(file)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.note("sync", path);
        Machine.sync_directory(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note("rename", to);
        Machine.rename(from, to)
    }
}

#[test]
fn what_the_sidecar_names_is_on_the_disk_before_it() {
    let root = tempfile::tempdir().expect("a directory");
    let above = root.path().join("new");
    let log = Log::default();
    let mut leg = RecordLeg::on(Options { sync: Sync::Finish, ..options(&above) }, Box::new(log.clone()));
    talk(&mut leg, 0..100);
    leg.finish();
    let log = log.0.lock().expect("nobody panics");
    let (place, temporary) = ("19700101T000000Z-l1", root.path().file_name().expect("it has one").to_string_lossy());
    let expected = [
        // Each directory, and its name in the one above it.
        "make new".into(),
        format!("sync {temporary}"),
        "make demo".into(),
        "sync new".into(),
        format!("make {place}"),
        "sync demo".into(),
        // A sidecar without files.
        "write .recording.json".into(),
        "sync .recording.json".into(),
        "rename recording.json".into(),
        format!("sync {place}"),
        // The file's head and its name, and then the sidecar that has it.
        "create Ann-p1-camera.mp4".into(),
        "write Ann-p1-camera.mp4".into(),
        "sync Ann-p1-camera.mp4".into(),
        format!("sync {place}"),
        "write .recording.json".into(),
        "sync .recording.json".into(),
        "rename recording.json".into(),
        format!("sync {place}"),
    ];
    assert_eq!(log[..expected.len()], expected);
}

/// Has room for so many bytes.
struct Full(Mutex<usize>);

impl Disk for Full {
    fn write(&self, file: &File, data: &[u8]) -> io::Result<()> {
        let mut left = self.0.lock().expect("nobody panics");
        let fits = data.len().min(*left);
        *left -= fits;
        Machine.write(file, &data[..fits])?;
        if fits < data.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn when_the_disk_is_full_the_leg_has_failed_and_what_was_written_plays() {
    let root = tempfile::tempdir().expect("a directory");
    // Not even for a directory's sidecar, for a head, for the first fragment; for some.
    for room in [0, 600, 1_500, 2_100, 3_500, 5_000, 8_000] {
        let at = root.path().join(room.to_string());
        let mut leg = RecordLeg::on(options(&at), Box::new(Full(Mutex::new(room))));
        talk(&mut leg, 0..1_000);
        until("the leg to fail", || reason(&leg).is_some());
        assert!(reason(&leg).is_some_and(|reason| reason.contains("cannot write")), "{:?}", reason(&leg));
        talk(&mut leg, 1_000..1_100);
        leg.finish();
        for listed in Library::new(at.clone()).list(None) {
            let place = at.join("demo/19700101T000000Z-l1");
            for file in &listed.recording.files {
                assert!(place.join(&file.name).is_file(), "{room}: {file:?}");
            }
        }
        if room == 8_000 {
            // It cannot say so itself while there is no room, and does when there is.
            assert_eq!(Library::new(at.clone()).recover().len(), 1);
            let file = &listed(&at).recording.files[0];
            assert!(file.finished && file.duration_ms > 500, "{file:?}");
        }
    }
}

/// Writes of fragments wait for a word each; without anybody who could say it, they go on.
struct Slow(Receiver<()>);

impl Disk for Slow {
    fn sync(&self, file: &File) -> io::Result<()> {
        let _ = self.0.recv();
        Machine.sync(file)
    }
}

fn slow(root: &Path, queue_bytes: usize) -> (RecordLeg, SyncSender<()>) {
    let (word, waits) = sync_channel(0);
    (RecordLeg::on(Options { queue_bytes, ..options(root) }, Box::new(Slow(waits))), word)
}

#[test]
fn a_disk_that_does_not_come_back_has_failed_and_what_waited_is_written_when_it_does() {
    let root = tempfile::tempdir().expect("a directory");
    let (mut leg, word) = slow(root.path(), 1 << 20);
    talk(&mut leg, 0..900);
    assert_eq!(reason(&leg), None, "for 18 s it is slow");
    talk(&mut leg, 900..1_100);
    assert_eq!(reason(&leg).as_deref(), Some("the disk has taken nothing for 20 s"));
    drop(word);
    leg.finish();
    let listed = listed(root.path());
    assert_eq!(listed.recording.state, RecordingState::Failed);
    assert_eq!(listed.recording.reason.as_deref(), Some("the disk has taken nothing for 20 s"));
    assert!(listed.recording.files[0].duration_ms > 21_000, "{:?}", listed.recording.files);
}

#[test]
fn more_jobs_than_may_wait_fail_the_leg_however_small_they_are() {
    let root = tempfile::tempdir().expect("a directory");
    let (mut leg, word) = slow(root.path(), usize::MAX >> 1);
    // Everybody has a file of some bytes, and time stands still.
    for number in 0..=JOBS_MAX {
        let (key, participant) = (TrackKey(number), format!("p{number}"));
        leg.track_added(Track { key, participant, name: "Ann".into(), screen: false, audio: true });
        let data = Bytes::from_static(&[0xfc, 1, 2, 3]);
        leg.frame(Frame {
            track: key,
            layer: Layer::WHOLE,
            codec: Codec::Opus,
            capture: Duration::ZERO,
            key: true,
            data,
        });
    }
    assert_eq!(reason(&leg), None, "nothing is old enough to be written");
    leg.tick(Duration::from_secs(1));
    let reason = reason(&leg).expect("it has failed");
    assert!(reason.contains("too slow"), "{reason}");
    assert!(leg.dropped() > 0);
    drop(word);
}

#[test]
fn people_who_come_and_go_wait_in_no_queue() {
    let root = tempfile::tempdir().expect("a directory");
    let (mut leg, word) = slow(root.path(), 1 << 20);
    for number in 0..20_000 {
        let (key, participant) = (TrackKey(7), format!("p{}", number % 10));
        leg.track_added(Track { key, participant, name: "Ben".into(), screen: false, audio: true });
        leg.track_removed(key);
    }
    assert!(leg.is_written());
    talk(&mut leg, 0..100);
    drop(word);
    leg.finish();
    assert_eq!(listed(root.path()).recording.participants.len(), 10);
}

/// As a bug would.
struct Panics;

impl Disk for Panics {
    fn sync(&self, file: &File) -> io::Result<()> {
        assert!(file.metadata()?.len() < 4_000, "as asked");
        Ok(())
    }
}

#[test]
fn when_the_writing_thread_panics_the_leg_has_failed_and_the_next_start_finishes_its_files() {
    let root = tempfile::tempdir().expect("a directory");
    let mut leg = RecordLeg::on(options(root.path()), Box::new(Panics));
    talk(&mut leg, 0..1_000);
    until("the leg to fail", || reason(&leg).is_some());
    assert_eq!(reason(&leg).as_deref(), Some("the writing thread panicked"));
    leg.finish();
    let library = Library::new(root.path().to_owned());
    assert_eq!(library.recover().len(), 1);
    assert!(listed(root.path()).recording.files[0].finished);
}

#[test]
fn storage_that_is_taken_away_fails_the_leg() {
    let root = tempfile::tempdir().expect("a directory");
    let mut leg = RecordLeg::on(options(root.path()), Box::new(Machine));
    talk(&mut leg, 0..100);
    until("all of it to be written", || leg.is_written());
    std::fs::remove_dir_all(root.path()).expect("removed");
    let key = TrackKey(2);
    leg.track_added(Track { key, participant: "p2".into(), name: "Ben".into(), screen: false, audio: true });
    for number in 100..300 {
        let capture = Duration::from_millis(20 * number);
        let data = Bytes::from_static(&[0xfc, 1, 2, 3]);
        leg.frame(Frame { track: key, layer: Layer::WHOLE, codec: Codec::Opus, capture, key: true, data });
        leg.tick(capture);
    }
    until("the leg to fail", || reason(&leg).is_some());
    leg.finish();
    assert!(!root.path().exists(), "nothing is written where it was");
    std::fs::create_dir(root.path()).expect("so that it can be removed");
}
