use super::*;

#[test]
fn the_address_in_use_is_remembered_however_many_others_come() {
    let (now, (events, _from)) = (Instant::now(), mpsc::channel(1));
    let identity = Arc::new(Identity::new(Duration::from_millis(75)).unwrap());
    let local = ice::credential(0);
    let mut transport = Transport::new(TransportId(1), Direction::Up, local, events, identity, now, now);
    let route =
        |port: u16| Route { to: std::net::SocketAddr::from(([127, 0, 0, 1], port)), source: None, stream: None };
    for port in 1..=MAX_ADDRESSES as u16 {
        assert_eq!(transport.checked(route(port), false, now), None);
    }
    assert_eq!(transport.checked(route(100), false, now), Some(route(2).far()), "the first one is in use");
    assert_eq!(transport.checked(route(101), true, now), Some(route(1).far()), "another one is nominated");
    for port in 200..250 {
        assert_ne!(transport.checked(route(port), false, now), Some(route(101).far()));
    }
    assert!(transport.addresses.contains(&route(101).far()) && transport.addresses.len() == MAX_ADDRESSES);
}
