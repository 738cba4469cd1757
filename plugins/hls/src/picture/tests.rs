use bytes::Bytes;
use crescendo_leg_api::Codec;

use super::*;

const SPS: [u8; 15] = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf0, 0x88, 0x46, 0xa0];
const MS: fn(u64) -> Duration = Duration::from_millis;

fn frame(key: u64, at: Duration, is_key: bool) -> Frame {
    let mut data = Vec::new();
    let sets: &[&[u8]] = if is_key { &[&SPS, &[0x68, 1], &[0x65, 0x88]] } else { &[&[0x41, 0x9a]] };
    for nal in sets {
        data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
        data.extend_from_slice(nal);
    }
    Frame {
        track: TrackKey(key),
        layer: Layer::WHOLE,
        codec: Codec::H264,
        capture: at,
        key: is_key,
        data: Bytes::from(data),
    }
}

fn pictures(of: Option<&str>, tracks: &[(u64, &str, bool)]) -> Pictures {
    let mut pictures = Pictures::new(of.map(String::from));
    for (key, participant, screen) in tracks {
        let (participant, name) = ((*participant).to_owned(), String::new());
        pictures.add(&Track { key: TrackKey(*key), participant, name, screen: *screen, audio: false });
    }
    pictures
}

#[test]
fn the_first_sender_is_shown_from_its_first_key_frame_on() {
    let mut pictures = pictures(None, &[(1, "p1", false), (2, "p2", false)]);
    assert_eq!(pictures.frame(&frame(2, MS(0), false)), None);
    assert_eq!(pictures.wants_key(MS(0)), Some(TrackKey(2)));
    assert_eq!(pictures.frame(&frame(1, MS(1), true)), None);
    assert!(pictures.frame(&frame(2, MS(2), true)).is_some_and(|shown| shown.sequence.is_some()));
    assert_eq!(pictures.wants_key(MS(2)), None);
    assert!(pictures.frame(&frame(2, MS(35), false)).is_some());
}

#[test]
fn when_the_shown_one_leaves_the_next_sender_follows_at_a_key_frame() {
    let mut pictures = pictures(None, &[(1, "p1", false), (2, "p2", false)]);
    pictures.frame(&frame(1, MS(0), true));
    pictures.frame(&frame(2, MS(0), true));
    pictures.remove(TrackKey(1));
    assert_eq!(pictures.frame(&frame(2, MS(33), false)), None);
    assert_eq!(pictures.wants_key(MS(33)), Some(TrackKey(2)));
    assert!(pictures.frame(&frame(2, MS(66), true)).is_some());
}

#[test]
fn the_one_asked_for_takes_over_and_what_was_shown_goes_on_until_then() {
    let mut pictures = pictures(Some("p2"), &[(1, "p1", false), (2, "p2", false)]);
    assert!(pictures.frame(&frame(1, MS(0), true)).is_some());
    assert_eq!(pictures.frame(&frame(2, MS(1), false)), None);
    assert!(pictures.frame(&frame(1, MS(33), false)).is_some());
    assert_eq!(pictures.wants_key(MS(34)), Some(TrackKey(2)));
    assert!(pictures.frame(&frame(2, MS(40), true)).is_some());
    assert_eq!(pictures.frame(&frame(1, MS(66), true)), None);
}

#[test]
fn a_silent_sender_is_passed_over() {
    let mut pictures = pictures(None, &[(1, "p1", false), (2, "p2", false)]);
    pictures.frame(&frame(1, MS(0), true));
    assert_eq!(pictures.frame(&frame(2, MS(2_900), true)), None);
    assert!(pictures.frame(&frame(2, MS(3_100), true)).is_some());
    assert!(pictures.sent(MS(3_100)));
    assert!(!pictures.sent(MS(9_000)));
}

#[test]
fn after_a_gap_the_picture_goes_on_with_a_key_frame() {
    let mut pictures = pictures(None, &[(1, "p1", false)]);
    pictures.frame(&frame(1, MS(0), true));
    pictures.gap(TrackKey(1), Layer::WHOLE);
    assert_eq!(pictures.frame(&frame(1, MS(33), false)), None);
    assert_eq!(pictures.wants_key(MS(33)), Some(TrackKey(1)));
    assert!(pictures.frame(&frame(1, MS(66), true)).is_some());
}

#[test]
fn a_sender_of_video_that_players_cannot_show_does_not_stand_in_the_way() {
    let mut pictures = pictures(None, &[(1, "p1", false), (2, "p2", false)]);
    let mut odd = frame(1, MS(0), true);
    let mut data = odd.data.to_vec();
    data[5] = 122; // High 4:2:2.
    odd.data = data.into();
    assert_eq!(pictures.frame(&odd), None);
    assert!(pictures.frame(&frame(2, MS(1), true)).is_some());
}

#[test]
fn a_camera_comes_before_a_screen_of_the_one_asked_for() {
    let mut pictures = pictures(Some("p1"), &[(1, "p1", true), (2, "p1", false)]);
    pictures.frame(&frame(2, MS(0), false));
    pictures.frame(&frame(1, MS(0), false));
    assert_eq!(pictures.wants_key(MS(0)), Some(TrackKey(2)));
}
