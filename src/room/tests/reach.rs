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
fn who_is_hidden_gets_everybody_and_nobody_is_told_of_it() {
    let (mut call, a, b) = Call::of_two();
    let hides = |tracks: Vec<(Source, bool)>, encrypted| Input::Join {
        name: "Guard".into(),
        tracks,
        decodes: [VideoCodec::H264].into(),
        encrypted,
        reach: Reach::Hidden,
    };
    assert_eq!(call.hand(hides(vec![(Source::Camera, false)], false)), Err(RoomError::Hidden));
    call.does(hides(Vec::new(), false));
    let hidden = ParticipantId(3);
    let knows = |call: &Call, of: ParticipantId| {
        call.told(of).any(|event| match event {
            Event::ParticipantJoined(info) => info.id == hidden,
            Event::ParticipantLeft { participant, .. } | Event::ParticipantAway { participant, .. } => {
                *participant == hidden
            }
            Event::Welcome { participants, .. } => participants.iter().any(|info| info.id == hidden),
            Event::Path { peer, .. } | Event::OpenLink { peer, .. } => *peer == hidden,
            _ => false,
        })
    };
    assert!(!knows(&call, a) && !knows(&call, b));
    // As any viewer it makes the room an SFU room.
    assert_eq!(call.room.mode(), Mode::Promoting);
    for id in [a, b, hidden] {
        call.connects(id);
    }
    assert_eq!(call.room.path(hidden, a), PathInfo::Arriving(Carrier::Sfu));
    assert_eq!(call.room.path(a, hidden), PathInfo::None);
    let publish = Input::Publish { participant: hidden, source: Source::Camera, muted: false };
    assert_eq!(call.hand(publish), Err(RoomError::Hidden));
    let shows = Input::Reach { participant: hidden, reach: Reach::Mesh { warm: true } };
    assert_eq!(call.hand(shows), Err(RoomError::Hidden));
    let c = call.joins();
    assert!(!knows(&call, c));
    for input in [
        Input::Vanish { participant: hidden },
        Input::Return { participant: hidden },
        Input::Leave { participant: hidden },
    ] {
        call.does(input);
        assert!([a, b, c].iter().all(|id| !knows(&call, *id)));
    }
    assert_eq!(call.room.participants().count(), 3);
}

#[test]
fn nobody_listens_unseen_where_all_is_encrypted() {
    let mut call = Call::new();
    let join = |reach| Input::Join {
        name: "Ann".into(),
        tracks: Vec::new(),
        decodes: [VideoCodec::Vp8].into(),
        encrypted: true,
        reach,
    };
    call.does(join(Reach::Mesh { warm: true }));
    assert_eq!(call.hand(join(Reach::Hidden)), Err(RoomError::Hidden));
}

#[test]
fn who_is_hidden_does_not_decide_whether_a_call_is_encrypted_and_a_leg_does() {
    let join = |encrypted, reach| Input::Join {
        name: "Ann".into(),
        tracks: Vec::new(),
        decodes: [VideoCodec::Vp8].into(),
        encrypted,
        reach,
    };
    let mesh = Reach::Mesh { warm: true };
    let mut call = Call::new();
    call.does(join(false, Reach::Hidden));
    assert_eq!(call.room.is_encrypted(), None);
    call.does(join(true, mesh));
    assert_eq!(call.room.is_encrypted(), Some(true));
    assert_eq!(call.hand(join(false, mesh)), Err(RoomError::RoomEncrypted));

    let mut call = Call::new();
    call.does(join(false, Reach::Hidden));
    call.does(Input::StartLeg { plan: LegPlan::new(LegKind::Record, None), by: None });
    assert_eq!(call.hand(join(true, mesh)), Err(RoomError::RoomNotEncrypted));
}

#[test]
fn who_begins_to_receive_gets_a_path_from_those_who_send_and_loses_it_when_that_ends() {
    let mut call = Call::new();
    let sends = Reach::Server { sends: true, receives: false };
    let (a, b) = (call.joins_as(sends), call.joins_as(sends));
    call.reports(a, Direction::Up, TransportReport::Connected);
    call.does(Input::Reach { participant: b, reach: Reach::Server { sends: true, receives: true } });
    assert!(call.out.contains(&Output::OpenTransport { participant: b, direction: Direction::Down }));
    assert!(call.out.contains(&Output::Subscribe { receiver: b, track: TrackId(1) }), "ahead of its path");
    call.reports(b, Direction::Down, TransportReport::Connected);
    assert_eq!(call.room.path(b, a), PathInfo::Arriving(Carrier::Sfu));
    assert_eq!(call.room.path(a, b), PathInfo::None);
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
