use std::time::Duration;

use super::*;

/// Packets of 20 ms from each voice, at its level, for `ms`; which were heard at the end.
fn talk(voices: &mut Voices<char>, now: &mut Instant, ms: u64, levels: &[(char, u8)]) -> Vec<char> {
    let mut heard = Vec::new();
    for _ in 0..ms / 20 {
        *now += Duration::from_millis(20);
        heard = levels.iter().filter(|(key, level)| voices.hear(*key, *level, *now)).map(|(key, _)| *key).collect();
    }
    heard
}

#[test]
fn whoever_comes_is_heard_while_there_are_places() {
    let (mut voices, mut now) = (Voices::new(2), Instant::now());
    assert_eq!(talk(&mut voices, &mut now, 20, &[('a', 127), ('b', 127), ('c', 127)]), ['a', 'b']);
}

#[test]
fn a_louder_one_is_heard_with_its_first_packet_in_the_place_of_the_quietest() {
    let (mut voices, mut now) = (Voices::new(2), Instant::now());
    talk(&mut voices, &mut now, 1_000, &[('a', 30), ('b', 70), ('c', 127)]);
    assert_eq!(talk(&mut voices, &mut now, 20, &[('a', 30), ('c', 35), ('b', 70)]), ['a', 'c']);
}

#[test]
fn pauses_between_words_keep_a_place_and_longer_ones_do_not() {
    let (mut voices, mut now) = (Voices::new(1), Instant::now());
    talk(&mut voices, &mut now, 1_000, &[('a', 30), ('b', 60)]);
    assert_eq!(talk(&mut voices, &mut now, 1_000, &[('a', 127), ('b', 60)]), ['a'], "a second of silence");
    assert_eq!(talk(&mut voices, &mut now, 1_000, &[('a', 127), ('b', 60)]), ['b'], "two seconds of it");
}

#[test]
fn voices_that_are_alike_do_not_take_turns() {
    let (mut voices, mut now) = (Voices::new(1), Instant::now());
    for round in 0..20 {
        let levels = if round % 2 == 0 { [('a', 30), ('b', 33)] } else { [('a', 33), ('b', 30)] };
        assert_eq!(talk(&mut voices, &mut now, 100, &levels), ['a']);
    }
}

#[test]
fn who_is_gone_or_sends_nothing_leaves_its_place() {
    let (mut voices, mut now) = (Voices::new(1), Instant::now());
    talk(&mut voices, &mut now, 100, &[('a', 20), ('b', 40)]);
    voices.retain(|key| *key != 'a');
    assert_eq!(talk(&mut voices, &mut now, 20, &[('b', 40)]), ['b']);
    now += Duration::from_secs(10);
    assert_eq!(talk(&mut voices, &mut now, 20, &[('c', 60)]), ['c'], "b sends nothing any more");
}

#[test]
fn fewer_places_are_taken_from_those_that_had_them_last() {
    let (mut voices, mut now) = (Voices::new(3), Instant::now());
    talk(&mut voices, &mut now, 100, &[('a', 20), ('b', 20), ('c', 20)]);
    voices.set_most(1);
    assert_eq!(talk(&mut voices, &mut now, 100, &[('a', 20), ('b', 20), ('c', 20)]), ['a']);
}
