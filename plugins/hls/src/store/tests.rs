use std::time::SystemTime;

use super::*;
use crate::window::Part;

fn store() -> Store {
    let timing = Timing {
        part: Duration::from_millis(200),
        target: Duration::from_millis(2_000),
        sound_delay: Duration::ZERO,
        started: SystemTime::UNIX_EPOCH,
    };
    let store = Store::new(timing, "r".into(), 3, None);
    store.begin(Rendition::Video, Bytes::from_static(b"video init"));
    store.begin(Rendition::Audio, Bytes::from_static(b"audio init"));
    store.set_picture(Picture { codec: "avc3.42c01f".into(), width: 640, height: 360 });
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
                    independent: index % 2 == 0,
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
        Answer::Now(file) => file.body,
        other => panic!("{other:?}"),
    }
}

fn ask(msn: u64, part: usize) -> Query {
    Query { msn: Some(msn), part: Some(part) }
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
        for soon in [ask(2, 0), ask(1, 2), ask(2, 1), Query { msn: Some(2), part: None }] {
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
    assert!(matches!(store.get("video.m3u8", Query { msn: Some(2), part: None }), Answer::Wait { .. }));
}

#[test]
fn what_is_too_far_ahead_or_half_a_query_is_refused() {
    let store = store();
    (0..4).for_each(|index| publish(&store, index));
    assert!(matches!(store.get("video.m3u8", ask(4, 0)), Answer::Wait { .. }));
    assert!(matches!(store.get("video.m3u8", ask(5, 0)), Answer::BadQuery));
    assert!(matches!(store.get("video.m3u8", ask(u64::MAX, usize::MAX)), Answer::BadQuery));
    assert!(matches!(store.get("video.m3u8", Query { msn: None, part: Some(0) }), Answer::BadQuery));
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
    *store.lock().slot(Rendition::Video) = None;
    (0..4).for_each(|index| publish(&store, index));
    assert!(!store.offered());
    store.offer_sound_alone();
    publish(&store, 4);
    assert!(body(store.get(INDEX, Query::default())).ends_with(b"CODECS=\"mp4a.40.2\"\naudio.m3u8\n"));
}
