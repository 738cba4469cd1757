use super::*;
use crate::window::Part;

fn store() -> Store {
    let reach = Reach { memory: 3, window: None };
    begun(|timing| Store::new(timing, "r".into(), SystemTime::UNIX_EPOCH, reach, None))
}

/// One that goes back `window`, in `directory`.
fn stored(directory: &std::path::Path, window: Duration) -> Store {
    let disk = Disk::open(directory.to_owned()).expect("a directory");
    let reach = Reach { memory: 3, window: Some(window) };
    begun(|timing| Store::new(timing, "r".into(), SystemTime::UNIX_EPOCH, reach, Some(disk)))
}

fn begun(store: impl FnOnce(Timing) -> Store) -> Store {
    let timing =
        Timing { part: Duration::from_millis(200), target: Duration::from_millis(2_000), sound_delay: Duration::ZERO };
    let store = store(timing);
    store.begin(Rendition::Video, Bytes::from_static(b"video init"));
    store.begin(Rendition::Audio, Bytes::from_static(b"audio init"));
    store.set_picture(Rendition::Video, Picture { codec: "avc3.42c01f".into(), width: 640, height: 360 });
    store
}

/// Publishes one part of both renditions; `index` counts them, two make a segment.
fn publish(store: &Store, index: u64) {
    for rendition in Rendition::ALL {
        store.publish(
            rendition,
            Published {
                part: Part {
                    data: Bytes::from(format!("{}{index};", rendition.name())),
                    duration: Duration::from_millis(200),
                    independent: index.is_multiple_of(2),
                },
                samples: 1,
                segment_start: Duration::from_millis(400) * (index / 2) as u32,
                ends_segment: (index % 2 == 1).then_some(Duration::from_millis(400)),
            },
        );
    }
}

fn body(answer: Answer) -> Bytes {
    match answer {
        Answer::Playlist(text) => text.body().clone(),
        Answer::Media(body) => body,
        other => panic!("{other:?}"),
    }
}

fn ask(msn: u64, part: usize) -> Query {
    Query { msn: Some(msn), part: Some(part), skip: false }
}

#[test]
fn nothing_is_offered_before_two_segments_have_ended() {
    let store = store();
    for index in 0..3 {
        publish(&store, index);
        assert!(!store.offered());
        assert!(matches!(store.get("video.m3u8", Query::default()), Answer::NotFound));
    }
    publish(&store, 3);
    assert!(store.offered());
    body(store.get(INDEX, Query::default()));
}

#[test]
fn a_playlist_waits_for_exactly_the_part_that_was_asked_for() {
    let store = store();
    (0..4).for_each(|index| publish(&store, index));
    for file in ["video.m3u8", "audio.m3u8"] {
        // A part beyond the last of an ended segment is the first of the next one.
        for soon in [ask(2, 0), ask(1, 2), ask(2, 1), Query { msn: Some(2), ..Query::default() }] {
            let Answer::Wait { changed, .. } = store.get(file, soon) else { panic!("{soon:?} was answered") };
            assert!(!changed.has_changed().expect("the store is there"));
        }
        body(store.get(file, ask(1, 1)));
    }
    let Answer::Wait { changed, .. } = store.get("video.m3u8", ask(2, 0)) else { panic!("answered early") };
    publish(&store, 4);
    assert!(changed.has_changed().expect("the store is there"));
    body(store.get("video.m3u8", ask(2, 0)));
    body(store.get("video.m3u8", ask(1, 2)));
    assert!(matches!(store.get("video.m3u8", ask(2, 1)), Answer::Wait { .. }));
    assert!(matches!(store.get("video.m3u8", Query { msn: Some(2), ..Query::default() }), Answer::Wait { .. }));
}

#[test]
fn what_is_too_far_ahead_or_half_a_query_is_refused() {
    let store = store();
    (0..4).for_each(|index| publish(&store, index));
    assert!(matches!(store.get("video.m3u8", ask(4, 0)), Answer::Wait { .. }));
    assert!(matches!(store.get("video.m3u8", ask(5, 0)), Answer::BadQuery));
    assert!(matches!(store.get("video.m3u8", ask(u64::MAX, usize::MAX)), Answer::BadQuery));
    assert!(matches!(store.get("video.m3u8", Query { part: Some(0), ..Query::default() }), Answer::BadQuery));
}

#[test]
fn parts_and_segments_are_the_same_bytes_and_the_hinted_part_is_waited_for() {
    let store = store();
    (0..4).for_each(|index| publish(&store, index));
    let get = |file: &str| store.get(file, Query::default());
    assert_eq!(body(get("video-r-1.0.m4s")), "video2;");
    assert_eq!(body(get("video-r-1.m4s")), "video2;video3;");
    assert_eq!(body(get("audio-r-init.mp4")), "audio init");
    assert!(matches!(get("video-r-2.0.m4s"), Answer::Wait { .. }));
    for wrong in [
        "video-r-2.1.m4s",
        "video-r-2.m4s",
        "video-r-01.m4s",
        "video-r-+1.m4s",
        "video-q-1.m4s",
        "../x",
        "",
        "video-r-1.2.m4s",
    ] {
        assert!(matches!(get(wrong), Answer::NotFound), "{wrong}");
    }
}

#[test]
fn old_segments_outlive_the_playlist_for_a_while_and_then_go() {
    let store = store();
    (0..40).for_each(|index| publish(&store, index));
    let playlist = body(store.get("video.m3u8", Query::default()));
    let playlist = String::from_utf8_lossy(&playlist);
    assert!(playlist.contains("#EXT-X-MEDIA-SEQUENCE:17\n"), "{playlist}");
    body(store.get("video-r-14.m4s", Query::default()));
    assert!(matches!(store.get("video-r-12.m4s", Query::default()), Answer::NotFound));
}

