//! What somebody may do in a room.

use std::collections::BTreeSet;
use std::fmt;

use super::refused::Refused;
use crate::room::Source;

/// Each stands for itself, but that `admin` includes `legs`, and who is hidden publishes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Take a place in the room.
    pub join: bool,
    pub publish: Sources,
    /// Receive what others send, as a participant or as a viewer of the broadcast.
    pub subscribe: bool,
    /// Start and stop broadcasts and recordings.
    pub legs: bool,
    /// Use the API's routes of the room.
    pub admin: bool,
    /// Take part unseen: others are not told, and nothing can be published.
    pub hidden: bool,
}

/// What may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sources {
    All,
    Only(BTreeSet<Source>),
}

impl Sources {
    pub(super) fn none() -> Self {
        Self::Only(BTreeSet::new())
    }
}

/// One thing that may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    Join,
    Publish(Source),
    Subscribe,
    Legs,
    Admin,
}

impl Grants {
    pub fn everything() -> Self {
        Self { join: true, publish: Sources::All, subscribe: true, legs: true, admin: true, hidden: false }
    }

    pub fn has(&self, grant: Grant) -> bool {
        match grant {
            Grant::Join => self.join,
            Grant::Publish(_) if self.hidden => false,
            Grant::Publish(source) => match &self.publish {
                Sources::All => true,
                Sources::Only(sources) => sources.contains(&source),
            },
            Grant::Subscribe => self.subscribe,
            Grant::Legs => self.legs || self.admin,
            Grant::Admin => self.admin,
        }
    }

    /// # Errors
    /// It is not among these.
    pub fn check(&self, grant: Grant) -> Result<(), Refused> {
        if self.has(grant) { Ok(()) } else { Err(Refused::NotGranted(grant)) }
    }

    /// Anything at all may be published.
    pub fn publishes(&self) -> bool {
        match &self.publish {
            Sources::All => !self.hidden,
            Sources::Only(sources) => !self.hidden && !sources.is_empty(),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grant::Join => "join",
            Grant::Publish(Source::Microphone) => "publish microphone",
            Grant::Publish(Source::Camera) => "publish camera",
            Grant::Publish(Source::Screen) => "publish screen",
            Grant::Publish(Source::ScreenAudio) => "publish screen-audio",
            Grant::Subscribe => "subscribe",
            Grant::Legs => "legs",
            Grant::Admin => "admin",
        })
    }
}
