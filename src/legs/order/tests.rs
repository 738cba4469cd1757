use bytes::Bytes;

use super::*;

const PATIENCE: Duration = Duration::from_millis(100);

fn packet(sequence: u16) -> Packet {
    Packet { marker: false, sequence, timestamp: 0, ssrc: 1, payload: Bytes::new() }
}

fn drain(order: &mut Order, now: Instant) -> Vec<Option<u16>> {
    std::iter::from_fn(|| order.pop(now))
        .map(|ordered| match ordered {
            Ordered::Packet { packet, .. } => Some(packet.sequence),
            Ordered::Gap => None,
        })
        .collect()
}

#[test]
fn shuffled_packets_come_out_in_order_across_the_wrap() {
    let (mut order, now) = (Order::new(PATIENCE), Instant::now());
    for sequence in [65_533, 65_535, 65_534, 1, 0, 65_534, 2] {
        order.push(now, packet(sequence));
    }
    assert_eq!(drain(&mut order, now), [65_533, 65_534, 65_535, 0, 1, 2].map(Some));
}

#[test]
fn a_missing_packet_is_waited_for_and_then_given_up() {
    let (mut order, start) = (Order::new(PATIENCE), Instant::now());
    order.push(start, packet(1));
    order.push(start, packet(3));
    assert_eq!(drain(&mut order, start + PATIENCE / 2), [Some(1)]);
    assert_eq!(drain(&mut order, start + PATIENCE), [None, Some(3)]);
    order.push(start + PATIENCE, packet(2));
    assert_eq!(drain(&mut order, start + PATIENCE), []);
}

#[test]
fn a_sender_that_begins_anew_is_a_gap() {
    let (mut order, now) = (Order::new(PATIENCE), Instant::now());
    order.push(now, packet(1));
    assert_eq!(drain(&mut order, now), [Some(1)]);
    order.push(now, packet(30_000));
    assert_eq!(drain(&mut order, now), [None, Some(30_000)]);
    order.push(now, Packet { ssrc: 2, ..packet(30_001) });
    assert_eq!(drain(&mut order, now), [None, Some(30_001)]);
}

#[test]
fn a_flood_behind_a_missing_packet_is_bounded() {
    let (mut order, now) = (Order::new(PATIENCE), Instant::now());
    order.push(now, packet(0));
    for sequence in 2..2_000 {
        order.push(now, packet(sequence));
        drain(&mut order, now);
        assert!(order.waiting.len() <= WAITING_MAX);
    }
}
