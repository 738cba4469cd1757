//! The media socket: batched receive (recvmmsg), sends with a chosen source address, waiting for either packets or commands,
//! and the machine's addresses. The only unsafe code of the project: two calls that no safe wrapper we use has.
#![allow(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Type};

/// Largest datagram; with generic receive offload a buffer holds several of one sender.
const BUFFER: usize = 65_536;

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

    /// Sends one datagram, from `source` if the machine has several addresses.
    pub(crate) fn send(&self, to: SocketAddr, source: Option<IpAddr>, datagram: &[u8]) -> io::Result<()> {
        let transmit = Transmit { destination: to, ecn: None, contents: datagram, segment_size: None, src_ip: source };
        self.state.try_send((&self.io).into(), &transmit)
    }

    /// Fills `batch` with what has arrived; false when nothing has.
    pub(crate) fn receive(&self, batch: &mut Batch) -> io::Result<bool> {
        let mut slices: Vec<IoSliceMut<'_>> = batch.buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
        match self.state.recv((&self.io).into(), &mut slices, &mut batch.meta) {
            Ok(filled) => {
                batch.filled = filled;
                Ok(filled > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                batch.filled = 0;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns when there is something to receive, when `waker` is readable, or after `timeout`.
    pub(crate) fn wait(&self, waker: &impl AsRawFd, timeout: Duration) -> io::Result<()> {
        let readable = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds = [readable(self.io.as_raw_fd()), readable(waker.as_raw_fd())];
        // Rounded up: waking too early would be waking for nothing, again and again.
        let timeout_ms = libc::c_int::try_from(timeout.as_micros().div_ceil(1_000)).unwrap_or(libc::c_int::MAX);
        // SAFETY: `fds` is an array of as many pollfd as is said, and both descriptors are open as long as `self` and `waker`.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
        match ready {
            0.. => Ok(()),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
        }
    }
}

/// Received datagrams.
pub(crate) struct Batch {
    buffers: Vec<Box<[u8]>>,
    meta: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

impl Default for Batch {
    fn default() -> Self {
        let buffers = (0..BATCH_SIZE).map(|_| vec![0; BUFFER].into_boxed_slice()).collect();
        Self { buffers, meta: [RecvMeta::default(); BATCH_SIZE], filled: 0 }
    }
}

impl Batch {
    /// Calls `each` with (from, own address it was sent to, datagram).
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(SocketAddr, Option<IpAddr>, &mut [u8])) {
        for (buffer, meta) in self.buffers.iter_mut().zip(&self.meta).take(self.filled) {
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

/// Addresses of the interfaces that are up, in the kernel's order: no link-local ones, and loopback only if there is nothing
/// else, for it means another machine to everybody else.
pub(crate) fn machine_addresses() -> io::Result<Vec<IpAddr>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs fills `list` or fails.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: `next` is null or a node of the list, which is freed only below.
    while let Some(node) = unsafe { next.as_ref() } {
        let up = node.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        // SAFETY: ifa_addr is null or an address of the length that its family says.
        found.extend(unsafe { address(node.ifa_addr) }.filter(|_| up));
        next = node.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs, and nothing that was taken from it is a pointer.
    unsafe { libc::freeifaddrs(list) };
    found.retain(|ip| match ip {
        IpAddr::V4(ip) => !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    });
    if found.iter().any(|ip| !ip.is_loopback()) {
        found.retain(|ip| !ip.is_loopback());
    }
    Ok(found)
}

/// # Safety
/// `address` is null or points to a socket address as long as its family says.
unsafe fn address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as the caller promises.
    let family = unsafe { address.as_ref() }?.sa_family;
    match libc::c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in.
            let v4 = unsafe { &*address.cast::<libc::sockaddr_in>() };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is a sockaddr_in6.
            let v6 = unsafe { &*address.cast::<libc::sockaddr_in6>() };
            Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}
