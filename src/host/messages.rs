//! Messages of the application: passed on to sockets, and kept for a while for those whose socket is lost on the way.
//!
//! The sockets are the reliable way, in a mesh and over the server alike: they do not change with the path of the media, so
//! that nothing is lost or doubled when that does, and they keep messages in order with who comes and goes.

use std::collections::VecDeque;

use super::Refusal;
use super::task::Task;
use crate::room::ids::ParticipantId;
use crate::sfu::data::{DataEvent, Kind, To};
use crate::sfu::{Command, TransportId};
use crate::signal::message::{ErrorCode, Id, Json, ServerMessage};
use crate::signal::outgoing::{Outgoing, Payload, Written};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

/// What a message is, on its way to sockets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    pub(super) to: Option<ParticipantId>,
    pub(super) data: Json,
    pub(super) binary: bool,
}

/// Refusals that are remembered for each participant: as many as a client may have unanswered. Higher: more memory; lower: one
/// whose socket was lost may be told that a message was taken which was not.
const REFUSED: usize = 64;

/// What became of a participant's messages: it is said again when the answer was lost with a socket.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// The highest number.
    last: u32,
    refused: VecDeque<(u32, Refusal)>,
}

impl Answered {
    /// None for a message that is new.
    fn find(&self, request: u32) -> Option<Result<(), Refusal>> {
        let refused = self.refused.iter().find(|(number, _)| *number == request);
        let is_old = request <= self.last;
        is_old.then(|| refused.map_or(Ok(()), |(_, refusal)| Err(refusal.clone())))
    }

    fn keep(&mut self, request: u32, answer: &Result<(), Refusal>) {
        self.last = request;
        if let Err(refusal) = answer {
            self.refused.push_back((request, refusal.clone()));
            if self.refused.len() > REFUSED {
                self.refused.pop_front();
            }
        }
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
    message: Written,
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
    fn keep(&mut self, from: ParticipantId, sent: Sent) -> Written {
        let Sent { to, data, binary } = sent;
        self.number += 1;
        let number = self.number;
        let message = Written::new(ServerMessage::Message { number: Some(number), from: Id(from), data, binary });
        self.bytes += message.bytes();
        self.kept.push_back(Kept { number, from, to, message: message.clone() });
        while self.bytes > self.limit_bytes
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.message.bytes();
            self.forgotten = oldest.number;
        }
        message
    }

    /// What came for `participant` after the message with this number, and whether some of it may be gone.
    fn since(&self, participant: ParticipantId, number: u32) -> (bool, Vec<Written>) {
        let is_for = |kept: &&Kept| {
            kept.number > number && kept.from != participant && kept.to.is_none_or(|to| to == participant)
        };
        let messages = self.kept.iter().filter(is_for).map(|kept| kept.message.clone()).collect();
        (self.forgotten > number, messages)
    }
}

impl Task {
    /// From a participant to one or to all others. `request`: it is told once what became of the message.
    pub(super) fn pass_on(&mut self, from: ParticipantId, request: Option<u32>, sent: Sent) {
        let before = request.and_then(|request| self.members.get(&from)?.answered.find(request));
        let answer = before.unwrap_or_else(|| {
            let answer = self.check(&sent);
            if let (Some(member), Some(request)) = (self.members.get_mut(&from), request) {
                member.answered.keep(request, &answer);
            }
            if answer.is_ok() {
                self.deliver(from, sent);
            }
            answer
        });
        match (answer, request) {
            (Err(refusal), request) => self.tell(from, refusal.into_message(false, request)),
            (Ok(()), Some(request)) => self.tell(from, ServerMessage::MessageTaken { request }),
            (Ok(()), None) => {}
        }
    }

    fn deliver(&mut self, from: ParticipantId, sent: Sent) {
        let receivers = self.receivers(from, sent.to);
        let message = self.history.keep(from, sent);
        for to in receivers {
            self.tell(to, message.clone());
        }
    }

