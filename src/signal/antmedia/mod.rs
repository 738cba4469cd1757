//! The second dialect: what Ant Media's SDKs speak at `/{app}/websocket`, so that apps built on them need no change.
//!
//! A client of this dialect is a participant of a room like any other. [`command`] is what it says, [`say`] what it is told;
//! [`client`] is one socket, which may have a place in several rooms, and [`place`] one of those: both pure, they translate
//! between the dialect and the native messages that rooms speak. [`streams`] knows which stream id is whose, and [`doubt`]
//! whether that one is still there; [`socket`] is
//! the life of a connection.

pub mod answers;
pub mod client;
pub mod command;
pub mod doubt;
mod outbox;
pub mod place;
pub mod say;
mod sdp;
pub mod socket;
pub mod streams;
#[cfg(test)]
mod tests;
