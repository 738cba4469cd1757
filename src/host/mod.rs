//! The shell around the pure rooms: one task a room, which carries out what the room decides.
//!
//! [`Rooms`] finds or makes the task of a room, out of what they all share ([`shared`]); [`seat`] is how one comes in, [`request`]
//! what a room is asked, [`task`] its loop, [`hear`] what participants say, [`carry`] how outputs are carried out; [`ice`] which STUN
//! and TURN servers clients are told of, and what they say of ICE; [`member`] what a participant has beside its place in the room:
//! the socket, the two server transports with their SDP; [`messages`] what the application sends; [`events`] what others are told of
//! it all; [`plan`] rooms that the API makes and [`govern`] what else it may do with them; [`view`] what it shows of them; [`traffic`]
//! how much goes to and from each; [`legs`] the running legs, [`recordings`] and [`broadcasts`] what they left on disk; [`limit`],
//! [`busy`] and [`rates`] who is one too many, [`refusal`] what that one is told.

mod beat;
pub mod broadcasts;
mod bucket;
mod busy;
mod carry;
pub mod events;
mod govern;
mod hear;
mod ice;
mod legs;
pub mod limit;
mod member;
mod messages;
mod other;
pub mod plan;
mod rates;
pub mod recordings;
mod refusal;
mod request;
mod rooms;
mod seat;
mod shared;
mod task;
mod trace;
mod traffic;
mod view;

pub use ice::{IfMatch, Patched};
pub use refusal::Refusal;
pub use rooms::Rooms;
pub use seat::{Entry, Joining, Manner, Resuming, Seat};
pub use view::{DownlinkView, HealthView, LegView, NodeLoad, RoomView, ShardView, TurnView};

use crate::config::Config;
use crate::signal::message::LegKind;

/// The kinds of leg that this server does.
pub fn legs_supported(config: &Config) -> &'static [LegKind] {
    match (config.record.is_on(), other::IS_BUILT) {
        (true, true) => &[LegKind::Hls, LegKind::Record, LegKind::Other],
        (true, false) => &[LegKind::Hls, LegKind::Record],
        (false, true) => &[LegKind::Hls, LegKind::Other],
        (false, false) => &[LegKind::Hls],
    }
}
