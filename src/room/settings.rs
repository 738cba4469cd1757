//! What a room may decide by.

use std::time::Duration;

use super::VideoCodec;

/// What a room may decide by. Every value comes from configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most participants that talk peer to peer; one more and the room moves to the SFU.
    pub mesh_limit: usize,
    /// From this many participants on each holds an idle transport to the server.
    pub warm_at: usize,
    /// How long the room must have stayed at or below `mesh_limit` before it moves back to mesh, and how long most links of
    /// a mesh must have been relayed before it moves to the SFU for that. Not zero.
    pub demote_after: Duration,
    /// Share of a mesh's links that may be relayed, 0 to 1; with more the room is better off on the SFU.
    pub relayed_to_sfu: f64,
    /// How long a switch may take before the pairs that are not there yet are reported as stuck, and how long a newcomer
    /// who needs the server may take to reach it before being refused.
    pub switch_deadline: Duration,
    /// With how many others at once a participant changes the path during a switch, in its first half.
    pub moves_at_once: usize,
    /// How long a participant whose socket was lost keeps the place.
    pub resume_grace: Duration,
    /// Most participants in the room.
    pub capacity: usize,
    /// Most participants who publish anything.
    pub publishers: usize,
    /// Most tracks of one participant.
    pub tracks_per_participant: usize,
    /// Most legs of the room.
    pub max_legs: usize,
    /// Video codecs, the most wanted first; participants send the first one that everybody can decode.
    pub video_codecs: Vec<VideoCodec>,
}
