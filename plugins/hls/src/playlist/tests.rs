use bytes::Bytes;

use super::*;
use crate::window::{Part, Published};

fn timing() -> Timing {
    Timing {
        part: Duration::from_millis(200),
        target: Duration::from_millis(2_000),
        sound_delay: Duration::from_millis(300),
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_323_199),
    }
}

/// `segments` ended segments of five parts, and `open` parts of the next one.
fn window(rendition: Rendition, segments: usize, open: usize) -> Window {
    let mut window = Window::new(rendition, "r", Bytes::from_static(b"init"), 4);
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
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.900
#EXT-X-PART-INF:PART-TARGET=0.200
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-MAP:URI=\"video-r-init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T00:00:00.000Z
#EXTINF:1.00000,
video-r-1.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T00:00:01.000Z
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
    assert_eq!(media(&video, Some(&audio), &timing()), expected);
}

#[test]
fn an_ended_playlist_has_no_parts_and_nothing_to_wait_for() {
    let mut video = window(Rendition::Video, 3, 0);
    video.ended = true;
    let text = media(&video, None, &timing());
    assert!(text.ends_with("video-r-2.m4s\n#EXT-X-ENDLIST\n"), "{text}");
    assert!(!text.contains("EXT-X-PART:") && !text.contains("HINT"), "{text}");
}

#[test]
fn the_plain_playlist_lists_ended_segments_alone() {
    let text = plain(&window(Rendition::Video, 2, 3), &timing());
    assert!(text.ends_with("video-r-1.m4s\n") && !text.contains("PART"), "{text}");
}

#[test]
fn the_multivariant_playlist_measures_what_it_promises() {
    let (video, audio) = (window(Rendition::Video, 2, 0), window(Rendition::Audio, 2, 0));
    let picture = Picture { codec: "avc3.42c01f".into(), width: 1280, height: 720 };
    let text = multivariant(Some((&video, &picture)), &audio);
    let stream = "#EXT-X-STREAM-INF:BANDWIDTH=80000,AVERAGE-BANDWIDTH=80000,CODECS=\"avc3.42c01f,mp4a.40.2\",\
                  RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO=\"sound\"\nvideo.m3u8\n";
    assert!(text.ends_with(stream), "{text}");
    assert!(multivariant(None, &audio).ends_with("CODECS=\"mp4a.40.2\"\naudio.m3u8\n"));
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
