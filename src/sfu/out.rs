//! What is about to be sent, and the socket that it leaves by. Datagrams gather in one buffer while a batch is worked through
//! and leave together. What goes the same way and is as long as what is before it makes a train.

use std::collections::HashMap;

use metrics::Counter;

use super::tcp::{Outlet, Refused, StreamId};
pub(crate) use super::udp::Route;
use super::udp::{MAX_SEGMENTS, MAX_TRAIN_BYTES, Sender, Socket, Train};

/// Beyond this many bytes what has gathered leaves at once: some 50 packets. Higher: fewer calls;
/// lower: less that has left the processor's cache by the time it is sent, or has to be brought there after a pause.
const FULL: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Out {
    buffer: Vec<u8>,
    trains: Vec<Train>,
    pub(crate) socket: Socket,
    sender: Sender,
    streams: HashMap<StreamId, Outlet>,
    /// Among what has gathered there is something for a stream.
    streamed: bool,
    calls: Counter,
    sent: Counter,
    unsent: Counter,
}

impl Out {
    pub(crate) fn new(socket: Socket) -> Self {
        Self {
            buffer: Vec::with_capacity(FULL + MAX_TRAIN_BYTES),
            trains: Vec::with_capacity(FULL / 16),
            socket,
            sender: Sender::new(),
            streams: HashMap::new(),
            streamed: false,
            calls: metrics::counter!("crescendo_send_calls_total"),
            sent: metrics::counter!("crescendo_sent_trains_total"),
            unsent: metrics::counter!("crescendo_unsent_datagrams_total"),
        }
    }

    /// False while the kernel refuses trains: nothing need gather for one.
    pub(crate) fn takes_trains(&self) -> bool {
        self.sender.takes_trains()
    }

    pub(crate) fn open_stream(&mut self, stream: StreamId, outlet: Outlet) {
        self.streams.insert(stream, outlet);
    }

    /// What has gathered for it leaves before.
    pub(crate) fn close_stream(&mut self, stream: StreamId) {
        self.flush();
        self.streams.remove(&stream);
    }

    pub(crate) fn push(&mut self, route: Route, datagram: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(datagram);
        self.append(route, start);
    }

    /// Lets `write` append one datagram, from the position it is given on; its length. Nothing is sent when it fails.
    pub(crate) fn push_with<E>(
        &mut self,
        route: Route,
        write: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), E>,
    ) -> Result<usize, E> {
        let start = self.buffer.len();
        match write(&mut self.buffer, start) {
            Ok(()) => {
                let length = self.buffer.len() - start;
                self.append(route, start);
                Ok(length)
            }
            Err(error) => {
                self.buffer.truncate(start);
                Err(error)
            }
        }
    }

    /// The datagram from `start` on joins the train before it, or is one of its own.
    fn append(&mut self, route: Route, start: usize) {
        let (end, length) = (self.buffer.len(), self.buffer.len() - start);
        self.streamed |= route.stream.is_some();
        if let Some(last) = self.trains.last_mut()
            && last.route == route
            && length <= last.segment
            // After a shorter one nothing can follow.
            && last.bytes.len().is_multiple_of(last.segment)
            && last.bytes.len() / last.segment < MAX_SEGMENTS
            && last.bytes.len() + length <= MAX_TRAIN_BYTES
        {
            last.bytes.end = end;
        } else {
            self.trains.push(Train { route, bytes: start..end, segment: length.max(1) });
        }
        if end >= FULL {
            self.flush();
        }
    }

    /// Sends everything. A datagram that the kernel does not take is lost, as any datagram may be.
    pub(crate) fn flush(&mut self) {
        if self.trains.is_empty() {
            return;
        }
        if std::mem::take(&mut self.streamed) {
            self.flush_streams();
        }
        let sent = self.sender.send(&self.socket, &self.buffer, &self.trains);
        self.calls.increment(sent.calls);
        self.sent.increment(self.trains.len() as u64);
        self.unsent.increment(sent.unsent_datagrams);
        self.trains.clear();
        self.buffer.clear();
    }

    /// Takes what goes by streams out of the trains, and sends it there.
    fn flush_streams(&mut self) {
        let Self { buffer, trains, streams, unsent, .. } = self;
        trains.retain(|train| {
            let Some(stream) = train.route.stream else { return true };
            let outlet = streams.get(&stream).ok_or(Refused::Ended);
            let sent = outlet.and_then(|outlet| outlet.send(&buffer[train.bytes.clone()], train.segment));
            if sent.is_err() {
                unsent.increment(train.datagrams() as u64);
            }
            if sent == Err(Refused::Ended) {
                streams.remove(&stream);
            }
            false
        });
    }
}

#[cfg(test)]
mod tests;