#[test]
fn after_the_end_nobody_waits() {
    let store = store();
    (0..4).for_each(|index| publish(&store, index));
    let Answer::Wait { changed, .. } = store.get("video-r-2.0.m4s", Query::default()) else { panic!("answered") };
    store.end();
    assert!(changed.has_changed().expect("the store is there"));
    assert!(matches!(store.get("video-r-2.0.m4s", Query::default()), Answer::NotFound));
    assert!(body(store.get("video.m3u8", ask(9, 9))).ends_with(b"#EXT-X-ENDLIST\n"));
}

#[test]
fn sound_is_offered_alone_only_once_it_was_said() {
    let store = store();
    store.lock().renditions[Rendition::Video as usize] = None;
    (0..4).for_each(|index| publish(&store, index));
    assert!(!store.offered());
    store.offer_sound_alone();
    publish(&store, 4);
    assert!(body(store.get(INDEX, Query::default())).ends_with(b"CODECS=\"mp4a.40.2\"\naudio.m3u8\n"));
}

/// Until the disk has all segments that ended before the part `index` came.
fn settle(store: &Store, index: u64) {
    let kept = || store.lock().disk.as_ref().map(|disk| disk.kept(Rendition::Audio).written);
    while kept().is_some_and(|written| written < index / 2) {
        std::thread::yield_now();
    }
}

#[test]
fn with_a_disk_a_playlist_goes_back_as_far_as_its_window_and_memory_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = stored(directory.path(), Duration::from_secs(8));
    for index in 0..60 {
        publish(&store, index);
        settle(&store, index);
    }
    let playlist = body(store.get("video.m3u8", Query::default()));
    let playlist = String::from_utf8_lossy(&playlist);
    assert_eq!(playlist.matches("#EXTINF").count(), 20, "{playlist}");
    assert!(playlist.contains("#EXT-X-MEDIA-SEQUENCE:10\n"), "{playlist}");
    let Answer::Stored(path) = store.get("video-r-10.m4s", Query::default()) else { panic!("it is in memory") };
    assert_eq!(std::fs::read(path).expect("it is on disk"), b"video20;video21;");
    assert!(matches!(store.get("video-r-28.m4s", Query::default()), Answer::Media(_)));
    assert!(
        matches!(store.get("video-r-10.0.m4s", Query::default()), Answer::NotFound),
        "parts of old segments are gone"
    );
    assert!(matches!(store.get("video-r-6.m4s", Query::default()), Answer::NotFound));
}

#[test]
fn the_directory_has_a_playlist_that_names_what_is_there_and_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = stored(directory.path(), Duration::from_secs(8));
    for index in 0..160 {
        publish(&store, index);
        settle(&store, index);
    }
    store.end();
    // Free when the last file is written.
    std::fs::File::open(directory.path()).expect("a directory").lock().expect("a lock");
    for file in ["video.m3u8", "audio.m3u8"] {
        let text = std::fs::read_to_string(directory.path().join(file)).expect("a playlist");
        assert!(text.ends_with("-79.m4s\n#EXT-X-ENDLIST\n"), "{text}");
        let segments: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!((20..40).contains(&segments.len()), "{text}");
        for segment in segments {
            assert!(directory.path().join(segment).exists(), "{segment}");
        }
    }
    let files = std::fs::read_dir(directory.path()).expect("a directory").count();
    assert!(files < 90, "{files} files of 163");
}

#[test]
fn what_the_disk_loses_shortens_the_playlist_and_the_live_edge_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = stored(directory.path(), Duration::from_secs(60));
    for index in 0..60 {
        publish(&store, index);
        settle(&store, index);
        if index == 30 {
            // A directory stands where the next segment should.
            std::fs::create_dir(directory.path().join("video-r-15.m4s")).expect("made");
        }
    }
    let playlist = String::from_utf8(body(store.get("video.m3u8", Query::default())).to_vec()).expect("UTF-8");
    assert!(playlist.contains("#EXT-X-MEDIA-SEQUENCE:16\n"), "{playlist}");
    assert!(playlist.contains("video-r-29.m4s"), "{playlist}");
    let on_disk = std::fs::read_to_string(directory.path().join("video.m3u8")).expect("a playlist");
    assert!(on_disk.contains("#EXT-X-MEDIA-SEQUENCE:16\n"), "{on_disk}");
    let audio = String::from_utf8(body(store.get("audio.m3u8", Query::default())).to_vec()).expect("UTF-8");
    assert!(audio.contains("#EXT-X-MEDIA-SEQUENCE:0\n"), "{audio}");
}

#[test]
fn a_delta_update_is_given_to_who_asks_for_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = stored(directory.path(), Duration::from_secs(60));
    for index in 0..100 {
        publish(&store, index);
        settle(&store, index);
    }
    let delta = body(store.get("video.m3u8", Query { skip: true, ..Query::default() }));
    assert!(String::from_utf8_lossy(&delta).contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=20\n"), "{delta:?}");
}

#[test]
fn a_playlist_is_written_once_for_everybody_who_asks() {
    let store = store();
    (0..4).for_each(|index| publish(&store, index));
    let address = |answer| body(answer).as_ptr();
    let get = || store.get("video.m3u8", Query::default());
    assert_eq!(address(get()), address(get()));
    let part = || store.get("video-r-1.0.m4s", Query::default());
    assert_eq!(address(part()), address(part()));
}
