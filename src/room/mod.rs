//! The session manager: who is in a room and which way each pair's media takes.
//!
//! Pure: no I/O, no clock, no async. The host calls [`Room::handle`] with what happened and carries out what comes back;
//! time is an argument. After each input drain every output, then read [`Room::poll_timeout`].
//!
//! An input changes facts (`apply`), then one pass derives from the facts what should be and puts out the differences
//! (`reconcile`). What a room does therefore depends on what is, never on how it came about.

mod apply;
mod error;
pub mod ids;
mod input;
mod leg;
mod link;
mod mode;
pub mod names;
mod output;
mod pace;
mod participant;
mod path;
mod publication;
mod reconcile;
mod relay;
mod settings;
mod supply;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::BTreeMap;
use std::time::Instant;

pub use error::RoomError;
use ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};
pub use input::Input;
pub use leg::{Format, Ladder, Layout, LegInfo, LegKind, LegPlan, LegState, NoLadder};
pub use link::LinkReport;
pub use mode::{Carrier, Mode};
pub use output::{Departure, Event, Output};
pub use participant::{ParticipantInfo, Reach};
pub use path::PathInfo;
pub use publication::{Kind, Source, TrackInfo, VideoCodec};
pub use settings::Settings;
pub use transport::{Direction, TransportReport};

use leg::Leg;
use link::{Couple, Link};
use mode::{Demotion, Phase, Target};
use participant::{Participant, Presence};
use path::{Pair, Path, Progress, Way};

/// One room. Everything that is known of it lives here and nowhere else.
#[derive(Debug)]
pub struct Room {
    settings: Settings,
    /// The time of the last input. What was due by then has been dealt with.
    now: Instant,
    target: Target,
    /// What participants were told last.
    announced: (Mode, Epoch),
    participants: BTreeMap<ParticipantId, Participant>,
    /// Every ordered pair of two who are in the room, one of whom receives and the other sends.
    ways: BTreeMap<Pair, Way>,
    links: BTreeMap<Couple, Link>,
    legs: BTreeMap<LegId, Leg>,
    /// The codec that the host was told last.
    codec: Option<VideoCodec>,
    last: LastIds,
}

/// The last numbers that were given out.
#[derive(Debug, Default)]
struct LastIds {
    participant: u32,
    track: u32,
    leg: u32,
    link: u32,
}

impl Room {
    /// An empty room. The host has to drop it when nobody comes: [`Output::Empty`] is said when the last one goes.
    pub fn new(settings: Settings, now: Instant) -> Self {
        let target = Target::new();
        Self {
            now,
            announced: (target.mode(), target.epoch),
            target,
            participants: BTreeMap::new(),
            ways: BTreeMap::new(),
            links: BTreeMap::new(),
            legs: BTreeMap::new(),
            codec: settings.video_codecs.first().copied(),
            last: LastIds::default(),
            settings,
        }
    }

