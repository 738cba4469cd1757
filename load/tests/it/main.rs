//! The load generator as a test: what goes in by WHIP comes out by WHEP, once, in order and unchanged, on a stack that shares
//! nothing with the server's.

#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test says where")]

mod flood;
mod hostile;
mod server;
mod visit;
