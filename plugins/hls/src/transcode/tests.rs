use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn as_many_transcode_as_the_budget_says_and_a_place_is_given_back() {
    let budget = Budget::new(1);
    let first = Transcoder::open(Codec::Vp8, 500, &budget).expect("there is room");
    let refused = Transcoder::open(Codec::Vp9, 500, &budget).expect_err("there is none").to_string();
    assert!(refused.contains("hls.transcodes = 1"), "{refused}");
    drop(first);
    Transcoder::open(Codec::Av1, 500, &budget).expect("there is room again");
}

#[test]
fn frames_of_garbage_give_nothing_and_break_nothing() {
    let mut random = fastrand::Rng::with_seed(5);
    for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1] {
        let mut transcoder = Transcoder::open(codec, 500, &Budget::new(1)).expect("elements are installed");
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
