//! RFC 8656, request by request.

use super::*;

const BINDING: u16 = 0x001;
const PEER: &str = "1.1.1.1:9";

#[test]
fn a_binding_request_is_answered_with_where_it_came_from() {
    let mut world = World::new();
    for from in ["8.8.8.8:1000", "[2606::1]:1000"] {
        let mut seat = world.seat(from, "ann");
        let reply = ask_unsigned(&mut world, &mut seat, BINDING);
        assert_eq!(reply.address(0x0020), Some(address(from)));
    }
    let mut mapped = world.seat("[::ffff:8.8.8.8]:1000", "ann");
    let reply = ask_unsigned(&mut world, &mut mapped, BINDING);
    assert_eq!(reply.address(0x0020), Some(address("8.8.8.8:1000")));
}

fn ask_unsigned(world: &mut World, seat: &mut Seat, method: u16) -> Reply {
    let message = seat.client.unsigned(method, &[]).raw;
    let Done::Answer(reply) = world.give(seat, &message) else { panic!("no answer") };
    reply
}

#[test]
fn a_request_that_comes_again_gets_the_same_relay() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    let first = world.allocate(&mut seat);
    assert_eq!((first.code, first.lifetime()), (0, Some(600)));
    assert_eq!(first.address(0x0020), Some(address("8.8.8.8:1000")));
    assert_eq!(world.allocate(&mut seat), first);
    seat.client.transaction = *b"another one!";
    assert_eq!(world.allocate(&mut seat).code, 437);
}

#[test]
fn who_is_not_known_is_asked_for_a_name_and_a_wrong_password_gets_nothing() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    let reply = ask_unsigned(&mut world, &mut seat, ALLOCATE);
    assert_eq!(reply.code, 401);
    assert!(reply.get(0x0014).is_some() && reply.get(0x0015).is_some());

    let mut wrong = world.secret.issue(world.now.wall, "ann");
    wrong.password.push('x');
    let mut seat = world.seat_with("8.8.8.8:1000", wrong);
    assert_eq!(world.allocate(&mut seat).code, 401);
    let mut forged = world.secret.issue(world.now.wall, "ann");
    forged.username = "99999999999:ann".into();
    let mut seat = world.seat_with("8.8.8.8:1000", forged);
    assert_eq!(world.allocate(&mut seat).code, 401);
    for username in ["ann", "", ":", "x:ann", "99999999999999999999999:ann", "18446744073709551615:ann"] {
        let mut bad = world.secret.issue(world.now.wall, "ann");
        bad.password = world.secret.password(username);
        bad.username = username.into();
        let mut seat = world.seat_with("8.8.8.8:1000", bad);
        assert_eq!(world.allocate(&mut seat).code, 401, "{username:?}");
    }
}

#[test]
fn a_credential_that_ran_out_begins_nothing_and_keeps_what_there_is_for_half_a_day() {
    let mut world = World::new();
    let (mut there, mut late) = (world.seat("8.8.8.8:1000", "ann"), world.seat("8.8.8.8:1001", "ann"));
    assert_eq!(world.allocate(&mut there).code, 0);
    world.pass(601);
    assert_eq!(world.allocate(&mut late).code, 401);
    assert_eq!(world.ask(&mut there, REFRESH, &[]).code, 0);
    // A renewed credential is the same user's.
    let fresh = world.seat("8.8.8.8:1000", "ann");
    there.client = fresh.client;
    assert_eq!(world.ask(&mut there, REFRESH, &[]).code, 0);
    // That one ran out as well, and half a day ago.
    world.pass(600 + 12 * 3_600 - 1);
    assert_eq!(world.ask(&mut there, REFRESH, &[]).code, 0);
    world.pass(1);
    assert_eq!(world.ask(&mut there, REFRESH, &[]).code, 401);
}

#[test]
fn a_nonce_is_stale_after_an_hour_and_another_clients_is_none() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    world.pass(3_601);
    let message = seat.client.request(REFRESH, &[]);
    let Done::Answer(reply) = world.give(&mut seat, &message) else { panic!("no answer") };
    assert_eq!(reply.code, 438);
    assert!(seat.client.learns(&reply));
    assert_eq!(world.ask(&mut seat, REFRESH, &[]).code, 0);

    let message = seat.client.request(ALLOCATE, &[client::udp()]);
    let mut thief = world.seat("8.8.8.9:1000", "ann");
    let Done::Answer(reply) = world.give(&mut thief, &message) else { panic!("no answer") };
    assert_eq!(reply.code, 438);
}

