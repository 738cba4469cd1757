//! The HLS leg: encoded frames in, CMAF parts and low-latency playlists out.
//!
//! ```text
//! frames ─┬─ (a layout of several) composite ───────────────┐
//!         ├─ VP8, VP9, AV1 ─ foreign (whose) ─ transcode ─┐
//!         ├─ H.264 ─────────────────────────────────────────┴─ picture (whose) ─ ladder (its layers) ─ Chunker ─┐
//!         └─ Opus ── Sound (decode, mix, AAC) ──────────────── Chunker ─┴─ store (window, playlists) ─┬─ players, by Store::get
//!                                                                                        archive, when it is over ─ disk ─┘
//! ```

mod archive;
mod chunker;
mod disk;
mod foreign;
mod ladder;
mod leg;
mod picture;
mod playlist;
mod store;
mod text;
mod transcode;
mod viewers;
mod window;

pub use archive::{Archive, Keep};
pub use crescendo_compose::{Budget, Composition, Layout, Size};
pub use leg::{HlsLeg, Options};
pub use playlist::END;
pub use store::{Answer, INDEX, Query, Store};
pub use text::Text;
