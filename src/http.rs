//! Doors that speak HTTP.

#[cfg(feature = "hls")]
pub mod hls;
