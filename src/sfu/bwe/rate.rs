//! Rates of bits.

use std::ops::{Add, Mul, Sub};
use std::time::Duration;

/// In bits a second; never negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Rate(f64);

impl Rate {
    pub const ZERO: Self = Self(0.0);

    pub fn from_kbps(kbps: u32) -> Self {
        Self(f64::from(kbps) * 1_000.0)
    }

    /// So many bytes in this time, which is at least a microsecond.
    pub fn of(bytes: u64, time: Duration) -> Self {
        Self(bytes as f64 * 8.0 / time.as_secs_f64().max(1e-6))
    }

    pub fn kbps(self) -> f64 {
        self.0 / 1_000.0
    }

    /// Whole bytes of this rate in `time`.
    pub fn bytes_in(self, time: Duration) -> usize {
        (self.0 / 8.0 * time.as_secs_f64()) as usize
    }

    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    pub fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// `most` wins where it is below `least`.
    pub fn clamp(self, least: Self, most: Self) -> Self {
        self.max(least).min(most)
    }
}

impl Add for Rate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Rate {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0.0))
    }
}

impl Mul<f64> for Rate {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self(self.0 * factor)
    }
}

impl std::iter::Sum for Rate {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::ZERO, Self::add)
    }
}
