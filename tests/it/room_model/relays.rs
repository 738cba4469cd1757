//! When a room that is small enough for a mesh is on the SFU all the same, because its links go by relays.

use std::time::Instant;

use crescendo::room::{Carrier, Event, Input, LinkReport, Mode, Output};

use super::world::World;

#[derive(Debug)]
pub(super) struct Relays {
    /// Since when most links of a mesh have been relayed while everybody was connected to the server.
    suffered_since: Option<Instant>,
    /// The room left its mesh for that, and nobody has come or gone since.
    avoided: bool,
    /// Where the room was at rest last.
    pub(super) settled_on: Carrier,
}

impl Relays {
    pub(super) fn new() -> Self {
        Self { suffered_since: None, avoided: false, settled_on: Carrier::Mesh }
    }
}

impl World {
    /// `was`: mode, and where the room had last been at rest, before the input.
    pub(super) fn check_relays(&mut self, input: &Input, out: &[Output], was: (Mode, Carrier)) {
        for link in self.links.values() {
            let [a, b] = link.ends;
            let said = link.said.values().copied().reduce(|one, other| one || other);
            assert_eq!(self.room.is_relayed(a, b), said, "the room knows what its ends have said");
        }
        let due = |since: Option<Instant>| since.is_some_and(|since| since + self.settings.demote_after <= self.now);
        let aims_for_mesh = matches!(self.mode, Mode::Mesh | Mode::Demoting);
        let leaves_mesh = was.0 == Mode::Mesh && !aims_for_mesh && self.fits_mesh();
        assert!(!leaves_mesh || due(self.relays.suffered_since), "a small mesh is left for long suffered relays only");
        let returns = was.0 == Mode::Sfu && aims_for_mesh && self.all_are_connected();
        let came_or_went = out.iter().any(|output| match output {
            Output::Tell { event, .. } => matches!(event, Event::ParticipantJoined(_)),
            Output::Removed { .. } => true,
            _ => false,
        });
        let avoided = (self.relays.avoided || leaves_mesh) && !came_or_went;
        assert!(!avoided || !returns, "the same people do not go back to their relays");
        let met_relay = matches!(input, Input::Link { report: LinkReport::Connected { relayed: true }, link, .. }
            if self.links.contains_key(link));
        let is_demotion = was == (Mode::Demoting, Carrier::Sfu);
        if is_demotion && met_relay && self.all_are_connected() {
            assert!(!aims_for_mesh, "a relayed link calls a demotion off");
        }
        let relayed = self.links.values().filter(|link| link.said.values().any(|&relayed| relayed)).count();
        let is_mostly_relayed = relayed as f64 > self.settings.relayed_to_sfu * self.links.len() as f64;
        let suffers = aims_for_mesh && is_mostly_relayed && self.all_are_connected();
        self.relays.suffered_since = suffers.then(|| self.relays.suffered_since.unwrap_or(self.now));
        let is_overdue = self.relays.suffered_since.is_some_and(|at| at + self.settings.demote_after <= self.now);
        assert!(!is_overdue, "relays are not suffered for longer");
        self.relays.avoided = avoided && !aims_for_mesh;
        match self.mode {
            Mode::Mesh => self.relays.settled_on = Carrier::Mesh,
            Mode::Sfu => self.relays.settled_on = Carrier::Sfu,
            Mode::Promoting | Mode::Demoting => {}
        }
    }
}
