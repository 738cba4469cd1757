use super::*;

fn packet(timestamp: u32, marker: bool, payload: &[u8]) -> Packet {
    Packet { marker, sequence: 0, timestamp, ssrc: 0, payload: Bytes::copy_from_slice(payload) }
}

/// Timestamps, key flags and data of the frames that these packets make.
fn frames(codec: Codec, packets: &[Packet]) -> Vec<(u32, bool, Vec<u8>)> {
    let (mut assembler, mut out) = (Assembler::new(codec), Vec::new());
    for packet in packets {
        let _ = assembler.push(Instant::now(), packet, |done| out.push((done.timestamp, done.key, done.data.to_vec())));
    }
    out
}

#[test]
fn h264_aggregates_and_fragments_become_length_prefixed_units() {
    let made = frames(
        Codec::H264,
        &[
            packet(5, false, &[24, 0, 2, 0x67, 1, 0, 2, 0x68, 2]),
            packet(5, false, &[0x7c, 0x85, 0x88, 7]),
            packet(5, false, &[0x7c, 0x05, 8]),
            packet(5, true, &[0x7c, 0x45, 9]),
            packet(6, true, &[0x41, 0x9a]),
        ],
    );
    let key = [0, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x68, 2, 0, 0, 0, 5, 0x65, 0x88, 7, 8, 9];
    assert_eq!(made, [(5, true, key.to_vec()), (6, false, vec![0, 0, 0, 2, 0x41, 0x9a])]);
}

#[test]
fn a_frame_without_marker_ends_where_the_timestamp_changes() {
    let made = frames(Codec::H264, &[packet(1, false, &[0x41, 0x9a]), packet(2, true, &[0x41, 0x9b])]);
    assert_eq!(made.len(), 2);
}

#[test]
fn a_frame_that_lost_a_packet_is_dropped() {
    let mut assembler = Assembler::new(Codec::H264);
    let (now, mut count) = (Instant::now(), 0);
    assembler.push(now, &packet(1, false, &[0x41, 0x9a]), |_| count += 1).expect("well-formed");
    assembler.gap();
    assembler.push(now, &packet(1, true, &[0x41, 0x1a]), |_| count += 1).expect("well-formed");
    // Its first packet is missing: the second slice of an IDR picture is no key frame.
    assembler.push(now, &packet(2, true, &[0x65, 0x1a]), |_| count += 1).expect("well-formed");
    assert_eq!(count, 0);
    assembler.push(now, &packet(3, true, &[0x65, 0x9a]), |_| count += 1).expect("well-formed");
    assert_eq!(count, 1);
}

#[test]
fn a_frame_of_vp8_may_end_with_a_byte_or_two() {
    let packets = [packet(1, false, &[0x10, 0x01, 1, 2]), packet(1, true, &[0x00, 3])];
    assert_eq!(frames(Codec::Vp8, &packets), [(1, false, vec![1, 1, 2, 3])]);
    let described = [packet(2, true, &[0x90, 0xf0, 0x81, 0x01, 0x02, 0x03, 0x00])];
    assert_eq!(frames(Codec::Vp8, &described), [(2, true, vec![0])], "with a picture number of 15 bits");
    let short = [packet(3, true, &[0x90, 0x80, 0x01, 0x01])];
    assert_eq!(frames(Codec::Vp8, &short), [(3, false, vec![1])], "with one of 7 bits");
}

#[test]
fn a_payload_of_vp8_that_is_cut_off_is_malformed() {
    let whole: &[u8] = &[0x90, 0xf0, 0x81, 0x01, 0x02, 0x03];
    for length in 1..=whole.len() {
        let mut assembler = Assembler::new(Codec::Vp8);
        let result = assembler.push(Instant::now(), &packet(1, true, &whole[..length]), |_| panic!("no frame"));
        assert_eq!(result, Err(Malformed), "{length} bytes");
    }
}

#[test]
fn vp8_vp9_and_av1_key_frames_are_known() {
    let vp8 = [packet(1, false, &[0x10, 0x00, 1, 2]), packet(1, true, &[0x00, 3, 4, 5])];
    assert_eq!(frames(Codec::Vp8, &vp8), [(1, true, vec![0, 1, 2, 3, 4, 5])]);
    assert_eq!(
        frames(Codec::Vp9, &[packet(1, true, &[0x08, 9]), packet(2, true, &[0x48, 9])]),
        [(1, true, vec![9]), (2, false, vec![9])]
    );
    // One element of type 6 in two fragments, then one with W = 0.
    let av1 = [packet(1, false, &[0x58, 0x30, 1]), packet(1, true, &[0x90, 2]), packet(2, true, &[0, 3, 0x30, 7, 8])];
    assert_eq!(frames(Codec::Av1, &av1), [(1, true, vec![0x32, 2, 1, 2]), (2, false, vec![0x32, 2, 7, 8])]);
}

#[test]
fn random_payloads_neither_panic_nor_grow_without_bound() {
    let mut random = fastrand::Rng::with_seed(4);
    for codec in [Codec::Opus, Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1] {
        let mut assembler = Assembler::new(codec);
        for _ in 0..100_000 {
            let mut payload = vec![0; random.usize(0..24)];
            random.fill(&mut payload);
            if random.bool()
                && let Some(first) = payload.first_mut()
            {
                *first = [24, 28, 0x7c, 0x65][random.usize(0..4)];
            }
            let packet = packet(random.u32(0..3), random.u8(0..9) == 0, &payload);
            let _ = assembler.push(Instant::now(), &packet, |done| assert!(done.data.len() <= FRAME_BYTES_MAX));
            if random.u8(0..20) == 0 {
                assembler.gap();
            }
        }
    }
}

#[test]
fn a_frame_that_never_ends_is_given_up() {
    let (mut assembler, now) = (Assembler::new(Codec::H264), Instant::now());
    assembler.push(now, &packet(1, false, &[0x7c, 0x85, 0x88]), |_| ()).expect("well-formed");
    let mut part = vec![0x7c, 0x05];
    part.resize(60_000, 1);
    let refused = (0..100).find(|_| assembler.push(now, &packet(1, false, &part), |_| ()).is_err());
    assert_eq!(refused, Some(FRAME_BYTES_MAX / 60_000));
}
