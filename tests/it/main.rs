//! The one integration binary.

mod hls;
mod wire;
