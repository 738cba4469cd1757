//! What a room does about relays: a mesh whose links mostly go through TURN sends each picture to the server once for each of
//! the others, where the SFU takes it once for all.

use std::time::Instant;

use super::{Carrier, Demotion, Room};

impl Room {
    /// A link goes through TURN. That calls a demotion off, unless the SFU could not take the room back.
    pub(super) fn meet_relay(&mut self) {
        if self.target.is_demoting() && self.is_sfu_ready() {
            self.target.demotion = Demotion::Relayed;
        }
    }

    /// A mesh has been the worse choice for so long that it is no passing state. A room that goes back to mesh has no relayed
    /// link at all, which keeps it from going to and fro.
    pub(super) fn suffers_relays(&mut self, now: Instant) -> bool {
        self.account_for_relays(now);
        self.target.relayed_since.is_some_and(|since| since + self.settings.demote_after <= now)
    }

    /// Notes since when a mesh has been the worse choice.
    pub(super) fn account_for_relays(&mut self, now: Instant) {
        let suffers = self.target.carrier == Carrier::Mesh && self.is_mostly_relayed() && self.is_sfu_ready();
        self.target.relayed_since = suffers.then(|| self.target.relayed_since.unwrap_or(now));
    }

    /// The room left its mesh for its relays, and the SFU has failed it: relays are better than nothing.
    pub(super) fn wants_relays(&self) -> bool {
        self.is_sfu_broken() || self.target.is_promoting() && self.is_sfu_unused()
    }

    fn is_mostly_relayed(&self) -> bool {
        let relayed = self.links.values().filter(|link| link.relayed() == Some(true)).count();
        relayed as f64 > self.settings.relayed_to_sfu * self.links.len() as f64
    }

    /// The server can bring everybody's media to everybody.
    fn is_sfu_ready(&self) -> bool {
        self.ways.keys().all(|&pair| self.is_proven(pair))
    }
}
