use super::*;

fn crowd(most: usize, most_of_one: usize, exempt: &[&str]) -> Crowd {
    Crowd::new(&Limits {
        connections: most,
        connections_per_address: most_of_one,
        exempt_networks: exempt.iter().map(|network| network.parse().expect("a network")).collect(),
        ..Limits::default()
    })
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn the_server_has_so_many_places_and_one_that_is_free_again_is_given_again() {
    let crowd = crowd(2, 2, &[]);
    let first = crowd.enter(ip("192.0.2.1")).expect("a place");
    let _second = crowd.enter(ip("192.0.2.2")).expect("a place");
    assert_eq!(crowd.enter(ip("192.0.2.3")).expect_err("full"), Full::Server);
    drop(first);
    assert!(crowd.enter(ip("192.0.2.3")).is_ok());
}

#[test]
fn one_address_does_not_take_the_places_of_others() {
    let crowd = crowd(10, 1, &[]);
    let place = crowd.enter(ip("192.0.2.1")).expect("a place");
    assert_eq!(crowd.enter(ip("192.0.2.1")).expect_err("full"), Full::Address);
    assert_eq!(crowd.enter(ip("::ffff:192.0.2.1")).expect_err("the same address"), Full::Address);
    assert!(crowd.enter(ip("192.0.2.2")).is_ok());
    drop(place);
    assert!(crowd.enter(ip("192.0.2.1")).is_ok());
}

#[test]
fn a_whole_ipv6_subnet_counts_as_one_address() {
    let crowd = crowd(10, 1, &[]);
    let _place = crowd.enter(ip("2001:db8::1")).expect("a place");
    assert_eq!(crowd.enter(ip("2001:db8::ffff:1")).expect_err("full"), Full::Address);
    assert!(crowd.enter(ip("2001:db8:0:1::1")).is_ok());
}

#[test]
fn an_exempt_network_has_no_limit_but_the_servers() {
    let crowd = crowd(3, 1, &["127.0.0.0/8", "10.1.0.0/16"]);
    let _places: Vec<_> = ["127.0.0.1", "127.0.0.1", "10.1.2.3"].map(|a| crowd.enter(ip(a)).expect("a place")).into();
    assert_eq!(crowd.enter(ip("127.0.0.1")).expect_err("full"), Full::Server);
}

#[test]
fn nothing_is_kept_of_who_has_left() {
    let crowd = crowd(1_000, 1, &[]);
    let places: Vec<_> = (0..=255).map(|n| crowd.enter(IpAddr::from([192, 0, 2, n])).expect("a place")).collect();
    assert_eq!(crowd.0.there().by_origin.len(), places.len());
    drop(places);
    let there = crowd.0.there();
    assert_eq!((there.all, there.by_origin.len()), (0, 0));
}
