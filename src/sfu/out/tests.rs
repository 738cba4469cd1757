use std::net::UdpSocket;
use std::time::Duration;

use super::*;

struct Receiver(UdpSocket);

impl Receiver {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self(socket)
    }

    fn route(&self) -> Route {
        Route { to: self.0.local_addr().unwrap(), source: None, stream: None }
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 2_048];
        let length = self.0.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }
}

fn out() -> Out {
    Out::new(Socket::bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap())
}

#[test]
fn what_goes_the_same_way_and_is_as_long_makes_a_train() {
    let (mut out, a, b) = (out(), Receiver::new(), Receiver::new());
    let sent = [(&a, 10), (&a, 10), (&a, 4), (&a, 4), (&b, 4), (&b, 5), (&a, 5)];
    for (n, (to, length)) in sent.iter().enumerate() {
        out.push(to.route(), &vec![n as u8; *length]);
    }
    let trains: Vec<_> = out.trains.iter().map(|train| (train.route, train.bytes.len(), train.segment)).collect();
    let (a_route, b_route) = (a.route(), b.route());
    let expected = [(a_route, 24, 10), (a_route, 4, 4), (b_route, 4, 4), (b_route, 5, 5), (a_route, 5, 5)];
    assert_eq!(trains, expected);
    out.flush();
    for (n, (to, length)) in sent.iter().enumerate() {
        assert_eq!(to.receive(), vec![n as u8; *length]);
    }
}

#[test]
fn a_train_has_no_more_datagrams_and_bytes_than_the_kernel_takes() {
    let (mut out, to) = (out(), Receiver::new());
    (0..MAX_SEGMENTS + 1).for_each(|_| out.push(to.route(), &[1; 20]));
    (0..30).for_each(|_| out.push(to.route(), &[2; 1_600]));
    let datagrams: Vec<_> = out.trains.iter().map(|train| train.bytes.len() / train.segment).collect();
    assert_eq!(datagrams, [MAX_SEGMENTS, 1, 30]);
    // More than a train takes: what is full leaves on the way.
    (0..30).for_each(|_| out.push(to.route(), &[2; 1_600]));
    out.flush();
    for n in 0..MAX_SEGMENTS + 61 {
        assert_eq!(to.receive().len(), if n <= MAX_SEGMENTS { 20 } else { 1_600 });
    }
}

#[test]
fn nothing_of_a_datagram_that_could_not_be_written_is_sent_and_what_is_full_leaves() {
    let (mut out, to) = (out(), Receiver::new());
    let failed = out.push_with(to.route(), |buffer, _| {
        buffer.push(1);
        Err("no key")
    });
    assert_eq!((failed, out.trains.len(), out.buffer.len()), (Err("no key"), 0, 0));
    out.push(to.route(), &[2; 3]);
    while !out.trains.is_empty() {
        out.push(to.route(), &[3; 1_400]);
    }
    assert_eq!(to.receive(), [2; 3]);
    assert_eq!(to.receive(), [3; 1_400]);
}
