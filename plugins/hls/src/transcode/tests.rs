use super::*;

fn how() -> How {
    How { kbps: 500, heights: Vec::new() }
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn as_many_transcode_as_the_budget_says_and_a_place_is_given_back() {
    let budget = Budget::new(1);
    let first = Transcoder::open(Codec::Vp8, how(), &budget).expect("there is room");
    let refused = Transcoder::open(Codec::Vp9, how(), &budget).expect_err("there is none").to_string();
    assert!(refused.contains("hls.transcodes = 1"), "{refused}");
    drop(first);
    Transcoder::open(Codec::Av1, how(), &budget).expect("there is room again");
}

#[test]
fn frames_of_garbage_give_nothing_and_break_nothing() {
    let mut random = fastrand::Rng::with_seed(5);
    for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1] {
        let mut transcoder = Transcoder::open(codec, how(), &Budget::new(1)).expect("elements are installed");
        transcoder.push(MS(0), false, &Bytes::from_static(&[1, 2, 3]));
        assert!(transcoder.needs_key(), "nothing begins without a key frame");
        for step in 1..200 {
            let mut data = vec![0; random.usize(0..400)];
            random.fill(&mut data);
            transcoder.push(MS(33 * step), true, &data.into());
            transcoder.force_key(MS(33 * step));
            assert!(transcoder.pull(MS(33 * step)).is_empty());
        }
    }
}

#[test]
fn a_ladder_takes_a_place_for_each_of_its_sizes() {
    let budget = Budget::new(3);
    let ladder = |heights: &[usize]| How { kbps: 500, heights: heights.to_vec() };
    let first = Transcoder::open(Codec::Vp8, ladder(&[360, 180]), &budget).expect("there is room");
    let refused = Transcoder::open(Codec::H264, ladder(&[360, 180]), &budget).expect_err("there is one").to_string();
    assert!(refused.contains("2 size(s)") && refused.contains("hls.transcodes = 3"), "{refused}");
    Transcoder::open(Codec::Vp8, ladder(&[180]), &budget).expect("one fits beside");
    drop(first);
    Transcoder::open(Codec::H264, ladder(&[720, 360, 180]), &budget).expect("there is room again");
}
