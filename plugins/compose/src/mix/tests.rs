use super::*;

fn stereo(value: i16, frames: usize) -> Vec<i16> {
    vec![value; frames * CHANNELS]
}

#[test]
fn voices_add_up_where_they_overlap_and_silence_is_between() {
    let mut mix = Mix::new(100);
    let (mut one, mut two) = (Voice::default(), Voice::default());
    assert!(mix.add(&mut one, 100, &stereo(5, 2)));
    assert!(mix.add(&mut two, 101, &stereo(7, 2)));
    assert_eq!(mix.take(105), [5, 5, 12, 12, 7, 7, 0, 0, 0, 0]);
}

#[test]
fn loud_voices_are_clipped_and_do_not_wrap() {
    let mut mix = Mix::new(0);
    for _ in 0..3 {
        mix.add(&mut Voice::default(), 0, &stereo(i16::MAX, 1));
    }
    assert_eq!(mix.take(1), [i16::MAX; 2]);
}

#[test]
fn samples_of_one_voice_are_laid_end_to_end_despite_jitter() {
    let mut mix = Mix::new(0);
    let mut voice = Voice::default();
    mix.add(&mut voice, 0, &stereo(1, 960));
    mix.add(&mut voice, 960 + 30, &stereo(1, 960));
    mix.add(&mut voice, 1_920 - 20, &stereo(1, 960));
    assert_eq!(mix.take(2_880), stereo(1, 2_880));
}

#[test]
fn a_pause_of_one_voice_is_kept() {
    let mut mix = Mix::new(0);
    let mut voice = Voice::default();
    mix.add(&mut voice, 0, &stereo(1, 960));
    mix.add(&mut voice, 48_000, &stereo(1, 960));
    let out = mix.take(48_960);
    assert_eq!(out.iter().filter(|&&sample| sample == 1).count(), 2 * 960 * CHANNELS);
    assert_eq!(out[out.len() - 1], 1);
}

#[test]
fn late_sound_is_lost_and_sound_from_the_far_future_is_not_kept() {
    let mut mix = Mix::new(0);
    mix.take(1_000);
    assert!(!mix.add(&mut Voice::default(), 0, &stereo(1, 960)));
    assert!(!mix.add(&mut Voice::default(), u64::MAX / 2, &stereo(1, 960)));
    assert_eq!(mix.take(2_000), stereo(0, 1_000));
}
