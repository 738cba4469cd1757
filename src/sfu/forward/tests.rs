use std::time::{Duration, Instant};

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{SymbolTypeTcc, TransportLayerCc};
use rtc_shared::marshal::Unmarshal;

use super::bucket::Bucket;
use super::history::History;
use super::keyframe::{Requests, Wishes, is_start};
use super::layer::{self, Layer, Wish};
use super::nack::{Losses, MAX_MISSING, REPEAT, TRIES};
use super::picture::Size;
use super::reception::{Block, Reception};
use super::*;
use crate::sfu::rtcp;
use crate::sfu::{Codec, VideoCodec};

const MS: Duration = Duration::from_millis(1);

#[test]
fn indices_go_on_over_a_wrap_in_both_directions() {
    let mut unwrap = Unwrap::default();
    let first = unwrap.index(65_534);
    assert_eq!(first as u16, 65_534);
    assert_eq!(unwrap.index(1), first + 3);
    assert_eq!(unwrap.index(65_535), first + 1);
    assert_eq!(unwrap.index(65_000), first - 534);
    assert_eq!(nearest(5, 65_535), 65_535, "nothing is before 0");
}

#[test]
fn history_keeps_the_newest_and_nothing_else() {
    let (mut history, now) = (History::new(64), Instant::now());
    assert_eq!(history.get(0), None);
    (0..100_u64).for_each(|index| assert!(history.put(index, now, |slot| slot.push(index as u8))));
    assert_eq!(history.get(35), None);
    assert_eq!(history.get(36), Some(&[36][..]));
    assert_eq!(history.get(99), Some(&[99][..]));
    assert!(!history.put(35, now, |slot| slot.extend_from_slice(b"late")));
    assert_eq!(history.get(35), None);
    assert!(!history.put(99, now, |slot| slot.extend_from_slice(b"again")), "it may have been sent");
    assert_eq!(history.get(99), Some(&[99][..]));

    let later = now + Duration::from_secs(2);
    (100..150_u64).for_each(|index| assert!(history.put(index, later, |slot| slot.push(index as u8))));
    for index in 0..100 {
        assert_eq!(history.get(index), None, "{index} is too old");
    }
    for index in 100..150 {
        assert_eq!(history.get(index), Some(&[index as u8][..]));
    }
}

#[test]
fn a_missing_packet_is_asked_for_a_few_times_and_then_given_up() {
    let start = Instant::now();
    let (mut losses, mut asked) = (Losses::default(), Vec::new());
    assert!(losses.arrived(65_533));
    losses.due(start, &mut asked);
    assert!(asked.is_empty());
    assert!(losses.arrived(65_537));
    losses.due(start, &mut asked);
    assert_eq!(asked, [65_534, 65_535, 0]);
    assert!(losses.arrived(65_535));
    assert!(!losses.arrived(65_535), "twice");
    for round in 1..20 {
        asked.clear();
        losses.due(start + REPEAT * round - MS, &mut asked);
        assert!(asked.is_empty());
        losses.due(start + REPEAT * round, &mut asked);
        assert_eq!(asked, if round < u32::from(TRIES) { vec![65_534, 0] } else { vec![] });
        assert_eq!(losses.take_broken(), round == u32::from(TRIES));
    }
}

#[test]
fn a_long_gap_is_a_break_and_not_asked_for() {
    let (mut losses, mut asked) = (Losses::default(), Vec::new());
    losses.arrived(10);
    losses.arrived(10 + MAX_MISSING as u64 + 1);
    losses.due(Instant::now(), &mut asked);
    assert!(asked.is_empty() && losses.take_broken() && !losses.take_broken());
    for n in 0..2_000 {
        losses.arrived(1_000 + 2 * n);
    }
    losses.due(Instant::now(), &mut asked);
    assert_eq!(asked.len(), MAX_MISSING);
}

