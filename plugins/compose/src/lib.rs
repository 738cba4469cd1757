//! Several participants in one picture and one sound, for legs that show them together.
//!
//! ```text
//! frames ─┬─ Composite (decode, lay out, encode) ─ H.264 ─┐
//!         └─ Sound (decode, mix, encode) ─ AAC or Opus ───┴─ a leg
//!                └─ Speakers: who is loudest, and shown larger
//!
//! Studio: all of it, for a leg that wants no more than one picture and one sound
//! ```
//!
//! GStreamer decodes and encodes; what is where, and when, is decided here.

mod budget;
mod composite;
pub mod decode;
pub mod encode;
mod floor;
mod mix;
pub mod pipeline;
mod rungs;
mod sound;
mod speakers;
mod studio;

pub use budget::{Budget, Place};
pub use composite::{COMPOSED, Composite, Composition, LAYER_SILENT, Layout, Size};
pub use rungs::Rungs;
pub use sound::{AAC_FRAME, Encoding, MIX_DELAY, Sound};
pub use speakers::Speakers;
pub use studio::{AHEAD_MOST, MIXED, Studio};
