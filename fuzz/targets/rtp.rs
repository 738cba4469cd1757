//! An opened RTP packet: header and extensions, what the forwarder writes of it again, and where a key frame starts.
#![no_main]

use crescendo::sfu::forward::{header, keyframe};
use crescendo::sfu::{Codec, VideoCodec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Some(read) = header::Header::parse(packet) else { return };
    assert!(read.payload.start <= read.payload.end && read.payload.end <= packet.len());
    let payload = &packet[read.payload.clone()];
    for video in [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1] {
        keyframe::is_start(Codec::Video(video), payload);
    }

    let fixed = header::Fixed {
        marker: read.marker,
        payload_type: read.payload_type,
        sequence: read.sequence,
        timestamp: read.timestamp,
        ssrc: read.ssrc,
    };
    let mut written = Vec::new();
    header::write(&mut written, fixed, read.extensions(packet), payload);
    let again = header::Header::parse(&written).expect("what was written can be read");
    assert_eq!(&written[again.payload.clone()], payload);
    assert_eq!((again.sequence, again.timestamp, again.ssrc), (read.sequence, read.timestamp, read.ssrc));
});
