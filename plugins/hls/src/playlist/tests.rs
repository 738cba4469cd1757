use bytes::Bytes;

use super::*;
use crate::window::{Part, Published, Reach};

fn timing() -> Timing {
    Timing {
        part: Duration::from_millis(200),
        target: Duration::from_millis(2_000),
        sound_delay: Duration::from_millis(300),
    }
}

/// `segments` ended segments of five parts, and `open` parts of the next one.
fn window(rendition: Rendition, segments: usize, open: usize) -> Window {
    reaching(rendition, segments, open, Reach { memory: 4, window: None })
}

fn reaching(rendition: Rendition, segments: usize, open: usize, reach: Reach) -> Window {
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_323_199);
    let mut window = Window::new(rendition, "r", started, Bytes::from_static(b"init"), reach);
    let second = |number: usize| Duration::from_secs(number as u64);
    for number in 0..=segments {
        let parts = if number == segments { open } else { 5 };
        for part in 0..parts {
            let last = number < segments && part == 4;
            window.publish(Published {
                part: Part {
                    data: Bytes::from(vec![0; 1_000]),
                    duration: Duration::from_millis(200),
                    independent: part == 0,
                },
                samples: 6,
                segment_start: second(number),
                ends_segment: last.then(|| second(1)),
            });
        }
    }
    window
}

#[test]
fn a_media_playlist_says_all_that_a_low_latency_player_needs() {
    let (video, audio) = (window(Rendition::Video, 5, 2), window(Rendition::Audio, 3, 1));
    let expected = "\
#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,PART-HOLD-BACK=0.900
#EXT-X-PART-INF:PART-TARGET=0.200
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-MAP:URI=\"video-r-init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T00:00:00.000Z
#EXTINF:1.00000,
video-r-1.m4s
#EXTINF:1.00000,
video-r-2.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T00:00:02.000Z
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-3.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-3.1.m4s\"
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-3.2.m4s\"
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-3.3.m4s\"
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-3.4.m4s\"
#EXTINF:1.00000,
video-r-3.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T00:00:03.000Z
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-4.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-4.1.m4s\"
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-4.2.m4s\"
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-4.3.m4s\"
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-4.4.m4s\"
#EXTINF:1.00000,
video-r-4.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T00:00:04.000Z
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-5.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.20000,URI=\"video-r-5.1.m4s\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"video-r-5.2.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN=3,LAST-PART=0
";
    assert_eq!(media(&video, [&audio], &timing(), Extent::Full), expected);
}

#[test]
fn an_ended_playlist_has_no_parts_and_nothing_to_wait_for() {
    let mut video = window(Rendition::Video, 3, 0);
    video.ended = true;
    let text = media(&video, [], &timing(), Extent::Full);
    assert!(text.ends_with("video-r-2.m4s\n#EXT-X-ENDLIST\n"), "{text}");
    assert!(!text.contains("EXT-X-PART:") && !text.contains("HINT"), "{text}");
}

#[test]
fn the_plain_playlist_lists_ended_segments_alone() {
    let text = plain(&window(Rendition::Video, 2, 3), &timing(), 0);
    assert!(text.ends_with("video-r-1.m4s\n") && !text.contains("PART"), "{text}");
}

#[test]
fn a_delta_update_leaves_out_what_is_far_from_the_end_and_the_rest_is_as_in_the_full_playlist() {
    let reach = Reach { memory: 4, window: Some(Duration::from_secs(60)) };
    let video = reaching(Rendition::Video, 30, 2, reach);
    let full = media(&video, [], &timing(), Extent::Full);
    let delta = media(&video, [], &timing(), Extent::Delta);
    assert_eq!(full.matches("#EXTINF").count(), 30);
    // 0.4 s are open, so that 11.6 s of ended segments are within 12 s of the end.
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=18\n"), "{delta}");
    assert!(delta.contains("#EXT-X-MEDIA-SEQUENCE:0\n"), "{delta}");
    assert_eq!(delta.matches("#EXTINF").count(), 12);
    let from_18 = |text: &str| text[text.find("video-r-18.m4s").expect("listed")..].to_owned();
    assert_eq!(from_18(&delta), from_18(&full));

    let short = window(Rendition::Video, 5, 2);
    assert_eq!(media(&short, [], &timing(), Extent::Delta), media(&short, [], &timing(), Extent::Full));
}

#[test]
fn what_a_playlist_on_disk_grows_by_is_what_it_would_have_if_it_were_written_anew() {
    let reach = Reach { memory: 4, window: Some(Duration::from_secs(60)) };
    let mut grown = plain(&reaching(Rendition::Video, 1, 0, reach), &timing(), 0);
    for segments in 2..25 {
        let window = reaching(Rendition::Video, segments, 0, reach);
        grown.push_str(&added(&window, segments as u64 - 1));
        assert_eq!(grown, plain(&window, &timing(), 0));
    }
}

#[test]
fn the_multivariant_playlist_measures_what_it_promises() {
    let (video, audio) = (window(Rendition::Video, 2, 0), window(Rendition::Audio, 2, 0));
    let picture = Picture { codec: "avc3.42c01f".into(), width: 1280, height: 720 };
    let text = multivariant(&[(&video, &picture)], &audio);
    let stream = "#EXT-X-STREAM-INF:BANDWIDTH=80000,AVERAGE-BANDWIDTH=80000,CODECS=\"avc3.42c01f,mp4a.40.2\",\
                  RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO=\"sound\"\nvideo.m3u8\n";
    assert!(text.ends_with(stream), "{text}");
    assert!(multivariant(&[], &audio).ends_with("CODECS=\"mp4a.40.2\"\naudio.m3u8\n"));
}

#[test]
fn dates_are_those_of_the_calendar() {
    let at = |seconds| date_time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(at(951_782_399), "2000-02-28T23:59:59.000Z");
    assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000Z");
    assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59.000Z");
    assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000Z");
}
