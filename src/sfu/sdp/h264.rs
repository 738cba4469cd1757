//! Profiles of H.264 as `profile-level-id` names them (RFC 6184 section 8.1).

/// What decoders are told apart by here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
}

impl Profile {
    /// Of `a=fmtp` parameters; without a profile it is baseline. Nothing for one that no client of ours has.
    pub(super) fn of(parameters: &str) -> Option<Self> {
        let Some(id) = parameter(parameters, "profile-level-id") else { return Some(Self::Baseline) };
        let byte = |at: usize| u8::from_str_radix(id.get(at..at + 2).filter(|_| id.len() == 6)?, 16).ok();
        // Table 5: profile_idc, and the constraint flags that matter; the lowest two bits are reserved.
        match (byte(0)?, byte(2)?) {
            (0x42, flags) if flags & 0x40 != 0 => Some(Self::ConstrainedBaseline),
            (0x42, _) => Some(Self::Baseline),
            (0x4d, flags) if flags & 0x80 != 0 => Some(Self::ConstrainedBaseline),
            (0x4d, _) => Some(Self::Main),
            (0x58, flags) if flags & 0xc0 == 0xc0 => Some(Self::ConstrainedBaseline),
            (0x58, flags) if flags & 0xc0 == 0x80 => Some(Self::Baseline),
            (0x64, flags) if flags & 0x0c == 0x0c => Some(Self::ConstrainedHigh),
            (0x64, _) => Some(Self::High),
            _ => None,
        }
    }

    /// What can decode this profile, the closest first. Who says baseline sends none of what constrained baseline has not:
    /// no encoder in use has ever had that.
    pub(super) fn decoders(self) -> &'static [Self] {
        match self {
            Self::ConstrainedBaseline => {
                &[Self::ConstrainedBaseline, Self::Baseline, Self::Main, Self::ConstrainedHigh, Self::High]
            }
            Self::Baseline => {
                &[Self::Baseline, Self::ConstrainedBaseline, Self::Main, Self::ConstrainedHigh, Self::High]
            }
            Self::Main => &[Self::Main, Self::High],
            Self::ConstrainedHigh => &[Self::ConstrainedHigh, Self::High],
            Self::High => &[Self::High],
        }
    }
}

/// Units may be spread over packets (FU-A).
pub(super) fn is_non_interleaved(parameters: &str) -> bool {
    parameter(parameters, "packetization-mode") == Some("1")
}

/// The value of one of the parameters of `a=fmtp`.
pub(super) fn parameter<'a>(parameters: &'a str, wanted: &str) -> Option<&'a str> {
    let mut pairs = parameters.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
