//! What travels on the WebSocket.
//!
//! [`message`] is the wire, [`whip`] are participants without a socket, [`outgoing`] a message on its way to sockets,
//! [`outbox`] what waits for one, [`socket`] the life of one connection, [`limit`] what a client may ask for in how short a time.

pub mod antmedia;
pub mod convert;
mod limit;
pub mod message;
pub mod outbox;
pub mod outgoing;
pub mod socket;
pub mod whip;
