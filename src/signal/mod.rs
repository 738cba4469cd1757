//! What travels on the WebSocket.

pub mod message;
