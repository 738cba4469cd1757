//! UDP sockets of the TURN server: batches in, trains out.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Type};

use super::meters::{Dropped, Meters};

/// Largest datagram; with generic receive offload a buffer holds several of one sender.
const BUFFER: usize = 65_536;
/// Most bytes of a train; the kernel takes no more than a datagram's length.
const TRAIN_BYTES: usize = 60_000;
/// Longest datagram that leaves in a train. Longer: more could; shorter: smaller links than Ethernet (tunnels) take trains. The
/// kernel refuses one whose segments do not fit its link, and then quinn-udp makes no more trains on that socket, ever. Media
/// is shorter.
const SEGMENT_BYTES: usize = 1_300;
/// Ports that are tried before there is said to be none. More: a nearly full range is used up further, for a slower refusal.
const TRIES: usize = 64;

#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
}

impl Socket {
    /// Kernel buffers are as large as the kernel allows, up to `buffer_bytes`. An unspecified IPv6 address takes IPv4 as well.
    pub(super) fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let io = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            io.set_only_v6(!address.ip().is_unspecified())?;
        }
        // Less than wanted is no reason not to run.
        let _ = io.set_recv_buffer_size(buffer_bytes);
        let _ = io.set_send_buffer_size(buffer_bytes);
        io.bind(&address.into())?;
        let io = UdpSocket::from(io);
        let state = UdpSocketState::new((&io).into())?;
        Ok(Self { io, state })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Sends a datagram, or several of `segment_size` bytes, from `src_ip` if the machine has several addresses.
    fn transmit(
        &self,
        destination: SocketAddr,
        src_ip: Option<IpAddr>,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip };
        self.state.try_send((&self.io).into(), &transmit)
    }

    /// Fills `batch` with what has arrived. False when there was less than would have fitted: the socket is empty.
    pub(super) fn receive(&self, batch: &mut Batch) -> io::Result<bool> {
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = batch.buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
        batch.filled = 0;
        batch.filled = self.state.recv((&self.io).into(), &mut slices, &mut batch.meta)?;
        Ok(batch.filled == BATCH_SIZE)
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

/// Received datagrams.
pub(super) struct Batch {
    buffers: [Box<[u8]>; BATCH_SIZE],
    meta: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

impl Default for Batch {
    fn default() -> Self {
        let buffers = std::array::from_fn(|_| vec![0; BUFFER].into_boxed_slice());
        Self { buffers, meta: [RecvMeta::default(); BATCH_SIZE], filled: 0 }
    }
}

impl Batch {
    /// Each as (from, own address it was sent to, datagram). Not those from port 0, which nothing can be sent back to: the kernel
    /// refuses the attempt, and quinn-udp takes that as a reason to make no more trains on that socket.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>, &[u8])> {
        let filled = self.buffers.iter().zip(&self.meta).take(self.filled);
        filled.filter(|(_, meta)| meta.addr.port() != 0).flat_map(|(buffer, meta)| {
            let datagrams = buffer[..meta.len].chunks(meta.stride.max(1));
            datagrams.map(|datagram| (meta.addr, meta.dst_ip, datagram))
        })
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({})", self.filled)
    }
}

/// Datagrams of one size (the last may be smaller) from one socket to one address, which leave with one system call
/// (generic segmentation offload). Whoever fills it has to flush it.
#[derive(Debug, Default)]
pub(super) struct Train {
    line: Option<Line>,
    buffer: Vec<u8>,
    segment: usize,
    segments: usize,
    /// The last one was smaller: nothing can follow it.
    closed: bool,
}

#[derive(Debug)]
struct Line {
    socket: Arc<Socket>,
    to: SocketAddr,
    source: Option<IpAddr>,
}

impl Train {
    /// Adds the datagram that `parts` are when put together; sends what was there before if it goes another way.
    pub(super) fn push(
        &mut self,
        socket: &Arc<Socket>,
        to: SocketAddr,
        source: Option<IpAddr>,
        parts: &[&[u8]],
        meters: &Meters,
    ) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let same = self
            .line
            .as_ref()
            .is_some_and(|line| Arc::ptr_eq(&line.socket, socket) && line.to == to && line.source == source);
        let fits = same
            && !self.closed
            && self.segment <= SEGMENT_BYTES
            && length <= self.segment
            && self.buffer.len() + length <= TRAIN_BYTES
            && self.segments < socket.state.max_gso_segments();
        if !fits {
            self.flush(meters);
            self.line = Some(Line { socket: socket.clone(), to, source });
            self.segment = length;
        }
        parts.iter().for_each(|part| self.buffer.extend_from_slice(part));
        self.segments += 1;
        self.closed = length < self.segment;
    }

    pub(super) fn flush(&mut self, meters: &Meters) {
        if let Some(Line { socket, to, source }) = self.line.take() {
            let segment = (self.segments > 1).then_some(self.segment);
            // What the kernel has no room for, or has no way to, is lost, as datagrams may be.
            if socket.transmit(to, source, &self.buffer, segment).is_err() {
                meters.dropped(Dropped::Unsent);
            }
        }
        self.buffer.clear();
        (self.segments, self.closed) = (0, false);
    }
}

/// Where relayed addresses come from.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    pub(super) ipv4: Option<IpAddr>,
    pub(super) ipv6: Option<IpAddr>,
    /// Nothing: whichever port the system gives.
    pub(super) range: Option<RangeInclusive<u16>>,
    pub(super) buffer_bytes: usize,
}

impl Ports {
    /// A socket on a port that nobody has, or nothing.
    pub(super) fn bind(&self, ipv6: bool, even: bool) -> Option<(Arc<Socket>, SocketAddr)> {
        let ip = if ipv6 { self.ipv6 } else { self.ipv4 }?;
        for _ in 0..TRIES {
            let port = self.range.clone().map_or(0, fastrand::u16);
            if port != 0 && even && port % 2 == 1 {
                continue;
            }
            let Ok(socket) = Socket::bind(SocketAddr::new(ip, port), self.buffer_bytes) else {
                // Another port may be free; if the system had to find one, it has none.
                if port == 0 { return None } else { continue }
            };
            let bound = socket.local_addr().ok()?;
            if !even || bound.port() % 2 == 0 {
                return Some((Arc::new(socket), bound));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
