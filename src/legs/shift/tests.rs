use super::*;

const SECOND: u64 = 1 << 32;

#[test]
fn two_clocks_are_as_far_apart_as_their_reports_say_across_their_wraps() {
    let common = Report { ntp: 7 * SECOND, rtp: u32::MAX - 10 };
    // Half a second later by the wall.
    let own = Report { ntp: 7 * SECOND + SECOND / 2, rtp: 5 };
    let shift = of(own, common, None, 90_000);
    assert_eq!(own.shifted(shift).rtp, common.rtp.wrapping_add(45_000));
    assert_eq!(of(common, own.shifted(shift), None, 90_000), 0);
}

#[test]
fn what_is_known_stays_until_it_is_wrong() {
    let common = Report { ntp: 0, rtp: 1_000 };
    let own = Report { ntp: 0, rtp: 400 };
    assert_eq!(of(own, common, Some(640), 90_000), 640);
    assert_eq!(of(own, common, Some(9_000), 90_000), 600);
}

#[test]
fn hostile_reports_only_move_the_clock() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..1_000 {
        let mut report = || Report { ntp: random.u64(..), rtp: random.u32(..) };
        of(report(), report(), None, 90_000);
    }
}
