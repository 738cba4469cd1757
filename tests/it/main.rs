//! The one integration binary.

mod sfu;
mod wire;
