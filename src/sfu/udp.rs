//! The media socket: batched receive (recvmmsg) with several datagrams of a sender in one buffer (generic receive offload),
//! batched sends of trains, waiting for either packets or commands, and the machine's addresses. The only unsafe code of the
//! project: calls that no safe wrapper we use has.
#![allow(unsafe_code)]

mod addresses;
mod trains;

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, Type};

use super::tcp::StreamId;

pub(crate) use self::addresses::machine_addresses;
pub(crate) use self::trains::{MAX_SEGMENTS, MAX_TRAIN_BYTES, Sender, Train};

/// Largest datagram; with generic receive offload a buffer holds several of one sender.
const BUFFER: usize = 65_536;
/// From the start of one buffer to that of the next: not a power of two, or all buffers would compete for the same few lines of
/// the cache.
const STRIDE: usize = BUFFER + 1_344;

/// Where to, and from which of the machine's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) to: SocketAddr,
    pub(crate) source: Option<IpAddr>,
    /// By this connection and not as a datagram.
    pub(crate) stream: Option<StreamId>,
}

/// Who is at the other end of a route: over UDP and over TCP the same address may be two.
pub(crate) type Far = (SocketAddr, Option<StreamId>);

impl Route {
    pub(crate) fn far(&self) -> Far {
        (self.to, self.stream)
    }
}

/// How to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For packets and for the waker, at most so long.
    For(Duration),
    /// So long, whatever packets come, or until woken.
    Rest(Duration),
}

/// What there is to do after waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) packets: bool,
    pub(crate) woken: bool,
}

#[derive(Debug)]
pub(crate) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
}

impl Socket {
    /// Kernel buffers are as large as the kernel allows, up to `buffer_bytes`.
    pub(crate) fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let io = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // Less than wanted is no reason not to run.
        let _ = io.set_recv_buffer_size(buffer_bytes);
        let _ = io.set_send_buffer_size(buffer_bytes);
        io.bind(&address.into())?;
        let io = UdpSocket::from(io);
        let state = UdpSocketState::new((&io).into())?;
        Ok(Self { io, state })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Fills `batch` with what has arrived.
    pub(crate) fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        let mut buffers = batch.memory.chunks_mut(STRIDE);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(&mut buffers.next().expect("there are as many")[..BUFFER]));
        batch.filled = 0;
        match self.state.recv((&self.io).into(), &mut slices, &mut batch.meta) {
            Ok(filled) => {
                batch.filled = filled;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns when `waker` is readable, when there is something to receive, or when the time is up. After a rest there may
    /// always be something to receive.
    pub(crate) fn wait(&self, waker: &impl AsRawFd, wait: Wait) -> io::Result<Ready> {
        let readable = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let (timeout, resting) = match wait {
            Wait::For(timeout) => (timeout, false),
            Wait::Rest(time) => (time, true),
        };
        // poll passes over descriptors below 0.
        let socket = if resting { -1 } else { self.io.as_raw_fd() };
        let mut fds = [readable(socket), readable(waker.as_raw_fd())];
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: `fds` is an array of as many pollfd as is said, and both descriptors are open as long as `self` and `waker`;
        // `timeout` lives until the call returns, and no signal mask is given.
        let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, &timeout, std::ptr::null()) };
        match ready {
            0.. => Ok(Ready { packets: resting || fds[0].revents != 0, woken: fds[1].revents != 0 }),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(Ready { packets: true, woken: true }),
                error => Err(error),
            },
        }
    }
}

/// Received datagrams.
pub(crate) struct Batch {
    memory: Box<[u8]>,
    meta: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

impl Default for Batch {
    fn default() -> Self {
        let memory = vec![0; STRIDE * BATCH_SIZE].into_boxed_slice();
        Self { memory, meta: [RecvMeta::default(); BATCH_SIZE], filled: 0 }
    }
}

impl Batch {
    /// More may wait in the kernel.
    pub(crate) fn is_full(&self) -> bool {
        self.filled == BATCH_SIZE
    }

    /// Calls `each` with (from, own address it was sent to, datagram).
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(SocketAddr, Option<IpAddr>, &mut [u8])) {
        for (buffer, meta) in self.memory.chunks_mut(STRIDE).zip(&self.meta).take(self.filled) {
            for datagram in buffer[..meta.len].chunks_mut(meta.stride.max(1)) {
                each(meta.addr, meta.dst_ip, datagram);
            }
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({})", self.filled)
    }
}
