//! Data channels of a shard: who is told what somebody has sent.
//!
//! Transports of one room have a [`HubId`] in common. What a native client sends is forwarded here, from its transport to the down
//! transports of the others. What else comes, and what is for others than native clients, goes to the host, which knows them.

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
    /// Down transports of native clients.
    natives: BTreeMap<ParticipantId, TransportId>,
    /// Transports of others.
    others: usize,
    /// Transports of either.
    ends: usize,
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
        let hub = self.hubs.entry(end.hub).or_default();
        hub.ends += 1;
        match (&end.client, transport.direction) {
            (Client::Native, Direction::Down) => drop(hub.natives.insert(end.participant, id)),
            (Client::Native, Direction::Up) => {}
            (Client::Other { .. }, _) => hub.others += 1,
        }
        self.data_ends.insert(id, end);
        self.data(id, now);
    }

    /// The transport is gone.
    pub(super) fn close_data(&mut self, id: TransportId) {
        let Some(end) = self.data_ends.remove(&id) else { return };
        let Some(hub) = self.hubs.get_mut(&end.hub) else { return };
        match &end.client {
            Client::Native if hub.natives.get(&end.participant) == Some(&id) => {
                hub.natives.remove(&end.participant);
            }
            Client::Native => {}
            Client::Other { .. } => hub.others -= 1,
        }
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
    }

    /// From a native client to those whom its frame names.
    fn forward_data(&mut self, end: &DataEnd, message: &Message, now: Instant) {
        let Some(Frame { kind, to, payload }) = Frame::parse(&message.bytes) else {
            return self.data_meters.dropped[Dropped::Malformed as usize].increment(1);
        };
        let Some(hub) = self.hubs.get(&end.hub) else { return };
        let (native, rest): (Vec<TransportId>, To) = match to {
            To::All => {
                let others = hub.natives.iter().filter(|(participant, _)| **participant != end.participant);
                (others.map(|(_, transport)| *transport).collect(), To::All)
            }
            To::These(mut to) => {
                to.retain(|participant| *participant != end.participant);
                let known = to.iter().filter_map(|participant| hub.natives.get(participant).copied()).collect();
                (known, To::These(to.into_iter().filter(|one| !hub.natives.contains_key(one)).collect()))
            }
        };
        let is_for_host = match &rest {
            To::All => hub.others > 0,
            To::These(rest) => !rest.is_empty(),
        };
        if is_for_host {
            let event = DataEvent { from: end.participant, to: rest, kind, bytes: payload.clone() };
            if end.events.try_send(event).is_err() {
                self.data_meters.lost.increment(1);
            }
        }
        let frame = Frame::write(kind, end.participant, &payload);
        for id in native {
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
