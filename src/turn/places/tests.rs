use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn one_address_leaves_places_for_others() {
    let places = Places::new(4, 2);
    let held =
        [places.take(ip("192.0.2.1")).expect("the first"), places.take(ip("::ffff:192.0.2.1")).expect("the second")];
    assert_eq!(places.take(ip("192.0.2.1")).err(), Some(Full::Address));
    let other = places.take(ip("192.0.2.2")).expect("another address");
    assert_eq!([held[0].crowded, held[1].crowded, other.crowded], [false, false, true]);
    drop(held);
    places.take(ip("192.0.2.1")).expect("one that was given back");
}

#[test]
fn a_network_of_64_bits_is_one_address_and_all_together_have_no_more_than_there_are() {
    let places = Places::new(3, 2);
    let _held = ["2001:db8::1", "2001:db8::2:0:0:1"].map(|text| places.take(ip(text)).expect("there is one"));
    assert_eq!(places.take(ip("2001:db8::3")).err(), Some(Full::Address));
    let _other = places.take(ip("2001:db8:0:1::1")).expect("another network");
    assert_eq!(places.take(ip("2001:db8:0:2::1")).err(), Some(Full::Server));
}
