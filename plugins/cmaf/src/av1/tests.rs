use super::*;

/// Of libaom at 320 × 180, as browsers send it: profile 0, level 2.0.
const OBU: [u8; 13] = [0x0a, 0x0b, 0x00, 0x00, 0x00, 0x01, 0x9f, 0xfb, 0x3f, 0xff, 0x30, 0x08, 0x00];

#[test]
fn a_sequence_header_is_found_behind_other_obus_and_read() {
    // operating_points_cnt 0, idc 0, level 0, 9 and 8 bits of size.
    let bits = format!("000{}{}00{:05b}{:012b}{:05b}{:04b}{:04b}{:09b}{:08b}00", 0, 0, 0, 0, 4, 8, 7, 319, 179);
    let body: Vec<u8> = bits.as_bytes().chunks(8).map(|b| b.iter().fold(0, |v, bit| v << 1 | (bit - b'0'))).collect();
    let mut unit = vec![0x2a, 2, 7, 7, 0x0a, body.len() as u8];
    unit.extend(&body);
    let found = sequence(&Bytes::from(unit)).expect("there");
    assert_eq!((found.size, found.profile, found.level), (Size { width: 320, height: 180 }, 0, 4));
    assert_eq!(found.obu.len(), body.len() + 2);
}

#[test]
fn every_cut_of_a_header_is_refused_without_a_panic() {
    for length in 0..OBU.len() {
        let _ = sequence(&Bytes::copy_from_slice(&OBU[..length]));
        assert_eq!(sequence(&Bytes::copy_from_slice(&OBU[..length])), None);
    }
}
