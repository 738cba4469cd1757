//! Crescendo: a call that grows.

pub mod config;
pub mod room;
pub mod sfu;
pub mod signal;
