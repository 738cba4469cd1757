//! The one integration binary.

mod antmedia;
mod architecture;
mod feed;
mod hls;
mod http;
mod listen;
mod protocol;
mod record;
mod room_model;
mod sfu;
mod signaling;
mod support;
mod turn;
mod whip;
mod wire;