#[test]
fn key_frames_of_every_codec_are_recognised() {
    let video = |codec, payload: &[u8]| is_start(Codec::Video(codec), payload);
    let vp8 = |payload: &[u8]| video(VideoCodec::Vp8, payload);
    assert!(vp8(&[0x10, 0x00]));
    assert!(vp8(&[0x90, 0x80, 0x81, 0x01, 0x00]), "with a 15-bit picture id");
    assert!(vp8(&[0x90, 0xf0, 0x01, 0x02, 0x03, 0x00]), "with all of its extensions");
    assert!(!vp8(&[0x10, 0x01]), "an interframe");
    assert!(!vp8(&[0x00, 0x00]), "not the start of a partition");
    assert!(!vp8(&[0x11, 0x00]), "not the first partition");
    let h264 = |payload: &[u8]| video(VideoCodec::H264, payload);
    assert!(h264(&[0x67, 0x42]) && h264(&[0x65, 0x88]));
    assert!(h264(&[0x18, 0, 2, 0x09, 0xf0, 0, 2, 0x67, 0x42]), "an SPS behind something else in a STAP-A");
    assert!(h264(&[0x7c, 0x85, 0x00]), "the start of an IDR slice in an FU-A");
    assert!(!h264(&[0x7c, 0x05, 0x00]), "its middle");
    assert!(!h264(&[0x41, 0x9a]) && !h264(&[0x18, 0, 2, 0x41, 0x9a]) && !h264(&[0x68]));
    let vp9 = |payload: &[u8]| video(VideoCodec::Vp9, payload);
    assert!(vp9(&[0x08]) && vp9(&[0x88, 0x01]));
    assert!(vp9(&[0xa8, 0x80, 0x01, 0x00]), "the lowest layer");
    assert!(!vp9(&[0xa8, 0x01, 0x02]), "a higher one");
    assert!(!vp9(&[0x48]) && !vp9(&[0x00]));
    let av1 = |payload: &[u8]| video(VideoCodec::Av1, payload);
    assert!(av1(&[0x18, 0x0a]));
    assert!(!av1(&[0x10]) && !av1(&[0x98]));
    assert!(is_start(Codec::Opus, &[0xfc]));
    for codec in [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1] {
        assert!(!video(codec, &[]));
        for first in 0..=255 {
            // Hostile bytes are no key frame, and no panic.
            video(codec, &[first]);
            video(codec, &[first, 255]);
            video(codec, &[first, 255, 255]);
        }
    }
}

#[test]
fn requests_are_merged_throttled_and_repeated_until_a_key_frame_comes() {
    let (start, interval) = (Instant::now(), 400 * MS);
    let mut requests = Requests::default();
    assert!(!requests.due(start, interval), "nobody asked");
    requests.want();
    requests.want();
    assert!(requests.due(start, interval));
    requests.want();
    assert!(!requests.due(start + 399 * MS, interval));
    assert!(requests.due(start + 400 * MS, interval), "it has not come");
    requests.satisfied();
    assert!(!requests.due(start + 2_000 * MS, interval));
    requests.want();
    assert!(requests.due(start + 2_000 * MS, interval));
}

#[test]
fn a_receiver_that_asks_for_key_frames_all_the_time_gets_one_a_second() {
    let start = Instant::now();
    let mut wishes = Wishes::default();
    let mut granted = |until: u32| (0..until).filter(|n| wishes.grant(start + *n * 10 * MS)).count();
    assert_eq!(granted(10), 4, "who starts is heard at once");
    assert_eq!(granted(1_001), 10, "and then ten times in ten seconds");
    let later = start + Duration::from_secs(3_600);
    assert_eq!((0..10).filter(|_| wishes.grant(later)).count(), 4, "who was quiet is heard at once again");
    assert!(!wishes.grant(start), "time does not go back");
}

