//! What may be said of a broadcast's playlists and files.

use std::path::Path;
use std::process::Command;

use crescendo_hls::{Answer, Query, Store};

pub(super) fn text(store: &Store, file: &str) -> String {
    match store.get(file, Query::default()) {
        Answer::Playlist(text) => String::from_utf8(text.body().to_vec()).expect("UTF-8"),
        other => panic!("{file}: {other:?}"),
    }
}

/// Values of every `tag` in the playlist.
pub(super) fn values<'a>(playlist: &'a str, tag: &str) -> Vec<&'a str> {
    playlist.lines().filter_map(|line| line.strip_prefix(tag)?.strip_prefix(':')).collect()
}

/// Value of one attribute of an attribute list.
pub(super) fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(|value| value.trim_matches('"'))
}

/// Durations, names, media sequence numbers: everything a media playlist promises about itself.
pub(super) fn media_playlist(store: &Store, file: &str) {
    let playlist = text(store, file);
    let one = |tag: &str| values(&playlist, tag).first().copied().unwrap_or_else(|| panic!("no {tag} in {playlist}"));
    let target: f64 = one("#EXT-X-TARGETDURATION").parse().expect("a number");
    // What is over has nothing to hold back from.
    let is_live = !playlist.ends_with("#EXT-X-ENDLIST\n");
    let number = |tag, name| attribute(one(tag), name).expect("there").parse::<f64>().expect("a number");
    let part_target = if is_live { number("#EXT-X-PART-INF", "PART-TARGET") } else { 0.0 };
    assert!(!is_live || number("#EXT-X-SERVER-CONTROL", "PART-HOLD-BACK") >= 3.0 * part_target - 1e-9);
    assert!(!is_live || number("#EXT-X-SERVER-CONTROL", "CAN-SKIP-UNTIL") >= 6.0 * target);
    for extinf in values(&playlist, "#EXTINF") {
        let duration: f64 = extinf.trim_end_matches(',').parse().expect("a number");
        assert!(duration.round() <= target, "a segment of {duration} s, target {target}");
    }
    for part in values(&playlist, "#EXT-X-PART") {
        let duration: f64 = attribute(part, "DURATION").expect("there").parse().expect("a number");
        assert!(duration <= part_target + 1e-9, "a part of {duration} s, target {part_target}");
        let uri = attribute(part, "URI").expect("there");
        assert!(matches!(store.get(uri, Query::default()), Answer::Media(_)), "{uri} is listed and not there");
    }
    for name in playlist.lines().filter(|line| !line.starts_with('#')) {
        assert!(!media(store, name).is_empty(), "{name} is listed and not there");
    }
}

/// Concatenates what a media playlist lists.
pub(super) fn whole(store: &Store, file: &str) -> Vec<u8> {
    let playlist = text(store, file);
    let mut out = init(store, &playlist);
    for name in playlist.lines().filter(|line| !line.starts_with('#')) {
        out.extend_from_slice(&media(store, name));
    }
    out
}

/// The init section that a media playlist names.
pub(super) fn init(store: &Store, playlist: &str) -> Vec<u8> {
    let map = values(playlist, "#EXT-X-MAP").first().and_then(|map| attribute(map, "URI")).expect("a map");
    media(store, map)
}

/// A segment or init section, from memory or disk.
pub(super) fn media(store: &Store, name: &str) -> Vec<u8> {
    match store.get(name, Query::default()) {
        Answer::Media(body) => body.to_vec(),
        Answer::Stored(path) => std::fs::read(path).expect("it is on disk"),
        other => panic!("{name}: {other:?}"),
    }
}

/// Decodes `path` with ffmpeg; gives pictures or sound frames, and what it complained about.
pub(crate) fn decode(path: &Path) -> (usize, String) {
    let out = Command::new("ffmpeg")
        .args(["-v", "warning", "-xerror", "-i"])
        .arg(path)
        .args(["-f", "framehash", "-"])
        .output()
        .expect("ffmpeg is installed");
    let frames = String::from_utf8_lossy(&out.stdout).lines().filter(|line| !line.starts_with('#')).count();
    (frames, String::from_utf8_lossy(&out.stderr).into_owned())
}
