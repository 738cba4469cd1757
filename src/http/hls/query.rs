//! What a request asks for beside a file. Pure.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crescendo_hls::Query;

/// Farthest that playback may be asked to start from an end, in seconds: a year.
const START_MOST_S: f64 = 31_536_000.0;

/// The query of a request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Asked {
    /// Delivery directives.
    pub(super) query: Query,
    /// `start`: where players are told to begin, in seconds from the playlist's beginning, from its end if negative
    /// (EXT-X-START, RFC 8216 section 4.3.5.2).
    pub(super) start_s: Option<f64>,
    /// `viewer`: by whom, as players are told to say.
    pub(super) viewer: Option<Viewer>,
}

/// Tells those who watch apart, and says nothing else of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Viewer(pub(super) u64);

impl Viewer {
    /// What a player calls itself may be any text; what it is told to say is 16 hexadecimal digits.
    fn parse(text: &str) -> Self {
        let digits = text.len() == VIEWER_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u64::from_str_radix(text, 16).ok() } else { None };
        Self(number.unwrap_or_else(|| {
            let mut hash = DefaultHasher::new();
            text.hash(&mut hash);
            hash.finish()
        }))
    }
}

/// Those of a [`Viewer`].
pub(super) const VIEWER_DIGITS: usize = 16;

impl Asked {
    /// Finds ours among whatever else a player or a token adds. None where one of ours makes no sense.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut asked = Self::default();
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "_HLS_msn" => asked.query.msn = Some(value.parse().ok()?),
                "_HLS_part" => asked.query.part = Some(value.parse().ok()?),
                // `v2` leaves out old date ranges as well, of which there are none.
                "_HLS_skip" => asked.query.skip = matches!(value, "YES" | "v2"),
                "start" => {
                    let start: f64 = value.parse().ok()?;
                    asked.start_s = Some(start).filter(|start| start.abs() <= START_MOST_S);
                    asked.start_s?;
                }
                "viewer" => asked.viewer = Some(Viewer::parse(value)),
                _ => {}
            }
        }
        Some(asked)
    }
}
