use super::*;

/// A ClientHello with these SRTP profiles, as handshake message fragments of at most `part` bytes, each in a record.
fn hello(profiles: &[u16], part: usize) -> Vec<Vec<u8>> {
    let mut body = vec![0xfe, 0xfd];
    body.extend([7; 32]); // random
    body.extend([0, 0]); // session id, cookie
    body.extend([0, 2, 0xc0, 0x2b, 1, 0]); // cipher suites, compression
    let list: Vec<u8> = profiles.iter().flat_map(|profile| profile.to_be_bytes()).collect();
    let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 29];
    extensions.extend([0, 14, 0, list.len() as u8 + 3, 0, list.len() as u8]);
    extensions.extend(list);
    extensions.push(0); // no MKI
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let u24 = |n: usize| [0, (n >> 8) as u8, n as u8];
    let fragments = body.chunks(part).enumerate().map(|(n, chunk)| {
        let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, n as u8];
        record.extend((chunk.len() as u16 + 12).to_be_bytes());
        record.push(1);
        record.extend(u24(body.len()));
        record.extend([0, 0]);
        record.extend(u24(n * part));
        record.extend(u24(chunk.len()));
        record.extend(chunk);
        record
    });
    fragments.collect()
}

#[test]
fn the_profiles_of_a_client_hello_are_seen() {
    assert_eq!(Hello::default().hear(&hello(&[1, 8, 7], 1_000)[0]), Offer::Gcm);
    assert_eq!(Hello::default().hear(&hello(&[1, 2], 1_000)[0]), Offer::NoGcm);
    assert_eq!(Hello::default().hear(&hello(&[], 1_000)[0]), Offer::NoGcm);
}

#[test]
fn a_client_hello_in_pieces_is_put_together_in_any_order() {
    let pieces = hello(&[1, 7], 30);
    assert!(pieces.len() > 2);
    let mut together = Hello::default();
    let (last, others) = pieces.split_first().unwrap();
    for piece in others {
        assert_eq!(together.hear(piece), Offer::Incomplete);
        assert_eq!(together.hear(piece), Offer::Incomplete, "a repetition changes nothing");
    }
    assert_eq!(together.hear(last), Offer::Gcm);
    assert_eq!(together.into_datagrams().len(), 2 * others.len() + 1);
    assert_eq!(Hello::default().hear(&pieces.concat()), Offer::Gcm, "several records in one datagram");
}

#[test]
fn what_is_no_client_hello_is_given_up_after_some_datagrams() {
    let mut junk = Hello::default();
    for _ in 1..MAX_DATAGRAMS {
        assert_eq!(junk.hear(&[22; 40]), Offer::Incomplete);
    }
    assert_eq!(junk.hear(&[22; 40]), Offer::NoGcm);
    let whole = hello(&[7], 1_000).remove(0);
    for end in 0..whole.len() {
        assert_eq!(Hello::default().hear(&whole[..end]), Offer::Incomplete);
    }
}