    /// From a participant whose data channel does not reach all that it was for. Nobody is told what became of it.
    pub(super) fn pass_on_unreliable(&mut self, from: ParticipantId, sent: &Sent) {
        match self.check(sent) {
            Ok(()) => self.tell_unreliably(self.receivers(from, sent.to), from, sent.data.clone(), sent.binary),
            // It has just left.
            Err(refusal) if refusal.code == ErrorCode::UnknownParticipant => {}
            Err(refusal) => self.tell(from, refusal.into_message(false, None)),
        }
    }

    fn tell_unreliably(&mut self, receivers: Vec<ParticipantId>, from: ParticipantId, data: Json, binary: bool) {
        let message = Written::new(ServerMessage::Message { number: None, from: Id(from), data, binary });
        for to in receivers {
            self.tell_unreliable(to, message.clone().into());
        }
    }

    fn receivers(&self, from: ParticipantId, to: Option<ParticipantId>) -> Vec<ParticipantId> {
        match to {
            Some(to) => vec![to],
            None => self.members.keys().copied().filter(|to| *to != from).collect(),
        }
    }

    fn check(&self, sent: &Sent) -> Result<(), Refusal> {
        let is_known = |to: &ParticipantId| self.members.get(to).is_some_and(|member| !member.is_hidden());
        if let Some(to) = sent.to.filter(|to| !is_known(to)) {
            return Err(Refusal::new(ErrorCode::UnknownParticipant, format!("{to} is not in this room")));
        }
        let limit = self.shared.config.signal.max_message_bytes;
        let text = sent.data.text();
        if text.len() > limit {
            return Err(Refusal::new(ErrorCode::TooLarge, format!("a message has at most {limit} bytes")));
        }
        // Nothing in base64 is escaped in JSON.
        let base64 = || text.strip_prefix('"')?.strip_suffix('"');
        if sent.binary && base64().is_none_or(|text| BASE64.decode(text).is_err()) {
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
        if !missed.is_empty() {
            self.tell(participant, Outgoing::Missed(missed));
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
        let mut receivers = match to {
            To::All => self.receivers(from, None),
            To::AllBut(reached) => {
                let mut receivers = self.receivers(from, None);
                // It is in order.
                receivers.retain(|receiver| reached.binary_search(receiver).is_err());
                receivers
            }
            To::These(to) => to,
        };
        receivers.retain(|receiver| self.members.contains_key(receiver));
        if receivers.is_empty() {
            return;
        }
        let (data, binary) = match kind {
            Kind::Text => match serde_json::from_slice(&bytes) {
                Ok(data) => (data, false),
                Err(_) => return,
            },
            Kind::Binary => (BASE64.encode(&bytes).into(), true),
        };
        self.tell_unreliably(receivers, from, data, binary);
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

    fn numbers(messages: &[Written]) -> Vec<u32> {
        let number = |written: &Written| match written.message() {
            ServerMessage::Message { number, .. } => *number,
            _ => None,
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
    fn what_is_larger_than_all_that_is_kept_is_not_kept() {
        let mut history = History::new(1_000);
        history.keep(ParticipantId(1), said("x", None));
        history.keep(ParticipantId(1), said(&"x".repeat(2_000), None));
        assert_eq!((history.bytes, history.kept.len()), (0, 0));
        assert!(history.since(ParticipantId(2), 1).0);
    }

    #[test]
    fn what_is_no_longer_there_is_said_to_be_missing() {
        let mut history = History::new(500);
        for _ in 0..10 {
            history.keep(ParticipantId(1), said(&"x".repeat(30), None));
        }
        let (gone, missed) = history.since(ParticipantId(2), 3);
        assert!(gone && !missed.is_empty() && missed.len() < 7);
        assert!(!history.since(ParticipantId(2), 9).0);
        assert!(history.bytes <= 500);
    }
}
