use std::time::SystemTime;

use super::*;

const RETRY: Duration = Duration::from_secs(1);

fn event(id: u64, room: &str) -> Waiting {
    Waiting { id, room: room.into(), bytes: 10, since: SystemTime::UNIX_EPOCH }
}

fn taken(lanes: &mut Lanes, now: Instant) -> Vec<u64> {
    std::iter::from_fn(|| lanes.take(now)).map(|waiting| waiting.id).collect()
}

#[test]
fn rooms_go_side_by_side_and_events_of_a_room_one_after_the_other() {
    let (mut lanes, now) = (Lanes::new(RETRY), Instant::now());
    for (id, room) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
        lanes.add(now, event(id, room));
    }
    assert_eq!(lanes.size(), (4, 40));
    assert_eq!(taken(&mut lanes, now), [1, 3]);
    lanes.done(now, "a");
    assert_eq!(taken(&mut lanes, now), [2]);
    lanes.done(now, "b");
    lanes.done(now, "a");
    assert_eq!(taken(&mut lanes, now), [4]);
    lanes.done(now, "a");
    assert_eq!((lanes.size(), lanes.due()), ((0, 0), None));
    assert!(lanes.lanes.is_empty());
}

#[test]
fn what_failed_waits_twice_as_long_each_time_and_holds_up_its_room_alone() {
    let (mut lanes, start) = (Lanes::new(RETRY), Instant::now());
    lanes.add(start, event(1, "a"));
    let mut now = start;
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        assert_eq!(taken(&mut lanes, now), [1]);
        let wait = lanes.failed(now, "a");
        assert_eq!(wait, Duration::from_secs(seconds));
        lanes.add(now, event(seconds + 10, "b"));
        assert_eq!(taken(&mut lanes, now), [seconds + 10]);
        lanes.done(now, "b");
        assert_eq!(lanes.due(), Some(now + wait));
        now += wait;
    }
    assert_eq!(taken(&mut lanes, now), [1]);
    lanes.done(now, "a");
    lanes.add(now, event(99, "a"));
    assert_eq!(taken(&mut lanes, now), [99]);
    assert_eq!(lanes.failed(now, "a"), RETRY, "what went well starts it anew");
}

#[test]
fn after_one_that_is_given_up_the_next_is_no_sooner() {
    let (mut lanes, now) = (Lanes::new(RETRY), Instant::now());
    lanes.add(now, event(1, "a"));
    lanes.add(now, event(2, "a"));
    assert_eq!(taken(&mut lanes, now), [1]);
    lanes.failed(now, "a");
    assert_eq!(taken(&mut lanes, now + RETRY), [1]);
    lanes.given_up(now + RETRY, "a");
    assert_eq!(lanes.due(), Some(now + RETRY + 2 * RETRY));
    assert_eq!(taken(&mut lanes, now + 3 * RETRY), [2]);
}
