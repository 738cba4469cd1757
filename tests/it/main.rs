//! The one integration binary.

mod wire;
