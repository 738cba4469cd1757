//! Recordings: a leg that takes everything.

use super::*;

#[test]
fn a_recording_takes_what_everybody_sends_and_everybody_is_told_who_wanted_it() {
    let mut call = Call::with(|settings| settings.warm_at = 9);
    let (a, b) = (call.joins(), call.joins());
    call.everybody_shows();
    call.does(Input::StartLeg { plan: LegPlan::new(LegKind::Record, None), by: Some(a) });
    for participant in [a, b] {
        let track = call.camera(participant);
        assert!(call.out.contains(&Output::Tap { leg: LegId(1), track }));
        let mut told = call.told(participant);
        assert!(told.any(|event| matches!(event, Event::Leg(leg) if leg.started_by == Some(a))));
    }
    assert_eq!((call.room.mode(), call.moved_links()), (Mode::Mesh, false));
}

#[test]
fn a_recording_of_one_takes_nothing_of_others() {
    let mut call = Call::with(|settings| settings.warm_at = 9);
    let (a, b) = (call.joins(), call.joins());
    call.everybody_shows();
    call.does(Input::StartLeg { plan: LegPlan::new(LegKind::Record, Some(a)), by: None });
    let (of_a, of_b) = (call.camera(a), call.camera(b));
    assert!(call.out.contains(&Output::Tap { leg: LegId(1), track: of_a }));
    assert!(!call.out.contains(&Output::Tap { leg: LegId(1), track: of_b }));
    assert!(!call.out.contains(&Output::OpenTransport { participant: b, direction: Direction::Up }));
}
