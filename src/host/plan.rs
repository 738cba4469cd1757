//! A room that the API has made: how it differs from what is configured, and how long it is kept.

use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

use super::Refusal;
use crate::config::{self, Config, ConfigError};

/// Settings of one room. What is absent is as it is configured (`[room]`), and has the same meaning and bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Plan {
    /// Most participants that talk peer to peer.
    #[schema(minimum = 1, maximum = 100)]
    #[serde(deserialize_with = "whole")]
    pub mesh_limit: Option<u32>,
    /// From this many participants on, each holds an idle transport to the server.
    #[schema(minimum = 1)]
    #[serde(deserialize_with = "whole")]
    pub warm_at: Option<u32>,
    /// Milliseconds that the room must have been small before it goes back to mesh.
    #[schema(minimum = 1)]
    #[serde(deserialize_with = "whole")]
    pub demote_after_ms: Option<u32>,
    /// Share of a mesh's links that may be relayed.
    #[schema(minimum = 0, maximum = 1)]
    pub relayed_to_sfu: Option<f64>,
    /// Milliseconds that a switch may take.
    #[schema(minimum = 500)]
    #[serde(deserialize_with = "whole")]
    pub switch_deadline_ms: Option<u32>,
    /// With how many others at once a participant changes its path.
    #[schema(minimum = 1)]
    #[serde(deserialize_with = "whole")]
    pub moves_at_once: Option<u32>,
    /// Milliseconds that one whose socket was lost keeps its place.
    #[serde(deserialize_with = "whole")]
    pub resume_grace_ms: Option<u32>,
    /// Most participants.
    #[schema(minimum = 1)]
    #[serde(deserialize_with = "whole")]
    pub capacity: Option<u32>,
    #[serde(deserialize_with = "whole")]
    pub tracks_per_participant: Option<u32>,
    #[serde(deserialize_with = "whole")]
    pub max_legs: Option<u32>,
    /// Milliseconds that the room is kept while nobody is there.
    #[schema(minimum = 1000)]
    #[serde(deserialize_with = "whole")]
    pub empty_ms: Option<u32>,
}

/// A whole number as JSON Schema has it: `4.0` is one.
pub fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(from)? else { return Ok(None) };
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    if is_whole {
        Ok(Some(number as u32))
    } else {
        Err(de::Error::custom("expected a whole number of 0 to 4294967295"))
    }
}

impl Plan {
    /// What is configured, with this laid over it.
    ///
    /// # Errors
    /// A value is out of its range.
    pub fn over(&self, config: &Config) -> Result<config::Room, ConfigError> {
        let count = |own: Option<u32>, configured: usize| own.map_or(configured, |own| own as usize);
        let mut room = config.room.clone();
        room.mesh_limit = count(self.mesh_limit, room.mesh_limit);
        room.warm_at = count(self.warm_at, room.warm_at);
        room.demote_after_ms = self.demote_after_ms.unwrap_or(room.demote_after_ms);
        room.relayed_to_sfu = self.relayed_to_sfu.unwrap_or(room.relayed_to_sfu);
        room.switch_deadline_ms = self.switch_deadline_ms.unwrap_or(room.switch_deadline_ms);
        room.moves_at_once = count(self.moves_at_once, room.moves_at_once);
        room.resume_grace_ms = self.resume_grace_ms.unwrap_or(room.resume_grace_ms);
        room.capacity = count(self.capacity, room.capacity);
        room.tracks_per_participant = count(self.tracks_per_participant, room.tracks_per_participant);
        room.max_legs = count(self.max_legs, room.max_legs);
        room.empty_ms = self.empty_ms.unwrap_or(room.empty_ms);
        config::check(&Config { room: room.clone(), ..config.clone() })?;
        Ok(room)
    }
}

/// Why a room was not made.
#[derive(Debug)]
pub enum NotMade {
    Settings(ConfigError),
    IsThere,
    Refused(Refusal),
}

/// How long a room that the API has made is kept while nobody is there.
#[derive(Debug)]
pub(super) struct Kept {
    empty: Duration,
    until: Instant,
}

impl Kept {
    pub(super) fn new(now: Instant, room: &config::Room) -> Self {
        let empty = Duration::from_millis(room.empty_ms.into());
        Self { empty, until: now + empty }
    }

    /// Somebody is there.
    pub(super) fn renew(&mut self, now: Instant) {
        self.until = now + self.empty;
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }
}
