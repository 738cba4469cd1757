//! Crescendo: a call that grows.
//!
//! Start with `ARCHITECTURE.md`: what each room of the house is for, who may know whom, and the ways of a packet and of a join.

pub mod access;
pub mod check;
pub mod config;
pub mod doctor;
pub mod fetch;
pub mod host;
pub mod http;
pub mod jwks;
pub mod legs;
pub mod listen;
pub mod room;
pub mod sfu;
pub mod signal;
pub mod trace;
pub mod turn;
pub mod webhooks;
pub mod websocket;
