//! What holds after every input, whatever it was.

use std::collections::{BTreeMap, BTreeSet};

use crescendo::room::ids::ParticipantId;
use crescendo::room::{Carrier, Direction, Event, Input, Mode, Output, PathInfo, Reach, Source};

use super::client::Transport;
use super::world::{Link, Pair, Track, World};

impl World {
    /// Who sees whom, and over what.
    pub(super) fn playing(&self) -> Vec<(Pair, Carrier)> {
        let shown =
            self.pairs().into_iter().filter_map(|pair| Some((pair, *self.clients[&pair.0].screen.get(&pair.1)?)));
        shown.filter(|&(pair, carrier)| self.shows_something(pair.1) && self.works(pair, carrier)).collect()
    }

    pub(super) fn check_still_playing(&self, playing: &[(Pair, Carrier)]) {
        for &(pair, carrier) in playing {
            let both_here = self.clients.contains_key(&pair.0) && self.clients.contains_key(&pair.1);
            assert!(
                !both_here || self.works(pair, carrier),
                "{} was seeing {} over {carrier:?}, and the room has cut that",
                pair.0,
                pair.1
            );
        }
    }

    pub(super) fn check_mode(&mut self, out: &[Output], settled_on_sfu: &[Pair]) {
        let (mode, epoch) = (self.room.mode(), self.room.epoch());
        if !self.fits_mesh() {
            self.large_at = self.now;
            assert!(matches!(mode, Mode::Promoting | Mode::Sfu), "a large room is not in {mode:?}");
        }
        assert!(epoch >= self.epoch, "epochs count up");
        let switched: Vec<_> = out
            .iter()
            .filter_map(|output| match output {
                Output::Switched { to, .. } => Some(*to),
                _ => None,
            })
            .collect();
        assert!(switched.len() <= 1, "one switch at a time");
        let settled = match mode {
            Mode::Mesh => Some(Carrier::Mesh),
            Mode::Sfu => Some(Carrier::Sfu),
            Mode::Promoting | Mode::Demoting => None,
        };
        if mode != self.mode {
            if settled.is_none() {
                self.turned_at = self.now;
            }
            assert!(
                settled.is_none() || switched == settled.into_iter().collect::<Vec<_>>(),
                "the end of a switch is said"
            );
            assert!(settled.is_some() || epoch > self.epoch, "a new direction is a new epoch");
        }
        let is_here = |id| self.clients.contains_key(&id);
        if settled_on_sfu.iter().any(|&(to, from)| is_here(to) && is_here(from))
            && self.all_are_connected()
            && matches!(mode, Mode::Demoting | Mode::Mesh)
        {
            let waited = self.now - self.large_at >= self.settings.demote_after;
            assert!(waited, "a room goes back to mesh only after having been small for long");
        }
        let came_or_went = out.iter().any(|output| match output {
            Output::Tell { event, .. } => matches!(event, Event::Welcome { .. }),
            Output::Removed { .. } => true,
            _ => false,
        });
        if epoch != self.epoch || came_or_went {
            self.unsettled_at = self.now;
        }
        let overdue = self.unsettled_at + self.settings.switch_deadline <= self.now;
        assert!(settled.is_some() || !overdue, "a switch ends by its deadline, one way or the other");
        if (mode, epoch) != (self.mode, self.epoch) {
            for (id, client) in &self.clients {
                let told = out.contains(&Output::Tell { to: *id, event: Event::Mode { mode, epoch } });
                assert!(told || client.away_since.is_some(), "everybody is told of a new mode");
            }
        }
        (self.mode, self.epoch) = (mode, epoch);
    }

    /// Couples of which a direction is on the move.
    pub(super) fn moving(&self) -> BTreeSet<BTreeSet<ParticipantId>> {
        self.pairs_that(|path| matches!(path, PathInfo::MovingTo(_)))
            .map(|(to, from)| BTreeSet::from([to, from]))
            .collect()
    }

