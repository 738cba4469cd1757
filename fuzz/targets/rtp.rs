//! An opened RTP packet: header and extensions, what the forwarder writes of it again, and where a key frame starts.
#![no_main]

use crescendo::sfu::forward::{header, keyframe, picture, red};
use crescendo::sfu::{Codec, VideoCodec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Some(read) = header::Header::parse(packet) else { return };
    assert!(read.payload.start <= read.payload.end && read.payload.end <= packet.len());
    let payload = &packet[read.payload.clone()];
    for video in [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1] {
        let codec = Codec::Video(video);
        keyframe::is_start(codec, payload);
        picture::size(codec, payload);
        let mut shifted = payload.to_vec();
        picture::shift(codec, &mut shifted, picture::Picture { id: 5, tl0: 6 });
        if let Some(before) = picture::read(codec, payload) {
            let after = picture::read(codec, &shifted).expect("it is as long");
            // Numbers of 7 bits stay so.
            assert_eq!(after.id & 0x7f, before.id.wrapping_add(5) & 0x7f);
        }
    }

    if let Some(redundant) = red::Red::parse(payload) {
        assert!(redundant.own.start <= redundant.own.end && redundant.own.end <= payload.len());
        let earlier: Vec<_> = redundant.earlier().map(|(_, behind, range)| (behind, &payload[range])).collect();
        let mut again = Vec::new();
        if red::write(&mut again, payload[0] & 0x7f, &earlier, &payload[redundant.own.clone()]) {
            let read = red::Red::parse(&again).expect("what was written can be read");
            assert_eq!(again[read.own], payload[redundant.own]);
        }
    }

    let fixed = header::Fixed {
        marker: read.marker,
        payload_type: read.payload_type,
        sequence: read.sequence,
        timestamp: read.timestamp,
        ssrc: read.ssrc,
    };
    let mut written = Vec::new();
    header::write_repair(&mut written, packet, header::Repair { payload_type: 97, sequence: 1, ssrc: 2 }, 3, 4);
    if let Some(read) = header::Header::parse(&written) {
        let end = read.payload.end;
        header::restore(&mut written[..end], &read, 96, 5);
    }
    written.clear();
    header::write(&mut written, fixed, read.extensions(packet), payload);
    let again = header::Header::parse(&written).expect("what was written can be read");
    assert_eq!(&written[again.payload.clone()], payload);
    assert_eq!((again.sequence, again.timestamp, again.ssrc), (read.sequence, read.timestamp, read.ssrc));
});