#[test]
fn what_cannot_be_had_is_refused_with_its_own_code() {
    let mut world = World::with(&[], |settings| settings.ipv6 = false);
    let cases: [(u16, Vec<Attribute>); 9] = [
        (400, vec![]),
        (442, vec![(0x0019, vec![6, 0, 0, 0])]),
        (440, vec![client::udp(), client::family(2)]),
        (440, vec![client::udp(), client::family(7)]),
        (508, vec![client::udp(), (0x0018, vec![0x80])]),
        (508, vec![client::udp(), (0x0022, vec![0; 8])]),
        (400, vec![client::udp(), (0x0022, vec![0; 8]), (0x0018, vec![0])]),
        (420, vec![client::udp(), (0x7fff, vec![1, 2, 3])]),
        (400, vec![client::udp(), (0x000d, vec![1])]),
    ];
    for (code, attributes) in cases {
        let mut seat = world.seat("8.8.8.8:1000", "ann");
        assert_eq!(world.ask(&mut seat, ALLOCATE, &attributes).code, code, "{attributes:?}");
        assert!(seat.allocation.is_none());
    }
    world.can_bind = false;
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    assert_eq!(world.allocate(&mut seat).code, 508);
    world.can_bind = true;
    assert_eq!(world.allocate(&mut seat).code, 0);
    // Who asks for both families gets IPv4, and is told what became of IPv6.
    let mut seat = world.seat("8.8.8.8:1001", "ann");
    let both = world.ask(&mut seat, ALLOCATE, &[client::udp(), (0x8000, vec![2, 0, 0, 0])]);
    assert_eq!((both.code, both.get(0x8001).map(|v| v[..4].to_vec())), (0, Some(vec![2, 0, 4, 40])));
}

#[test]
fn lifetimes_are_kept_between_ten_minutes_and_an_hour_and_zero_ends() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    let asked = |seconds| [client::udp(), client::lifetime(seconds)];
    assert_eq!(world.ask(&mut seat, ALLOCATE, &asked(u32::MAX)).lifetime(), Some(3_600));
    assert_eq!(world.ask(&mut seat, REFRESH, &[client::lifetime(1)]).lifetime(), Some(600));
    assert!(!seat.allocation.as_ref().unwrap().is_over(world.now.at + Duration::from_secs(599)));
    assert!(seat.allocation.as_ref().unwrap().is_over(world.now.at + Duration::from_secs(600)));
    assert_eq!(world.ask(&mut seat, REFRESH, &[client::family(2)]).code, 443);
    assert_eq!(world.ask(&mut seat, REFRESH, &[client::lifetime(0)]).lifetime(), Some(0));
    assert!(seat.allocation.is_none());
    assert_eq!(world.ask(&mut seat, REFRESH, &[]).code, 437);
    assert_eq!(world.permit(&mut seat, address(PEER)), 437);
    assert_eq!(world.bind(&mut seat, 0x4000, address(PEER)), 437);
}

#[test]
fn nobody_uses_the_allocation_of_another_user() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    seat.client = world.seat("8.8.8.8:1000", "eve").client;
    assert_eq!(world.ask(&mut seat, REFRESH, &[]).code, 441);
    assert_eq!(world.permit(&mut seat, address(PEER)), 441);
}

#[test]
fn data_goes_to_and_comes_from_permitted_peers_for_five_minutes() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    let peer = address(PEER);
    assert_eq!(world.send(&mut seat, peer, b"data"), Done::Nothing);
    assert_eq!(from_peer(&world, &seat, peer), None);
    assert_eq!(world.permit(&mut seat, peer), 0);
    let other_port = address("1.1.1.1:10");
    assert_eq!(world.send(&mut seat, other_port, b"data"), Done::Relayed(other_port, b"data".to_vec()));
    assert_eq!(from_peer(&world, &seat, other_port), Some(36));
    assert_eq!(from_peer(&world, &seat, address("1.1.1.2:9")), None);
    world.pass(300);
    assert_eq!(world.send(&mut seat, peer, b"data"), Done::Nothing);
    assert_eq!(from_peer(&world, &seat, peer), None);
    assert_eq!(world.permit(&mut seat, address("[2606::1]:9")), 443);
}

