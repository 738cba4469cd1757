//! Messages of the application: passed on to sockets, and kept for a while for those whose socket is lost on the way.
//!
//! The sockets are the reliable way, in a mesh and over the server alike: they do not change with the path of the media, so
//! that nothing is lost or doubled when that does, and they keep messages in order with who comes and goes.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::Value;

use super::Refusal;
use super::task::Task;
use crate::room::ids::ParticipantId;
use crate::sfu::data::{DataEvent, Kind, To};
use crate::sfu::{Command, TransportId};
use crate::signal::message::{ErrorCode, Id, ServerMessage};
use crate::signal::outgoing::{Outgoing, Payload};

/// What a message is, on its way to sockets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    pub(super) to: Option<ParticipantId>,
    pub(super) data: Value,
    pub(super) binary: bool,
}

/// Times the bytes of a message that it may take in memory: JSON of many small parts is much larger there than on the wire.
const WEIGHT_FACTOR: usize = 16;
/// What a JSON value takes, and what a map takes that has an entry, in bytes.
const VALUE_BYTES: usize = size_of::<Value>();
const MAP_BYTES: usize = 11 * (size_of::<String>() + VALUE_BYTES) + 64;

/// Bytes that a JSON value takes in memory, roughly.
fn weight(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(weight).sum(),
            Value::Object(map) if map.is_empty() => 0,
            Value::Object(map) => MAP_BYTES + map.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>(),
        }
}

/// The last messages of a room.
#[derive(Debug)]
pub(super) struct History {
    limit_bytes: usize,
    /// Of the last message.
    number: u32,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// The last one that is no longer kept.
    forgotten: u32,
}

#[derive(Debug)]
struct Kept {
    number: u32,
    from: ParticipantId,
    to: Option<ParticipantId>,
    message: Outgoing,
    bytes: usize,
}

impl History {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, number: 0, kept: VecDeque::new(), bytes: 0, forgotten: 0 }
    }

    /// The number of the last message.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Gives a message its number and keeps it.
    fn keep(&mut self, from: ParticipantId, sent: Sent) -> Outgoing {
        let weight = weight(&sent.data);
        let Sent { to, data, binary } = sent;
        self.number += 1;
        let number = self.number;
        let message = Outgoing::from(ServerMessage::Message { number: Some(number), from: Id(from), data, binary });
        let bytes = message.bytes().max(weight);
        self.kept.push_back(Kept { number, from, to, message: message.clone(), bytes });
        self.bytes += bytes;
        while self.bytes > self.limit_bytes
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.bytes;
            self.forgotten = oldest.number;
        }
        message
    }

    /// What came for `participant` after the message with this number, and whether some of it may be gone.
    fn since(&self, participant: ParticipantId, number: u32) -> (bool, Vec<Outgoing>) {
        let is_for = |kept: &&Kept| {
            kept.number > number && kept.from != participant && kept.to.is_none_or(|to| to == participant)
        };
        let messages = self.kept.iter().filter(is_for).map(|kept| kept.message.clone()).collect();
        (self.forgotten > number, messages)
    }
}

impl Task {
    /// From a participant to one or to all others. `request`: it is told that the message was taken, once.
    pub(super) fn pass_on(&mut self, from: ParticipantId, request: Option<u32>, sent: Sent) {
        let last = self.members.get(&from).map_or(0, |member| member.last_message);
        if let Some(request) = request.filter(|request| *request <= last) {
            // Said again, because the answer was lost with a socket.
            return self.tell(from, ServerMessage::MessageTaken { request });
        }
        if let Err(refusal) = self.check(&sent) {
            return self.tell(from, refusal.into_message(false, request));
        }
        if let (Some(member), Some(request)) = (self.members.get_mut(&from), request) {
            member.last_message = request;
        }
        let to = sent.to;
        let message = self.history.keep(from, sent);
        let receivers: Vec<_> = match to {
            Some(to) => vec![to],
            None => self.members.keys().copied().filter(|to| *to != from).collect(),
        };
        for to in receivers {
            self.tell(to, message.clone());
        }
        if let Some(request) = request {
            self.tell(from, ServerMessage::MessageTaken { request });
        }
    }