#[test]
fn reports_say_what_was_lost_since_the_last_one_and_in_all() {
    let start = Instant::now();
    let mut reception = Reception::new(65_535, 0, start, 90_000);
    for index in (65_536..65_635).filter(|index| index % 4 != 0) {
        let step = (index - 65_535) as u32;
        reception.arrived(index, step * 900, start + step * 10 * MS);
    }
    let block = reception.report();
    assert_eq!(block, Block { fraction_lost: 64, cumulative_lost: 25, highest: 65_634, jitter: block.jitter });
    assert!(block.jitter < 2, "packets came as evenly as they were made");
    reception.arrived(65_635, 90_000, start + 1_050 * MS);
    let block = reception.report();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 25));
    assert!((200..300).contains(&block.jitter), "50 ms late is 4500 ticks, a sixteenth of it is 281: {}", block.jitter);
}

#[test]
fn feedback_tells_when_packets_came() {
    let epoch = Instant::now();
    let mut recorder = twcc::Recorder::new(epoch);
    let mut information = Vec::new();
    assert!(!recorder.feedback(&mut information));
    recorder.arrived(65_534, epoch + 130 * MS);
    recorder.arrived(1, epoch + 131 * MS);
    recorder.arrived(65_535, epoch + 133 * MS);
    recorder.arrived(65_535, epoch + 134 * MS);
    recorder.arrived(2, epoch + 300 * MS);
    assert!(recorder.feedback(&mut information));
    let feedback = other_feedback(&information);
    assert_eq!((feedback.base_sequence_number, feedback.packet_status_count), (65_534, 5));
    assert_eq!((feedback.reference_time, feedback.fb_pkt_count), (2, 0));
    let deltas: Vec<_> = feedback.recv_deltas.iter().map(|d| (d.type_tcc_packet, d.delta)).collect();
    let (small, large) = (SymbolTypeTcc::PacketReceivedSmallDelta, SymbolTypeTcc::PacketReceivedLargeDelta);
    assert_eq!(deltas, [(small, 2_000), (small, 3_000), (large, -2_000), (large, 169_000)]);

    // The next one goes on where this one ended, and tells of the gap.
    recorder.arrived(5, epoch + 301 * MS);
    information.clear();
    assert!(recorder.feedback(&mut information));
    let feedback = other_feedback(&information);
    assert_eq!((feedback.base_sequence_number, feedback.packet_status_count, feedback.fb_pkt_count), (3, 3, 1));
    assert_eq!(feedback.recv_deltas.len(), 1);
}

#[test]
fn feedback_of_many_packets_comes_in_pieces_that_fit_a_datagram() {
    let epoch = Instant::now();
    let mut recorder = twcc::Recorder::new(epoch);
    // Every other one arrived late, so that each delta has 16 bits.
    for n in 0..1_000u16 {
        let at = if n % 2 == 0 { 2_000 } else { 1_000 };
        recorder.arrived(n, epoch + at * MS);
    }
    let (mut information, mut bases, mut told) = (Vec::new(), Vec::new(), 0);
    while recorder.feedback(&mut information) {
        assert!(information.len() + 12 <= rtcp::MAX_COMPOUND, "{}", information.len());
        let feedback = other_feedback(&information);
        bases.push(feedback.base_sequence_number);
        told += feedback.recv_deltas.len();
        information.clear();
    }
    assert_eq!((bases, told), (vec![0, 500], 1_000));
    recorder.arrived(3_000, epoch + 2_100 * MS);
    assert!(recorder.feedback(&mut information));
    let feedback = other_feedback(&information);
    assert_eq!((feedback.base_sequence_number, feedback.packet_status_count), (3_000, 1), "after a break");

    recorder.arrived(10, epoch + 2_200 * MS);
    information.clear();
    assert!(!recorder.feedback(&mut information), "from before, it seems");
    recorder.arrived(11, epoch + 2_210 * MS);
    assert!(recorder.feedback(&mut information), "the sender began anew");
    assert_eq!(other_feedback(&information).base_sequence_number, 11);
}

