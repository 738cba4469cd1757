//! Trains: several datagrams to one destination that the kernel takes as one (generic segmentation offload), and several trains
//! in one call (sendmmsg).

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::{Route, Socket};

/// Datagrams of a train. The kernel takes 64 (UDP_MAX_SEGMENTS).
pub(crate) const MAX_SEGMENTS: usize = 44;
/// Bytes of a train: what an IPv4 datagram could carry.
pub(crate) const MAX_TRAIN_BYTES: usize = 65_507;
/// Trains of one call. More: fewer calls; fewer: less that leaves the cache between writing and sending.
const CALL: usize = 32;
/// Trains that are refused one after the other before none is tried for a while. One may be refused for its own path, whose
/// interface has no segmentation.
const MAX_REFUSED: u32 = 16;
/// How long none is tried then. Longer: less is tried in vain; shorter: trains are sooner back where paths have changed.
const PAUSE: Duration = Duration::from_secs(60);
/// Bytes for the control messages of a train: 24 for the segment size, 40 at most for the source address.
const CONTROL: usize = 64;

/// Datagrams in a buffer, one behind the other: all are `segment` long but the last, which may be shorter.
#[derive(Debug, Clone)]
pub(crate) struct Train {
    pub(crate) route: Route,
    pub(crate) bytes: Range<usize>,
    pub(crate) segment: usize,
}

impl Train {
    fn is_single(&self) -> bool {
        self.bytes.len() <= self.segment
    }

    pub(crate) fn datagrams(&self) -> usize {
        self.bytes.len().div_ceil(self.segment.max(1))
    }

    fn split(&self) -> impl Iterator<Item = Train> + use<> {
        let Train { route, bytes, segment } = self.clone();
        bytes.clone().step_by(segment.max(1)).map(move |from| {
            let until = (from + segment).min(bytes.end);
            Train { route, bytes: from..until, segment: until - from }
        })
    }
}

/// What has become of what was to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) calls: u64,
    pub(crate) unsent_datagrams: u64,
}

/// Whether the kernel takes trains, as far as is known.
#[derive(Debug)]
pub(crate) struct Sender {
    refused: u32,
    /// Until when none is tried.
    paused: Option<Instant>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self { refused: 0, paused: None }
    }

    pub(crate) fn takes_trains(&self) -> bool {
        self.paused.is_none_or(|until| until <= Instant::now())
    }

    /// Sends everything. What the kernel has no room for is lost, as any datagram may be.
    pub(crate) fn send(&mut self, socket: &Socket, buffer: &[u8], trains: &[Train]) -> Sent {
        let mut sent = Sent::default();
        let mut rest = trains;
        while let [first, after @ ..] = rest {
            let takes_trains = self.takes_trains();
            if first.is_single() || takes_trains {
                let trains = rest.iter().take_while(|train| train.is_single() || takes_trains);
                sent.calls += 1;
                match socket.send_some(buffer, trains.cloned()) {
                    Ok(taken) => {
                        if rest[..taken].iter().any(|train| !train.is_single()) {
                            *self = Self::new();
                        }
                        rest = &rest[taken..];
                        continue;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if !first.is_single() && may_be_refusal(&error) => {
                        if send_split(socket, buffer, first, &mut sent) {
                            self.refused(&error);
                        }
                        rest = after;
                        continue;
                    }
                    Err(error) => {
                        tracing::trace!(%error, "send");
                        sent.unsent_datagrams += first.datagrams() as u64;
                        rest = after;
                        continue;
                    }
                }
            }
            send_split(socket, buffer, first, &mut sent);
            rest = after;
        }
        sent
    }

    /// The kernel took every datagram of a train, but not the train.
    fn refused(&mut self, error: &io::Error) {
        self.refused = self.refused.saturating_add(1);
        if self.refused >= MAX_REFUSED {
            self.paused = Some(Instant::now() + PAUSE);
            tracing::warn!(%error, "the kernel takes no trains: every packet is sent by itself");
        }
    }
}

/// EIO: the interface computes no checksums. EINVAL: it has no segmentation, or the kernel has none; or nothing at all can be
/// sent there, such as to port 0 or from an address that is gone.
fn may_be_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOPROTOOPT))
}

