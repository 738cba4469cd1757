use rtc_rtp::header::{Extension, Header as OtherHeader};
use rtc_rtp::packet::Packet as OtherPacket;
use rtc_shared::marshal::{Marshal, Unmarshal};

use super::*;

#[test]
fn headers_are_what_others_read_and_write() {
    let fixed = Fixed { marker: true, payload_type: 96, sequence: 65_535, timestamp: 1 << 31, ssrc: 0xdead_beef };
    let extensions = [(1, &b"0"[..]), (6, &[1; 16][..]), (15, &b"no"[..]), (7, &b""[..])];
    let mut out = b"before".to_vec();
    write(&mut out, fixed, extensions.into_iter(), b"payload");
    let other = OtherPacket::unmarshal(&mut &out[6..]).unwrap();
    assert_eq!((other.header.marker, other.header.payload_type), (true, 96));
    assert_eq!((other.header.sequence_number, other.header.timestamp), (65_535, 1 << 31));
    assert_eq!((other.header.ssrc, &other.payload[..]), (0xdead_beef, &b"payload"[..]));
    assert_eq!(other.header.get_extension(1).unwrap()[..], b"0"[..]);
    assert_eq!(other.header.get_extension(6).unwrap()[..], [1; 16]);
    assert_eq!(other.header.extensions.len(), 2);

    for extension_profile in [0xbede, 0x1000] {
        let header = OtherHeader {
            version: 2,
            extension: true,
            extension_profile,
            extensions: vec![
                Extension { id: 3, payload: b"abc"[..].into() },
                Extension { id: 9, payload: b"d"[..].into() },
            ],
            csrc: vec![1, 2],
            sequence_number: 7,
            ..Default::default()
        };
        let packet = OtherPacket { header, payload: b"payload"[..].into() }.marshal().unwrap();
        let read = Header::parse(&packet).unwrap();
        assert_eq!(read.extension(&packet, 3), Some(&b"abc"[..]));
        assert_eq!(read.extension(&packet, 9), Some(&b"d"[..]));
        assert_eq!(read.extension(&packet, 4), None);
        assert_eq!(&packet[read.payload.clone()], b"payload");
        for end in 0..packet.len() - 7 {
            assert_eq!(Header::parse(&packet[..end]), None);
        }
    }
}

#[test]
fn a_retransmission_brings_back_the_packet_that_it_repairs() {
    let fixed = Fixed { marker: true, payload_type: 96, sequence: 65_535, timestamp: 77, ssrc: 5 };
    for extensions in [&[][..], &[(6, &[1, 2, 3][..])]] {
        for payload in [&b"payload"[..], b""] {
            let mut packet = Vec::new();
            write(&mut packet, fixed, extensions.iter().copied(), payload);
            let mut rtx = b"before".to_vec();
            let repair = Repair { payload_type: 97, sequence: 9, ssrc: 6 };
            write_repair(&mut rtx, &packet, repair, 65_535, 3);
            let rtx = &mut rtx[6..];
            let read = Header::parse(rtx).unwrap();
            let sent = Fixed { payload_type: 97, sequence: 9, timestamp: 80, ssrc: 6, ..fixed };
            assert_eq!(Fixed::from(&read), sent);
            assert_eq!(original(rtx, &read), Some(65_535));
            let restored = restore(rtx, &read, 96, 5).unwrap();
            assert_eq!(restored[8..], packet[8..]);
            assert_eq!((&restored[..4], &restored[4..8]), (&packet[..4], &[0, 0, 0, 80][..]));
        }
    }
    let mut padding = Vec::new();
    write(&mut padding, fixed, [].into_iter(), b"x");
    let read = Header::parse(&padding).unwrap();
    assert_eq!(original(&padding, &read), None);
    assert_eq!(restore(&mut padding, &read, 96, 5), None);
}

#[test]
fn a_transport_wide_number_is_written_into_its_room_or_the_room_is_padding() {
    let mut packet = Vec::new();
    let fixed = Fixed { marker: false, payload_type: 96, sequence: 1, timestamp: 2, ssrc: 3 };
    write(&mut packet, fixed, [(4, &NO_NUMBER[..]), (7, &[0x85])].into_iter(), b"payload");
    for number in [Some(0xabcd), None] {
        let mut copy = packet.clone();
        set_number(&mut copy, 4, number);
        let parsed = Header::parse(&copy).unwrap();
        let found = parsed.extension(&copy, 4).map(|value| u16::from_be_bytes([value[0], value[1]]));
        assert_eq!((found, parsed.extension(&copy, 7)), (number, Some(&[0x85][..])));
        assert_eq!((copy.len(), &copy[parsed.payload]), (packet.len(), &b"payload"[..]));
    }
    set_number(&mut packet[..14], 4, Some(1));
    let mut roomless = Vec::new();
    write(&mut roomless, fixed, [(7, &[0x85][..])].into_iter(), b"payload");
    let before = roomless.clone();
    set_number(&mut roomless, 4, None);
    assert_eq!(roomless, before, "there is no room");
}

#[test]
fn padding_is_no_payload() {
    let mut packet = vec![0; 20];
    (packet[0], packet[19]) = (0xa0, 5);
    assert_eq!(Header::parse(&packet).unwrap().payload, 12..15);
    packet[19] = 8;
    assert!(Header::parse(&packet).unwrap().payload.is_empty());
    packet[19] = 9;
    assert_eq!(Header::parse(&packet), None, "more padding than there is");
    packet[19] = 0;
    assert_eq!(Header::parse(&packet), None, "padding counts itself");
}

#[test]
fn a_padded_and_renumbered_packet_is_the_same_but_for_its_numbers() {
    let (mut packet, payload) = (Vec::new(), [7; 20]);
    let fixed = Fixed { marker: true, payload_type: 96, sequence: 1, timestamp: u32::MAX, ssrc: 5 };
    write(&mut packet, fixed, [(7, &[1][..])].into_iter(), &payload);
    pad(&mut packet, 0);
    assert_eq!(packet.len(), 12 + 8 + 20);
    for padding in [1, 2, 100, 255] {
        let mut padded = packet.clone();
        pad(&mut padded, padding);
        renumber(&mut padded, 9, 3, 8);
        assert_eq!(padded.len(), packet.len() + usize::from(padding));
        let parsed = Header::parse(&padded).unwrap();
        assert_eq!(padded[parsed.payload.clone()], payload);
        let sent = Fixed { sequence: 9, timestamp: 2, ssrc: 8, ..fixed };
        assert_eq!(Fixed::from(&parsed), sent);
        assert_eq!(parsed.extension(&padded, 7), Some(&[1][..]));
    }
    renumber(&mut [0x80; 11], 9, 3, 8); // too short to have numbers
}
