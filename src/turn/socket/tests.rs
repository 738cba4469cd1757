use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn nothing_is_taken_from_port_0() {
    let mut batch = Batch { filled: 2, ..Batch::default() };
    for (meta, from) in batch.meta.iter_mut().zip(["192.0.2.1:0", "192.0.2.1:1"]) {
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (address(from), 8, 4);
    }
    let from: Vec<_> = batch.iter().map(|(from, _, datagram)| (from, datagram.len())).collect();
    assert_eq!(from, [(address("192.0.2.1:1"), 4); 2]);
}

#[test]
fn long_datagrams_leave_one_by_one_and_short_ones_together() {
    let socket = Arc::new(Socket::bind(address("127.0.0.1:0"), 65_536).expect("a free port"));
    let to = socket.local_addr().expect("bound");
    let meters = Meters::new();
    let mut train = Train::default();
    for (length, together) in [(SEGMENT_BYTES, 2.min(socket.state.max_gso_segments())), (SEGMENT_BYTES + 1, 1)] {
        train.push(&socket, to, None, &[&vec![0; length]], &meters);
        train.push(&socket, to, None, &[&vec![0; length]], &meters);
        assert_eq!(train.segments, together, "{length}");
        train.flush(&meters);
    }
}
