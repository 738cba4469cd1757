use super::*;

#[test]
fn a_vp8_key_frame_says_its_size() {
    let mut frame = vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x41, 0, 0];
    assert_eq!(vp8_key(&frame), Size::new(640, 480));
    frame[0] |= 1;
    assert_eq!(vp8_key(&frame), None, "an inter frame");
    assert_eq!(vp8_key(&frame[..6]), None);
}

#[test]
fn a_vp9_key_frame_says_its_size_and_profile() {
    // frame_marker 2, profile 0, no show_existing_frame, key frame, shown; sync code; color space 2; 319 × 179.
    let bits = format!("10000010{:024b}0100{:016b}{:016b}0000", 0x49_83_42, 319, 179);
    let frame: Vec<u8> = bits.as_bytes().chunks(8).map(|b| b.iter().fold(0, |v, bit| v << 1 | (bit - b'0'))).collect();
    assert_eq!(vp9_key(&frame), Some(Vp9 { size: Size { width: 320, height: 180 }, profile: 0, depth: 8 }));
    assert_eq!(vp9_key(&frame[..7]), None);
    assert_eq!(vp9_key(&[0x86, 0, 0]), None, "an inter frame");
}
