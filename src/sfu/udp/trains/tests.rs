use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

struct Pair {
    from: Socket,
    to: UdpSocket,
}

impl Pair {
    fn new() -> Self {
        let from = Socket::bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        to.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { from, to }
    }

    fn train(&self, bytes: Range<usize>, segment: usize) -> Train {
        let source = Some(IpAddr::from([127, 0, 0, 1]));
        Train { route: Route { to: self.to.local_addr().unwrap(), source, stream: None }, bytes, segment }
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 2_048];
        let (length, from) = self.to.recv_from(&mut buffer).unwrap();
        assert_eq!(from, self.from.local_addr().unwrap());
        buffer[..length].to_vec()
    }
}

fn buffer() -> Vec<u8> {
    (0..3_000_u32).map(|n| (n / 7) as u8).collect()
}

#[test]
fn a_train_arrives_as_datagrams_of_one_length_of_which_the_last_may_be_shorter() {
    let (pair, buffer, mut sender) = (Pair::new(), buffer(), Sender::new());
    let trains = [pair.train(0..2_500, 1_000), pair.train(2_500..3_000, 500)];
    assert_eq!(sender.send(&pair.from, &buffer, &trains), Sent { calls: 1, unsent_datagrams: 0 });
    for expected in [0..1_000, 1_000..2_000, 2_000..2_500, 2_500..3_000] {
        assert_eq!(pair.receive(), buffer[expected]);
    }
    assert!(sender.takes_trains());
}

#[test]
fn more_trains_than_fit_one_call_take_several() {
    let (pair, buffer, mut sender) = (Pair::new(), buffer(), Sender::new());
    let trains: Vec<Train> = (0..CALL + 1).map(|n| pair.train(n * 20..n * 20 + 20, 10)).collect();
    assert_eq!(sender.send(&pair.from, &buffer, &trains).calls, 2);
    for n in 0..2 * (CALL + 1) {
        assert_eq!(pair.receive(), buffer[n * 10..n * 10 + 10]);
    }
}

#[test]
fn where_the_kernel_refuses_trains_every_datagram_leaves_by_itself() {
    let (pair, buffer, mut sender) = (Pair::new(), buffer(), Sender::new());
    // Without checksums the kernel does not segment: EINVAL.
    let on: libc::c_int = 1;
    let (value, length) = ((&raw const on).cast(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: `value` points to as many bytes as is said.
    let set = unsafe { libc::setsockopt(pair.from.io.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, value, length) };
    assert_eq!(set, 0);
    for refused in 1..=MAX_REFUSED + 2 {
        let trains = [pair.train(0..10, 10), pair.train(0..2_500, 1_000), pair.train(2_500..3_000, 500)];
        assert_eq!(sender.send(&pair.from, &buffer, &trains).unsent_datagrams, 0);
        for expected in [0..10, 0..1_000, 1_000..2_000, 2_000..2_500, 2_500..3_000] {
            assert_eq!(pair.receive(), buffer[expected], "after {refused} refusals");
        }
    }
    assert!(!sender.takes_trains());

    sender.paused = Some(Instant::now());
    assert!(sender.takes_trains(), "after a while it is tried again");
    sender.send(&pair.from, &buffer, &[pair.train(0..2_500, 1_000)]);
    assert!(!sender.takes_trains(), "once");
}

#[test]
fn what_cannot_leave_as_single_datagrams_either_is_no_refusal() {
    let (pair, buffer, mut sender) = (Pair::new(), buffer(), Sender::new());
    let mut nowhere = pair.train(0..100, 50);
    nowhere.route.to.set_port(0);
    for _ in 0..2 * MAX_REFUSED {
        assert_eq!(sender.send(&pair.from, &buffer, &[nowhere.clone()]).unsent_datagrams, 2);
    }
    assert!(sender.takes_trains());
}

#[test]
fn what_cannot_be_sent_is_counted_and_keeps_nothing_else_from_leaving() {
    let (pair, buffer, mut sender) = (Pair::new(), buffer(), Sender::new());
    let mut nowhere = pair.train(0..100, 50);
    nowhere.route.to.set_port(0);
    let sent = sender.send(&pair.from, &buffer, &[nowhere, pair.train(100..200, 100)]);
    assert_eq!(sent.unsent_datagrams, 2);
    assert_eq!(pair.receive(), buffer[100..200]);
}