    /// Takes in what happened and adds what is to be done to `out`, in order.
    ///
    /// A time before that of an earlier input counts as that one. Late reports about what is gone or was superseded (a
    /// link, a closed transport, an older epoch) are no errors; they change nothing.
    ///
    /// # Errors
    /// The input was refused: nothing has changed and `out` is untouched.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), RoomError> {
        let now = now.max(self.now);
        let was_empty = self.is_empty();
        self.apply(now, input, out)?;
        self.now = now;
        self.reconcile(now, out);
        if self.is_empty() && !was_empty {
            self.end(out);
        }
        Ok(())
    }

    /// When [`Input::Timeout`] is due. Always later than the last input's time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let Settings { demote_after, switch_deadline, resume_grace, .. } = self.settings;
        let graces = self.participants.values().filter_map(|participant| match participant.presence {
            Presence::Here => None,
            Presence::Away { since } => Some(since + resume_grace),
        });
        let retries = self.participants.values().flat_map(|p| [p.up.retry_at(), p.down.retry_at()]).flatten();
        let paths = self.ways.values().filter_map(|way| match way.path {
            Path::Nothing { since } => Some(since + switch_deadline),
            Path::Arriving { order } | Path::Moving { order } => match order.progress {
                Progress::InTime => Some(order.since + switch_deadline),
                Progress::Stuck => None,
            },
            Path::Settled { .. } => None,
        });
        let switch = self.target.switching_since().map(|since| since + switch_deadline);
        let demotion = match self.target.demotion {
            Demotion::Unwanted | Demotion::CalledOff | Demotion::Relayed => None,
            Demotion::Waiting { since } => Some(since + demote_after),
        };
        let relays = self.target.relayed_since.map(|since| since + demote_after);
        graces
            .chain(retries)
            .chain(paths)
            .chain(switch)
            .chain(self.pace_ends())
            .chain(demotion)
            .chain(relays)
            .filter(|&at| at > self.now)
            .min()
    }

    pub fn mode(&self) -> Mode {
        self.target.mode()
    }

    pub fn epoch(&self) -> Epoch {
        self.target.epoch
    }

    pub fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// Everybody who has a place, in the order in which they came.
    pub fn participants(&self) -> impl Iterator<Item = ParticipantInfo> {
        self.participants.iter().map(|(&id, participant)| participant.info(id))
    }

    pub fn participant(&self, id: ParticipantId) -> Option<ParticipantInfo> {
        self.participants.get(&id).map(|participant| participant.info(id))
    }

    pub fn legs(&self) -> impl Iterator<Item = LegInfo> {
        self.legs.values().map(|leg| leg.info.clone())
    }

    /// The way that `sender`'s media takes to `receiver`.
    pub fn path(&self, receiver: ParticipantId, sender: ParticipantId) -> PathInfo {
        self.ways.get(&Pair { receiver, sender }).map_or(PathInfo::None, |way| PathInfo::from(&way.path))
    }

    /// The mesh link between two participants that is open now. What is said about another one is late.
    pub fn link(&self, a: ParticipantId, b: ParticipantId) -> Option<LinkId> {
        self.links.get(&Couple::new(a, b)).map(|link| link.id)
    }

    /// Whether the mesh link between two participants goes through TURN. None where there is no link, or its ends have not
    /// said.
    pub fn is_relayed(&self, a: ParticipantId, b: ParticipantId) -> Option<bool> {
        self.links.get(&Couple::new(a, b))?.relayed()
    }

    /// All media is encrypted end to end, or none: the first who comes decides, but who is hidden, and what a leg takes is not.
    /// `None` while nothing is decided.
    pub fn is_encrypted(&self) -> Option<bool> {
        let first = self.participants.values().find(|participant| !participant.reach.is_hidden());
        first.map(|participant| participant.encrypted).or((!self.legs.is_empty()).then_some(false))
    }

    /// As many are in it as its settings let in.
    pub fn is_full(&self) -> bool {
        self.participants.len() >= self.settings.capacity
    }

    /// The video codec that up transports are to ask for. `None` only when the settings name none.
    pub fn preferred_codec(&self) -> Option<VideoCodec> {
        self.codec
    }

    /// A participant who is away is told nothing: the welcome on its return covers it.
    fn tell(&self, to: ParticipantId, event: Event, out: &mut Vec<Output>) {
        if self.participants.get(&to).is_some_and(Participant::is_here) {
            out.push(Output::Tell { to, event });
        }
    }

    fn tell_all(&self, event: &Event, out: &mut Vec<Output>) {
        for &to in self.participants.keys() {
            self.tell(to, event.clone(), out);
        }
    }

    /// What is told of one to all others, who know nothing of one who is hidden.
    fn tell_others(&self, of: ParticipantId, event: &Event, out: &mut Vec<Output>) {
        if self.participants.get(&of).is_some_and(|participant| participant.reach.is_hidden()) {
            return;
        }
        for &to in self.participants.keys().filter(|&&to| to != of) {
            self.tell(to, event.clone(), out);
        }
    }

    /// Every track with its owner.
    fn tracks(&self) -> impl Iterator<Item = (ParticipantId, TrackId, Source)> {
        self.participants.iter().flat_map(|(&owner, participant)| {
            participant.tracks.iter().map(move |(&id, track)| (owner, id, track.source))
        })
    }
}
