//! Names and numbers by which the parts of a room are known.
//!
//! Every number is allotted by the room that it belongs to, counts up from 1 and is never used twice in the
//! life of that room, so a late message about something that is gone can be told from one about its successor.

use std::fmt;
use std::str::FromStr;

/// A room's name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, and neither `.` nor `..`.
///
/// Checked once, where it enters; a `RoomName` is safe in a path, a page and a log line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(String);

/// Longest room name, in characters.
pub const ROOM_NAME_MAX: usize = 64;

/// A room's name broke the rule of [`RoomName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room name has 1 to 64 characters of A-Z a-z 0-9 . _ - and is neither . nor ..")]
pub struct BadRoomName;

impl RoomName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = BadRoomName;

    fn from_str(name: &str) -> Result<Self, BadRoomName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = (1..=ROOM_NAME_MAX).contains(&name.len()) && name.chars().all(allowed);
        if fits && name != "." && name != ".." { Ok(Self(name.to_owned())) } else { Err(BadRoomName) }
    }
}

impl RoomName {
    /// For logs: who knows the whole name of a room may be let in by it.
    pub fn short(&self) -> impl fmt::Display {
        const SHOWN: usize = 8;
        match self.0.get(..SHOWN) {
            Some(beginning) if self.0.len() > SHOWN => format!("{beginning}…"),
            Some(_) | None => self.0.clone(),
        }
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An identifier was not of the form that the room gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct BadId;

/// An identifier that is a number inside and a letter and a number outside: `p7`, `t12`, `l1`.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let digits = text.strip_prefix($prefix).ok_or(BadId)?;
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(BadId);
                }
                digits.parse().map(Self).map_err(|_| BadId)
            }
        }
    };
}

id!(
    /// Somebody in the room: `p1`, `p2`, …
    ParticipantId, "p"
);
id!(
    /// A publication of a participant: `t1`, `t2`, …
    TrackId, "t"
);
id!(
    /// A server-side consumer of the room: `l1`, `l2`, …
    LegId, "l"
);

/// One mesh link between two participants. A pair that is linked again gets a new number, and what is said of the old one
/// is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// Counts the room's changes of direction. A report about an older epoch is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u32);
