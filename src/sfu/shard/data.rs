//! Data channels of a shard: who is told what somebody has sent.
//!
//! Transports of one room have a [`HubId`] in common. What a native client sends is forwarded here, from its transport to the down
//! transports of the others. What else comes, and what is for those who have no open channel here, goes to the host, which knows
//! them.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use metrics::Counter;

use super::Shard;
use crate::room::ids::ParticipantId;
use crate::sfu::data::{Client, DataEnd, DataEvent, Frame, To};
use crate::sfu::transport::data::{Channels, Dropped, Kind, Message};
use crate::sfu::{Direction, TransportId};

/// Receivers of a room.
#[derive(Debug, Default)]
pub(super) struct Hub {
    /// Down transports of native clients, whose channel is open.
    open: BTreeMap<ParticipantId, TransportId>,
    /// Transports of whomever.
    ends: usize,
}

impl Hub {
    /// Another transport may have taken its place.
    fn close(&mut self, participant: ParticipantId, id: TransportId) {
        if self.open.get(&participant) == Some(&id) {
            self.open.remove(&participant);
        }
    }
}

#[derive(Debug)]
pub(super) struct DataMeters {
    received: Counter,
    sent: Counter,
    dropped: [Counter; Dropped::ALL.len()],
    lost: Counter,
}

impl DataMeters {
    pub(super) fn new() -> Self {
        let dropped = |reason: Dropped| metrics::counter!("crescendo_data_dropped_total", "reason" => reason.name());
        Self {
            received: metrics::counter!("crescendo_data_messages_total", "direction" => "received"),
            sent: metrics::counter!("crescendo_data_messages_total", "direction" => "sent"),
            dropped: Dropped::ALL.map(dropped),
            lost: metrics::counter!("crescendo_data_dropped_total", "reason" => "busy"),
        }
    }
}

impl Shard {
    pub(super) fn open_data(&mut self, id: TransportId, end: DataEnd, now: Instant) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        if self.data_ends.contains_key(&id) {
            return;
        }
        transport.open_data(Channels::new(self.settings.data, end.opening(), now));
        self.hubs.entry(end.hub).or_default().ends += 1;
        self.data_ends.insert(id, end);
        self.data(id, now);
    }

    /// The transport is gone.
    pub(super) fn close_data(&mut self, id: TransportId) {
        let Some(end) = self.data_ends.remove(&id) else { return };
        let Some(hub) = self.hubs.get_mut(&end.hub) else { return };
        hub.close(end.participant, id);
        hub.ends -= 1;
        if hub.ends == 0 {
            self.hubs.remove(&end.hub);
        }
    }

    /// After something has come for a transport's data channels, or a time has.
    pub(super) fn data(&mut self, id: TransportId, now: Instant) {
        if let Some(transport) = self.transports.get_mut(&id) {
            transport.read_data(now);
        }
        while let Some(end) = self.data_ends.get(&id) {
            // What the host has no room for stays with its sender.
            let takes = end.client == Client::Native || end.events.capacity() > 0;
            let transport = self.transports.get_mut(&id).filter(|_| takes);
            let Some(message) = transport.and_then(|transport| transport.poll_data(now)) else { break };
            let end = end.clone();
            self.data_meters.received.increment(1);
            match end.client {
                Client::Native => self.forward_data(&end, &message, now),
                Client::Other { .. } => {
                    let Message { kind, bytes } = message;
                    let told = end.events.try_send(DataEvent { from: end.participant, to: To::All, kind, bytes });
                    // There was room for it, unless the host has let go.
                    drop(told);
                }
            }
        }
        self.flush_data(id, now);
        self.note_channel(id);
    }

    /// Who has no channel is not sent anything here.
    fn note_channel(&mut self, id: TransportId) {
        let (Some(end), Some(transport)) = (self.data_ends.get(&id), self.transports.get(&id)) else { return };
        let Some(hub) = self.hubs.get_mut(&end.hub) else { return };
        match (&end.client, transport.direction) {
            (Client::Native, Direction::Down) if transport.has_channel() => drop(hub.open.insert(end.participant, id)),
            (Client::Native, Direction::Down) => hub.close(end.participant, id),
            (Client::Native, Direction::Up) | (Client::Other { .. }, _) => {}
        }
    }

    /// From a native client to those whom its frame names.
    fn forward_data(&mut self, end: &DataEnd, message: &Message, now: Instant) {
        let Some(Frame { kind, to, payload }) = Frame::parse(&message.bytes) else {
            return self.data_meters.dropped[Dropped::Malformed as usize].increment(1);
        };
        let Some(hub) = self.hubs.get(&end.hub) else { return };
        let (reached, rest): (BTreeMap<ParticipantId, TransportId>, _) = match to {
            To::These(to) => {
                let to = || to.iter().filter(|one| **one != end.participant);
                let reached = to().filter_map(|one| Some((*one, *hub.open.get(one)?))).collect();
                let missing: Vec<_> = to().filter(|one| !hub.open.contains_key(one)).copied().collect();
                (reached, (!missing.is_empty()).then_some(To::These(missing)))
            }
            To::All | To::AllBut(_) => {
                let mut reached = hub.open.clone();
                reached.remove(&end.participant);
                let is_everybody = reached.len() + 1 >= end.crowd.count();
                let rest = (!is_everybody).then(|| To::AllBut(reached.keys().copied().collect()));
                (reached, rest)
            }
        };
        if let Some(to) = rest {
            let event = DataEvent { from: end.participant, to, kind, bytes: payload.clone() };
            if end.events.try_send(event).is_err() {
                self.data_meters.lost.increment(1);
            }
        }
        let frame = Frame::write(kind, end.participant, &payload);
        for id in reached.into_values() {
            self.send_data(id, Kind::Binary, &frame, now);
        }
    }

    pub(super) fn send_data(&mut self, id: TransportId, kind: Kind, bytes: &Bytes, now: Instant) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        if transport.send_data(kind, bytes, now) {
            self.data_meters.sent.increment(1);
        }
        self.flush_data(id, now);
    }

    fn flush_data(&mut self, id: TransportId, now: Instant) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        transport.flush_data(now, &mut self.out);
        for (reason, times) in transport.data_dropped() {
            self.data_meters.dropped[reason as usize].increment(times);
        }
    }

    pub(super) fn tick_data(&mut self, now: Instant) {
        let mut ids = std::mem::take(&mut self.data_ids);
        ids.extend(self.data_ends.keys());
        for id in ids.drain(..) {
            self.data(id, now);
        }
        self.data_ids = ids;
    }
}
