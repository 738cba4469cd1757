//! The one integration binary.

mod architecture;
mod http;
mod protocol;
mod room_model;
mod signaling;
mod support;
mod wire;
