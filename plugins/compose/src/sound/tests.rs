use super::*;

/// However far the encoder lagged, what was heard until the end is in what comes out.
#[test]
fn a_lagging_encoder_loses_nothing_of_the_end() {
    let mut sound =
        Sound::open(Duration::ZERO, Encoding::Opus { bits_per_second: 64_000 }).expect("elements are installed");
    let (mut now, mut heard) = (Duration::ZERO, Vec::new());
    let mut tick = |sound: &mut Sound| {
        now += Duration::from_millis(20);
        let samples = sound.tick(now).expect("an encoder");
        (now, samples)
    };
    while heard.is_empty() {
        heard.extend(tick(&mut sound).1);
        std::thread::yield_now();
    }
    sound.encoder.hold(true);
    while !sound.encoder.full() {
        heard.extend(tick(&mut sound).1);
    }
    // Longer than the mix gives out at once.
    for _ in 0..400 {
        heard.extend(tick(&mut sound).1);
    }
    sound.encoder.hold(false);
    let (now, more) = tick(&mut sound);
    heard.extend(more);
    heard.extend(sound.finish(now));
    let wanted = position(now - MIX_DELAY);
    let end = heard.last().expect("sound").time + OPUS_FRAME + OPUS_AHEAD;
    assert!((wanted..=wanted + OPUS_FRAME + OPUS_AHEAD).contains(&end), "{end} of {wanted} samples");
    assert!(heard.iter().skip(1).zip(heard.iter().skip(2)).all(|(one, next)| next.time - one.time == OPUS_FRAME));
}
