use super::*;

fn contains(network: &str, address: &str) -> bool {
    network.parse::<Network>().expect("a network").contains(address.parse().expect("an address"))
}

#[test]
fn a_network_holds_the_addresses_that_begin_as_it_does() {
    assert!(contains("192.0.2.0/24", "192.0.2.255"));
    assert!(!contains("192.0.2.0/24", "192.0.3.0"));
    assert!(contains("0.0.0.0/0", "203.0.113.9"));
    assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
    assert!(!contains("2001:db8::/32", "2001:db9::"));
    assert!(contains("::/0", "2001:db8::1"));
    assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.6"));
}

#[test]
fn a_mapped_address_is_an_ipv4_address() {
    assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
    assert!(!contains("::/0", "::ffff:127.0.0.1"));
}

#[test]
fn what_is_no_network_is_refused() {
    for bad in ["", "/", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/-1", "192.0.2/24", "localhost", "192.0.2.0/24/1"]
    {
        assert!(bad.parse::<Network>().is_err(), "{bad}");
    }
}
