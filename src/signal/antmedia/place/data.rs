//! Messages on data channels. The SDK sends text as it is and bytes in pieces; to others they are messages of the room.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use super::super::client::Action;
use super::{Place, Role};
use crate::room::ids::ParticipantId;
use crate::signal::message::{ClientMessage, Json};
use crate::signal::outgoing::Payload;

/// Bytes of a message that comes in pieces; longer ones are passed over. More is of no use: the rooms' own limit is lower.
const MAX_BYTES: usize = 1 << 20;
/// What the SDK puts into a piece.
const PIECE_BYTES: usize = 16_000;

/// A message that comes in pieces: first its token and its length (4 bytes each, the lowest first), then pieces of it, each
/// after the token. One at a time; what belongs to none is passed over.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    token: [u8; 4],
    /// What is still to come.
    missing: usize,
    bytes: BytesMut,
}

impl Pieces {
    /// The whole message, with its last piece.
    fn take(&mut self, piece: &[u8]) -> Option<Bytes> {
        let (token, rest) = piece.split_first_chunk::<4>()?;
        if self.missing > 0 && *token == self.token {
            let Some(missing) = self.missing.checked_sub(rest.len()) else {
                *self = Self::default();
                return None;
            };
            self.missing = missing;
            self.bytes.extend_from_slice(rest);
            return (missing == 0).then(|| self.bytes.split().freeze());
        }
        let length = u32::from_le_bytes(*rest.first_chunk::<4>().filter(|_| rest.len() == 4)?);
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES).unwrap_or(0);
        *self = Self { token: *token, missing: length, bytes: BytesMut::new() };
        None
    }
}

/// A message as the SDK expects it.
fn pieces(token: [u8; 4], bytes: &[u8]) -> Vec<Bytes> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let with_token = |rest: &[u8]| {
        let mut piece = BytesMut::with_capacity(4 + rest.len());
        piece.put_slice(&token);
        piece.put_slice(rest);
        piece.freeze()
    };
    std::iter::once(&length[..]).chain(bytes.chunks(PIECE_BYTES)).map(with_token).collect()
}

impl Place {
    /// The client has sent something on a data channel: to everybody else in the room.
    pub(in super::super) fn heard_data(&mut self, payload: &Payload, out: &mut Vec<Action>) {
        let (data, binary) = match payload {
            Payload::Text(text) => (Json::from(text.as_str()), false),
            Payload::Bytes(piece) => match self.pieces.take(piece) {
                Some(whole) => (BASE64.encode(&whole).into(), true),
                None => return,
            },
        };
        self.send(ClientMessage::Message { request: None, to: None, data, binary, unreliable: false }, out);
    }

    /// Somebody in the room has sent something: to the client, on a data channel.
    pub(super) fn tell_data(&self, from: ParticipantId, data: Value, binary: bool, out: &mut Vec<Action>) {
        // Who plays one stream hears of that one.
        let is_heard = match &self.role {
            Role::Mesh => true,
            Role::Server { plays, .. } => {
                plays.as_ref().is_none_or(|playing| playing.only.is_none_or(|only| only == from))
            }
        };
        if !is_heard {
            return;
        }
        let tell = |payload| Action::Data { place: self.id, payload };
        match (binary, data) {
            (true, Value::String(text)) => {
                if let Ok(bytes) = BASE64.decode(text) {
                    out.extend(
                        pieces(fastrand::u32(..).to_le_bytes(), &bytes).into_iter().map(Payload::Bytes).map(tell),
                    );
                }
            }
            (false, Value::String(text)) => out.push(tell(Payload::Text(text))),
            (_, data) => out.push(tell(Payload::Text(data.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_in_pieces_is_whole_again() {
        let long: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
        for message in [&long[..], b"x", &long[..PIECE_BYTES]] {
            let mut whole = Pieces::default();
            let cut = pieces(*b"abcd", message);
            let (last, first) = cut.split_last().unwrap();
            assert!(first.iter().all(|piece| whole.take(piece).is_none()));
            assert_eq!(whole.take(last).unwrap(), message);
        }
    }

    #[test]
    fn pieces_that_belong_to_nothing_are_passed_over() {
        let mut whole = Pieces::default();
        for piece in [&b""[..], b"abc", b"abcdefg", b"abcd\xff\xff\xff\xff", b"abcdxyz", b"abcd\x02\0\0\0", b"abcdxyz"]
        {
            assert_eq!(whole.take(piece).filter(|whole| !whole.is_empty()), None, "{piece:?}");
        }
    }
}
