//! What a join and a switch took, for whoever traces.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use crate::room::ids::ParticipantId;
use crate::room::{Carrier, Direction, Mode, PathInfo};
use crate::trace::Span;

use super::task::Task;

/// A participant's way in: its server transports, each in the part that is under way.
#[derive(Debug, Default)]
pub(super) struct Entering {
    /// Held until the room has let it in; what is opened after that is no part of its join.
    join: Span,
    up: Span,
    down: Span,
}

impl Entering {
    pub(super) fn new(join: Span) -> Self {
        Self { join, ..Self::default() }
    }

    pub(super) fn is_in(&mut self) {
        self.join = Span::default();
    }

    fn of(&mut self, direction: Direction) -> &mut Span {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// The room wants a transport of it.
    pub(super) fn offered(&mut self, direction: Direction) {
        let name = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        *self.of(direction) = self.join.part("offer and answer", vec![("transport", name.into())]);
    }

    pub(super) fn answered(&mut self, direction: Direction) {
        let part = self.of(direction);
        if part.name() == Some("offer and answer") {
            *part = part.next("ice");
        }
    }

    /// `reached`: when the first check arrived from where media goes.
    pub(super) fn connected(&mut self, direction: Direction, reached: Instant) {
        let part = self.of(direction);
        let reached = SystemTime::now().checked_sub(reached.elapsed()).unwrap_or_else(SystemTime::now);
        let dtls = part.next_at("dtls", reached);
        *part = match direction {
            Direction::Up => dtls.next("first media"),
            Direction::Down => Span::default(),
        };
    }

    pub(super) fn has_media(&mut self) {
        self.up = Span::default();
    }

    pub(super) fn failed(&mut self, direction: Direction, why: &str) {
        let part = self.of(direction);
        part.failed(why);
        *part = Span::default();
    }
}

/// A switch, and whom it waits for.
#[derive(Debug)]
pub(super) struct Switching {
    to: Carrier,
    whole: Span,
    waits_for: BTreeMap<ParticipantId, Span>,
}

impl Task {
    /// Everybody is told of a mode.
    pub(super) fn trace_mode(&mut self, mode: Mode) {
        let (name, to) = match mode {
            Mode::Promoting => ("promote", Carrier::Sfu),
            Mode::Demoting => ("demote", Carrier::Mesh),
            Mode::Mesh | Mode::Sfu => return,
        };
        if self.switching.as_ref().is_some_and(|switching| switching.to == to) {
            return;
        }
        if let Some(before) = self.switching.take() {
            before.whole.failed("called back");
        }
        let whole = self.shared.tracer().root(name, vec![("room", self.name.to_string())]);
        if whole.name().is_none() {
            return;
        }
        let part = |id: &ParticipantId| (*id, whole.part("participant", vec![("participant", id.to_string())]));
        let waits_for = self.members.keys().map(part).collect();
        self.switching = Some(Switching { to, whole, waits_for });
    }

    /// `of` has not been shown to `to` in time.
    pub(super) fn trace_stuck(&mut self, to: ParticipantId, of: ParticipantId) {
        let part = self.switching.as_ref().and_then(|switching| switching.waits_for.get(&to));
        if let Some(part) = part {
            part.failed(&format!("{of} has not been shown in time"));
        }
    }

    /// Ends the parts of those who are shown everybody the new way, or are gone.
    pub(super) fn trace_shown(&mut self) {
        let Some(mut switching) = self.switching.take() else { return };
        let ids: Vec<_> = self.room.participants().map(|participant| participant.id).collect();
        let waits = |to: &ParticipantId| {
            let others = ids.iter().filter(|from| *from != to);
            ids.contains(to)
                && others.into_iter().any(|from| match self.room.path(*to, *from) {
                    PathInfo::On(carrier) => carrier != switching.to,
                    PathInfo::Arriving(_) | PathInfo::MovingTo(_) => true,
                    PathInfo::None => false,
                })
        };
        switching.waits_for.retain(|to, _| waits(to));
        self.switching = Some(switching);
    }
}
