//! What goes over a connection, in any pieces, and how it ends.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

fn framed_parts(packets: &[&[u8]]) -> Vec<u8> {
    packets.iter().flat_map(|packet| framed(packet, packet.len().max(1)).to_vec()).collect()
}

#[test]
fn packets_are_the_same_in_whatever_pieces_they_come() {
    let packets: [&[u8]; 4] = [&[1; 20], &[2], &[3; MAX_PACKET], &[4; 257]];
    let bytes = [framed_parts(&packets[..2]), vec![0, 0, 0, 0], framed_parts(&packets[2..])].concat();
    for piece in [1, 2, 3, 7, 1_000, bytes.len()] {
        let (mut inbox, mut got) = (BytesMut::new(), Vec::new());
        for part in bytes.chunks(piece) {
            inbox.extend_from_slice(part);
            while let Some(packet) = whole(&mut inbox).expect("nothing is wrong with it") {
                got.push(packet.to_vec());
            }
        }
        assert_eq!(got, packets, "in pieces of {piece}");
        assert!(inbox.is_empty());
    }
}

#[test]
fn a_packet_that_no_network_carries_is_the_end_before_it_is_there() {
    let mut inbox = BytesMut::from(&(MAX_PACKET as u16 + 1).to_be_bytes()[..]);
    assert_eq!(whole(&mut inbox), Err(End::Broken));
}

#[test]
fn a_train_is_as_many_packets_the_last_of_which_may_be_short() {
    assert_eq!(framed(&[7; 5], 2)[..], [0, 2, 7, 7, 0, 2, 7, 7, 0, 1, 7]);
}

#[test]
fn beyond_what_may_wait_packets_are_lost_and_none_when_it_is_read_again() {
    let (chunks, mut outbox) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outlet = Outlet { chunks, waiting: waiting.clone(), most: 1_000 };
    assert_eq!(outlet.send(&[0; 600], 600), Ok(()));
    assert_eq!(outlet.send(&[0; 600], 600), Err(Refused::Full));
    waiting.fetch_sub(outbox.try_recv().expect("the first one").len(), Ordering::Relaxed);
    assert_eq!(outlet.send(&[0; 600], 600), Ok(()));
    drop(outbox);
    assert_eq!(outlet.send(&[0; 1], 1), Err(Refused::Ended));
}

fn limits() -> Limits {
    Limits { handshake: Duration::from_millis(200), queue_bytes: 65_536 }
}

/// A connection without a server of media behind it: there is no shard.
fn alone() -> (DuplexStream, impl Future<Output = End>) {
    let (near, far) = duplex(4_096);
    let peer = SocketAddr::from(([192, 0, 2, 1], 5));
    (far, serve(near, peer, StreamId(1), limits(), |_| None))
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let (_far, serving) = alone();
    assert_eq!(serving.await, End::Late);
}

#[tokio::test]
async fn who_says_half_a_packet_is_let_go() {
    let (mut far, serving) = alone();
    far.write_all(&[0, 20, 0, 1]).await.expect("there is room");
    assert_eq!(serving.await, End::Late);
}

#[tokio::test]
async fn who_closes_is_gone() {
    let (far, serving) = alone();
    drop(far);
    assert_eq!(serving.await, End::Closed);
}

#[tokio::test]
async fn what_names_no_transport_of_ours_is_the_end() {
    for first in
        [&b"\x16\x03\x01\x02\x00 a hello of TLS"[..], b"GET / HTTP/1.1\r\n\r\n", &[0, 3, 1, 2, 3], &[0xff; 600]]
    {
        let (mut far, serving) = alone();
        far.write_all(first).await.expect("there is room");
        assert!(matches!(serving.await, End::Broken | End::Late), "{first:?}");
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.expect("it is closed");
        assert!(rest.is_empty(), "a stranger is told nothing");
    }
}

#[test]
fn whatever_comes_is_cut_or_refused_and_never_grows_beyond_one_packet() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..2_000 {
        let mut inbox = BytesMut::new();
        for _ in 0..random.usize(1..20) {
            let honest = random.bool();
            let length = if honest { random.u16(..300) } else { random.u16(..) };
            inbox.extend_from_slice(&length.to_be_bytes());
            let more = random.usize(..600);
            let rest: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(more).collect();
            inbox.extend_from_slice(&rest);
        }
        let (mut left, mut ended) = (inbox.len(), false);
        while !ended {
            match whole(&mut inbox) {
                Ok(Some(packet)) => {
                    assert!((1..=MAX_PACKET).contains(&packet.len()) && inbox.len() < left);
                    left = inbox.len();
                }
                Ok(None) => {
                    assert!(inbox.len() < LENGTH + MAX_PACKET);
                    ended = true;
                }
                Err(end) => {
                    assert_eq!(end, End::Broken);
                    ended = true;
                }
            }
        }
    }
}
