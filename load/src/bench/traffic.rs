//! Senders and those receivers that look at what they get.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::peer::Peer;
use super::scenario::{PAYLOAD, Scenario};

/// VP8 (RFC 7741): the descriptor of a frame's first packet, of any other, and a header with the key frame's bit clear and set.
const FIRST: u8 = 0x10;
const KEY: u8 = 0;
const DELTA: u8 = 1;
const VP8: u8 = 96;
/// Header with the MID and the transport-wide sequence number.
const HEADER: usize = 24;
/// Descriptor, first byte of the frame, SSRC, number, time sent.
const STAMP: usize = 2 + 4 + 8 + 8;

pub(crate) struct Sender {
    pub(crate) peer: Peer,
    pub(crate) ssrc: u32,
    number: u64,
}

impl Sender {
    pub(crate) fn new(peer: Peer, ssrc: u32) -> Self {
        Self { peer, ssrc, number: 0 }
    }

    /// One frame, its packets back to back. Their sizes are a byte apart, as browsers make them.
    fn frame(&mut self, packets: usize, timestamp: u32, key: bool, epoch: Instant) -> anyhow::Result<()> {
        for n in 0..packets {
            let length = PAYLOAD - usize::from(n < packets / 2);
            let mut packet = vec![0; HEADER + length];
            packet[..2].copy_from_slice(&[0x90, VP8 | if n + 1 == packets { 0x80 } else { 0 }]);
            packet[2..4].copy_from_slice(&(self.number as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
            packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
            packet[12..18].copy_from_slice(&[0xbe, 0xde, 0, 2, 0x10, b'1']);
            packet[18] = 0x41;
            packet[19..21].copy_from_slice(&(self.number as u16).to_be_bytes());
            let payload = &mut packet[HEADER..];
            payload[0] = if n == 0 { FIRST } else { 0 };
            payload[1] = if n == 0 && key { KEY } else { DELTA };
            payload[2..6].copy_from_slice(&self.ssrc.to_be_bytes());
            payload[6..14].copy_from_slice(&self.number.to_be_bytes());
            payload[14..22].copy_from_slice(&(epoch.elapsed().as_nanos() as u64).to_be_bytes());
            payload[STAMP..].fill(self.number as u8);
            let sealed = self.peer.seal.encrypt_rtp(&packet)?;
            self.peer.socket.send(&sealed)?;
            self.number += 1;
        }
        Ok(())
    }
}

/// Sends as the scenario says for `time`, in step with the clock. What it could not send in time it sends late.
pub(crate) fn send(
    scenario: &Scenario,
    senders: &mut [Sender],
    others: &[Peer],
    time: Duration,
    epoch: Instant,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let step = scenario.interval() / senders.len() as u32;
    let (mut sent, mut checked) = (0_u32, 0);
    while begun.elapsed() < time {
        let due = begun + step * sent;
        let now = Instant::now();
        if due > now {
            std::thread::sleep(due - now);
        }
        let frame = sent / senders.len() as u32;
        let at = sent as usize % senders.len();
        let timestamp = ((epoch.elapsed().as_millis() as u64 * 90) & 0xffff_ffff) as u32;
        let key = frame.is_multiple_of(scenario.frames_per_second);
        senders[at].frame(scenario.packets, timestamp, key, epoch)?;
        sent += 1;
        // Everybody consents once in five seconds.
        let all = senders.len() + others.len();
        let wanted = (begun.elapsed().as_millis() as usize * all / 5_000).min(checked + all);
        while checked < wanted {
            let at = checked % all;
            senders.get(at).map_or_else(|| others[at - senders.len()].check(), |sender| sender.peer.check())?;
            checked += 1;
        }
    }
    Ok(())
}

/// What a receiver has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) packets: u64,
    /// Numbers that never came.
    pub(crate) lost: u64,
    /// Came twice, or out of order.
    pub(crate) disordered: u64,
    /// Not what was sent.
    pub(crate) wrong: u64,
    /// Time from one client to the other.
    pub(crate) delays: Vec<Duration>,
}

impl Found {
    pub(crate) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.disordered += other.disordered;
        self.wrong += other.wrong;
        self.delays.extend(other.delays);
    }
}

/// Opens and checks all that comes until `stop`.
pub(crate) fn receive(peer: &mut Peer, stop: &AtomicBool, epoch: Instant) -> anyhow::Result<Found> {
    let mut found = Found::default();
    // By SSRC: sequence number on the wire, number in the payload.
    let mut last: BTreeMap<u32, (u16, u64)> = BTreeMap::new();
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        let Ok(length) = peer.socket.recv(&mut buffer) else { continue };
        let media = buffer[0] >= 128 && !(192..=223).contains(&buffer[1]);
        if !media {
            continue;
        }
        let now = epoch.elapsed();
        let Ok(packet) = peer.open.decrypt_rtp(&buffer[..length]) else {
            found.wrong += 1;
            continue;
        };
        found.packets += 1;
        let Some((ssrc, sequence, payload)) = parse(&packet) else {
            found.wrong += 1;
            continue;
        };
        let (number, sent, rest) = (be64(&payload[6..14]), be64(&payload[14..22]), &payload[STAMP..]);
        found.delays.push(now.saturating_sub(Duration::from_nanos(sent)));
        if rest.iter().any(|byte| *byte != number as u8) {
            found.wrong += 1;
        }
        if let Some((before, number_before)) = last.insert(ssrc, (sequence, number)) {
            match number.checked_sub(number_before) {
                None | Some(0) => found.disordered += 1,
                Some(step) => {
                    found.lost += step - 1;
                    found.wrong += u64::from(sequence.wrapping_sub(before) != step as u16);
                }
            }
        }
    }
    Ok(found)
}

fn be64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// SSRC, sequence number, payload without padding.
fn parse(packet: &[u8]) -> Option<(u32, u16, &[u8])> {
    let extended = packet[0] & 0x10 != 0;
    let words = if extended { usize::from(u16::from_be_bytes([*packet.get(14)?, *packet.get(15)?])) } else { 0 };
    let start = if extended { 16 + words * 4 } else { 12 };
    let padding = if packet[0] & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
    let payload = packet.get(start..packet.len().checked_sub(padding)?)?;
    let ssrc = u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?);
    (payload.len() >= STAMP).then(|| (ssrc, u16::from_be_bytes([packet[2], packet[3]]), payload))
}
