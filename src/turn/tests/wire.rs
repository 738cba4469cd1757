use super::*;
use crate::turn::data::{self, Frame, Wrapping};
use crate::turn::message::{Method, Request};

#[test]
fn a_stream_is_cut_where_messages_end() {
    let whole = |message, with_padding| Frame::Whole { message, with_padding };
    assert_eq!(data::frame(&[]), Frame::Part);
    assert_eq!(data::frame(&[0x40, 0, 0]), Frame::Part);
    assert_eq!(data::frame(&[0x40, 0, 0, 0]), whole(4, 4));
    assert_eq!(data::frame(&[0x40, 0, 0, 1, 9, 0, 0]), Frame::Part);
    assert_eq!(data::frame(&[0x40, 0, 0, 1, 9, 0, 0, 0, 7]), whole(5, 8));
    let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[0; 12]].concat();
    assert_eq!(data::frame(&binding), whole(20, 20));
    assert_eq!(data::frame(&binding[..19]), Frame::Part);
    for broken in [&[0x80][..], &[0xff, 0], &[0x16, 3, 1, 0, 0, 0, 0, 0], &[0, 1, 0, 3]] {
        assert_eq!(data::frame(broken), Frame::Broken, "{broken:?}");
    }
}

#[test]
fn what_is_wrapped_can_be_read_again() {
    for peer in ["1.2.3.4:5", "[2606::1]:65535"].map(address) {
        for payload in [0, 1, 2, 3, 4, 1_200] {
            let wrapping = Wrapping::indication(peer, payload, *b"transactions").unwrap();
            let mut indication = [wrapping.before(), &vec![7; payload], wrapping.after()].concat();
            assert_eq!(indication.len() % 4, 0);
            assert_eq!(Reply::read(&indication).address(0x0012), Some(peer));
            // A Send indication has the same attributes.
            indication[1] = 0x16;
            let (to, data) = data::read_send(&indication).unwrap();
            assert_eq!((to, &indication[data]), (peer, &vec![7; payload][..]));
        }
    }
    assert_eq!(Wrapping::indication(address("1.2.3.4:5"), 65_535, [0; 12]), None);
    let on_stream = Wrapping::channel(0x4001, 5, true).unwrap();
    assert_eq!((on_stream.before(), on_stream.after()), (&[0x40, 1, 0, 5][..], &[0; 3][..]));
    assert_eq!(Wrapping::channel(0x4001, 5, false).unwrap().after(), &[0; 0]);
}

#[test]
fn what_follows_the_integrity_attribute_is_not_believed() {
    let world = World::new();
    let mut seat = world.seat("8.8.8.8:1000", "ann");
    let reply = Reply::read(&{
        let message = seat.client.unsigned(ALLOCATE, &[]).raw;
        let Step::Answer(answer) = world.server.handle(world.now, seat.client.address, None, &message) else {
            panic!("no answer")
        };
        answer
    });
    seat.client.learns(&reply);
    let mut signed = Reply::read(&seat.client.request(REFRESH, &[])).message;
    signed.add(rtc_stun::attributes::ATTR_LIFETIME, &[0; 4]);
    let request = Request::parse(&signed.raw).unwrap();
    assert_eq!(request.method, Method::Refresh);
    assert!(request.has_integrity() && request.get(rtc_stun::attributes::ATTR_LIFETIME).is_none());
}

/// `printf %s 1700000000:ann | openssl dgst -sha1 -hmac secret -binary | base64`
const EXPECTED: &str = "vQnWXBtsqkQms4Ddse1rYmcjgqM=";

#[test]
fn the_password_is_the_one_that_coturn_computes() {
    let secret = Secret::new("secret", Duration::from_secs(60));
    assert_eq!(secret.password("1700000000:ann"), EXPECTED);
    let issued = secret.issue(std::time::UNIX_EPOCH + Duration::from_secs(1_699_999_940), "ann");
    assert_eq!((&issued.username[..], &issued.password[..]), ("1700000000:ann", EXPECTED));
    let long = secret.issue(SystemTime::now(), &"ä".repeat(1_000));
    assert!(long.username.len() < 300 && long.username.ends_with('ä'));
    let random = Secret::new("", Duration::from_secs(60));
    assert_ne!(random.password("a"), Secret::new("", Duration::from_secs(60)).password("a"));
}