fn other_feedback(information: &[u8]) -> TransportLayerCc {
    let mut packet = Vec::new();
    rtcp::write_twcc(&mut packet, 9, information);
    assert!(packet.len().is_multiple_of(4));
    TransportLayerCc::unmarshal(&mut &packet[..]).unwrap()
}

#[test]
fn a_sender_may_bring_a_second_at_once_and_then_no_more_than_its_rate() {
    let start = Instant::now();
    let mut bucket = Bucket::new(80, start);
    assert!((0..10).all(|_| bucket.take(1_000, start)), "80 kbit/s are 10 kB a second");
    assert!(!bucket.take(1, start));
    assert!(!bucket.take(1_000, start + 99 * MS));
    assert!(bucket.take(1_000, start + 100 * MS), "what was refused has cost nothing");
    let passed = (100..10_100).filter(|ms| bucket.take(1_000, start + *ms * MS)).count();
    assert_eq!(passed, 99, "a flood passes at the rate: 10 s of it, short of one packet");
    let later = start + Duration::from_secs(3_600);
    assert_eq!((0..20).filter(|_| bucket.take(1_000, later)).count(), 10, "silence saves up one second");
    assert!(!bucket.take(1, start), "time does not go back");
}

#[test]
fn packets_of_about_one_length_make_a_train_that_a_shorter_one_ends() {
    let of = |lengths: &[usize]| train::train(lengths.iter().copied());
    assert_eq!(of(&[1_200]), (1, 1_200));
    assert_eq!(of(&[1_199, 1_199, 1_200, 1_200]), (4, 1_200));
    assert_eq!(of(&[1_200, 1_150, 1_200]), (3, 1_200));
    assert_eq!(of(&[1_200, 1_200, 300, 300]), (3, 1_200), "the shorter one is the last");
    assert_eq!(of(&[40, 1_200, 1_200]), (1, 40), "nothing is padded that much");
    assert_eq!(of(&[1_000, 1_090, 1_110]), (2, 1_090));
    assert_eq!(of(&[1_000, 1_000 + train::MAX_PADDING]), (2, 1_000 + train::MAX_PADDING));
}

fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

#[test]
fn the_smallest_layer_that_is_enough_is_chosen() {
    let sent = [Some(Some(size(320, 180))), Some(Some(size(640, 360))), Some(Some(size(1_280, 720)))];
    let shown = |width, height| Wish { shown: Some(size(width, height)), most: None };
    let chosen = |sent, wish| layer::choose(&sent, &wish, 0.6);
    assert_eq!(chosen(sent, Wish::default()), Some(Layer::HIGH), "all there is");
    assert_eq!(chosen(sent, shown(320, 180)), Some(Layer::LOW));
    assert_eq!(chosen(sent, shown(400, 225)), Some(Layer::LOW), "0.64 of the pixels");
    assert_eq!(chosen(sent, shown(430, 242)), Some(Layer::MEDIUM));
    assert_eq!(chosen(sent, shown(4_000, 2_000)), Some(Layer::HIGH));
    assert_eq!(chosen(sent, Wish { most: Some(Layer::MEDIUM), ..shown(4_000, 2_000) }), Some(Layer::MEDIUM));
    assert_eq!(chosen(sent, Wish { most: Some(Layer::MEDIUM), shown: None }), Some(Layer::MEDIUM));
    assert_eq!(chosen([None, sent[1], None], shown(100, 100)), Some(Layer::MEDIUM), "it is what there is");
    assert_eq!(chosen([None, None, sent[2]], Wish { most: Some(Layer::LOW), shown: None }), Some(Layer::HIGH));
    assert_eq!(chosen([Some(None), Some(None), Some(None)], shown(640, 360)), Some(Layer::MEDIUM), "sizes are assumed");
    assert_eq!(chosen([None; 3], shown(1, 1)), None);
}
