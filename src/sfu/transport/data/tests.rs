use std::time::Duration;

use super::*;

const LIMITS: Limits =
    Limits { message_bytes: 65_536, channels: 16, queue_bytes: 262_144, messages_per_second: 1_000, max_kbps: 100_000 };

/// Two ends and the way between them, on a clock of their own.
struct Pair {
    now: Instant,
    server: Channels,
    client: Channels,
    /// Every so many packets of the client one is lost.
    lose: usize,
    carried: usize,
}

impl Pair {
    fn new(limits: Limits, server: Opening, client: Opening) -> Self {
        let now = Instant::now();
        let generous = Limits { queue_bytes: 16 << 20, messages_per_second: 100_000, ..LIMITS };
        let (server, client) = (Channels::new(limits, server, now), Channels::new(generous, client, now));
        Self { now, server, client, lose: usize::MAX, carried: 0 }
    }

    /// Up, with the server as the one who connects.
    fn connected(limits: Limits, server: Opening, client: Opening) -> Self {
        let mut pair = Self::new(limits, server, client);
        pair.server.connect(pair.now);
        pair.carry();
        pair
    }

    /// Until nobody has anything to say.
    fn carry(&mut self) {
        loop {
            let mut is_quiet = true;
            while let Some(packets) = self.server.poll_transmit(self.now) {
                is_quiet = false;
                packets.into_iter().for_each(|packet| self.client.read(packet, self.now));
            }
            while let Some(packets) = self.client.poll_transmit(self.now) {
                is_quiet = false;
                for packet in packets {
                    self.carried += 1;
                    if !self.carried.is_multiple_of(self.lose) {
                        self.server.read(packet, self.now);
                    }
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(10);
            self.server.handle_timeout(self.now);
            self.client.handle_timeout(self.now);
            self.carry();
        }
    }

    fn heard(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.server.poll_message(self.now)).collect()
    }
}

fn text(text: &str) -> Message {
    Message { kind: Kind::Text, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

fn dropped(channels: &mut Channels) -> Vec<(Dropped, u64)> {
    channels.take_dropped().collect()
}

#[test]
fn the_agreed_channel_is_there_with_the_association() {
    for server_connects in [true, false] {
        let mut pair = Pair::new(LIMITS, Opening::Agreed, Opening::Agreed);
        if server_connects {
            pair.server.connect(pair.now)
        } else {
            pair.client.connect(pair.now)
        }
        pair.carry();
        assert!(pair.server.is_open() && pair.client.is_open());
        pair.client.send(Kind::Text, &Bytes::from_static(b"up"), pair.now);
        pair.server.send(Kind::Binary, &Bytes::new(), pair.now);
        pair.carry();
        assert_eq!(pair.heard(), [text("up")]);
        assert_eq!(pair.client.poll_message(pair.now), Some(Message { kind: Kind::Binary, bytes: Bytes::new() }));
    }
}

#[test]
fn a_channel_is_opened_in_band_by_either_side_and_what_was_said_before_waits() {
    let mut pair = Pair::new(LIMITS, Opening::Ours("room".into()), Opening::Theirs);
    pair.server.send(Kind::Text, &Bytes::from_static(b"early"), pair.now);
    pair.server.connect(pair.now);
    pair.carry();
    assert_eq!(pair.client.poll_message(pair.now), Some(text("early")));
    pair.client.send(Kind::Text, &Bytes::from_static(b"back"), pair.now);
    pair.carry();
    assert_eq!(pair.heard(), [text("back")]);

    let mut pair = Pair::new(LIMITS, Opening::Theirs, Opening::Ours("cam".into()));
    pair.client.connect(pair.now);
    pair.carry();
    pair.client.send(Kind::Text, &Bytes::from_static(b"one"), pair.now);
    pair.carry();
    assert_eq!(pair.heard(), [text("one")]);
    pair.server.send(Kind::Text, &Bytes::from_static(b"two"), pair.now);
    pair.carry();
    assert_eq!(pair.client.poll_message(pair.now), Some(text("two")));
}

#[test]
fn a_reliable_channel_keeps_order_through_loss() {
    let mut pair = Pair::connected(LIMITS, Opening::Theirs, Opening::Ours("x".into()));
    pair.lose = 5;
    for n in 0..300 {
        pair.client.send(Kind::Text, &Bytes::from(format!("{n} {}", "x".repeat(n * 7 % 3_000))), pair.now);
    }
    let mut heard = Vec::new();
    for _ in 0..600 {
        pair.pass(Duration::from_millis(100));
        heard.extend(pair.heard());
    }
    let numbers: Vec<usize> = heard
        .iter()
        .filter_map(|message| std::str::from_utf8(&message.bytes).unwrap().split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
}

#[test]
fn a_flood_waits_with_its_sender_where_it_is_reliable_and_is_dropped_where_it_is_not() {
    let limits = Limits { messages_per_second: 50, ..LIMITS };
    let flood = |pair: &mut Pair| {
        for n in 0..200 {
            pair.client.send(Kind::Text, &Bytes::from(n.to_string()), pair.now);
        }
        pair.carry();
    };
    let mut pair = Pair::connected(limits, Opening::Theirs, Opening::Ours("x".into()));
    flood(&mut pair);
    assert_eq!(pair.heard().len(), 50);
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.heard().len(), 50, "a long silence saves up no more");
    let mut rest = 0;
    for _ in 0..300 {
        pair.pass(Duration::from_millis(10));
        rest += pair.heard().len();
    }
    assert_eq!(rest, 100);
    assert_eq!(dropped(&mut pair.server), []);

    let mut pair = Pair::connected(limits, Opening::Agreed, Opening::Agreed);
    flood(&mut pair);
    assert_eq!(pair.heard().len(), 50);
    assert_eq!(dropped(&mut pair.server), [(Dropped::Rate, 150)]);
}

#[test]
fn a_receiver_that_takes_nothing_costs_what_is_configured() {
    let limits = Limits { queue_bytes: 10_000, message_bytes: 2_000, ..LIMITS };
    let message = Bytes::from(vec![7; 1_000]);
    let mut pair = Pair::connected(limits, Opening::Agreed, Opening::Agreed);
    for _ in 0..100 {
        pair.server.send(Kind::Binary, &message, pair.now);
    }
    assert_eq!(dropped(&mut pair.server), [(Dropped::Slow, 90)]);
    pair.carry();
    assert!(pair.server.is_open(), "an unreliable channel stays");

    let mut pair = Pair::connected(limits, Opening::Ours("x".into()), Opening::Theirs);
    for _ in 0..20 {
        pair.server.send(Kind::Binary, &message, pair.now);
    }
    let lost = dropped(&mut pair.server);
    assert_eq!(lost[lost.len() - 1], (Dropped::Overrun, 1));
    assert!(!pair.server.is_open());
    pair.carry();
    assert!(pair.server.is_over() && !pair.client.is_open(), "the far end is told");
    pair.server.connect(pair.now);
    assert!(pair.server.poll_transmit(pair.now).is_none(), "there is no other");
}

#[test]
fn what_waits_for_a_channel_that_never_opens_is_bounded() {
    let mut channels = Channels::new(LIMITS, Opening::Theirs, Instant::now());
    for _ in 0..1_000 {
        channels.send(Kind::Text, &Bytes::from(vec![b'x'; 1_000]), Instant::now());
    }
    assert!(channels.waiting.is_empty() && channels.is_over());
}

#[test]
fn messages_larger_than_configured_end_with_who_sends_them() {
    let limits = Limits { message_bytes: 1_200, ..LIMITS };
    let mut pair = Pair::connected(limits, Opening::Theirs, Opening::Ours("x".into()));
    pair.client.send(Kind::Binary, &Bytes::from(vec![1; 2_000]), pair.now);
    pair.carry();
    assert_eq!(pair.heard(), []);
    assert_eq!(dropped(&mut pair.server), [(Dropped::Malformed, 1)]);
    // One that never ends.
    pair.client.send(Kind::Binary, &Bytes::from(vec![1; 60_000]), pair.now);
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.heard(), []);
    assert!(!pair.server.is_open());
}

#[test]
fn text_that_is_none_and_channels_that_were_not_opened_are_not_heard() {
    let mut pair = Pair::connected(LIMITS, Opening::Theirs, Opening::Ours("x".into()));
    pair.client.send(Kind::Text, &Bytes::from_static(b"\xff\xfe"), pair.now);
    let State::Live { association, .. } = &mut pair.client.state else { panic!("it is up") };
    let mut stream = association.open_stream(5, Protocol::Binary).unwrap();
    stream.write_chunk_with_ppi(pair.now, &Bytes::from_static(b"x"), Protocol::String).unwrap();
    pair.carry();
    assert_eq!(pair.heard(), []);
    let State::Live { association, .. } = &mut pair.client.state else { panic!("it is up") };
    let mut stream = association.open_stream(500, Protocol::Binary).unwrap();
    stream.write_chunk_with_ppi(pair.now, &Bytes::from_static(b"x"), Protocol::String).unwrap();
    pair.carry();
    let lost = dropped(&mut pair.server);
    assert!(lost.iter().any(|(why, times)| *why == Dropped::Malformed && *times >= 3), "{lost:?}");
}

#[test]
fn every_association_that_is_begun_anew_takes_the_place_of_the_last_one_and_there_are_few() {
    let mut server = Channels::new(LIMITS, Opening::Agreed, Instant::now());
    let now = Instant::now();
    for attempt in 0..40 {
        let mut client = Channels::new(LIMITS, Opening::Agreed, now);
        client.connect(now);
        for packet in client.poll_transmit(now).unwrap() {
            server.read(packet, now);
        }
        assert_eq!(server.poll_transmit(now).is_some(), attempt < 16);
    }
}

/// A large message on an unreliable channel needs all its pieces; the network takes one in five.
#[test]
fn a_lossy_link_loses_large_messages_of_an_unreliable_channel_and_not_the_channel() {
    let mut pair = Pair::connected(LIMITS, Opening::Agreed, Opening::Agreed);
    pair.lose = 5;
    let mut heard = 0;
    for n in 0..200 {
        pair.client.send(Kind::Binary, &Bytes::from(vec![1; 60_000]), pair.now);
        pair.client.send(Kind::Text, &Bytes::from(n.to_string()), pair.now);
        pair.pass(Duration::from_millis(500));
        heard += pair.heard().len();
    }
    assert!(pair.server.is_open());
    assert!(heard > 50, "{heard} came");
    assert_eq!(dropped(&mut pair.server), []);
    pair.lose = usize::MAX;
    pair.pass(Duration::from_secs(10));
    pair.client.send(Kind::Text, &Bytes::from_static(b"still there"), pair.now);
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.heard().last(), Some(&text("still there")));
}

#[test]
fn many_small_messages_wait_with_their_sender_and_none_is_lost() {
    let limits = Limits { messages_per_second: 500, ..LIMITS };
    let mut pair = Pair::connected(limits, Opening::Theirs, Opening::Ours("x".into()));
    for n in 0..5_000 {
        pair.client.send(Kind::Text, &Bytes::from(n.to_string()), pair.now);
    }
    let mut heard = Vec::new();
    for _ in 0..600 {
        pair.pass(Duration::from_millis(100));
        heard.extend(pair.heard());
    }
    assert_eq!(heard, (0..5_000).map(|n: u32| text(&n.to_string())).collect::<Vec<_>>());
    assert!(pair.server.is_open());
}

#[test]
fn what_is_sent_may_be_as_much_longer_as_a_forwarded_frame_is() {
    let mut pair = Pair::connected(LIMITS, Opening::Agreed, Opening::Agreed);
    pair.client.limits.message_bytes = 100_000;
    pair.server.send(Kind::Binary, &Bytes::from(vec![1; 65_536 + HEADROOM]), pair.now);
    pair.server.send(Kind::Binary, &Bytes::from(vec![1; 65_536 + HEADROOM + 1]), pair.now);
    pair.carry();
    let heard = pair.client.poll_message(pair.now).unwrap();
    assert_eq!(heard.bytes.len(), 65_539);
    assert_eq!(dropped(&mut pair.server), [(Dropped::Malformed, 1)]);
}
