use super::*;

/// Three in a mesh, with proven transports.
fn a_mesh_of_three() -> (Call, [ParticipantId; 3]) {
    let mut call = Call::with(|settings| settings.mesh_limit = 3);
    let people = [call.joins(), call.joins(), call.joins()];
    for person in people {
        call.connects(person);
    }
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Mesh);
    (call, people)
}

#[test]
fn a_mesh_that_is_mostly_relayed_for_long_moves_to_the_sfu_and_stays_there() {
    let (mut call, [a, b, c]) = a_mesh_of_three();
    call.says_of_link(a, b, true);
    call.waits(DEMOTE_AFTER);
    assert_eq!(call.room.mode(), Mode::Mesh, "one link of three is not most of them");
    call.says_of_link(c, a, true);
    assert_eq!(call.room.poll_timeout(), Some(call.now + DEMOTE_AFTER));
    call.waits(DEMOTE_AFTER);
    assert_eq!(call.room.mode(), Mode::Promoting);
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Sfu);
    call.waits(10 * DEMOTE_AFTER);
    assert_eq!(call.room.mode(), Mode::Sfu);
}

#[test]
fn a_link_that_is_relayed_for_a_moment_only_moves_nobody() {
    let (mut call, [a, b, c]) = a_mesh_of_three();
    call.says_of_link(a, b, true);
    call.says_of_link(a, c, true);
    call.waits(DEMOTE_AFTER / 2);
    call.says_of_link(a, c, false);
    call.waits(DEMOTE_AFTER);
    assert_eq!(call.room.mode(), Mode::Mesh);
}

#[test]
fn a_relayed_mesh_stays_while_the_server_is_not_proven_for_everybody() {
    let (mut call, [a, b, c]) = a_mesh_of_three();
    call.reports(c, Direction::Up, TransportReport::Failed);
    call.says_of_link(a, b, true);
    call.says_of_link(a, c, true);
    call.waits(DEMOTE_AFTER);
    assert_eq!(call.room.mode(), Mode::Mesh);
    call.connects(c);
    call.waits(DEMOTE_AFTER);
    assert_eq!(call.room.mode(), Mode::Promoting);
}

#[test]
fn a_room_that_left_its_relays_goes_back_to_them_when_the_server_dies() {
    let (mut call, [a, b, c]) = a_mesh_of_three();
    call.says_of_link(a, b, true);
    call.says_of_link(a, c, true);
    call.waits(DEMOTE_AFTER);
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Sfu);
    call.reports(c, Direction::Down, TransportReport::Failed);
    assert_eq!(call.room.mode(), Mode::Demoting);
    call.says_of_link(b, c, true);
    assert_eq!(call.room.mode(), Mode::Demoting, "relays are better than a server that cannot be reached");
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Mesh);
}

#[test]
fn a_link_is_relayed_when_either_end_says_so() {
    let (mut call, [a, b, _]) = a_mesh_of_three();
    assert_eq!(call.room.is_relayed(a, b), None);
    call.says_of_link(a, b, false);
    assert_eq!(call.room.is_relayed(b, a), Some(false));
    call.says_of_link(b, a, true);
    call.says_of_link(a, b, false);
    assert_eq!(call.room.is_relayed(a, b), Some(true));
    call.says_of_link(b, a, false);
    assert_eq!(call.room.is_relayed(a, b), Some(false));
}
