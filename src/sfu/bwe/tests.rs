//! Against a bottleneck that is simulated: capacity, queue, jitter, loss, and changes of them; in its own time.

mod allocation;
mod link;

use std::time::Duration;

use link::{Link, Path};

use super::*;

fn limits() -> Limits {
    Limits { start: kbps(3_000), least: kbps(50), most: kbps(20_000) }
}

fn kbps(kbps: u32) -> Rate {
    Rate::from_kbps(kbps)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn assert_between(rate: Rate, least: u32, most: u32) {
    let found = rate.kbps();
    assert!((f64::from(least)..f64::from(most)).contains(&found), "{found:.0} kbit/s is not from {least} to {most}");
}

/// Sends what the estimate allows, up to `most`, as an encoder would.
fn greedy(link: &mut Link, most: u32, time: Duration) {
    link.run(time, |estimate| estimate.min(kbps(most)), Rate::ZERO);
}

#[test]
fn nothing_is_said_before_the_far_end_has_spoken() {
    let mut link = Link::new(Path::wide(), limits());
    assert_eq!(link.estimator.estimate(), None);
    greedy(&mut link, 1_000, seconds(0.3));
    assert!(link.estimator.estimate().is_some());
}

#[test]
fn more_than_it_starts_with_is_taken_for_what_it_is_from_the_first_word_on() {
    let mut link = Link::new(Path::wide(), limits());
    for _ in 0..100 {
        link.run(seconds(0.05), |_| kbps(8_000), Rate::ZERO);
        let estimate = link.estimator.estimate();
        assert!(estimate.is_none_or(|estimate| estimate > kbps(6_000)), "{estimate:?}");
    }
    assert!(link.estimator.estimate().is_some());
}

#[test]
fn the_estimate_finds_the_capacity_from_above() {
    let mut link = Link::new(Path { kbps: 800, ..Path::wide() }, limits());
    greedy(&mut link, 3_000, seconds(6.0));
    let mut all = Vec::new();
    for _ in 0..40 {
        greedy(&mut link, 3_000, seconds(0.25));
        all.push(link.estimate().kbps());
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    assert!((550.0..900.0).contains(&mean), "{all:?}");
    assert!(link.queue() < seconds(0.35), "{:?}", link.queue());
}

#[test]
fn a_wide_path_never_loses_its_estimate() {
    for jitter in [0.0, 0.005, 0.015] {
        let mut link = Link::new(Path { jitter: seconds(jitter), ..Path::wide() }, limits());
        for _ in 0..40 {
            link.run(seconds(0.5), |_| kbps(1_500), Rate::ZERO);
            assert!(link.estimate() >= kbps(1_300), "with {jitter}: {:.0}", link.estimate().kbps());
        }
    }
}

#[test]
fn a_machine_that_stalls_is_no_thin_path() {
    for (every, most) in [(0.1, 0.06), (0.3, 0.15), (0.7, 0.15), (1.0, 0.3)] {
        let stalls = Some((seconds(every), seconds(most)));
        let mut link = Link::new(Path { stalls, ..Path::wide() }, limits());
        for _ in 0..120 {
            link.run(seconds(0.5), |_| kbps(1_500), Rate::ZERO);
            assert!(link.estimate() >= kbps(1_300), "{every} s, {most} s: {:.0}", link.estimate().kbps());
        }
    }
}

#[test]
fn a_little_random_loss_is_no_full_queue() {
    let mut link = Link::new(Path { loss: 0.05, ..Path::wide() }, limits());
    link.run(seconds(20.0), |_| kbps(1_500), Rate::ZERO);
    assert!(link.estimate() >= kbps(1_500), "{:.0}", link.estimate().kbps());
}

#[test]
fn much_random_loss_costs_something_and_is_no_end() {
    for (loss, least) in [(0.1, 1_500), (0.2, 500), (0.3, 500)] {
        let mut link = Link::new(Path { loss, ..Path::wide() }, limits());
        for _ in 0..60 {
            link.run(seconds(0.5), layered, kbps(1_800));
            assert!(link.estimate() >= kbps(least), "with {loss}: {:.0}", link.estimate().kbps());
        }
    }
}

#[test]
fn much_loss_bounds_the_estimate() {
    let path = Path { kbps: 500, queue: seconds(0.03), ..Path::wide() };
    let mut link = Link::new(path, limits());
    greedy(&mut link, 3_000, seconds(8.0));
    assert_between(link.estimate(), 250, 700);
}

#[test]
fn a_cut_is_noticed_at_once_for_what_it_is_and_the_queue_empties() {
    let mut link = Link::new(Path::wide(), limits());
    link.run(seconds(5.0), |_| kbps(1_500), Rate::ZERO);
    link.path.kbps = 300;
    let mut noticed = None;
    for step in 1..=20 {
        // Falls back to a small layer when there is less than the large one takes.
        link.run(seconds(0.1), |estimate| if estimate < kbps(1_400) { kbps(150) } else { kbps(1_500) }, Rate::ZERO);
        if noticed.is_none() && link.estimate() < kbps(1_400) {
            noticed = Some((step, link.estimate().kbps()));
        }
    }
    // At once for what it is.
    assert!(noticed.is_some_and(|(step, rate)| step <= 3 && (150.0..450.0).contains(&rate)), "{noticed:?}");
    link.run(seconds(2.0), |_| kbps(150), Rate::ZERO);
    assert!(link.queue() < seconds(0.05), "{:?}", link.queue());
    assert!(link.estimate() >= kbps(150), "{:.0}", link.estimate().kbps());
}

#[test]
fn a_thin_path_is_known_for_what_it_takes_though_less_is_sent() {
    for (fps, spread) in [(30, 20..180), (16, 30..170), (8, 30..170), (4, 90..110)] {
        let mut link = Link::new(Path { queue: seconds(0.3), ..Path::wide() }, limits());
        (link.frame, link.spread, link.next_sound) = (seconds(1.0 / f64::from(fps)), spread, Some(link.now()));
        let pictures = |estimate: Rate| if estimate < kbps(1_500) { kbps(150) } else { kbps(1_700) };
        link.run(seconds(5.0), pictures, Rate::ZERO);
        assert!(link.waiting() < 100, "a wide path holds nothing up: {}", link.waiting());
        link.path.kbps = 300;
        link.run(seconds(1.0), pictures, kbps(2_000));
        let mut queued = Duration::ZERO;
        for _ in 0..200 {
            link.run(seconds(0.1), pictures, kbps(2_000));
            // What is around the packets is a seventh of them.
            assert_between(link.estimate(), 205, 450);
            assert!(link.waiting() < 20, "{}", link.waiting());
            queued += link.queue();
        }
        assert!(queued / 200 < seconds(0.12), "{:?}", queued / 200);
    }
}

/// What one receives who has two layers to choose from.
fn layered(estimate: Rate) -> Rate {
    if estimate < kbps(1_700) { kbps(150) } else { kbps(1_500) }
}

#[test]
fn after_a_cut_probes_find_the_way_back_and_do_little_harm_meanwhile() {
    for (thin, time) in [(300, 4.0), (300, 12.0), (300, 31.0), (400, 17.0)] {
        let mut link = Link::new(Path::wide(), limits());
        link.run(seconds(5.0), layered, kbps(1_800));
        assert!(link.estimate() > kbps(1_700));
        link.path.kbps = thin;
        link.run(seconds(4.0), layered, kbps(1_800));
        for _ in 0..(time * 10.0) as u32 {
            link.run(seconds(0.1), layered, kbps(1_800));
            assert!(link.queue() < seconds(0.4), "{:?}", link.queue());
            assert_between(link.estimate(), 110, 1_700);
        }
        link.path.kbps = Path::wide().kbps;
        let mut back = None;
        for step in 1..=80 {
            link.run(seconds(0.1), layered, kbps(1_800));
            if back.is_none() && link.estimate() >= kbps(1_700) {
                back = Some(step);
            }
        }
        assert!(back.is_some_and(|step| step <= 65), "after {time} s at {thin}: {back:?}");
        assert!(link.estimate() >= kbps(1_700));
    }
}

#[test]
fn without_a_wish_for_more_nothing_is_probed_and_nothing_grows_far() {
    let mut link = Link::new(Path { kbps: 600, ..Path::wide() }, Limits { start: kbps(400), ..limits() });
    link.run(seconds(30.0), |_| kbps(100), kbps(100));
    assert_eq!(link.probes, 0);
    assert_between(link.estimate(), 300, 500);
}

#[test]
fn a_start_below_what_is_wanted_is_probed_at_once() {
    let mut link = Link::new(Path::wide(), Limits { start: kbps(300), ..limits() });
    link.run(seconds(1.5), |_| kbps(150), kbps(4_000));
    assert!(link.estimate() >= kbps(3_500), "{:.0}", link.estimate().kbps());
}

#[test]
fn a_little_more_than_is_known_is_probed_for_too() {
    let mut link = Link::new(Path::wide(), Limits { start: kbps(970), ..limits() });
    link.run(seconds(3.0), |_| kbps(150), kbps(1_000));
    assert!(link.estimate() >= kbps(1_000), "{:.0}", link.estimate().kbps());
}

#[test]
fn a_path_that_takes_a_little_less_than_is_wanted_is_not_probed_all_the_time() {
    let mut link = Link::new(Path { kbps: 970, ..Path::wide() }, Limits { start: kbps(300), ..limits() });
    link.run(seconds(60.0), |_| kbps(150), kbps(1_000));
    assert!((6..=14).contains(&link.probes), "{}", link.probes);
}

#[test]
fn a_probe_that_cannot_be_sent_ends_and_others_follow() {
    let mut link = Link::new(Path::wide(), Limits { start: kbps(300), ..limits() });
    link.pads = false;
    link.run(seconds(3.0), |_| Rate::ZERO, kbps(4_000));
    let before = link.probes;
    assert!(before <= 1, "nothing has come back so far: {before}");
    link.pads = true;
    link.run(seconds(8.0), |_| kbps(150), kbps(4_000));
    assert!(link.probes > before);
    assert!(link.estimate() >= kbps(3_500), "{:.0}", link.estimate().kbps());
}

#[test]
fn feedback_that_is_old_doubled_or_made_up_changes_nothing() {
    let mut link = Link::new(Path::wide(), limits());
    link.run(seconds(2.0), |_| kbps(1_500), Rate::ZERO);
    let before = link.estimate();
    for information in link.last_feedbacks() {
        link.hear(&information);
    }
    // Everything, and more than was sent, is lost.
    for base in (0..u16::MAX).step_by(1_000) {
        let mut told = base.to_be_bytes().to_vec();
        told.extend_from_slice(&[0x0f, 0xff, 0xff, 0xff, 0xff, 0, 0x0f, 0xff]);
        link.hear(&told);
    }
    assert!(link.estimate() >= before * 0.4, "{:.0}", link.estimate().kbps());
}
