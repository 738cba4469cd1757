//! Floods at the media port while a call runs, or is joined.

use serde_json::Value;

use crate::flood::Flood;
use crate::server::{Server, is_sound, number};

/// Datagrams a second: as many as one core sends, as a rule.
const A_SECOND: u32 = 100_000;

/// A ClientHello (RFC 9147 section 5.3, RFC 6347 section 4.2.1) with random numbers, without a cookie.
fn client_hello() -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend(std::iter::repeat_with(|| fastrand::u8(..)).take(32));
    // No session, no cookie, three suites, no compression.
    body.extend([0, 0, 0, 6, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x0a, 1, 0]);
    // use_srtp with AES-GCM; supported groups; signature algorithms.
    let extensions =
        [&[0, 14, 0, 5, 0, 2, 0, 7, 0][..], &[0, 10, 0, 4, 0, 2, 0, 0x1d], &[0, 13, 0, 4, 0, 2, 4, 3]].concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let length = (body.len() as u32).to_be_bytes();
    // Handshake: type, length, message 0, all of it in one fragment.
    let mut handshake = vec![1];
    handshake.extend(&length[1..]);
    handshake.extend([0; 5]);
    handshake.extend(&length[1..]);
    handshake.extend(body);
    // Record: handshake, DTLS 1.0 as first hellos say, epoch 0, number.
    let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0];
    record.extend(fastrand::u32(..).to_be_bytes());
    record.extend((handshake.len() as u16).to_be_bytes());
    record.extend(handshake);
    record
}

/// Of every kind that a first byte can stand for (RFC 7983), and of many lengths.
fn junk() -> Vec<u8> {
    let length = [1, 2, 12, 20, 40, 200, 1_200][fastrand::usize(..7)];
    let mut datagram: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect();
    datagram[0] = [0, 1, 3, 22, 64, 128, 144, 200][fastrand::usize(..8)];
    if length >= 20 && datagram[0] < 4 {
        // A STUN request of an honest length, with the cookie.
        datagram[..8].copy_from_slice(&[0, 1, ((length - 20) >> 8) as u8, (length - 20) as u8, 0x21, 0x12, 0xa4, 0x42]);
    }
    datagram
}

/// Visits while somebody floods.
fn flooded(make: fn() -> Vec<u8>, options: &[&str]) -> Value {
    let server = Server::start();
    let datagrams = std::iter::repeat_with(make).take(1_000).collect();
    let flood = Flood::start(server.media, datagrams, A_SECOND);
    let report = server.visit(options);
    let flooded = flood.stop();
    println!("{:.0} datagrams a second, {} answers; {report}", flooded.a_second(), flooded.answers);
    // Two cores have the server, the visitors and the flood: less than was meant is still a flood.
    assert!(flooded.a_second() > 10_000.0, "{} a second", flooded.a_second());
    assert_eq!(flooded.answers, 0, "strangers are not answered");
    report
}

#[test]
fn a_call_loses_less_than_a_hundredth_to_junk_at_the_media_port() {
    let report = flooded(junk, &["--watchers", "4", "--hot", "2", "--packets", "12", "--seconds", "4"]);
    is_sound(&report, 2 * 4 * 30 * 12 * 9 / 10);
    assert!(number(&report, "/looked/lost") * 100 < number(&report, "/looked/packets"), "{report}");
}

#[test]
fn a_hundred_join_while_somebody_floods_with_client_hellos() {
    let report =
        flooded(client_hello, &["--rooms", "4", "--watchers", "25", "--hot", "4", "--packets", "4", "--seconds", "1"]);
    // Or the visit would not have begun.
    is_sound(&report, 4 * 30 * 4 * 9 / 10);
}
