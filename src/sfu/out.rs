//! What is about to be sent. Datagrams gather in one buffer while a batch is worked through and leave together.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use metrics::Counter;

use super::udp::Socket;

/// Beyond this many bytes what has gathered leaves before the next datagram is worked on: some 700 packets. Higher: fewer turns
/// between receiving and sending; lower: less memory, which a flood into a large room would else grow by hundreds of megabytes.
const FULL: usize = 1 << 20;

/// Where to, and from which of the machine's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) to: SocketAddr,
    pub(crate) source: Option<IpAddr>,
}

#[derive(Debug)]
pub(crate) struct Out {
    buffer: Vec<u8>,
    datagrams: Vec<(Route, Range<usize>)>,
    calls: Counter,
}

impl Out {
    pub(crate) fn new() -> Self {
        let calls = metrics::counter!("crescendo_send_calls_total");
        Self { buffer: Vec::new(), datagrams: Vec::new(), calls }
    }

    pub(crate) fn push(&mut self, route: Route, datagram: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(datagram);
        self.datagrams.push((route, start..self.buffer.len()));
    }

    /// Lets `write` append one datagram, from the position it is given on. Nothing is sent when it fails.
    pub(crate) fn push_with<E>(
        &mut self,
        route: Route,
        write: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), E>,
    ) -> Result<usize, E> {
        let start = self.buffer.len();
        match write(&mut self.buffer, start) {
            Ok(()) => {
                self.datagrams.push((route, start..self.buffer.len()));
                Ok(self.buffer.len() - start)
            }
            Err(error) => {
                self.buffer.truncate(start);
                Err(error)
            }
        }
    }

    /// It should be flushed before more is pushed.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= FULL
    }

    /// Sends everything. A datagram that the kernel does not take is lost, as any datagram may be.
    pub(crate) fn flush(&mut self, socket: &Socket) {
        for (route, range) in self.datagrams.drain(..) {
            if let Err(error) = socket.send(route.to, route.source, &self.buffer[range]) {
                tracing::trace!(%error, "send");
            }
            self.calls.increment(1);
        }
        self.buffer.clear();
    }
}
