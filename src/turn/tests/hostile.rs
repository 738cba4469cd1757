use super::*;

#[test]
fn ten_thousand_allocations_of_one_user_are_refused_and_another_user_gets_one() {
    let mut world = World::new();
    let mut held = Vec::new();
    let mut refused = 0;
    for n in 0..10_000_u32 {
        // The credential is renewed all the time; it is still the same user.
        let seat = world.seat(&format!("8.8.{}.{}:1000", n >> 8, n & 255), "eve");
        world.pass(u64::from(n % 2));
        let mut seat = seat;
        match world.allocate(&mut seat).code {
            0 => held.push(seat),
            486 => refused += 1,
            code => panic!("{code}"),
        }
        if n % 500 == 0 {
            let mut other = world.seat("8.9.9.9:1000", "ann");
            assert_eq!(world.allocate(&mut other).code, 0);
        }
    }
    assert_eq!((held.len(), refused), (100, 9_900));
    held.pop();
    let mut seat = world.seat("8.9.9.8:1000", "eve");
    assert_eq!(world.allocate(&mut seat).code, 0, "a place that was given back");
}

#[test]
fn there_are_no_more_allocations_than_the_server_has() {
    let mut world = World::with(&[], |settings| settings.quotas.total = 3);
    let mut seats: Vec<Seat> = (0..4).map(|n| world.seat("8.8.8.8:1000", &format!("user {n}"))).collect();
    let codes: Vec<u16> = seats.iter_mut().map(|seat| world.allocate(seat).code).collect();
    assert_eq!(codes, [0, 0, 0, 486]);
}

#[test]
fn an_address_has_so_many_allocations_whoever_its_users_are() {
    let mut world = World::with(&[], |settings| settings.quotas.per_address = 2);
    let froms =
        ["8.8.8.8:1", "[::ffff:8.8.8.8]:2", "8.8.8.8:3", "8.8.8.9:4", "[2606::1]:5", "[2606::2]:6", "[2606::3]:7"];
    let mut seats: Vec<Seat> = froms.iter().map(|from| world.seat(from, &format!("user {from}"))).collect();
    let codes: Vec<u16> = seats.iter_mut().map(|seat| world.allocate(seat).code).collect();
    assert_eq!(codes, [0, 0, 486, 0, 0, 0, 486]);
    seats.remove(0);
    assert_eq!(world.allocate(&mut seats[1]).code, 0, "a place that was given back");
}

#[test]
fn permissions_and_channels_of_an_allocation_are_counted() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "eve");
    world.allocate(&mut seat);
    let peer = |n: u16| address(&format!("1.1.1.{n}:9"));
    let permitted: Vec<u16> = (0..10).map(|n| world.permit(&mut seat, peer(n))).collect();
    assert_eq!(permitted, [0, 0, 0, 0, 0, 0, 0, 0, 508, 508]);
    assert_eq!(world.permit(&mut seat, peer(0)), 0, "one that is there is renewed");
    let ports: Vec<u16> =
        (0..10).map(|n| world.bind(&mut seat, 0x4000 + n, address(&format!("1.1.1.1:{}", 9 + n)))).collect();
    assert_eq!(ports, [0, 0, 0, 0, 0, 0, 0, 0, 508, 508]);
    world.pass(301);
    assert_eq!(world.permit(&mut seat, peer(20)), 0, "what ran out makes room");
}

#[test]
fn a_user_has_a_second_of_the_allowed_rate_and_no_more_and_others_are_unhurt() {
    let mut world = World::new();
    let peer = address("1.1.1.1:9");
    let (mut one, mut two, mut ann) =
        (world.seat("8.8.8.8:1", "eve"), world.seat("8.8.8.8:2", "eve"), world.seat("8.8.8.8:3", "ann"));
    for seat in [&mut one, &mut two, &mut ann] {
        world.allocate(seat);
        assert_eq!(world.permit(seat, peer), 0);
    }
    // 1,000 kbit/s are 125 packets of 1,000 bytes a second, of all allocations together and both ways.
    let mut sent = 0;
    for n in 0..1_000 {
        let seat = if n % 2 == 0 { &mut one } else { &mut two };
        sent += usize::from(world.send(seat, peer, &[0; 1_000]) != Done::Nothing);
    }
    assert_eq!(sent, 125);
    assert_eq!(world.server.wrap(world.now.at, one.allocation.as_ref().unwrap(), peer, 1_000), None);
    assert_ne!(world.send(&mut ann, peer, &[0; 1_000]), Done::Nothing);
    world.pass(1);
    assert_ne!(world.send(&mut two, peer, &[0; 1_000]), Done::Nothing);
}

