//! Crescendo: a call that grows.

pub mod config;
pub mod http;
pub mod legs;
pub mod room;
pub mod sfu;
pub mod signal;
