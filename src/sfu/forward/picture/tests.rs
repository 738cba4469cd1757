use super::*;

#[test]
fn numbers_of_pictures_are_read_and_shifted_in_their_width() {
    let (vp8, vp9) = (Codec::Video(VideoCodec::Vp8), Codec::Video(VideoCodec::Vp9));
    let of = |id, tl0| Some(Picture { id, tl0 });
    let long = [0x90, 0xe0, 0xff, 0xff, 0xff, 0x20, 0x01];
    assert_eq!(read(vp8, &long), of(0x7fff, 0xff));
    assert_eq!(read(vp8, &[0x90, 0x80, 0x7f, 0x01]), of(0x7f, 0));
    assert_eq!(read(vp8, &[0x10, 0x01]), None);
    assert_eq!(read(vp9, &[0xa0, 0x81, 0x02, 0x00, 0x07, 0]), of(0x102, 7));
    assert_eq!(read(vp9, &[0xb0, 0x05, 0x00, 0x07]), of(5, 0), "flexible mode");
    let shifted = |codec, payload: &[u8], id, tl0| {
        let mut payload = payload.to_vec();
        shift(codec, &mut payload, Picture { id, tl0 });
        payload
    };
    assert_eq!(shifted(vp8, &long, 2, 3), [0x90, 0xe0, 0x80, 0x01, 0x02, 0x20, 0x01]);
    assert_eq!(shifted(vp8, &[0x90, 0x80, 0x7f, 0x01], 2, 3), [0x90, 0x80, 0x01, 0x01]);
    assert_eq!(shifted(vp9, &[0xa0, 0x81, 0x02, 0x00, 0x07, 0], 0x7fff, 1), [0xa0, 0x81, 0x01, 0x00, 0x08, 0]);
    assert_eq!(shifted(Codec::Video(VideoCodec::H264), &long, 2, 3), long);
    for end in 0..long.len() {
        read(vp8, &long[..end]);
        shifted(vp8, &long[..end], 1, 1);
        shifted(vp9, &long[..end], 1, 1);
    }
    let (from, to) = (Picture { id: 5, tl0: 200 }, Picture { id: 3, tl0: 1 });
    assert_eq!(from.plus(from.until(to)), to);
}

#[test]
fn key_frames_tell_their_size() {
    let of = |codec, payload: &[u8]| size(Codec::Video(codec), payload).map(|size| (size.width, size.height));
    let vp8 = [0x90, 0x80, 0x05, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x01];
    assert_eq!(of(VideoCodec::Vp8, &vp8), Some((640, 480)), "the scale is no part of it");
    assert_eq!(of(VideoCodec::Vp8, &vp8[..11]), None);
    // A scalability structure of one layer.
    assert_eq!(of(VideoCodec::Vp9, &[0x8a, 0x05, 0x10, 0x05, 0x00, 0x02, 0xd0]), Some((1_280, 720)));
    // As x264 writes 640x360 and 162x122 in the baseline profile: macroblocks that are cropped.
    let sps = [0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00];
    assert_eq!(of(VideoCodec::H264, &sps), Some((640, 360)));
    let small = [0x67, 0x42, 0xc0, 0x0b, 0xd9, 0x02, 0xc4, 0x78, 0x89, 0x30, 0x11, 0x00];
    assert_eq!(of(VideoCodec::H264, &small), Some((162, 122)));
    let mut stap = vec![0x78, 0, sps.len() as u8];
    stap.extend_from_slice(&sps);
    assert_eq!(of(VideoCodec::H264, &stap), Some((640, 360)));
    for end in 0..stap.len() {
        of(VideoCodec::H264, &stap[..end]);
    }
    assert_eq!(of(VideoCodec::H264, &[0x65, 1, 2, 3]), None);
    assert_eq!(of(VideoCodec::Av1, &[0x08, 1, 2, 3]), None);
}
