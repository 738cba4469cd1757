use super::super::header::{self, Fixed, Header};
use super::*;

fn numbers() -> Numbers {
    Numbers::new([(120, 96)], [(7, 4), (9, 1)])
}

fn packet(payload_type: u8, extensions: &[(u8, &[u8])]) -> Vec<u8> {
    let fixed = Fixed { marker: true, payload_type, sequence: 1, timestamp: 2, ssrc: 3 };
    let mut out = Vec::new();
    header::write(&mut out, fixed, extensions.iter().copied(), b"payload");
    out
}

#[test]
fn payload_type_and_extensions_become_the_servers_and_the_rest_stays() {
    let mut packet = packet(120, &[(7, &[1, 2]), (3, &[9, 9, 9]), (9, b"mid")]);
    assert!(numbers().apply(&mut packet));
    let header = Header::parse(&packet).unwrap();
    assert_eq!((header.payload_type, header.marker, header.ssrc), (96, true, 3));
    assert_eq!(header.extensions(&packet).collect::<Vec<_>>(), [(4, &[1, 2][..]), (1, b"mid")]);
    assert_eq!(&packet[header.payload], b"payload");
}

#[test]
fn a_payload_type_that_was_not_agreed_on_is_of_no_use() {
    assert!(!numbers().apply(&mut packet(96, &[])));
    assert!(!numbers().apply(&mut [0x80]));
}

#[test]
fn the_two_byte_form_is_read_as_well() {
    let mut packet = vec![0x90, 120, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0, 0, 2, 7, 1, 5, 200, 1, 6, 0, 0, b'x'];
    assert!(numbers().apply(&mut packet));
    let header = Header::parse(&packet).unwrap();
    assert_eq!(header.extensions(&packet).collect::<Vec<_>>(), [(4, &[5][..])]);
}

#[test]
fn what_is_cut_short_ends_the_extensions() {
    for tail in [[0x72, 1, 2, 0xf0], [0xf3, 1, 1, 1], [0x7f, 1, 1, 1]] {
        let mut packet = vec![0x90, 120, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1];
        packet.extend(tail);
        assert!(numbers().apply(&mut packet));
        let header = Header::parse(&packet).unwrap();
        assert!(header.extensions(&packet).count() <= 1);
    }
}
