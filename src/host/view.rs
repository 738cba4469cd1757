//! Rooms, legs and the whole process as the API shows them.

use super::traffic::TrafficView;
use crate::room::ids::{ParticipantId, RoomName};
use crate::signal::message::{Id, Leg, Mode, Participant, PathView};

/// A room as the API shows it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomView {
    pub name: String,
    pub mode: Mode,
    pub epoch: u32,
    /// The media thread that it lives on, from 0.
    pub shard: usize,
    pub participants: Vec<Participant>,
    /// Those of them of whom the others do not know.
    #[schema(value_type = Vec<String>)]
    pub hidden: Vec<Id<ParticipantId>>,
    /// Every ordered pair.
    pub paths: Vec<PathView>,
    /// What goes to and from each participant.
    pub traffic: Vec<TrafficView>,
    /// What the path from here to each participant takes, where that is known.
    pub downlinks: Vec<DownlinkView>,
    /// Of its broadcast.
    pub viewers: usize,
    pub legs: Vec<LegView>,
}

impl RoomView {
    pub(super) fn empty(name: &RoomName) -> Self {
        Self {
            name: name.to_string(),
            mode: Mode::Mesh,
            epoch: 0,
            shard: 0,
            participants: Vec::new(),
            hidden: Vec::new(),
            paths: Vec::new(),
            traffic: Vec::new(),
            downlinks: Vec::new(),
            viewers: 0,
            legs: Vec::new(),
        }
    }
}

/// What the path to a participant is estimated to take.
#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
pub struct DownlinkView {
    #[schema(value_type = String, example = "p1")]
    pub participant: Id<ParticipantId>,
    pub kbps: u32,
}

/// A leg as the API shows it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegView {
    #[serde(flatten)]
    pub leg: Leg,
    /// When it was started: RFC 3339, UTC. While it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-22T16:00:00Z")]
    pub since: Option<String>,
    /// Of a broadcast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<usize>,
    /// While it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthView>,
}

/// How well a leg has kept up since it was started.
#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthView {
    pub dropped_frames: u64,
    pub late_parts: u64,
}

/// What the whole process has to do.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeLoad {
    pub rooms: usize,
    pub participants: usize,
    /// Broadcasts and recordings that run.
    pub legs: usize,
    /// Media threads, by number.
    pub shards: Vec<ShardView>,
    /// The relay. Absent where it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnView>,
}

/// A media thread.
#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
pub struct ShardView {
    pub rooms: usize,
    /// Between it and clients: up to two a participant.
    pub transports: usize,
}

#[derive(Debug, Clone, Copy, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnView {
    pub allocations: usize,
    pub most_allocations: usize,
}
