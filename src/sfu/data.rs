//! What the host and a shard say to each other about data channels, and the frames of native clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;

pub use super::transport::data::Kind;
use super::transport::data::Opening;
use crate::room::ids::ParticipantId;

/// A room, as its shard knows it: those who are told what the others have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubId(pub u64);

/// Whose data channels a transport has.
#[derive(Debug, Clone)]
pub struct DataEnd {
    pub hub: HubId,
    pub participant: ParticipantId,
    pub client: Client,
    pub crowd: Crowd,
    /// What is not forwarded by the shard itself.
    pub events: mpsc::Sender<DataEvent>,
}

/// How many are in a room. The host counts; a shard that has reached fewer tells it.
#[derive(Debug, Clone, Default)]
pub struct Crowd(Arc<AtomicUsize>);

impl Crowd {
    pub fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// It sends and takes [`Frame`]s on the one channel that is agreed on, which is unreliable.
    Native,
    /// It takes messages as they are. `open`: the label of a channel that the server opens.
    Other { open: Option<String> },
}

/// A message that the host has to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataEvent {
    pub from: ParticipantId,
    pub to: To,
    pub kind: Kind,
    pub bytes: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Everybody else.
    All,
    /// Everybody else but these, who have got it.
    AllBut(Vec<ParticipantId>),
    These(Vec<ParticipantId>),
}

impl DataEnd {
    pub(super) fn opening(&self) -> Opening {
        match &self.client {
            Client::Native => Opening::Agreed,
            Client::Other { open: None } => Opening::Theirs,
            Client::Other { open: Some(label) } => Opening::Ours(label.clone()),
        }
    }
}

/// A message of a native client to others, on the channel to the server:
/// kind (1 byte: 0 JSON text, 1 bytes), number of receivers (1 byte, 0 for everybody else), their numbers (4 bytes each), payload.
/// To a client: kind, number of the sender (4 bytes), payload. Numbers are in network byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    pub to: To,
    pub payload: Bytes,
}

impl Frame {
    /// Nothing when it is none.
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        let (kind, count) = (kind(*bytes.first()?)?, usize::from(*bytes.get(1)?));
        let end = 2 + 4 * count;
        let numbers = bytes.get(2..end)?.as_chunks::<4>().0;
        let mut these: Vec<_> = numbers.iter().map(|number| ParticipantId(u32::from_be_bytes(*number))).collect();
        // Nobody gets it twice.
        these.sort_unstable();
        these.dedup();
        let to = if count == 0 { To::All } else { To::These(these) };
        Some(Self { kind, to, payload: bytes.slice(end..) })
    }

    /// As it is sent to a client.
    pub fn write(kind: Kind, from: ParticipantId, payload: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(5 + payload.len());
        out.put_u8(match kind {
            Kind::Text => 0,
            Kind::Binary => 1,
        });
        out.put_u32(from.0);
        out.put_slice(payload);
        out.freeze()
    }
}

fn kind(byte: u8) -> Option<Kind> {
    match byte {
        0 => Some(Kind::Text),
        1 => Some(Kind::Binary),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_names_its_receivers_or_is_for_everybody() {
        let frame = Frame::parse(&Bytes::from_static(b"\x00\x02\0\0\0\x07\0\0\x01\0hi")).unwrap();
        assert_eq!(frame.to, To::These(vec![ParticipantId(7), ParticipantId(256)]));
        assert_eq!((frame.kind, &frame.payload[..]), (Kind::Text, &b"hi"[..]));
        let frame = Frame::parse(&Bytes::from_static(b"\x00\x03\0\0\0\x07\0\0\0\x07\0\0\0\x07hi")).unwrap();
        assert_eq!(frame.to, To::These(vec![ParticipantId(7)]), "nobody gets it twice");
        let frame = Frame::parse(&Bytes::from_static(b"\x01\x00")).unwrap();
        assert_eq!((frame.kind, frame.to, frame.payload.len()), (Kind::Binary, To::All, 0));
        assert_eq!(&Frame::write(Kind::Binary, ParticipantId(258), b"x")[..], b"\x01\0\0\x01\x02x");
    }

    #[test]
    fn what_is_cut_off_or_of_no_kind_is_no_frame() {
        for bytes in [&b""[..], b"\x00", b"\x02\x00hi", b"\x00\x01\0\0\0", b"\x01\xff1234"] {
            assert_eq!(Frame::parse(&Bytes::copy_from_slice(bytes)), None);
        }
    }
}