/// Every datagram of a train by itself. True when the kernel took them all.
fn send_split(socket: &Socket, buffer: &[u8], train: &Train, sent: &mut Sent) -> bool {
    let (mut done, unsent) = (0, sent.unsent_datagrams);
    while done < train.datagrams() {
        sent.calls += 1;
        match socket.send_some(buffer, train.split().skip(done)) {
            Ok(taken) => done += taken,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::trace!(%error, "send");
                sent.unsent_datagrams += 1;
                done += 1;
            }
        }
    }
    sent.unsent_datagrams == unsent
}

/// A socket address as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

impl Socket {
    /// Sends at most [`CALL`] trains, at least one, in one call; how many the kernel took. An error is about the first.
    fn send_some(&self, buffer: &[u8], trains: impl Iterator<Item = Train>) -> io::Result<usize> {
        // SAFETY: all of these are plain numbers and pointers, for which zero is a value.
        let (mut headers, mut parts, mut names): ([libc::mmsghdr; CALL], [libc::iovec; CALL], [Name; CALL]) =
            unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        let mut controls = [Control([0; CONTROL]); CALL];
        let mut count = 0;
        for (n, train) in trains.take(CALL).enumerate() {
            let bytes = &buffer[train.bytes.clone()];
            parts[n] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let header = &mut headers[n].msg_hdr;
            (names[n], header.msg_namelen) = name(train.route.to);
            header.msg_name = (&raw mut names[n]).cast();
            header.msg_iov = &raw mut parts[n];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut controls[n]).cast();
            header.msg_controllen = CONTROL;
            let mut control = ControlWriter { header, written: 0 };
            if !train.is_single() {
                // MAX_TRAIN_BYTES fits.
                control.write(libc::SOL_UDP, libc::UDP_SEGMENT, train.segment as u16);
            }
            match train.route.source {
                Some(IpAddr::V4(source)) => {
                    let ipi_spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) };
                    let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
                    control.write(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
                }
                Some(IpAddr::V6(source)) => {
                    let ipi6_addr = libc::in6_addr { s6_addr: source.octets() };
                    let info = libc::in6_pktinfo { ipi6_ifindex: 0, ipi6_addr };
                    control.write(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
                }
                None => {}
            }
            control.finish();
            count += 1;
        }
        // SAFETY: the first `count` headers point to names, parts and control messages that live until the call returns, and the
        // parts to bytes of `buffer`, which the kernel only reads.
        let taken = unsafe {
            libc::sendmmsg(self.io.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT)
        };
        usize::try_from(taken).map_err(|_| io::Error::last_os_error())
    }
}

fn name(address: SocketAddr) -> (Name, libc::socklen_t) {
    match address {
        SocketAddr::V4(address) => {
            let v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            };
            (Name { v4 }, size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(address) => {
            let v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            (Name { v6 }, size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

/// Writes control messages one behind the other into the memory that a header points to.
struct ControlWriter<'a> {
    header: &'a mut libc::msghdr,
    written: usize,
}

impl ControlWriter<'_> {
    /// `T` is the plain structure that the kernel expects for this kind.
    fn write<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, value: T) {
        let size = size_of::<T>() as libc::c_uint;
        // SAFETY: computes from the size alone.
        let (space, length) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size) as usize) };
        assert!(self.written + space <= CONTROL, "two control messages fit");
        // SAFETY: msg_control points to CONTROL bytes, aligned for a header, of which `space` are left from `written` on; the
        // space that CMSG_SPACE gives keeps the next one aligned.
        unsafe {
            let control: *mut libc::cmsghdr = self.header.msg_control.cast::<u8>().add(self.written).cast();
            (*control).cmsg_level = level;
            (*control).cmsg_type = kind;
            (*control).cmsg_len = length as _;
            libc::CMSG_DATA(control).cast::<T>().write_unaligned(value);
        }
        self.written += space;
    }

    fn finish(self) {
        self.header.msg_controllen = self.written as _;
        if self.written == 0 {
            self.header.msg_control = std::ptr::null_mut();
        }
    }
}

#[cfg(test)]
mod tests;
