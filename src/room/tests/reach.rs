use super::*;

#[test]
fn who_only_sends_by_way_of_the_server_has_an_up_transport_alone_and_waits_for_nobody() {
    let mut call = Call::new();
    let sends = Reach::Server { sends: true, receives: false };
    let a = call.joins_as(sends);
    assert!(call.out.contains(&Output::OpenTransport { participant: a, direction: Direction::Up }));
    assert!(!call.out.contains(&Output::OpenTransport { participant: a, direction: Direction::Down }));
    let b = call.joins_as(sends);
    assert_eq!((call.room.path(a, b), call.room.path(b, a)), (PathInfo::None, PathInfo::None));
    call.waits(DEADLINE * 2);
    assert_eq!(call.room.participants().count(), 2, "nobody is refused for want of what they do not want");
}

#[test]
fn who_begins_to_receive_gets_a_path_from_those_who_send_and_loses_it_when_that_ends() {
    let mut call = Call::new();
    let sends = Reach::Server { sends: true, receives: false };
    let (a, b) = (call.joins_as(sends), call.joins_as(sends));
    call.reports(a, Direction::Up, TransportReport::Connected);
    call.does(Input::Reach { participant: b, reach: Reach::Server { sends: true, receives: true } });
    assert!(call.out.contains(&Output::OpenTransport { participant: b, direction: Direction::Down }));
    call.reports(b, Direction::Down, TransportReport::Connected);
    assert_eq!(call.room.path(b, a), PathInfo::Arriving(Carrier::Sfu));
    assert_eq!(call.room.path(a, b), PathInfo::None);
    assert!(call.out.contains(&Output::Subscribe { receiver: b, track: TrackId(1) }));
    call.does(Input::Reach { participant: b, reach: sends });
    assert_eq!(call.room.path(b, a), PathInfo::None);
    assert!(call.out.contains(&Output::CloseTransport { participant: b, direction: Direction::Down }));
}

#[test]
fn who_cannot_hold_an_idle_transport_has_none_until_it_is_needed() {
    let mut call = Call::new();
    let (a, b) = (call.joins(), call.joins_as(Reach::Mesh { warm: false }));
    assert!(call.out.contains(&Output::OpenTransport { participant: a, direction: Direction::Up }));
    let of_b = |out: &[Output]| {
        out.iter().any(|output| matches!(output, Output::OpenTransport { participant, .. } if *participant == b))
    };
    assert!(!of_b(&call.out));
    call.joins();
    assert!(of_b(&call.out), "the room is too large for a mesh");
}
