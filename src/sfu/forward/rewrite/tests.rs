use std::time::Duration;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn at(index: u64, timestamp: u32) -> Input {
    Input { layer: Layer::WHOLE, index, timestamp, picture: None }
}

fn place(index: u64) -> Option<Place> {
    Some(Place { index, timestamp_shift: 0, picture_shift: Picture::default() })
}

#[test]
fn numbers_are_shifted_and_found_again() {
    let now = Instant::now();
    let mut rewrite = Rewrite::new(65_530);
    assert_eq!(rewrite.place(at(99, 0), now), None, "nothing before the start");
    rewrite.start(at(100, 0), now, 90_000, None);
    assert_eq!(rewrite.place(at(100, 0), now), place(65_530));
    assert_eq!(rewrite.place(at(110, 0), now), place(65_540));
    assert_eq!(rewrite.place(at(105, 0), now), place(65_535), "late");
    assert_eq!(rewrite.place(at(99, 0), now), None);
    assert_eq!(rewrite.sent(4), Some((Layer::WHOLE, 110, place(65_540).unwrap())));
    assert_eq!(rewrite.sent(65_530).map(|(_, input, _)| input), Some(100));
    assert_eq!(rewrite.sent(5), None, "not sent yet");
    assert_eq!(rewrite.sent(65_529), None, "before the first");
}

#[test]
fn what_is_left_out_leaves_no_gap_and_is_never_sent() {
    let now = Instant::now();
    let mut rewrite = Rewrite::new(10);
    rewrite.start(at(100, 0), now, 90_000, None);
    assert_eq!(rewrite.place(at(100, 0), now), place(10));
    assert!(rewrite.skip(Layer::WHOLE, 101));
    assert!(rewrite.skip(Layer::WHOLE, 102));
    assert_eq!(rewrite.place(at(103, 0), now), place(11));
    assert_eq!(rewrite.place(at(101, 0), now), None);
    assert_eq!(rewrite.place(at(102, 0), now), None);
    assert_eq!(rewrite.place(at(105, 0), now), place(13));
    assert!(!rewrite.skip(Layer::WHOLE, 104), "its number was kept free for it");
    assert!(!rewrite.skip(Layer::WHOLE, 105), "it was sent");
    assert_eq!(rewrite.place(at(104, 0), now), place(12));
    assert_eq!(rewrite.sent(11).map(|(_, input, _)| input), Some(103));
    assert_eq!(rewrite.sent(10).map(|(_, input, _)| input), Some(100));
    // Many breaks: what is remembered is bounded, and goes on to be right.
    for n in 0..1_000 {
        assert!(rewrite.skip(Layer::WHOLE, 106 + 2 * n));
        assert_eq!(rewrite.place(at(107 + 2 * n, 0), now), place(14 + n));
    }
    assert_eq!(rewrite.sent(10), None);
    assert_eq!(rewrite.sent(1_013).map(|(_, input, _)| input), Some(2_105));
}

#[test]
fn a_new_source_goes_on_in_number_and_time() {
    let now = Instant::now();
    let mut rewrite = Rewrite::new(10);
    rewrite.start(at(100, 5_000), now, 90_000, None);
    rewrite.place(at(100, 5_000), now);
    let later = now + 100 * MS;
    rewrite.start(at(70_000, 77), later, 90_000, None);
    let moved = rewrite.place(at(70_000, 77), later).unwrap();
    assert_eq!(moved.index, 11);
    assert_eq!(77_u32.wrapping_add(moved.timestamp_shift), 5_000 + 9_000);
    assert_eq!(rewrite.place(at(69_999, 77), later), None, "of the new source, from before its start");
    assert_eq!(rewrite.place(at(101, 5_000), later), None, "of the old source: its number is taken");
    assert_eq!(rewrite.sent(10), Some((Layer::WHOLE, 100, place(10).unwrap())));
    assert_eq!(rewrite.sent(11), Some((Layer::WHOLE, 70_000, moved)));
}

#[test]
fn a_receiver_moves_between_layers_without_a_seam_and_back_across_wraps() {
    let start = Instant::now();
    let input = |layer, index, timestamp, id: u16| {
        let picture = Some(Picture { id: id & 0x7fff, tl0: id as u8 });
        Input { layer, index, timestamp, picture }
    };
    let mut rewrite = Rewrite::new(65_534);
    let (mut last, mut sent) = (None, 0);
    // Layers have numbers of their own; the higher one's picture ids and timestamps wrap on the way.
    for n in 0..300_u64 {
        let layer = if n / 50 % 2 == 0 { Layer::LOW } else { Layer::HIGH };
        let now = start + 33 * MS * n as u32;
        let (base, clock, pictures) = match layer {
            Layer::HIGH => (200_000, u32::MAX - 300_000, 0x7fff - 100),
            _ => (70_000, 500, 90),
        };
        let packet = input(layer, base + n, clock.wrapping_add(n as u32 * 3_000), pictures + n as u16);
        if n % 50 == 0 {
            // By the sender's clock it is one frame later than the last one.
            let captured = last.map(|(_, timestamp, _): (u64, u32, Picture)| timestamp.wrapping_add(3_000));
            rewrite.start(packet, now, 90_000, captured);
        }
        let place = rewrite.place(packet, now).unwrap();
        let timestamp = packet.timestamp.wrapping_add(place.timestamp_shift);
        let picture = packet.picture.unwrap().plus(place.picture_shift);
        if let Some((index, before, shown)) = last {
            assert_eq!((place.index, timestamp.wrapping_sub(before)), (index + 1, 3_000), "packet {n}");
            assert_eq!(picture, shown.next(), "packet {n}");
        }
        assert_eq!(rewrite.sent(place.index as u16), Some((layer, packet.index, place)));
        last = Some((place.index, timestamp, picture));
        sent += 1;
    }
    assert_eq!(sent, 300);
    assert_eq!(rewrite.place(input(Layer::LOW, 70_260, 0, 0), start), None, "of the other layer, after it was left");
    let late = rewrite.place(input(Layer::LOW, 70_249, 0, 0), start).unwrap();
    assert_eq!(rewrite.sent(late.index as u16).map(|(layer, index, _)| (layer, index)), Some((Layer::LOW, 70_249)));
}

#[test]
fn a_layers_clock_is_believed_only_near_the_last_packet() {
    let now = Instant::now();
    let step = |captured: Option<u32>| {
        let mut rewrite = Rewrite::new(1);
        rewrite.start(at(10, 1_000), now, 90_000, None);
        rewrite.place(at(10, 1_000), now);
        let later = now + 100 * MS;
        rewrite.start(at(20, 77), later, 90_000, captured);
        77_u32.wrapping_add(rewrite.place(at(20, 77), later).unwrap().timestamp_shift).wrapping_sub(1_000)
    };
    assert_eq!(step(None), 9_000, "by the time that passed");
    assert_eq!(step(Some(4_000)), 3_000);
    assert_eq!(step(Some(1_000)), 1, "of the same moment: one tick on");
    assert_eq!(step(Some(0)), 1, "time does not go back");
    assert_eq!(step(Some(2_000_000)), 9_000, "too far to be true");
}
