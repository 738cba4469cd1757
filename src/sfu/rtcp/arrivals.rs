//! Reads transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

/// 64 ms, the unit of the reference time.
const REFERENCE_US: i64 = 64_000;
/// 250 µs, the unit of deltas.
const TICK_US: i64 = 250;
/// Packets that one feedback tells of here: eight bytes can claim 65,535, which no path to a client has at once.
pub const MAX_TOLD: u16 = 4_096;

/// When packets arrived, as the far end tells it. Nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals<'a> {
    base: u16,
    count: u16,
    /// 24 bits, in units of 64 ms.
    reference: u32,
    /// Chunks, and the deltas behind them.
    body: &'a [u8],
}

/// One packet of a feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub sequence: u16,
    /// Microseconds since the reference time; nothing when it has not arrived.
    pub arrived_us: Option<i64>,
}

impl<'a> Arrivals<'a> {
    /// `information` is the feedback control information. Nothing when it is cut short or tells of too many packets.
    pub(super) fn parse(information: &'a [u8]) -> Option<Self> {
        let (&[b0, b1, c0, c1, r0, r1, r2, _], body) = information.split_first_chunk::<8>()?;
        let (base, count) = (u16::from_be_bytes([b0, b1]), u16::from_be_bytes([c0, c1]));
        (count <= MAX_TOLD).then_some(Self { base, count, reference: u32::from_be_bytes([0, r0, r1, r2]), body })
    }

    /// The far end's clock at the reference time, in microseconds; it wraps at [`Self::WRAPS_US`].
    pub fn reference_us(&self) -> i64 {
        i64::from(self.reference) * REFERENCE_US
    }

    /// Where the reference time begins anew.
    pub const WRAPS_US: i64 = (1 << 24) * REFERENCE_US;

    /// By sequence number, up to the first thing that is missing.
    pub fn packets(&self) -> impl Iterator<Item = Told> + use<'a> {
        let Self { base, count, body, .. } = *self;
        let mut deltas = body.get(chunks_bytes(body, count)..).unwrap_or_default();
        let mut at = 0;
        symbols(body).take(usize::from(count)).zip(0_u16..).map_while(move |(symbol, n)| {
            let sequence = base.wrapping_add(n);
            let delta = match symbol {
                // 3 is reserved: nothing follows for it.
                0 | 3 => return Some(Told { sequence, arrived_us: None }),
                1 => {
                    let (delta, rest) = deltas.split_first()?;
                    deltas = rest;
                    i64::from(*delta)
                }
                _ => {
                    let (delta, rest) = deltas.split_first_chunk::<2>()?;
                    deltas = rest;
                    i64::from(i16::from_be_bytes(*delta))
                }
            };
            at += delta * TICK_US;
            Some(Told { sequence, arrived_us: Some(at) })
        })
    }
}

/// Packets that a chunk tells of.
fn told(chunk: u16) -> u16 {
    match (chunk >> 15, chunk >> 14 & 1) {
        (0, _) => chunk & 0x1fff,
        (_, 0) => 14,
        (_, _) => 7,
    }
}

/// The status symbols of all chunks; what lies behind the last one means nothing.
fn symbols(body: &[u8]) -> impl Iterator<Item = u8> {
    let chunks = body.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    chunks.flat_map(|chunk| {
        (0..told(chunk)).map(move |n| match (chunk >> 15, chunk >> 14 & 1) {
            (0, _) => (chunk >> 13 & 3) as u8,
            (_, 0) => (chunk >> (13 - n) & 1) as u8,
            (_, _) => (chunk >> (12 - 2 * n) & 3) as u8,
        })
    })
}

/// Bytes of the chunks that it takes to tell of `count` packets.
fn chunks_bytes(body: &[u8], count: u16) -> usize {
    let (mut left, mut bytes) = (count, 0);
    while left > 0 {
        let Some(pair) = body.get(bytes..bytes + 2) else { return body.len() };
        left = left.saturating_sub(told(u16::from_be_bytes([pair[0], pair[1]])));
        bytes += 2;
    }
    bytes
}
