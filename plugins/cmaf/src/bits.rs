//! What bitstream headers are read with.

/// Reads bits, the most significant first; None past the end.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `count` bits as a number, at most 32.
    pub(crate) fn u(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.bit().map(drop))
    }

    /// Unsigned Exp-Golomb code (section 9.1).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let mut rest = 0;
        for _ in 0..zeros {
            rest = rest << 1 | u32::from(self.bit()?);
        }
        Some((1_u32 << zeros) - 1 + rest)
    }

    /// Signed Exp-Golomb code (section 9.1.1).
    pub(crate) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }
}
