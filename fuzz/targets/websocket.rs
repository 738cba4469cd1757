//! What a client sends on a WebSocket, shortened: a library that reads it never meets a message that is too long for it, and what is
//! short passes to the byte, in pieces of any size.
#![no_main]

use std::io::{Cursor, Read, Result, Write};

use crescendo::websocket::{Abridger, SEAM};
use libfuzzer_sys::fuzz_target;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, WebSocket};

struct Client(Cursor<Vec<u8>>);

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn abridged(most: usize, bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut abridger = Abridger::new(most);
    let (mut taken, mut out, mut room) = (0, Vec::new(), vec![0; piece]);
    loop {
        let (more, written) = abridger.pass(&bytes[taken..bytes.len().min(taken + piece)], &mut room);
        taken += more;
        out.extend_from_slice(&room[..written]);
        if more == 0 && written == 0 {
            assert_eq!(taken, bytes.len(), "it goes on while there is room");
            return out;
        }
    }
}

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (most, bytes) = (usize::from(input.0) + 125, input.1);
    let out = abridged(most, &bytes, 4096);
    assert_eq!(out, abridged(most, &bytes, 3), "however it comes");
    let limit = Some(most + SEAM);
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let mut socket = WebSocket::from_raw_socket(Client(Cursor::new(out)), Role::Server, Some(config));
    loop {
        match socket.read() {
            Ok(message) => assert!(message.len() <= most + SEAM),
            Err(Error::Capacity(error)) => panic!("{error}"),
            Err(_) => return,
        }
    }
});
