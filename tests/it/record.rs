//! Recordings from RTP packets to files that ffmpeg decodes, and what the API does with them.

mod api;
#[cfg(feature = "cloud")]
pub(crate) mod cloud;
mod scenes;
mod upload;