/// Bytes before the payload on its way to the client.
fn from_peer(world: &World, seat: &Seat, peer: SocketAddr) -> Option<usize> {
    let wrapping = world.server.wrap(world.now.at, seat.allocation.as_ref().unwrap(), peer, 100)?;
    Some(wrapping.before().len())
}

#[test]
fn a_channel_and_its_peer_belong_to_each_other() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    let peer = address(PEER);
    for number in [0, 0x3fff, 0x8000, 0xffff] {
        assert_eq!(world.bind(&mut seat, number, peer), 400, "{number:#x}");
    }
    assert_eq!(world.bind(&mut seat, 0x4000, peer), 0);
    assert_eq!(world.bind(&mut seat, 0x4000, peer), 0, "renewed");
    assert_eq!(world.bind(&mut seat, 0x4001, peer), 400);
    assert_eq!(world.bind(&mut seat, 0x4000, address("1.1.1.1:10")), 400);
    let data = client::channel_data(0x4000, b"data");
    assert_eq!(world.give(&mut seat, &data), Done::Relayed(peer, b"data".to_vec()));
    assert_eq!(from_peer(&world, &seat, peer), Some(4));
    assert_eq!(world.give(&mut seat, &client::channel_data(0x4001, b"data")), Done::Nothing);
    // The permission that came with it runs out before the channel does.
    world.pass(300);
    assert_eq!(world.give(&mut seat, &data), Done::Nothing);
    assert_eq!(world.permit(&mut seat, peer), 0);
    assert_eq!(world.give(&mut seat, &data), Done::Relayed(peer, b"data".to_vec()));
    world.pass(300);
    assert_eq!(world.permit(&mut seat, peer), 0);
    assert_eq!(world.give(&mut seat, &data), Done::Nothing, "ten minutes are over");
    assert_eq!(world.bind(&mut seat, 0x4001, peer), 0);
}

#[test]
fn behind_a_nat_everybody_knows_us_by_the_announced_address() {
    let pair = ["9.9.9.1", "7.7.7.7"].map(|ip| ip.parse().unwrap());
    let mut world = World::with(&[], |settings| settings.names = Names::new(vec![(pair[0], pair[1])]));
    let (mut ann, mut bob) = (world.seat("8.8.8.8:1000", "ann"), world.seat("8.8.4.4:1000", "bob"));
    world.allocate(&mut ann);
    let bobs = world.allocate(&mut bob).address(0x0016).expect("a relayed address");
    assert_eq!(bobs.ip(), pair[1]);
    assert_eq!(world.permit(&mut ann, bobs), 0);
    // It never leaves the machine.
    let Done::Relayed(to, _) = world.send(&mut ann, bobs, b"data") else { panic!("not relayed") };
    assert_eq!(to, SocketAddr::new(pair[0], bobs.port()));
    let wrapping = world.server.wrap(world.now.at, ann.allocation.as_ref().unwrap(), to, 100).unwrap();
    assert_eq!(Reply::read_indication(wrapping.before(), 100).address(0x0012), Some(bobs));
    // Media as well, of which only the announced address is told.
    let media = SocketAddr::new(pair[1], 50_001);
    assert_eq!(world.permit(&mut ann, media), 0);
    assert_eq!(world.bind(&mut ann, 0x4000, media), 0);
    let inside = SocketAddr::new(pair[0], 50_001);
    assert_eq!(world.send(&mut ann, media, b"data"), Done::Relayed(inside, b"data".to_vec()));
    let through_channel = client::channel_data(0x4000, b"data");
    assert_eq!(world.give(&mut ann, &through_channel), Done::Relayed(inside, b"data".to_vec()));
    assert_eq!(world.permit(&mut ann, SocketAddr::new(pair[1], 8_080)), 403);
}
