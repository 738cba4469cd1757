//! Packets that a media port must drop without a word.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Most packets of one run: what a minute at full rate sends.
const MOST_PACKETS: u64 = 600_000;
/// How often a burst leaves. Shorter: smoother, for more wake-ups.
const TICK: Duration = Duration::from_millis(5);

#[derive(Args)]
pub(crate) struct Options {
    /// The media port, on a loopback address.
    #[arg(long)]
    to: SocketAddr,
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    per_second: u64,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
}

/// Every way in which a packet can be wrong, by the ranges of RFC 7983: the first byte says what it claims to be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Empty,
    OneByte,
    Noise,
    /// A binding request with no credentials.
    StunBare,
    /// A binding request for a user nobody knows, with a signature that is wrong.
    StunForged,
    /// Attributes longer than the message.
    StunTruncated,
    /// A ClientHello that ends early.
    Dtls,
    /// DTLS of a version that does not exist, with a length beyond the datagram.
    DtlsLength,
    /// RTP of an unknown ssrc, never encrypted.
    Rtp,
    /// More contributing sources and extension words than bytes.
    RtpTruncated,
    Rtcp,
    RtcpLength,
    /// TURN channel data and ZRTP, which nobody here speaks.
    Foreign,
    /// As large as UDP allows on loopback with one write.
    Huge,
}

const KINDS: [Kind; 14] = [
    Kind::Empty,
    Kind::OneByte,
    Kind::Noise,
    Kind::StunBare,
    Kind::StunForged,
    Kind::StunTruncated,
    Kind::Dtls,
    Kind::DtlsLength,
    Kind::Rtp,
    Kind::RtpTruncated,
    Kind::Rtcp,
    Kind::RtcpLength,
    Kind::Foreign,
    Kind::Huge,
];

pub(crate) async fn flood(options: Options, mut random: Rng) -> anyhow::Result<Value> {
    let target = crate::loopback(options.to)?;
    let socket = UdpSocket::bind((target.ip(), 0)).await?;
    socket.connect(target).await?;

    let wanted = (options.per_second * options.seconds).min(MOST_PACKETS);
    let begun = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sent = [0u64; KINDS.len()];
    let (mut tried, mut refused, mut bytes) = (0u64, 0u64, 0u64);
    while tried < wanted && begun.elapsed() < Duration::from_secs(options.seconds + 1) {
        ticks.tick().await;
        let due = (begun.elapsed().as_micros() as u64 * options.per_second / 1_000_000).min(wanted);
        while tried < due {
            let index = tried as usize % KINDS.len();
            let packet = packet(KINDS[index], &mut random);
            tried += 1;
            match socket.send(&packet).await {
                Ok(length) => {
                    sent[index] += 1;
                    bytes += length as u64;
                }
                // Nobody listens there any more.
                Err(_) => refused += 1,
            }
        }
    }

    let answers = count_answers(&socket);
    let kinds: Vec<Value> =
        KINDS.iter().zip(sent).map(|(kind, n)| json!({ "kind": format!("{kind:?}"), "packets": n })).collect();
    Ok(json!({
        "packets": sent.iter().sum::<u64>(), "bytes": bytes, "refused": refused, "answers": answers,
        "ms": begun.elapsed().as_millis() as u64, "kinds": kinds,
    }))
}

/// Datagrams that came back: a server that answers junk could be made to flood somebody else.
fn count_answers(socket: &UdpSocket) -> u64 {
    let mut buffer = [0; 2_048];
    let mut answers = 0;
    while socket.try_recv(&mut buffer).is_ok() {
        answers += 1;
    }
    answers
}

fn packet(kind: Kind, random: &mut Rng) -> Vec<u8> {
    match kind {
        Kind::Empty => Vec::new(),
        Kind::OneByte => vec![random.u8(..)],
        Kind::Noise => noise(random, 1..1_400),
        Kind::StunBare => stun(&[], random),
        Kind::StunForged => {
            // USERNAME "nobody:home" padded to 12 bytes, then MESSAGE-INTEGRITY of the right length (RFC 8489 section 14).
            let mut attributes = vec![0x00, 0x06, 0x00, 0x0b];
            attributes.extend_from_slice(b"nobody:home\0");
            attributes.extend_from_slice(&[0x00, 0x08, 0x00, 0x14]);
            attributes.extend(noise(random, 20..21));
            stun(&attributes, random)
        }
        Kind::StunTruncated => stun(&[0x00, 0x06, 0xff, 0xff, 1, 2, 3, 4], random),
        Kind::Dtls => with(&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1, 0, 0, 200, 0, 0], noise(random, 0..34)),
        Kind::DtlsLength => with(&[23, 9, 9, 0, 1, 0, 0, 0, 0, 0, 1, 0xff, 0xff], noise(random, 0..200)),
        Kind::Rtp => {
            let mut packet = vec![0x80, 111];
            packet.extend(noise(random, 50..1_200));
            packet
        }
        Kind::RtpTruncated => with(&[0x9f, 0xe0], noise(random, 0..14)),
        Kind::Rtcp => with(&[0x81, 206, 0, 2], noise(random, 8..24)),
        Kind::RtcpLength => with(&[0x9f, 200, 0xff, 0xff], noise(random, 4..40)),
        Kind::Foreign => with(&[random.u8(4..20)], noise(random, 10..80)),
        Kind::Huge => with(&[0x80], noise(random, 60_000..60_001)),
    }
}

/// A binding request around these attributes (RFC 8489 section 5).
fn stun(attributes: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut packet = vec![0x00, 0x01];
    packet.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    packet.extend(noise(random, 12..13));
    packet.extend_from_slice(attributes);
    packet
}

fn with(start: &[u8], rest: Vec<u8>) -> Vec<u8> {
    [start, &rest].concat()
}

fn noise(random: &mut Rng, length: std::ops::Range<usize>) -> Vec<u8> {
    let length = random.usize(length);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}
