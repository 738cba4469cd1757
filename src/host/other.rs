//! The leg of kind `other`: the one that this server was built with besides its own (docs/extending.md).

use crescendo_leg_api::Leg;

use crate::config;
use crate::room::ids::{LegId, RoomName};

/// It was built with one.
pub(super) const IS_BUILT: bool = cfg!(feature = "frame-count");

/// A leg for `room`.
#[cfg(feature = "frame-count")]
pub(super) fn leg(config: &config::Legs, room: &RoomName, leg: LegId) -> Option<Box<dyn Leg>> {
    let file = config.other_directory.join(room.as_str()).join(format!("{leg}.json"));
    Some(Box::new(crescendo_frame_count::FrameCount::new(file)))
}

#[cfg(not(feature = "frame-count"))]
pub(super) fn leg(_config: &config::Legs, _room: &RoomName, _leg: LegId) -> Option<Box<dyn Leg>> {
    None
}
