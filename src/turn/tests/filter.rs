use super::*;

/// Where no relay may send, in every form that leads there.
const FORBIDDEN: &str = include_str!("../../../tests/data/forbidden-peers.txt");
/// This machine: not its media port, and no relay.
const OWN: [&str; 4] = ["9.9.9.1:8080", "9.9.9.1:3478", "9.9.9.1:22", "[::ffff:9.9.9.1]:8080"];

#[test]
fn no_way_leads_to_a_forbidden_peer() {
    let mut world = World::new();
    for peer in FORBIDDEN.lines().chain(OWN).map(address) {
        let mut seat = world.seat("8.8.8.8:1000", "ann");
        let family = if peer.is_ipv4() { 1 } else { 2 };
        assert_eq!(world.ask(&mut seat, ALLOCATE, &[client::udp(), client::family(family)]).code, 0);
        assert_eq!(world.permit(&mut seat, peer), 403, "CreatePermission {peer}");
        assert_eq!(world.bind(&mut seat, 0x4000, peer), 403, "ChannelBind {peer}");
        assert_eq!(world.send(&mut seat, peer, b"data"), Done::Nothing, "Send {peer}");
        let through_channel = client::channel_data(0x4000, b"data");
        assert_eq!(world.give(&mut seat, &through_channel), Done::Nothing, "ChannelData {peer}");
    }
}

#[test]
fn a_permission_for_our_media_port_opens_no_other_port_of_ours() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    assert_eq!(world.allocate(&mut seat).code, 0);
    let media = address("9.9.9.1:50000");
    assert_eq!(world.permit(&mut seat, media), 0);
    assert_eq!(world.send(&mut seat, media, b"data"), Done::Relayed(media, b"data".to_vec()));
    assert_eq!(world.send(&mut seat, address("9.9.9.1:8080"), b"data"), Done::Nothing);
    assert_eq!(world.send(&mut seat, address("9.9.9.1:0"), b"data"), Done::Nothing);
}

#[test]
fn an_address_that_the_machine_got_later_is_its_own() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    let later = address("6.6.6.6:8080");
    assert_eq!(world.permit(&mut seat, later), 0);
    world.server.set_machine(vec![later.ip()]);
    assert_eq!(world.permit(&mut seat, later), 403);
    assert_eq!(world.permit(&mut seat, address("[::ffff:6.6.6.6]:8080")), 403);
    // What was permitted before ends of itself.
    world.pass(300);
    assert_eq!(world.send(&mut seat, later, b"data"), Done::Nothing);
    world.server.set_machine(Vec::new());
    assert_eq!(world.permit(&mut seat, later), 0);
    assert_eq!(world.permit(&mut seat, address("9.9.9.1:8080")), 403, "others are ours for good");
}

#[test]
fn a_relay_can_be_sent_to_for_as_long_as_it_exists() {
    let mut world = World::new();
    let (mut ann, mut bob) = (world.seat("8.8.8.8:1000", "ann"), world.seat("8.8.4.4:1000", "bob"));
    assert_eq!(world.allocate(&mut ann).code, 0);
    let bobs = world.allocate(&mut bob).address(0x0016).expect("a relayed address");
    assert_eq!(world.bind(&mut ann, 0x4000, bobs), 0);
    let data = client::channel_data(0x4000, b"data");
    assert_eq!(world.give(&mut ann, &data), Done::Relayed(bobs, b"data".to_vec()));
    // Somebody else may have the port now.
    drop(bob);
    assert_eq!(world.give(&mut ann, &data), Done::Nothing);
}

#[test]
fn one_forbidden_peer_of_two_refuses_both() {
    let mut world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    let good = address("1.1.1.1:9");
    let peers = [seat.client.peer(good), seat.client.peer(address("10.0.0.1:9"))];
    assert_eq!(world.ask(&mut seat, CREATE_PERMISSION, &peers).code, 403);
    assert_eq!(world.send(&mut seat, good, b"data"), Done::Nothing);
}

#[test]
fn a_network_that_the_operator_allows_wins() {
    let mut world = World::with(&["10.1.0.0/16", "fd00::7", "0.0.0.0/32"], |_| ());
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    world.allocate(&mut seat);
    assert_eq!(world.permit(&mut seat, address("10.1.2.3:9")), 0);
    assert_eq!(world.permit(&mut seat, address("10.2.0.1:9")), 403);
    let mut seat = world.seat("8.8.8.8:1001", "ann");
    world.ask(&mut seat, ALLOCATE, &[client::udp(), client::family(2)]);
    assert_eq!(world.permit(&mut seat, address("[fd00::7]:9")), 0);
    assert_eq!(world.permit(&mut seat, address("[fd00::8]:9")), 403);
}

#[test]
fn networks_are_read_as_they_are_written() {
    for good in ["10.0.0.0/8", "10.0.0.1", "0.0.0.0/0", "2001:db8::/32", "::1", "::/0"] {
        assert!(good.parse::<Network>().is_ok(), "{good}");
    }
    for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "example.org"] {
        assert!(bad.parse::<Network>().unwrap_err().to_string().contains(bad), "{bad}");
    }
    let world = Filter::new(vec!["0.0.0.0/0".parse().unwrap()], vec![], vec![]);
    assert!(world.permits(address("10.0.0.1:9")) && !world.permits(address("[fd00::1]:9")));
}
