use super::*;

const MS: i64 = 1_000;
/// What lies between the clocks, and the way.
const AWAY: i64 = -7_000_000;

/// Packets of `from` to `until` ms, one each 10 ms, of which each takes what `delay` makes of its time.
fn send(queue: &mut Queue, from: i64, until: i64, delay: impl Fn(i64) -> i64) {
    for at in (from..until).step_by(10) {
        queue.arrived(at * MS, (at + delay(at)) * MS + AWAY, 500);
    }
}

#[test]
fn a_stall_at_whose_end_everything_is_there_is_no_queue() {
    let mut queue = Queue::default();
    for second in 0..10 {
        let begun = second * 1_000;
        send(&mut queue, begun, begun + 700, |_| 20);
        // Until the end of the stall nothing is there, and so nothing is told.
        send(&mut queue, begun + 700, begun + 900, |at| 20 + begun + 900 - at);
        send(&mut queue, begun + 900, begun + 910, |_| 20);
        assert!(!queue.stands(), "{second}");
    }
}

#[test]
fn a_queue_is_seen_until_it_is_empty() {
    let mut queue = Queue::default();
    send(&mut queue, 0, 2_000, |_| 20);
    assert!(!queue.stands());
    send(&mut queue, 2_000, 2_200, |at| 20 + (at - 2_000) / 2);
    assert!(queue.stands());
    send(&mut queue, 2_200, 2_400, |at| 120 - (at - 2_200) / 2);
    send(&mut queue, 2_400, 2_600, |_| 20);
    assert!(!queue.stands());
}

#[test]
fn a_longer_way_is_got_used_to() {
    let mut queue = Queue::default();
    send(&mut queue, 0, 1_000, |_| 20);
    send(&mut queue, 1_000, 2_000, |_| 70);
    assert!(queue.stands());
    send(&mut queue, 2_000, 12_000, |_| 70);
    assert!(!queue.stands());
}

#[test]
fn a_queue_that_stands_says_what_the_path_lets_through_however_little_came_before() {
    let mut queue = Queue::default();
    send(&mut queue, 0, 1_000, |_| 20);
    assert_eq!(queue.drains(), None);
    // A large picture, all at once: one packet of 500 bytes leaves the queue each 10 ms.
    for at in 0..10 {
        queue.arrived(1_500 * MS, (1_520 + 10 * at) * MS + AWAY, 500);
    }
    assert_eq!(queue.drains().map(Rate::kbps), Some(400.0));
    send(&mut queue, 1_700, 1_710, |_| 20);
    assert_eq!(queue.drains(), None, "it is empty");
}
