//! What a receiver report says about one sender (RFC 3550 sections 6.4.1, A.3 and A.8).

use std::time::Instant;

#[derive(Debug)]
pub struct Reception {
    base: u64,
    highest: u64,
    received: u64,
    /// At the last report.
    prior: Counted,
    clock_rate: u32,
    /// Arrival and RTP timestamp of the last packet.
    last: (Instant, u32),
    /// In timestamp units.
    jitter: f64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    expected: u64,
    received: u64,
}

/// The changing fields of a report block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    pub fraction_lost: u8,
    /// 24 bits, signed.
    pub cumulative_lost: i32,
    pub highest: u32,
    pub jitter: u32,
}

impl Reception {
    /// Starts with its first packet. `clock_rate` is in Hz.
    pub fn new(index: u64, timestamp: u32, now: Instant, clock_rate: u32) -> Self {
        let prior = Counted::default();
        Self { base: index, highest: index, received: 1, prior, clock_rate, last: (now, timestamp), jitter: 0.0 }
    }

    pub fn arrived(&mut self, index: u64, timestamp: u32, now: Instant) {
        self.received += 1;
        self.highest = self.highest.max(index);
        let (at, last) = self.last;
        let arrival = now.saturating_duration_since(at).as_secs_f64() * f64::from(self.clock_rate);
        let difference = arrival - f64::from(timestamp.wrapping_sub(last) as i32);
        self.jitter += (difference.abs() - self.jitter) / 16.0;
        self.last = (now, timestamp);
    }

    /// Packets that have not come so far. Duplicates may hide some.
    pub fn lost(&self) -> u64 {
        (self.highest.saturating_sub(self.base) + 1).saturating_sub(self.received)
    }

    pub fn report(&mut self) -> Block {
        let now = Counted { expected: self.highest.saturating_sub(self.base) + 1, received: self.received };
        let expected = now.expected - self.prior.expected.min(now.expected);
        let lost = expected.saturating_sub(now.received - self.prior.received);
        self.prior = now;
        Block {
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            cumulative_lost: (now.expected as i64 - now.received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.highest as u32,
            jitter: self.jitter as u32,
        }
    }
}
