//! Datagrams with the kernel's time of their arrival: how long the reader took to be woken is none of the sender's delay. Or none of
//! them, where the kernel is to spare the reader.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use socket2::SockFilter;

use crate::stamp;

/// Has the kernel note when datagrams come.
pub(crate) fn note(socket: &UdpSocket) -> anyhow::Result<()> {
    setsockopt(socket, ReceiveTimestampns, &true).context("the kernel notes when datagrams come")
}

/// Length, source and time of arrival; nothing when the socket's time to wait is over.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> anyhow::Result<Option<(usize, SocketAddr, Duration)>> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::empty();
    let got = match recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags) {
        Ok(got) => got,
        // Or nobody listens at the other end any more.
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let address = got.address.context("a datagram has a source")?;
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(SocketAddrV4::from(*v4)));
    let v6 = || address.as_sockaddr_in6().map(|v6| SocketAddr::from(SocketAddrV6::from(*v6)));
    let source = v4.or_else(v6).context("a source is an IP address")?;
    let arrived = got.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    });
    Ok(Some((got.bytes, source, arrived.unwrap_or_else(stamp::now))))
}

/// What becomes of RTCP where media is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rtcp {
    Comes,
    Goes,
}

/// Has the kernel drop media from now on. A filter over the UDP header and what follows: datagrams whose first byte is 128 or more
/// are dropped (RFC 7983), but for RTCP where it comes, whose second byte is 192 to 223 (RFC 5761).
pub(crate) fn drop_media(socket: &UdpSocket, rtcp: Rtcp) -> io::Result<()> {
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const UDP_HEADER: u32 = 8;
    let first_of_rtcp = match rtcp {
        Rtcp::Comes => 192,
        // No byte is.
        Rtcp::Goes => 256,
    };
    socket2::SockRef::from(socket).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, UDP_HEADER),
        SockFilter::new(JUMP_IF_AT_LEAST, 0, 4, 128),
        SockFilter::new(LOAD_BYTE, 0, 0, UDP_HEADER + 1),
        SockFilter::new(JUMP_IF_AT_LEAST, 0, 1, first_of_rtcp),
        SockFilter::new(JUMP_IF_AT_LEAST, 0, 1, 224),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}
