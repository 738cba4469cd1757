//! Senders and those receivers that look at what they get.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::peer::Peer;
use super::scenario::{PAYLOAD, Scenario};
use crate::stamp::{self, Checker, Found, Part};

const VP8: u8 = 96;
/// Header with the MID and the transport-wide sequence number.
const HEADER: usize = 24;

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
    fn frame(&mut self, packets: usize, timestamp: u32, key: bool) -> anyhow::Result<()> {
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
            let part = match (n, key) {
                (0, true) => Part::Key,
                (0, false) => Part::Delta,
                _ => Part::Rest,
            };
            stamp::write(&mut packet[HEADER..], part, self.ssrc, self.number);
            let sealed = self.peer.seal.encrypt_rtp(&packet)?;
            self.peer.socket.send(&sealed)?;
            self.number += 1;
        }
        Ok(())
    }
}

/// Sends as the scenario says for `time`, in step with the clock. What it could not send in time it sends late.
pub(crate) fn send(scenario: &Scenario, senders: &mut [Sender], others: &[Peer], time: Duration) -> anyhow::Result<()> {
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
        let timestamp = (stamp::now().as_millis() as u64 * 90) as u32;
        let key = frame.is_multiple_of(scenario.frames_per_second);
        senders[at].frame(scenario.packets, timestamp, key)?;
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

/// Opens and checks all that comes until `stop`; how long it took is of interest while `timed`.
pub(crate) fn receive(peer: &mut Peer, stop: &AtomicBool, timed: &AtomicBool) -> anyhow::Result<Found> {
    let (mut checker, mut bad) = (Checker::default(), 0);
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        let Some((length, at)) = peer.receive(&mut buffer)? else { continue };
        let media = buffer[0] >= 128 && !(192..=223).contains(&buffer[1]);
        if !media {
            continue;
        }
        let packet = peer.open.decrypt_rtp(&buffer[..length]);
        match packet.as_ref().ok().and_then(|packet| parse(packet)) {
            Some((sequence, payload)) => checker.take(payload, sequence, timed.load(Ordering::Relaxed).then_some(at)),
            None => bad += 1,
        }
    }
    let found = checker.finish();
    Ok(Found { wrong: found.wrong + bad, ..found })
}

/// Sequence number, payload without padding.
fn parse(packet: &[u8]) -> Option<(u16, &[u8])> {
    let extended = packet[0] & 0x10 != 0;
    let words = if extended { usize::from(u16::from_be_bytes([*packet.get(14)?, *packet.get(15)?])) } else { 0 };
    let start = if extended { 16 + words * 4 } else { 12 };
    let padding = if packet[0] & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
    let payload = packet.get(start..packet.len().checked_sub(padding)?)?;
    Some((u16::from_be_bytes([packet[2], packet[3]]), payload))
}
