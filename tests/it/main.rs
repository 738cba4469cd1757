//! The one integration binary.

mod room_model;
mod wire;
