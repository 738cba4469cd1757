//! The HLS leg: encoded frames in, CMAF parts and low-latency playlists out.
//!
//! ```text
//! frames ─┬─ H.264 ─ picture (whose) ─ Chunker ─┐
//!         └─ Opus ── audio (decode, mix, AAC) ─ Chunker ─┴─ store (window, playlists) ─┬─ players, by Store::get
//!                                                                                      └─ disk
//! ```

mod audio;
mod chunker;
mod disk;
mod leg;
mod mix;
mod picture;
mod playlist;
mod store;
mod window;

pub use leg::{HlsLeg, Options};
pub use store::{Answer, File, FileKind, INDEX, Query, Store};
