//! The one integration binary.

mod http;
mod protocol;
mod signaling;
mod support;
mod wire;
