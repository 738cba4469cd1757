use super::*;

fn packet(number: u64) -> Vec<u8> {
    let mut payload = vec![0; 100];
    write(&mut payload, Part::Delta, 7, number);
    payload
}

fn found(numbers: &[u64]) -> Found {
    let mut checker = Checker::default();
    for number in numbers {
        checker.take(&packet(*number), *number as u16, Some(now()));
    }
    checker.finish()
}

#[test]
fn what_comes_once_and_in_order_is_no_finding() {
    let found = found(&[65_534, 65_535, 65_536, 65_537]);
    assert_eq!((found.packets, found.lost, found.late, found.doubled, found.wrong), (4, 0, 0, 0, 0));
    assert_eq!(found.delays.len(), 4);
}

#[test]
fn what_never_comes_is_lost_and_what_comes_later_is_late() {
    let found = found(&[1, 5, 3]);
    assert_eq!((found.lost, found.late, found.doubled, found.wrong), (2, 1, 0, 0));
}

#[test]
fn what_comes_again_is_doubled_however_late() {
    assert_eq!(found(&[1, 2, 2, 1]).doubled, 2);
    let found = found(&[1, 3, 2, 2]);
    assert_eq!((found.late, found.doubled), (1, 1));
}

#[test]
fn changed_content_and_numbers_that_do_not_follow_are_wrong() {
    let mut checker = Checker::default();
    checker.take(&packet(1), 1, Some(now()));
    let mut changed = packet(2);
    changed[50] ^= 1;
    checker.take(&changed, 2, Some(now()));
    checker.take(&packet(2), 3, Some(now()));
    checker.take(&packet(3)[..10], 3, Some(now()));
    assert_eq!(checker.finish().wrong, 3);
}

#[test]
fn a_gap_beyond_all_measure_is_counted_and_not_kept() {
    assert_eq!(found(&[1, 1 << 40]).lost, (1 << 40) - 2);
}
