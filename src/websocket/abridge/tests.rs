use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::*;

/// A masked frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = [first, MASKED, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let header = write_length(&mut bytes, payload.len() as u64, key);
    let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    bytes[..header].iter().copied().chain(masked).collect()
}

/// What comes out, in pieces of any size.
fn abridged(most: usize, input: &[u8], mut piece: impl FnMut() -> usize) -> Vec<u8> {
    let mut abridger = Abridger::new(most);
    let (mut taken, mut out) = (0, Vec::new());
    loop {
        let mut room = vec![0; piece()];
        let until = input.len().min(taken + piece());
        let (more, written) = abridger.pass(&input[taken..until], &mut room);
        taken += more;
        out.extend_from_slice(&room[..written]);
        if more == 0 && written == 0 {
            assert_eq!(taken, input.len());
            return out;
        }
    }
}

/// The messages that a server reads.
fn read(most: usize, bytes: &[u8]) -> Vec<Message> {
    let limit = Some(most + SEAM);
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let stream = Duplex(io::Cursor::new(abridged(most, bytes, || fastrand::usize(1..9))));
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => messages.push(message),
            Err(tokio_tungstenite::tungstenite::Error::Protocol(error)) => {
                assert_eq!(error.to_string(), "Connection reset without closing handshake");
                return messages;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What is written goes nowhere.
struct Duplex(io::Cursor<Vec<u8>>);

impl io::Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_not_too_long_passes_to_the_byte() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let bytes = [frame(0x81, &vec![b'x'; length]), frame(0x89, b"ping"), frame(0x82, b"after")].concat();
        assert_eq!(abridged(70_000, &bytes, || 4096), bytes);
    }
    let unmasked = [0x81, 3, b'a', b'b', b'c', 0x8a, 0];
    assert_eq!(abridged(70_000, &unmasked, || 1), unmasked);
}

#[test]
fn of_a_long_message_the_beginning_comes_and_the_next_is_whole() {
    for length in [101, 103, 104, 105, 200, 1 << 20] {
        let long: Vec<u8> = (0..length).map(|at| b'a' + (at % 26) as u8).collect();
        let messages = read(100, &[frame(0x81, &long), frame(0x81, b"after")].concat());
        let [Message::Text(beginning), after] = &messages[..] else { panic!("{messages:?}") };
        assert!((101..=104).contains(&beginning.len()), "{}", beginning.len());
        let kept = beginning.trim_end_matches(' ').as_bytes();
        assert_eq!(kept, &long[..kept.len()]);
        assert_eq!(after, &Message::text("after"));
    }
}

#[test]
fn a_message_in_many_frames_is_cut_once_and_what_comes_in_between_is_heard() {
    let mut bytes = frame(0x01, &[b'a'; 60]);
    for _ in 0..1_000 {
        bytes.extend(frame(0x00, &[b'b'; 60]));
        bytes.extend(frame(0x89, b"there?"));
    }
    bytes.extend(frame(0x80, b"end"));
    bytes.extend(frame(0x82, b"after"));
    let messages = read(100, &bytes);
    let texts: Vec<_> = messages.iter().filter(|message| message.is_text()).collect();
    assert_eq!(texts, [&Message::text(["a".repeat(60), "b".repeat(40), " ".repeat(4)].concat())]);
    assert_eq!(messages.iter().filter(|message| message.is_ping()).count(), 1_000);
    assert_eq!(messages.last(), Some(&Message::binary(b"after".to_vec())));
}

/// It is an error, and is for the library to find.
#[test]
fn a_frame_that_goes_on_with_nothing_is_no_part_of_a_message_that_was_cut() {
    let bytes = [frame(0x81, &[b'a'; 200]), frame(0x80, &[b'b'; 200])].concat();
    let out = abridged(100, &bytes, || 4096);
    let cut = abridged(100, &frame(0x81, &[b'a'; 200]), || 4096);
    assert_eq!(out[..cut.len()], cut);
    assert_eq!(out.len() - cut.len(), 6 + SEAM, "a header and what it takes to see it");
}

/// Wherever a character is cut, what is left is text.
#[test]
fn characters_are_finished_or_left_out() {
    for most in 20..40 {
        let text = "aé€😀".repeat(10);
        let messages = read(most, &frame(0x81, text.as_bytes()));
        let [Message::Text(beginning)] = &messages[..] else { panic!("{messages:?}") };
        assert!(text.starts_with(beginning.trim_end_matches(' ')), "{most}: {beginning}");
        assert_eq!(beginning.len(), most + SEAM);
    }
}

/// 2^63 bytes and more are announced and never come: nothing is kept for them.
#[test]
fn a_length_is_only_a_number() {
    let mut abridger = Abridger::new(100);
    let mut room = [0; 4096];
    let (taken, written) =
        abridger.pass(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4], &mut room);
    assert_eq!((taken, written), (14, 6));
    assert_eq!(room[..6], [0x82, MASKED | 104, 1, 2, 3, 4]);
}
