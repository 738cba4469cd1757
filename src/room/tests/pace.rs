use super::*;

/// Four who talk over mesh, with warm transports, and a fifth who has just come.
fn fifth_comes() -> (Call, [ParticipantId; 4]) {
    let mut call = Call::with(|settings| {
        settings.mesh_limit = 4;
        settings.moves_at_once = 1;
    });
    let four = [call.joins(), call.joins(), call.joins(), call.joins()];
    for id in four {
        call.connects(id);
    }
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Mesh);
    let fifth = call.joins();
    call.connects(fifth);
    (call, four)
}

fn moving(call: &Call, four: [ParticipantId; 4]) -> usize {
    let pairs = four.iter().flat_map(|&to| four.iter().map(move |&from| (to, from)));
    pairs.filter(|&(to, from)| call.room.path(to, from) == PathInfo::MovingTo(Carrier::Sfu)).count()
}

#[test]
fn couples_move_by_turns() {
    let (mut call, four) = fifth_comes();
    for _ in 0..3 {
        assert_eq!(moving(&call, four), 4, "two couples, both directions");
        let pairs: Vec<_> = four.iter().flat_map(|&to| four.iter().map(move |&from| (to, from))).collect();
        let at_once: Vec<_> = pairs
            .into_iter()
            .filter(|&(to, from)| call.room.path(to, from) == PathInfo::MovingTo(Carrier::Sfu))
            .collect();
        for (to, from) in at_once {
            call.shows(to, from);
        }
    }
    assert_eq!(moving(&call, four), 0);
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Sfu);
}

#[test]
fn one_who_never_gets_there_delays_the_others_for_half_the_deadline_only() {
    let (mut call, four) = fifth_comes();
    call.waits(DEADLINE / 2 - Duration::from_millis(1));
    assert_eq!(moving(&call, four), 4);
    assert_eq!(call.room.poll_timeout(), Some(call.now + Duration::from_millis(1)));
    call.waits(Duration::from_millis(1));
    assert_eq!(moving(&call, four), 12);
}
