//! The one integration binary.

mod access;
mod antmedia;
mod api;
mod architecture;
mod feed;
mod hls;
mod http;
mod jwks;
mod listen;
mod messages;
mod operators;
#[cfg(feature = "frame-count")]
mod other;
mod protocol;
mod record;
mod room_model;
mod sfu;
mod signaling;
mod stream_tokens;
mod support;
mod turn;
mod webhooks;
mod whip;
mod wire;
