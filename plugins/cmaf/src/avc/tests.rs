use super::*;

/// From Chromium's OpenH264 at 1280×720 and from x264 at 640×360, high profile.
const CHROMIUM_720P: [u8; 15] =
    [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf0, 0x88, 0x46, 0xa0];

fn prefixed(nals: &[&[u8]]) -> Bytes {
    let mut data = Vec::new();
    for nal in nals {
        data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
        data.extend_from_slice(nal);
    }
    data.into()
}

#[test]
fn a_sequence_parameter_set_gives_profile_and_size() {
    let sps = parse_sps(&CHROMIUM_720P).expect("a valid set");
    assert_eq!(sps, Sps { profile: [0x42, 0xc0, 0x1f], width: 1280, height: 720 });
}

#[test]
fn an_idr_picture_without_parameter_sets_gets_the_last_ones() {
    let mut sets = ParameterSets::default();
    let first = sets.access_unit(&prefixed(&[&CHROMIUM_720P, &[0x68, 1, 2], &[0x65, 9]]));
    assert!(first.key);
    assert_eq!(first.data, prefixed(&[&CHROMIUM_720P, &[0x68, 1, 2], &[0x65, 9]]));
    let second = sets.access_unit(&prefixed(&[&[0x65, 8]]));
    assert_eq!(second.data, prefixed(&[&CHROMIUM_720P, &[0x68, 1, 2], &[0x65, 8]]));
    let third = sets.access_unit(&prefixed(&[&[0x41, 7]]));
    assert_eq!((third.key, third.data), (false, prefixed(&[&[0x41, 7]])));
}

#[test]
fn a_length_that_does_not_fit_ends_the_access_unit() {
    let data = Bytes::from_static(&[0, 0, 0, 2, 0x65, 1, 0xff, 0xff, 0xff, 0xff, 3]);
    assert_eq!(nals(&data).collect::<Vec<_>>(), [Bytes::from_static(&[0x65, 1])]);
}

#[test]
fn profiles_that_browsers_do_not_decode_are_refused() {
    for profile in [110, 122, 244, 44, 0] {
        let mut sps = CHROMIUM_720P;
        sps[1] = profile;
        assert_eq!(parse_sps(&sps), None);
    }
}

#[test]
fn cut_off_and_random_parameter_sets_do_not_panic() {
    for length in 0..CHROMIUM_720P.len() {
        let _ = parse_sps(&CHROMIUM_720P[..length]);
    }
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        let mut nal = [0_u8; 40];
        for byte in &mut nal {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (seed >> 56) as u8 & if seed >> 40 & 1 == 0 { 0xff } else { 0x0f };
        }
        nal[0] = 0x67;
        nal[1] = [66, 77, 88, 100][usize::from(nal[1] & 3)];
        if let Some(sps) = parse_sps(&nal) {
            assert!(sps.width <= Size::SIDE_MAX && sps.height <= Size::SIDE_MAX);
        }
    }
}