    fn check(&self, sent: &Sent) -> Result<(), Refusal> {
        if let Some(to) = sent.to.filter(|to| !self.members.contains_key(to)) {
            return Err(Refusal::new(ErrorCode::UnknownParticipant, format!("{to} is not in this room")));
        }
        let limit = self.shared.config.signal.max_message_bytes;
        let length = serde_json::to_string(&sent.data).map_or(usize::MAX, |text| text.len());
        if length > limit || weight(&sent.data) > WEIGHT_FACTOR * limit {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                format!("a message has at most {limit} bytes, of not too many parts"),
            ));
        }
        if sent.binary && sent.data.as_str().is_none_or(|text| BASE64.decode(text).is_err()) {
            return Err(Refusal::new(ErrorCode::BadMessage, "binary data is text in base64"));
        }
        Ok(())
    }

    /// Tells a participant that is back what it has missed since the message with this number.
    pub(super) fn catch_up(&mut self, participant: ParticipantId, received: u32) {
        let Some(member) = self.members.get(&participant) else { return };
        let (gone, missed) = self.history.since(participant, received.max(member.first_message));
        if gone {
            let text = "some messages were sent while the connection was lost, and are no longer there";
            self.tell(participant, Refusal::new(ErrorCode::MessagesMissed, text).into_message(false, None));
        }
        for message in missed {
            self.tell(participant, message);
        }
    }

    /// What came over data channels and was not forwarded there.
    pub(super) fn data_event(&mut self, event: DataEvent) {
        let DataEvent { from, to, kind, bytes } = event;
        let Some(sender) = self.members.get(&from) else { return };
        if sender.is_plain() {
            // Its dialect knows what it means.
            let payload = match kind {
                Kind::Text => Payload::Text(String::from_utf8_lossy(&bytes).into_owned()),
                Kind::Binary => Payload::Bytes(bytes),
            };
            return self.tell(from, Outgoing::Data(payload));
        }
        let receivers: Vec<_> = match to {
            To::All => self.members.iter().filter(|(_, member)| member.is_plain()).map(|(to, _)| *to).collect(),
            To::These(to) => to,
        };
        let (data, binary) = match kind {
            Kind::Text => match serde_json::from_slice(&bytes) {
                Ok(data) if weight(&data) <= WEIGHT_FACTOR * self.shared.config.signal.max_message_bytes => {
                    (data, false)
                }
                Ok(_) | Err(_) => return,
            },
            Kind::Binary => (BASE64.encode(&bytes).into(), true),
        };
        let message = Outgoing::from(ServerMessage::Message { number: None, from: Id(from), data, binary });
        for to in receivers {
            self.tell(to, message.clone());
        }
    }

    /// A plain client is sent something on the data channel of the transport by which it watches, or else sends.
    pub(super) fn send_data(&mut self, to: ParticipantId, payload: Payload) {
        let Some(member) = self.members.get(&to) else { return };
        let down = member.down.as_ref().map(|down| down.id);
        let transport: Option<TransportId> = down.or(member.up.as_ref().map(|up| up.id));
        let Some(transport) = transport else { return };
        let (kind, bytes) = match payload {
            Payload::Text(text) => (Kind::Text, Bytes::from(text)),
            Payload::Bytes(bytes) => (Kind::Binary, bytes),
        };
        self.command(Command::SendData { transport, kind, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(data: &str, to: Option<u32>) -> Sent {
        Sent { to: to.map(ParticipantId), data: data.into(), binary: false }
    }

    fn numbers(messages: &[Outgoing]) -> Vec<u32> {
        let number = |message: &Outgoing| match message {
            Outgoing::Message(written) => match written.message() {
                ServerMessage::Message { number, .. } => *number,
                _ => None,
            },
            Outgoing::Notice(_) | Outgoing::Data(_) | Outgoing::Answer { .. } => None,
        };
        messages.iter().filter_map(number).collect()
    }

    #[test]
    fn who_was_away_gets_what_was_for_it_and_nothing_twice() {
        let mut history = History::new(10_000);
        for to in [None, Some(2), Some(3), None] {
            history.keep(ParticipantId(1), said("x", to));
        }
        history.keep(ParticipantId(2), said("mine", None));
        let (gone, missed) = history.since(ParticipantId(2), 1);
        assert!(!gone);
        assert_eq!(numbers(&missed), [2, 4]);
        assert!(history.since(ParticipantId(3), 5).1.is_empty());
    }

    #[test]
    fn many_small_parts_weigh_what_they_take_in_memory() {
        let parts: Value = serde_json::from_str(&format!("[{}]", vec![r#"{"":0}"#; 7_000].join(","))).expect("JSON");
        let text = parts.to_string().len();
        assert!(text < 64 * 1_024 && weight(&parts) > WEIGHT_FACTOR * 64 * 1_024);
        assert!(weight(&"x".repeat(1_000).into()) < 1_100);
        let mut history = History::new(100_000);
        history.keep(ParticipantId(1), Sent { to: None, data: parts, binary: false });
        assert_eq!(history.bytes, 0, "it is larger than all that is kept");
    }

    #[test]
    fn what_is_no_longer_there_is_said_to_be_missing() {
        let mut history = History::new(200);
        for _ in 0..10 {
            history.keep(ParticipantId(1), said(&"x".repeat(30), None));
        }
        let (gone, missed) = history.since(ParticipantId(2), 3);
        assert!(gone && !missed.is_empty() && missed.len() < 7);
        assert!(!history.since(ParticipantId(2), 9).0);
        assert!(history.bytes <= 200);
    }
}