    /// Pairs that are shown and in no hurry.
    pub(super) fn calm(&self) -> BTreeSet<Pair> {
        self.pairs_that(|path| matches!(path, PathInfo::On(_))).collect()
    }

    fn pairs_that(&self, fits: impl Fn(PathInfo) -> bool) -> impl Iterator<Item = Pair> {
        self.pairs().into_iter().filter(move |&(to, from)| fits(self.room.path(to, from)))
    }

    pub(super) fn check_pace(&self, moving: &BTreeSet<BTreeSet<ParticipantId>>, calm: &BTreeSet<Pair>) {
        let is_early = self.now < self.turned_at + self.settings.switch_deadline / 2;
        if !is_early || !matches!(self.mode, Mode::Promoting | Mode::Demoting) {
            return;
        }
        // A couple of which a direction has nothing to show is in a hurry, and takes the other direction along.
        let hurries = |couple: &BTreeSet<ParticipantId>| {
            let of_couple = |pair: &Pair| couple.contains(&pair.0) && couple.contains(&pair.1);
            self.pairs().into_iter().filter(of_couple).any(|pair| !calm.contains(&pair))
        };
        let begun: BTreeSet<_> = self.moving().difference(moving).filter(|c| !hurries(c)).cloned().collect();
        let at_once: BTreeSet<_> = self.moving().intersection(moving).cloned().chain(begun.clone()).collect();
        for end in begun.iter().flatten() {
            let count = at_once.iter().filter(|couple| couple.contains(end)).count();
            assert!(count <= self.settings.moves_at_once, "{end} changes path with {count} others at once");
        }
    }

    pub(super) fn fits_mesh(&self) -> bool {
        let count = self.clients.len();
        count <= 1
            || count <= self.settings.mesh_limit
                && self.clients.values().all(|client| matches!(client.takes_part, Reach::Mesh { .. }))
    }

    /// Pairs that are on the SFU, in a room that has come to rest there.
    pub(super) fn settled_on_sfu(&self) -> Vec<Pair> {
        let at_rest = self.mode == Mode::Sfu;
        self.pairs_that(|path| at_rest && path == PathInfo::On(Carrier::Sfu)).collect()
    }

    pub(super) fn all_are_connected(&self) -> bool {
        self.clients.values().all(|client| client.up == Transport::Connected && client.down == Transport::Connected)
    }