#[test]
fn who_leaves_and_comes_again_has_no_new_budget() {
    let mut world = World::new();
    let peer = address("1.1.1.1:9");
    let sent = |world: &mut World| {
        let mut seat = world.seat("8.8.8.8:1", "eve");
        assert_eq!((world.allocate(&mut seat).code, world.permit(&mut seat, peer)), (0, 0));
        (0..200).filter(|_| world.send(&mut seat, peer, &[0; 1_000]) != Done::Nothing).count()
    };
    assert_eq!(sent(&mut world), 125, "a second's worth");
    assert_eq!(sent(&mut world), 0);
    // Others come and go meanwhile.
    let mut ann = world.seat("8.8.8.8:2", "ann");
    world.allocate(&mut ann);
    drop(ann);
    assert_eq!(sent(&mut world), 0);
    world.pass(1);
    assert_eq!(sent(&mut world), 125);
}

#[test]
fn a_source_that_asks_too_often_is_not_answered_and_others_are() {
    let mut world = World::with(&[], |settings| (settings.requests_per_second, settings.request_burst) = (10, 50));
    let mut flood = world.seat("8.8.8.8:1000", "eve");
    let binding = flood.client.unsigned(0x001, &[]).raw;
    let answered = |world: &mut World, seat: &mut Seat, times: usize| {
        (0..times).filter(|_| world.give(seat, &binding) != Done::Nothing).count()
    };
    assert_eq!(answered(&mut world, &mut flood, 1_000), 50);
    // Another port is the same source.
    let mut again = world.seat("8.8.8.8:1001", "eve");
    assert_eq!(answered(&mut world, &mut again, 10), 0);
    // Two sources may share a cell by chance; a hundred do not all share one.
    let unhurt = (0..100).filter(|n| {
        let mut other = world.seat(&format!("9.1.1.{n}:1000"), "ann");
        answered(&mut world, &mut other, 10) == 10
    });
    assert!(unhurt.count() >= 98);
    world.pass(1);
    assert_eq!(answered(&mut world, &mut flood, 1_000), 10);
}

#[test]
fn half_a_million_strangers_leave_nothing_behind() {
    let mut world = World::new();
    let stranger = world.seat("8.8.8.8:1000", "nobody");
    let messages = [
        stranger.client.unsigned(0x001, &[]).raw,
        stranger.client.unsigned(ALLOCATE, &[client::udp()]).raw,
        client::channel_data(0x4000, b"data"),
        stranger.client.send(address("1.1.1.1:9"), b"data"),
    ];
    let mut answered = 0;
    for n in 0..500_000_u32 {
        let from = SocketAddr::new(std::net::Ipv4Addr::from_bits(0x0b00_0000 + n).into(), 1_000);
        // There is no allocation for them, and the server is not even mutable: its only memory is the fixed table of its gate.
        let step = world.server.handle(world.now, from, None, &messages[n as usize % messages.len()]);
        answered += u32::from(matches!(step, Step::Answer(_)));
    }
    assert_eq!(answered, 250_000);
    let mut honest = world.seat("8.8.8.8:1000", "ann");
    assert_eq!(world.allocate(&mut honest).code, 0);
}

#[test]
fn mangled_messages_harm_nobody() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    world.permit(&mut seat, address("1.1.1.1:9"));
    let good = [
        seat.client.request(REFRESH, &[client::lifetime(600)]),
        seat.client.request(CREATE_PERMISSION, &[seat.client.peer(address("1.1.1.1:9"))]),
        seat.client.send(address("1.1.1.1:9"), b"some data"),
        client::channel_data(0x4000, b"some data"),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..50_000 {
        let mut bytes = random.choice(&good).unwrap().clone();
        for _ in 0..random.usize(1..4) {
            match random.u8(..4) {
                0 => bytes.truncate(random.usize(..=bytes.len())),
                1 => bytes.extend((0..random.usize(..8)).map(|_| 0xff)),
                _ if bytes.is_empty() => {}
                _ => {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }
            }
        }
        if let Done::Relayed(to, _) = world.give(&mut seat, &bytes) {
            assert_eq!(to.ip(), address("1.1.1.1:9").ip());
        }
    }
    assert_eq!(world.ask(&mut seat, REFRESH, &[]).code, 0);
}
