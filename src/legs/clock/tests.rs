use super::*;

const MS: i64 = SECOND / 1_000;

fn ntp(nanoseconds: i64) -> u64 {
    (((nanoseconds as u128) << 32) / SECOND as u128) as u64
}

/// A sender whose wall clock is `wrong` ahead and whose RTP clock begins at `first`.
struct Sender {
    wrong: i64,
    first: u32,
}

impl Sender {
    fn timestamp(&self, time: i64) -> u32 {
        self.first.wrapping_add((time * 90_000 / SECOND) as u32)
    }

    fn report(&self, time: i64, way: i64, wall: &mut WallClock, clock: &mut RtpClock) {
        let now = ntp(3_900_000_000 * SECOND + self.wrong + time);
        wall.report(now, time + way);
        clock.report(now, self.timestamp(time));
    }
}

#[test]
fn reports_place_tracks_of_machines_with_wrong_clocks_at_the_same_instant() {
    for (wrong, first) in [(0, 7), (5 * 3_600 * SECOND, u32::MAX - 1_000), (-40 * SECOND, 1 << 31)] {
        let sender = Sender { wrong, first };
        let (mut wall, mut clock) = (WallClock::default(), RtpClock::new(90_000));
        sender.report(0, 10 * MS, &mut wall, &mut clock);
        for frame in 0..600 {
            let time = frame * 33 * MS;
            let way = 10 * MS + frame * 7 % 50 * MS;
            let capture = clock.capture(sender.timestamp(time), time + way, &wall);
            assert!((capture - time - 10 * MS).abs() < MS, "frame {frame} of {time} at {capture}");
        }
    }
}

#[test]
fn the_first_report_moves_nothing_visibly() {
    let sender = Sender { wrong: 3 * SECOND, first: 0 };
    let (mut wall, mut clock) = (WallClock::default(), RtpClock::new(90_000));
    let mut last = None;
    for frame in 0..900 {
        let time = frame * 33 * MS;
        if frame == 60 {
            sender.report(time, 10 * MS, &mut wall, &mut clock);
        }
        // Frames are a steady 200 ms behind the report: an encoder's delay.
        let capture = clock.capture(sender.timestamp(time), time + 210 * MS, &wall);
        if let Some(last) = last.replace(capture) {
            assert!((capture - last - 33 * MS).abs() < MS, "frame {frame}: {} ms", (capture - last) / MS);
        }
        if frame == 899 {
            assert!((capture - time - 10 * MS).abs() < 2 * MS);
        }
    }
}

#[test]
fn an_rtp_clock_that_jumps_is_placed_by_arrival_again() {
    for jump in [u32::MAX / 3, 90_000 * 3_600, 0_u32.wrapping_sub(90_000 * 3_600), 0_u32.wrapping_sub(90_000 * 5)] {
        let (wall, mut clock) = (WallClock::default(), RtpClock::new(90_000));
        for frame in 0..200_i64 {
            let jumped = if frame < 100 { 0 } else { jump };
            let (time, timestamp) = (frame * 33 * MS, (frame as u32 * 2_970).wrapping_add(jumped));
            let capture = clock.capture(timestamp, time + 10 * MS, &wall);
            assert!((capture - time - 10 * MS).abs() < 2 * MS, "jump {jump}, frame {frame}: {}", capture - time);
        }
    }
}

#[test]
fn reports_that_make_no_sense_are_not_believed() {
    let (mut wall, mut clock) = (WallClock::default(), RtpClock::new(48_000));
    for packet in 0..500_u32 {
        let arrival = i64::from(packet) * 20 * MS + 5 * MS;
        if packet % 50 == 0 {
            let nonsense = u64::from(packet).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            wall.report(nonsense, arrival);
            clock.report(nonsense, nonsense as u32);
        }
        let capture = clock.capture(packet * 960, arrival, &wall);
        assert!((capture - arrival).abs() <= REPORT_ERROR_MAX, "{} ms off", (capture - arrival) / MS);
    }
}

#[test]
fn no_timestamp_or_report_makes_the_clock_overflow() {
    let mut random = fastrand::Rng::with_seed(3);
    for rate in [1, 48_000] {
        let (mut wall, mut clock) = (WallClock::default(), RtpClock::new(rate));
        let mut timestamp = 0_u32;
        for _ in 0..20_000 {
            let arrival = if random.bool() { i64::MAX - random.i64(0..SECOND) } else { random.i64(0..SECOND) };
            if random.u8(..) < 16 {
                let ntp = [0, u64::MAX, random.u64(..)][random.usize(0..3)];
                wall.report(ntp, arrival);
                clock.report(ntp, random.u32(..));
            }
            // Counting on as fast as can be.
            timestamp = timestamp.wrapping_add(0x7fff_ffff);
            assert!((0..=arrival).contains(&clock.capture(timestamp, arrival, &wall)));
        }
    }
}
