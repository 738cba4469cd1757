use std::time::Instant;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn heights(of: &[Rung]) -> Vec<(Layer, usize, usize)> {
    of.iter().map(|rung| (rung.layer, rung.size.width, rung.size.height)).collect()
}

#[test]
fn no_size_is_larger_than_the_picture_and_there_is_one_at_least() {
    use Layer::{High, Low, Medium};
    let of = |width, height, ladder: &[usize]| heights(&sizes(ladder, 1_500, Size { width, height }));
    let ladder = [720, 360, 180];
    assert_eq!(of(1_280, 720, &ladder), [(High, 1_280, 720), (Medium, 640, 360), (Low, 320, 180)]);
    assert_eq!(of(1_920, 1_080, &ladder), [(High, 1_280, 720), (Medium, 640, 360), (Low, 320, 180)]);
    assert_eq!(of(640, 480, &ladder), [(Medium, 480, 360), (Low, 240, 180)]);
    assert_eq!(of(160, 90, &ladder), [(Low, 160, 90)]);
    assert_eq!(of(854, 480, &[360]), [(High, 640, 360)]);
    assert_eq!(of(333, 240, &[]), [(High, 333, 240)]);
    let rates: Vec<_> =
        sizes(&ladder, 1_500, Size { width: 1_280, height: 720 }).iter().map(|rung| rung.kbps).collect();
    assert_eq!(rates, [1_500, 530, 187]);
}

/// Encodes pictures of `size` numbered `numbers` and waits for those of `layers`, but for the last, which an encoder may keep.
fn film(rungs: &mut Rungs, size: Size, numbers: std::ops::Range<u64>, keys: &[u64], layers: &[Layer]) -> Vec<Picture> {
    let data = Bytes::from(vec![90; size.width * size.height * 3 / 2]);
    for number in numbers.clone() {
        if keys.contains(&number) {
            rungs.force_key(MS(number * 40));
        }
        assert!(rungs.push(MS(number * 40), size, &data).expect("encodes"), "there is room");
    }
    let (mut made, begun) = (Vec::<Picture>::new(), Instant::now());
    let last = MS((numbers.end - 2) * 40);
    while !layers.iter().all(|layer| made.iter().any(|picture| picture.layer == *layer && picture.capture == last)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} pictures", made.len());
        made.extend(rungs.pictures());
        assert_eq!(rungs.error(), None);
        // Whatever else is tested meanwhile has the processor.
        std::thread::sleep(MS(1));
    }
    made
}

#[test]
fn every_size_has_its_key_frames_at_the_same_pictures_through_a_change_of_the_size() {
    use Layer::{High, Medium};
    let (large, small) = (Size { width: 128, height: 96 }, Size { width: 64, height: 48 });
    let mut rungs = Rungs::new(&[96, 48], 500, 0);
    let mut made = film(&mut rungs, large, 0..40, &[10, 29], &[High, Medium]);
    made.extend(film(&mut rungs, small, 40..60, &[50], &[Medium]));
    made.extend(film(&mut rungs, large, 60..80, &[], &[High, Medium]));
    let of = |layer, key: bool| -> Vec<u64> {
        let pictures = made.iter().filter(|picture| picture.layer == layer && (picture.key || !key));
        pictures.map(|picture| picture.capture.as_millis() as u64 / 40).collect()
    };
    assert_eq!(of(High, true), [0, 10, 29, 60]);
    assert_eq!(of(Medium, true), [0, 10, 29, 40, 50, 60]);
    // The smaller size goes on whatever it is made of.
    assert_eq!(of(Medium, false)[..79], (0..79).collect::<Vec<_>>());
}
