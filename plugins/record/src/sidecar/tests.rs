use super::*;
use crate::disk::Machine;

fn recording(name: &str) -> Recording {
    let file = RecordedFile {
        name: name.into(),
        participant: "p1".into(),
        source: Source::Camera,
        offset_ms: 0,
        duration_ms: 0,
        bytes: 0,
        finished: false,
        tracks: Vec::new(),
    };
    Recording {
        room: "demo".into(),
        leg: "l1".into(),
        started_by: None,
        started: "1970-01-01T00:00:00.000Z".into(),
        state: RecordingState::Finished,
        reason: None,
        duration_ms: 0,
        participants: Vec::new(),
        files: vec![file],
        uploaded: None,
    }
}

#[test]
fn a_sidecar_that_names_what_is_not_its_own_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let loads = |name: &str| {
        recording(name).save(&Machine, place.path()).expect("saved");
        Recording::load(place.path()).is_ok()
    };
    assert!(loads("Ann-p1-camera.mp4") && loads("Änn-p1.mp4"));
    for bad in ["", ".mp4", "..mp4", "../x.mp4", "/etc/passwd", "a/b.mp4", "a\\b.mp4", "a\0.mp4", "recording.json", "a"]
    {
        assert!(!loads(bad), "{bad:?}");
    }
}

#[test]
fn links_are_not_followed() {
    let place = tempfile::tempdir().expect("a directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    recording("a.mp4").save(&Machine, elsewhere.path()).expect("saved");
    std::os::unix::fs::symlink(elsewhere.path().join(SIDECAR), place.path().join(SIDECAR)).expect("linked");
    assert!(Recording::load(place.path()).is_err());
    std::fs::write(elsewhere.path().join("a.mp4"), "x").expect("written");
    std::os::unix::fs::symlink(elsewhere.path().join("a.mp4"), place.path().join("a.mp4")).expect("linked");
    let file = recording("a.mp4").files.remove(0);
    assert!(file.open(place.path(), true).is_err());
    assert!(file.open(elsewhere.path(), false).is_ok());
}
