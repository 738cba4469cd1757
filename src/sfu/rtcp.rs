//! RTCP (RFC 3550 section 6) as far as the server reads and writes it.

mod arrivals;

use super::forward::reception::Block;

pub use arrivals::{Arrivals, MAX_TOLD, Told};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
/// RFC 4585 section 6.2 and 6.3.
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const NACK: u8 = 1;
const PLI: u8 = 1;
/// RFC 5104 section 4.3.1.
const FIR: u8 = 4;
const TWCC: u8 = 15;

/// Bytes of a compound packet before it is sealed, so that a datagram has some 1,200 bytes at most, which every path carries
/// in one piece.
pub const MAX_COMPOUND: usize = 1_170;

/// Sequence numbers of one NACK: at worst each has 4 bytes of its own.
const MAX_NACKED: usize = 256;

/// The SSRC that the server itself speaks as.
const SELF: u32 = 1;

/// What the server acts on. Everything else (REMB, SDES, BYE, extended reports …) is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report<'a> {
    /// At NTP time `ntp` the clock of `ssrc` stood at `rtp`.
    Sender { ssrc: u32, ntp: u64, rtp: u32 },
    /// So many packets never came to the far end, since the beginning.
    Lost { ssrc: u32, lost: u32 },
    /// Packets that the far end misses.
    Nack { ssrc: u32, sequences: Vec<u16> },
    /// The far end needs a key frame (PLI or FIR).
    KeyFrame { ssrc: u32 },
    /// When packets with transport-wide numbers came there.
    Arrivals(Arrivals<'a>),
}

/// Reads a compound packet up to the first thing that is malformed.
pub fn read<'a>(compound: &'a [u8], mut each: impl FnMut(Report<'a>)) {
    let mut rest = compound;
    while let [first, kind, high, low, ..] = *rest {
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let Some((packet, after)) = rest.split_at_checked(length).filter(|_| first >> 6 == 2) else { return };
        rest = after;
        report(first & 0x1f, kind, &packet[4..], &mut each);
    }
}

fn report<'a>(format: u8, kind: u8, body: &'a [u8], each: &mut impl FnMut(Report<'a>)) -> Option<()> {
    let word = |at: usize| Some(u32::from_be_bytes(body.get(at * 4..at * 4 + 4)?.try_into().ok()?));
    match (kind, format) {
        (SENDER_REPORT, _) => {
            let ntp = u64::from(word(1)?) << 32 | u64::from(word(2)?);
            each(Report::Sender { ssrc: word(0)?, ntp, rtp: word(3)? });
            lost(format, body.get(24..)?, each);
        }
        (RECEIVER_REPORT, _) => lost(format, body.get(4..)?, each),
        (TRANSPORT_FEEDBACK, NACK) => {
            let sequences = body.get(8..)?.chunks_exact(4).flat_map(|pair| {
                let first = u16::from_be_bytes([pair[0], pair[1]]);
                let more = u16::from_be_bytes([pair[2], pair[3]]);
                let following =
                    (0..16).filter(move |bit| more >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
                std::iter::once(first).chain(following)
            });
            each(Report::Nack { ssrc: word(1)?, sequences: sequences.collect() });
        }
        (TRANSPORT_FEEDBACK, TWCC) => each(Report::Arrivals(Arrivals::parse(body.get(8..)?)?)),
        (PAYLOAD_FEEDBACK, PLI) => each(Report::KeyFrame { ssrc: word(1)? }),
        (PAYLOAD_FEEDBACK, FIR) => {
            for entry in body.get(8..)?.chunks_exact(8) {
                each(Report::KeyFrame { ssrc: u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]) });
            }
        }
        _ => {}
    }
    Some(())
}

/// Report blocks (RFC 3550 section 6.4.1). Duplicates make a count negative: then nothing was lost.
fn lost<'a>(count: u8, blocks: &'a [u8], each: &mut impl FnMut(Report<'a>)) {
    for block in blocks.chunks_exact(24).take(count.into()) {
        let ssrc = u32::from_be_bytes([block[0], block[1], block[2], block[3]]);
        let lost = i32::from_be_bytes([block[5], block[6], block[7], 0]) >> 8;
        each(Report::Lost { ssrc, lost: lost.max(0) as u32 });
    }
}