    pub(super) fn check_state(&mut self, input: &Input, out: &[Output]) {
        for info in self.room.participants() {
            let client = self.clients.get(&info.id).expect("nobody is counted who is not there");
            assert_eq!(info.away, client.away_since.is_some());
            let publishes: BTreeMap<_, _> = info.tracks.iter().map(|track| (track.source, track.muted)).collect();
            assert_eq!(publishes, client.publishes);
            assert!(publishes.len() == info.tracks.len(), "one track of each source");
            let overdue = client.away_since.is_some_and(|since| since + self.settings.resume_grace <= self.now);
            assert!(!overdue, "a vanished one is gone after its grace time");
        }
        let encrypted: BTreeSet<bool> = self.visible().map(|(_, client)| client.encrypted).collect();
        assert!(encrypted.len() <= 1, "all are encrypted, or none");
        assert!(!encrypted.contains(&true) || self.legs.is_empty(), "no leg where nothing can be read");
        assert_eq!(self.room.participants().count(), self.clients.len(), "nobody is counted twice or not at all");
        for (to, from) in self.pairs() {
            let (over_mesh, over_sfu) = match self.room.path(to, from) {
                PathInfo::None => (false, false),
                PathInfo::Arriving(carrier) | PathInfo::On(carrier) => {
                    (carrier == Carrier::Mesh, carrier == Carrier::Sfu)
                }
                PathInfo::MovingTo(_) => (true, true),
            };
            if over_mesh {
                assert!(self.room.link(to, from).is_some(), "a link for each path over mesh");
            }
            let down_is_open = self.clients[&to].down != Transport::Closed;
            // Who has nothing yet may be subscribed ahead.
            let foreseen = self.room.path(to, from) == PathInfo::None;
            let (must, may) = (over_sfu && down_is_open, (over_sfu || foreseen) && down_is_open);
            let mut tracks = self.tracks.iter().filter(|(_, track)| track.owner == from);
            let right = tracks.all(|(&id, _)| match self.subscribed.contains(&(to, id)) {
                true => may,
                false => !must,
            });
            assert!(right, "{to} is subscribed to {from} as far as its path goes over the SFU");
        }
        let needed = |link: &Link| {
            let [a, b] = link.ends;
            let over_mesh = |path| {
                matches!(path, PathInfo::On(Carrier::Mesh) | PathInfo::Arriving(Carrier::Mesh) | PathInfo::MovingTo(_))
            };
            over_mesh(self.room.path(a, b)) || over_mesh(self.room.path(b, a))
        };
        assert!(self.links.values().all(needed), "a link goes when neither direction needs it");
        assert!(self.subscribed.iter().all(|(_, track)| self.tracks.contains_key(track)));
        for leg in self.legs.values() {
            let wants = |track: &Track| match track.source {
                Source::Microphone | Source::ScreenAudio => true,
                Source::Camera | Source::Screen => leg.of.is_none_or(|of| of == track.owner),
            };
            let wanted: BTreeSet<_> = self.tracks.iter().filter(|(_, track)| wants(track)).map(|(&id, _)| id).collect();
            assert!(leg.taps == wanted || self.clients.is_empty(), "a leg taps what it wants and no more");
        }
        assert_eq!(
            self.room.legs().map(|leg| leg.id).collect::<Vec<_>>(),
            self.legs.keys().copied().collect::<Vec<_>>()
        );
        if matches!(input, Input::StartLeg { .. } | Input::StopLeg { .. } | Input::LegChanged { .. }) {
            self.check_leg_touches_nothing(out);
        }
    }

    pub(super) fn check_leg_touches_nothing(&self, out: &[Output]) {
        for output in out {
            let harmless = match output {
                Output::Tell { event, .. } => matches!(event, Event::Leg(_) | Event::SendUp { .. }),
                Output::OpenTransport { direction, .. } | Output::CloseTransport { direction, .. } => {
                    *direction == Direction::Up
                }
                Output::StartLeg { .. } | Output::StopLeg { .. } | Output::Tap { .. } | Output::Untap { .. } => true,
                Output::Subscribe { .. }
                | Output::Unsubscribe { .. }
                | Output::PreferCodec { .. }
                | Output::Removed { .. }
                | Output::Switched { .. }
                | Output::Empty => false,
            };
            assert!(harmless, "a leg touches neither the mode nor a path: {output:?}");
        }
    }

    pub(super) fn check_end(&self, was_empty: bool, out: &[Output]) {
        let ends = out.iter().filter(|output| **output == Output::Empty).count();
        let is_over = self.clients.is_empty() && !was_empty;
        assert_eq!(ends, usize::from(is_over), "the end is said once, at the end");
        if self.clients.is_empty() {
            assert!(self.room.is_empty() && self.room.participants().count() == 0);
            assert_eq!(self.room.poll_timeout(), None, "an empty room waits for nothing");
            assert!(
                self.links.is_empty() && self.subscribed.is_empty() && self.tracks.is_empty(),
                "nothing is left behind"
            );
            assert!(self.legs.is_empty() && self.room.legs().count() == 0, "a leg keeps no room alive");
            assert_eq!(self.mode, Mode::Mesh);
        }
    }

    /// What is due has been done: asking again changes nothing.
    pub(super) fn check_idle(&mut self) {
        let mut again = Vec::new();
        self.room.handle(self.now, Input::Timeout, &mut again).expect("a timeout is never refused");
        assert_eq!(again, [], "one pass is enough");
        assert!(self.room.poll_timeout().is_none_or(|at| at > self.now), "a timer that is due is dealt with");
    }
}
