//! The floor: what forwarding costs when nothing else is done. A train is opened once; for each receiver it is copied, sealed
//! and sent as one segmented send, several receivers in one call.

use std::io::IoSlice;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

use super::scenario::PAYLOAD;
use crate::arrival::{self, Rtcp};

const HEADER: usize = 12;
const TAG: usize = 16;
const PACKET: usize = HEADER + PAYLOAD + TAG;
/// Receivers of one call.
const CALL: usize = 16;

fn key(number: usize) -> anyhow::Result<LessSafeKey> {
    let mut bytes = [9; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    UnboundKey::new(&AES_128_GCM, &bytes).map(LessSafeKey::new).ok().context("a key has 16 bytes")
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn seal(key: &LessSafeKey, number: u64, packet: &mut [u8]) -> anyhow::Result<()> {
    let (header, rest) = packet.split_at_mut(HEADER);
    let (payload, place) = rest.split_at_mut(PAYLOAD);
    let tag = key.seal_in_place_separate_tag(nonce(number), Aad::from(&*header), payload).ok().context("sealing")?;
    place.copy_from_slice(tag.as_ref());
    Ok(())
}

/// Nanoseconds of CPU time for each packet that was sent on, in trains of this many to this many receivers.
pub(crate) fn measure(receivers: usize, train: usize, time: Duration) -> anyhow::Result<f64> {
    let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket2::SockRef::from(&from).set_send_buffer_size(4 << 20)?;
    let sockets: Vec<UdpSocket> = (0..receivers)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            arrival::drop_media(&socket, Rtcp::Goes)?;
            Ok(socket)
        })
        .collect::<anyhow::Result<_>>()?;
    let addresses: Vec<Option<SockaddrIn>> = sockets
        .iter()
        .map(|socket| match socket.local_addr()? {
            std::net::SocketAddr::V4(address) => Ok(Some(SockaddrIn::from(address))),
            std::net::SocketAddr::V6(_) => anyhow::bail!("it was bound to IPv4"),
        })
        .collect::<anyhow::Result<_>>()?;
    let inbound = key(usize::MAX)?;
    let keys: Vec<LessSafeKey> = (0..receivers).map(key).collect::<anyhow::Result<_>>()?;
    let mut arena = vec![0; PACKET * train * CALL];
    let mut headers = MultiHeaders::preallocate(CALL, (train > 1).then(|| nix::cmsg_space!(u16)));
    let segment = u16::try_from(PACKET)?;
    let segmented = [ControlMessage::UdpGsoSegments(&segment)];
    let segmented = if train > 1 { &segmented[..] } else { &[] };

    let (begun, mut number, mut spent, mut packets) = (Instant::now(), 0_u64, 0, 0_u64);
    while begun.elapsed() < time {
        let mut arrived: Vec<[u8; PACKET]> = Vec::with_capacity(train);
        for n in 0..train as u64 {
            let mut packet = [0x42; PACKET];
            packet[0] = 0x80;
            packet[1] = 96;
            seal(&inbound, number + n, &mut packet)?;
            arrived.push(packet);
        }
        let before = thread_cpu_ns()?;
        for (n, packet) in arrived.iter_mut().enumerate() {
            let (header, sealed) = packet.split_at_mut(HEADER);
            let opened = inbound.open_in_place(nonce(number + n as u64), Aad::from(&*header), sealed);
            opened.ok().context("opening what was sealed here")?;
        }
        for (keys, addresses) in keys.chunks(CALL).zip(addresses.chunks(CALL)) {
            for (key, place) in keys.iter().zip(arena.chunks_mut(PACKET * train)) {
                for (n, (packet, place)) in arrived.iter().zip(place.chunks_mut(PACKET)).enumerate() {
                    place[..PACKET - TAG].copy_from_slice(&packet[..PACKET - TAG]);
                    place[2..4].copy_from_slice(&((number + n as u64) as u16).to_be_bytes());
                    seal(key, number + n as u64, place)?;
                }
            }
            let slices: Vec<[IoSlice<'_>; 1]> =
                arena.chunks(PACKET * train).take(keys.len()).map(|train| [IoSlice::new(train)]).collect();
            let sent = sendmmsg(from.as_raw_fd(), &mut headers, &slices, addresses, segmented, MsgFlags::empty())?;
            anyhow::ensure!(sent.count() == keys.len(), "the kernel did not take all");
        }
        spent += thread_cpu_ns()? - before;
        number += train as u64;
        packets += (train * receivers) as u64;
    }
    Ok(spent as f64 / packets as f64)
}

fn thread_cpu_ns() -> anyhow::Result<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
