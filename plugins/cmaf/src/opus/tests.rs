use super::*;

#[test]
fn packets_last_what_their_first_bytes_say() {
    assert_eq!(length(&SILENCE), Some(SILENCE_LENGTH));
    assert_eq!(length(&[0x08, 0]), Some(960), "SILK, 20 ms");
    assert_eq!(length(&[0x18, 0]), Some(2_880), "SILK, 60 ms");
    assert_eq!(length(&[0xfd, 0]), Some(1_920), "two frames");
    assert_eq!(length(&[0xff, 6]), Some(5_760), "six frames");
}

#[test]
fn packets_of_no_length_and_of_too_much_are_refused() {
    assert_eq!(length(&[]), None);
    assert_eq!(length(&[0xff]), None);
    assert_eq!(length(&[0xff, 0]), None);
    assert_eq!(length(&[0xff, 7]), None);
}
