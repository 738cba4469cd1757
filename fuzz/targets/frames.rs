//! Encoded frames, of which a leg reads the headers: H.264 access units, key frames of VP8, VP9 and AV1, Opus packets.
#![no_main]

use bytes::Bytes;
use crescendo_cmaf::{av1, avc::ParameterSets, opus, vpx};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let frame = Bytes::copy_from_slice(frame);
    let mut sets = ParameterSets::default();
    let unit = sets.access_unit(&frame);
    assert!(unit.data.len() >= frame.len());
    sets.parsed();
    for size in [vpx::vp8_key(&frame), vpx::vp9_key(&frame).map(|key| key.size)].into_iter().flatten() {
        assert!(size.width > 0 && size.height > 0);
    }
    if let Some(sequence) = av1::sequence(&frame) {
        assert!(sequence.obu.len() <= frame.len());
    }
    assert!(opus::length(&frame).is_none_or(|length| (1..=5_760).contains(&length)));
});
