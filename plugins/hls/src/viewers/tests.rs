use super::*;

#[test]
fn a_viewer_counts_once_for_as_long_as_it_asks() {
    let (viewers, start) = (Viewers::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    for second in 0..20 {
        viewers.saw(1, at(second));
        viewers.saw(1, at(second));
    }
    viewers.saw(2, at(5));
    assert_eq!(viewers.count(at(19)), 2);
    assert_eq!(viewers.count(at(21)), 1);
    assert_eq!(viewers.count(at(40)), 0);
}

#[test]
fn however_many_come_memory_is_bounded() {
    let (viewers, now) = (Viewers::default(), Instant::now());
    (0..VIEWERS_MAX as u64 + 10).for_each(|viewer| viewers.saw(viewer, now));
    assert_eq!(viewers.count(now), VIEWERS_MAX);
    viewers.saw(u64::MAX, now + GONE_AFTER);
    assert_eq!(viewers.count(now + GONE_AFTER), 0, "who comes while it is full is not counted");
    viewers.saw(u64::MAX, now + GONE_AFTER);
    assert_eq!(viewers.count(now + 2 * COUNT_EVERY + GONE_AFTER), 1);
}