/// Appends a packet whose body `write` appends; the body is a multiple of 4 bytes.
fn packet(out: &mut Vec<u8>, count: u8, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count, kind, 0, 0]);
    write(out);
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// Cuts packets that were written one behind the other into compound packets of at most [`MAX_COMPOUND`] bytes.
pub fn compounds(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut end = 0;
        while let Some([_, _, high, low, ..]) = rest.get(end..) {
            let length = (usize::from(u16::from_be_bytes([*high, *low])) + 1) * 4;
            if end > 0 && end + length > MAX_COMPOUND {
                break;
            }
            end += length;
        }
        let (compound, after) = rest.split_at_checked(end)?;
        rest = after;
        (!compound.is_empty()).then_some(compound)
    })
}

/// What the server has sent of one SSRC.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub ssrc: u32,
    pub ntp: u64,
    pub rtp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// RFC 3550 section 6.4.1.
pub fn write_sender_report(out: &mut Vec<u8>, sent: &Sent) {
    packet(out, 0, SENDER_REPORT, |out| {
        out.extend_from_slice(&sent.ssrc.to_be_bytes());
        out.extend_from_slice(&sent.ntp.to_be_bytes());
        for word in [sent.rtp, sent.packets, sent.octets] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    });
}

/// What the server has received of one SSRC.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    pub ssrc: u32,
    pub block: Block,
    /// Middle 32 bits of the last sender report's NTP time; 0 when there was none.
    pub last_report: u32,
    /// Time since then, in 1/65536 s.
    pub delay: u32,
}

/// RFC 3550 section 6.4.2. At most 31 blocks fit; the rest is left out.
pub fn write_receiver_report(out: &mut Vec<u8>, received: impl ExactSizeIterator<Item = Received>) {
    packet(out, received.len().min(31) as u8, RECEIVER_REPORT, |out| {
        out.extend_from_slice(&SELF.to_be_bytes());
        for Received { ssrc, block, last_report, delay } in received.take(31) {
            let lost = u32::from(block.fraction_lost) << 24 | block.cumulative_lost as u32 & 0x00ff_ffff;
            for word in [ssrc, lost, block.highest, block.jitter, last_report, delay] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
    });
}

/// RFC 4585 section 6.2.1: as many packets as it takes. `sequences` ascend, as far as 16 bits can.
pub fn write_nacks(out: &mut Vec<u8>, ssrc: u32, sequences: &[u16]) {
    for sequences in sequences.chunks(MAX_NACKED) {
        packet(out, NACK, TRANSPORT_FEEDBACK, |out| {
            out.extend_from_slice(&SELF.to_be_bytes());
            out.extend_from_slice(&ssrc.to_be_bytes());
            let mut rest = sequences;
            while let [first, after @ ..] = rest {
                let follows = |sequence: &u16| (1..=16).contains(&sequence.wrapping_sub(*first));
                let taken = after.iter().take_while(|sequence| follows(sequence)).count();
                let bits =
                    after[..taken].iter().fold(0u16, |bits, sequence| bits | 1 << (sequence.wrapping_sub(*first) - 1));
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&bits.to_be_bytes());
                rest = &after[taken..];
            }
        });
    }
}

/// RFC 4585 section 6.3.1.
pub fn write_pli(out: &mut Vec<u8>, ssrc: u32) {
    packet(out, PLI, PAYLOAD_FEEDBACK, |out| {
        out.extend_from_slice(&SELF.to_be_bytes());
        out.extend_from_slice(&ssrc.to_be_bytes());
    });
}

/// `ssrc` is any of the media that the feedback is about; `information` is what [`Recorder::feedback`] wrote.
///
/// [`Recorder::feedback`]: super::forward::twcc::Recorder::feedback
pub fn write_twcc(out: &mut Vec<u8>, ssrc: u32, information: &[u8]) {
    packet(out, TWCC, TRANSPORT_FEEDBACK, |out| {
        out.extend_from_slice(&SELF.to_be_bytes());
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(information);
    });
}

#[cfg(test)]
mod tests;
