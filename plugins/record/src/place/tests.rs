use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::*;
use crate::disk::Machine;

fn names(of: &str) -> Vec<String> {
    of.split('/').map(str::to_owned).collect()
}

#[test]
fn who_starts_while_the_last_recording_of_a_room_is_deleted_gets_a_directory_that_stays() {
    let root = tempfile::tempdir().expect("a directory");
    let over = AtomicBool::new(false);
    let deletes = || {
        let mut deleted = 0;
        let patience = Instant::now() + Duration::from_secs(20);
        while !over.load(Ordering::Relaxed) && Instant::now() < patience {
            for number in ["x", "x-2", "x-3"] {
                let path = root.path().join("demo").join(number);
                if !path.join("recording.json").exists() {
                    continue;
                }
                let Ok(place) = Place::lock(path) else { continue };
                place.remove(root.path()).expect("deleted");
                deleted += 1;
            }
        }
        deleted
    };
    std::thread::scope(|threads| {
        let deleters = [threads.spawn(deletes), threads.spawn(deletes)];
        for _ in 0..300 {
            let place = Place::make(&Machine, root.path(), &names("demo/x")).expect("made");
            place.create(&Machine, "a", "mp4", b"head").expect("it is still there");
            fs::write(place.path().join("recording.json"), "{}").expect("it is still there");
            assert!(place.path().join("a.mp4").exists(), "nobody deletes what is held");
        }
        over.store(true, Ordering::Relaxed);
        let deleted: usize = deleters.map(|thread| thread.join().expect("no panic")).into_iter().sum();
        assert!(deleted > 100, "{deleted}: the two met");
    });
}

#[test]
fn a_lock_on_a_directory_that_is_gone_is_none_on_the_one_that_has_its_name_now() {
    let root = tempfile::tempdir().expect("a directory");
    let place = Place::make(&Machine, root.path(), &names("demo/x")).expect("made");
    let path = place.path().to_owned();
    let opened = File::open(&path).expect("there");
    place.remove(root.path()).expect("deleted");
    assert!(!path.exists() && !root.path().join("demo").exists() && root.path().exists());
    let anew = Place::make(&Machine, root.path(), &names("demo/x")).expect("made");
    assert_eq!(anew.path(), path);
    assert!(opened.try_lock().is_ok(), "the old one is free");
    assert!(matches!(Place::lock(path), Err(error) if error.kind() == ErrorKind::WouldBlock));
}

#[test]
fn a_directory_with_anything_of_somebody_elses_is_not_empty() {
    let root = tempfile::tempdir().expect("a directory");
    let place = Place::make(&Machine, root.path(), &names("demo/x")).expect("made");
    let path = place.path().to_owned();
    fs::write(path.join("recording.json"), "{}").expect("written");
    fs::write(path.join("notes.txt"), "mine").expect("written");
    assert!(place.remove_empty(root.path(), "recording.json").is_err());
    fs::remove_file(path.join("notes.txt")).expect("removed");
    let place = Place::lock(path).expect("free");
    place.remove_empty(root.path(), "recording.json").expect("removed");
    assert_eq!(fs::read_dir(root.path()).expect("the root stays").count(), 0);
}
