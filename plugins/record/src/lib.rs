//! The record leg: encoded frames in, crash-safe MP4 or WebM files out, one a participant, or one of everybody together.
//!
//! ```text
//! frames ── Subject (a participant's camera and microphone, or screen) ── Take (a file's fragments) ── Writer ── Writing
//!             ├─ Picture: from key frame on                                          (the way to its own thread) ├─ one file each
//!             └─ Sound: without a hole                                                                           └─ recording.json
//! ```
//!
//! Each file is a fragmented MP4, or a live WebM ([`mod@webm`]), to which whole fragments are appended, so that it plays up to the last one whenever the server
//! ends; at its end it becomes an ordinary one in place ([`mod@finish`]). [`Library`] finds recordings again, finishes those
//! that were cut off, and deletes old ones.

mod container;
mod disk;
mod finish;
mod leg;
mod library;
mod name;
mod outgoing;
mod picture;
mod place;
mod salvage;
mod sidecar;
mod sound;
mod subject;
mod take;
mod webm;
mod writer;
mod writing;

pub use container::Container;
pub use leg::{Options, RecordLeg};
pub use library::{Keep, Library, LibraryError, Listed, RecordingId};
pub use name::{Template, TemplateError};
pub use outgoing::Outgoing;
pub use sidecar::{
    Gap, Person, RecordedFile, RecordedTrack, Recording, RecordingState, SIDECAR, Source, Starter, Uploaded,
};
pub use writer::Sync;

use std::time::Duration;

/// Rounded to the nearest unit.
fn ticks(time: Duration, timescale: u32) -> u64 {
    ((time.as_nanos() * u128::from(timescale) + 500_000_000) / 1_000_000_000) as u64
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
