//! The TURN server from outside: coturn's client, and messages that this one writes itself.

mod client;
mod coturn;
mod hostile;
mod stop;
