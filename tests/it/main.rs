//! The one integration binary.

mod architecture;
mod http;
mod protocol;
mod signaling;
mod support;
mod wire;
