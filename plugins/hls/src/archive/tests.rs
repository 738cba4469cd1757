use super::*;
use crate::INDEX;
use crate::playlist::END;

const SECOND: Duration = Duration::from_secs(1);

/// A broadcast of two segments as a server leaves it, with `end` behind its last line.
fn leave(directory: &Path, room: &str, run: &str, end: &str) -> PathBuf {
    let at = directory.join(room).join(run);
    fs::create_dir_all(&at).expect("made");
    let segment = |number| format!("video-{run}-{number}.m4s");
    let playlist = format!("#EXTM3U\n#EXTINF:1.00000,\n{}\n#EXTINF:1.00000,\n{}\n{end}", segment(0), segment(1));
    let files = [
        (INDEX.to_owned(), "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n".to_owned()),
        ("video.m3u8".to_owned(), playlist),
        (segment(0), "0123".to_owned()),
        (segment(1), "4567".to_owned()),
    ];
    for (name, text) in files {
        fs::write(at.join(name), text).expect("written");
    }
    at
}

fn recovered(directory: &Path) -> Archive {
    let archive = Archive::new(directory.to_owned());
    archive.recover().expect("readable");
    archive
}

#[test]
fn what_a_server_left_is_finished_and_found_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (cut, whole) = (leave(directory.path(), "a", "1f", "#EXTINF:1.0"), leave(directory.path(), "b", "2", END));
    let never = directory.path().join("c/3");
    fs::create_dir_all(&never).expect("made");
    let archive = recovered(directory.path());
    for at in [&cut, &whole] {
        let text = fs::read_to_string(at.join("video.m3u8")).expect("a playlist");
        assert!(text.ends_with("-1.m4s\n#EXT-X-ENDLIST\n"), "{text}");
    }
    assert!(!never.exists(), "nothing of it was ever offered");
    assert_eq!(archive.newest("a").as_deref(), Some("1f"));
    assert_eq!(archive.find("a", "1f", "video-1f-1.m4s"), Some(cut.join("video-1f-1.m4s")));
    assert_eq!(archive.newest("c"), None);
}

#[test]
fn only_names_that_were_given_out_lead_to_files() {
    let directory = tempfile::tempdir().expect("a directory");
    leave(directory.path(), "a", "1f", END);
    let archive = recovered(directory.path());
    assert!(archive.find("a", "1f", INDEX).is_some());
    for (room, run, file) in [
        ("a", "1F", INDEX),
        ("a", "01f", INDEX),
        ("a", "..", INDEX),
        ("a", "", INDEX),
        ("a", "ffffffffffffffffffff", INDEX),
        ("b", "1f", INDEX),
        ("..", "1f", INDEX),
        ("a", "1f", "../../a/1f/index.m3u8"),
        ("a", "1f", "/etc/passwd"),
        ("a", "1f", ""),
        ("a", "1f", "video-1f-01.m4s"),
        ("a", "1f", "video-1f-+1.m4s"),
        ("a", "1f", "video-1f-1.0.m4s"),
        ("a", "1f", "video-1f-../video-1f-1.m4s"),
        ("a", "1f", "video-2-1.m4s"),
    ] {
        assert_eq!(archive.find(room, run, file), None, "{room}/{run}/{file}");
    }
}

#[test]
fn what_is_being_written_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = leave(directory.path(), "a", "1f", "");
    let lock = File::open(&at).expect("there");
    lock.lock().expect("free");
    assert_eq!(Archive::new(directory.path().to_owned()).recover().expect("readable"), 0);
    assert!(!fs::read_to_string(at.join("video.m3u8")).expect("a playlist").contains(END));
}

#[test]
fn the_old_go_and_of_too_many_the_oldest() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["1", "2", "3"].map(|run| leave(directory.path(), "a", run, END));
    let now = SystemTime::now();
    for (index, path) in paths.iter().enumerate() {
        let ended = now - (3 - index as u32) * 100 * SECOND;
        for segment in [0, 1] {
            let file = path.join(format!("video-{}-{segment}.m4s", index + 1));
            File::options().append(true).open(file).and_then(|file| file.set_modified(ended)).expect("set");
        }
    }
    let archive = recovered(directory.path());
    let size = archive.lock().values().map(|ended| ended.bytes).max().expect("three");
    assert_eq!(archive.sweep(Keep { age: 250 * SECOND, bytes: None }, now), 1);
    assert_eq!(paths.each_ref().map(|path| path.exists()), [false, true, true]);
    assert_eq!(archive.sweep(Keep { age: 250 * SECOND, bytes: Some(size) }, now), 1);
    assert_eq!(paths.each_ref().map(|path| path.exists()), [false, false, true]);
    assert_eq!(archive.newest("a").as_deref(), Some("3"));
    assert_eq!(archive.sweep(Keep::default(), now), 1);
    assert!(!directory.path().join("a").exists());
}

#[test]
fn what_somebody_else_put_there_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    // Called like a room and a broadcast, with files that could be of one.
    let photos = directory.path().join("holidays/2024");
    fs::create_dir_all(&photos).expect("made");
    fs::write(photos.join("beach.jpg"), "sand").expect("written");
    fs::write(photos.join("video.m3u8"), "a playlist of songs").expect("written");
    let ours = leave(directory.path(), "a", "1f", END);
    fs::write(ours.join("notes.txt"), "mine").expect("written");
    fs::write(ours.join(".video-1f-2.m4s.part"), "half").expect("written");
    let archive = recovered(directory.path());
    assert_eq!(archive.newest("holidays"), None);
    assert_eq!(archive.sweep(Keep::default(), SystemTime::now()), 0, "the directory is not empty");
    assert_eq!(archive.newest("a"), None);
    let left: Vec<_> = fs::read_dir(&ours).expect("there").map(|entry| entry.expect("readable").file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    assert!(photos.join("beach.jpg").exists() && photos.join("video.m3u8").exists());
}

#[test]
fn a_broadcast_that_cannot_be_read_hides_no_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let torn = leave(directory.path(), "a", "1", END);
    fs::remove_file(torn.join("video.m3u8")).expect("there");
    leave(directory.path(), "b", "2", END);
    let archive = recovered(directory.path());
    assert_eq!((archive.newest("a"), archive.newest("b").as_deref()), (None, Some("2")));
    assert!(torn.join("video-1-0.m4s").exists(), "an index names it: it was offered");
}
