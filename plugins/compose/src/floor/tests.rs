use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn the_floor_is_taken_by_who_is_loudest_for_a_while_and_kept_in_pauses() {
    let mut floor = Floor::default();
    floor.hear(MS(0), None::<char>);
    assert_eq!(floor.has(), None);
    floor.hear(MS(20), Some('a'));
    assert_eq!(floor.has(), Some('a'), "nobody had it");
    floor.hear(MS(40), None);
    floor.hear(MS(3_000), Some('b'));
    floor.hear(MS(3_100), Some('a'));
    floor.hear(MS(3_200), Some('b'));
    floor.hear(MS(3_700), Some('b'));
    assert_eq!(floor.has(), Some('a'), "a cough");
    floor.hear(MS(3_800), Some('b'));
    assert_eq!(floor.has(), Some('b'));
    for time in 4_000..5_700 {
        floor.hear(MS(time), Some('a'));
    }
    assert_eq!(floor.has(), Some('b'), "it has had it for less than two seconds");
    floor.hear(MS(5_800), Some('a'));
    assert_eq!(floor.has(), Some('a'));
    floor.gone('a');
    assert_eq!(floor.has(), None);
}
