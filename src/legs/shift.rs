//! How far the RTP clocks of a picture's layers are apart (RFC 3550 section 6.4.1). Pure.
//!
//! Each layer has its own RTP clock, which began anywhere; all of them run alike, so that what has to be added to the timestamps
//! of one to get those of another never changes. Sender reports of both tell it to within a millisecond.

#[cfg(test)]
mod tests;

/// A report that says otherwise by more than this, in seconds, is of a stream that began anew. Higher: bears worse reports; lower:
/// finds smaller jumps.
const TOLERANCE: f64 = 0.02;

/// A sender report: NTP time in 32.32 fixed point, and what the RTP clock showed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) ntp: u64,
    pub(super) rtp: u32,
}

impl Report {
    pub(super) fn shifted(self, shift: u32) -> Self {
        Self { rtp: self.rtp.wrapping_add(shift), ..self }
    }
}

/// What is added to timestamps of `own` clock, of `rate` Hz, to have them on the `common` one. What was `known` stays while it is
/// right, so that no frame moves against the others.
pub(super) fn of(own: Report, common: Report, known: Option<u32>, rate: u32) -> u32 {
    let later = own.ntp.wrapping_sub(common.ntp) as i64 as f64 / (1_u64 << 32) as f64;
    let ticks = (later * f64::from(rate)).round() as i64 as u32;
    let shift = common.rtp.wrapping_add(ticks).wrapping_sub(own.rtp);
    let is_right = |known: u32| f64::from(known.wrapping_sub(shift) as i32).abs() <= TOLERANCE * f64::from(rate);
    known.filter(|known| is_right(*known)).unwrap_or(shift)
}
