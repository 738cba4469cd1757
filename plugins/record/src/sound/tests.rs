use super::*;

const PACKET: [u8; 4] = [0xfc, 1, 2, 3];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn gapless(out: &[(Sample, u32)]) -> bool {
    out.windows(2).all(|pair| pair[0].0.time + u64::from(pair[0].1) == pair[1].0.time)
}

#[test]
fn jitter_leaves_no_trace() {
    let (mut sound, mut out) = (Sound::default(), Vec::new());
    for (index, jitter) in [0, 7, 0, 12, 3, 0, 15, 1].into_iter().enumerate() {
        let heard = sound.push(ms(100 + 20 * index as u64 + jitter), Bytes::from_static(&PACKET), &mut out);
        assert_eq!(heard, Heard::Taken);
    }
    assert!(gapless(&out) && out.len() == 8);
}

#[test]
fn an_hour_of_a_clock_that_runs_fast_or_slow_stays_within_a_packet() {
    // 300 parts in a million: what bad sound cards have. It would be more than a second in an hour.
    for drift in [0.9997, 1.0003] {
        let (mut sound, mut out, mut worst) = (Sound::default(), Vec::new(), 0);
        for index in 0..180_000_u64 {
            let capture = Duration::from_secs_f64(index as f64 * 0.020 * drift);
            sound.push(capture, Bytes::from_static(&PACKET), &mut out);
            let (last, length) = out.last().expect("something was written");
            worst = worst.max((last.time + u64::from(*length)).abs_diff(ticks(capture, AUDIO_TIMESCALE) + 960));
        }
        assert!(gapless(&out));
        assert!(worst <= 2 * TOLERANCE, "{worst} samples off");
        assert_eq!(
            out.len().abs_diff((180_000.0 * drift) as usize).min(3),
            out.len().abs_diff((180_000.0 * drift) as usize)
        );
    }
}

#[test]
fn where_nothing_came_there_is_silence_as_long_as_the_hole() {
    let (mut sound, mut out) = (Sound::default(), Vec::new());
    sound.push(ms(0), Bytes::from_static(&PACKET), &mut out);
    assert_eq!(sound.push(ms(520), Bytes::from_static(&PACKET), &mut out), Heard::AfterSilence(24 * 960));
    assert!(sound.tick(ms(3_000), &mut out) > 0);
    let end = sound.next().expect("begun");
    assert!((2_200 * 48..2_240 * 48).contains(&end), "{end}");
    // What comes later than its silence is too late.
    assert_eq!(sound.push(ms(1_000), Bytes::from_static(&PACKET), &mut out), Heard::Dropped);
    assert!(gapless(&out));
}

#[test]
fn what_is_no_opus_is_dropped() {
    let (mut sound, mut out) = (Sound::default(), Vec::new());
    assert_eq!(sound.push(ms(0), Bytes::new(), &mut out), Heard::Dropped);
    assert_eq!(sound.push(ms(0), Bytes::from_static(&[0xff, 63]), &mut out), Heard::Dropped);
    assert_eq!(sound.next(), None);
}
