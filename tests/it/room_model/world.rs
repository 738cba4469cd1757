//! The world around a room: the host that carries out its outputs, the networks, and what truly works. Every output is
//! checked against what the host has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crescendo::room::ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};
use crescendo::room::{
    Carrier, Departure, Direction, Event, Input, LegState, LinkReport, Mode, Output, PathInfo, Room, RoomError,
    Settings, Source, TransportReport,
};

use super::client::{Client, Mail, Reach, Transport};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Net {
    Direct,
    Relay,
    Blocked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Dialing,
    Up,
    Dead,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) ends: [ParticipantId; 2],
    pub(super) wire: Wire,
}

#[derive(Debug)]
pub(super) struct Track {
    pub(super) owner: ParticipantId,
    pub(super) source: Source,
}

#[derive(Debug)]
pub(super) struct Leg {
    pub(super) of: Option<ParticipantId>,
    pub(super) taps: BTreeSet<TrackId>,
}

/// (receiver, sender)
pub(super) type Pair = (ParticipantId, ParticipantId);

#[derive(Debug)]
pub(super) struct World {
    pub(super) room: Room,
    pub(super) settings: Settings,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) clients: BTreeMap<ParticipantId, Client>,
    pub(super) tracks: BTreeMap<TrackId, Track>,
    pub(super) subscribed: BTreeSet<(ParticipantId, TrackId)>,
    /// Those that the room has opened and not closed.
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) nets: BTreeMap<BTreeSet<ParticipantId>, Net>,
    pub(super) legs: BTreeMap<LegId, Leg>,
    pub(super) mode: Mode,
    pub(super) epoch: Epoch,
    /// When the room was last too large for a mesh.
    pub(super) large_at: Instant,
    /// When pairs last had a reason to move.
    unsettled_at: Instant,
    pub(super) handled: u64,
    newest: (u32, u32, u32),
    stuck: BTreeSet<Pair>,
    /// The last inputs with what came of them, for whoever looks for the cause of a failure.
    pub(super) log: VecDeque<String>,
}

/// Inputs that the log keeps.
const LOG: usize = 60;

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            room: Room::new(settings.clone(), now),
            settings,
            now,
            start: now,
            clients: BTreeMap::new(),
            tracks: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            links: BTreeMap::new(),
            nets: BTreeMap::new(),
            legs: BTreeMap::new(),
            mode: Mode::Mesh,
            epoch: Epoch(0),
            large_at: now,
            unsettled_at: now,
            handled: 0,
            newest: (0, 0, 0),
            stuck: BTreeSet::new(),
            log: VecDeque::new(),
        }
    }

    /// Hands an input to the room, the timers that are due before it, and checks all that comes out.
    pub(super) fn handle(&mut self, input: Input) -> Result<(), RoomError> {
        if !matches!(input, Input::Timeout) && self.room.poll_timeout().is_some_and(|at| at <= self.now) {
            self.handle(Input::Timeout)?;
        }
        self.handled += 1;
        let playing = self.playing();
        let was_settled_on_sfu = self.mode == Mode::Sfu && self.somebody_is_on_sfu();
        let was_empty = self.clients.is_empty();
        let before = (self.handled % 16 == 0).then(|| format!("{:?}", self.room));
        let mut out = Vec::new();
        let result = self.room.handle(self.now, input.clone(), &mut out);
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        let at = (self.now - self.start).as_millis();
        self.log.push_back(format!("{at} ms  {input:?}\n    -> {result:?} {out:?}"));
        if result.is_err() {
            assert!(out.is_empty(), "a refused input puts nothing out");
            if let Some(before) = before {
                assert_eq!(before, format!("{:?}", self.room), "a refused input changes nothing");
            }
            return result;
        }
        self.note_input(&input, &out);
        self.learn_tracks();
        for output in &out {
            self.carry_out(output, &input);
        }
        if let Input::LegChanged { leg, state: LegState::Failed(_) } = &input {
            let ended = self.legs.remove(leg).expect("a live leg");
            assert!(ended.taps.is_empty(), "a leg that failed taps nothing");
        }
        self.drop_closed_links(&out);
        self.check_mode(&out, was_settled_on_sfu);
        self.check_state(&input, &out);
        self.check_still_playing(&playing);
        self.check_end(was_empty, &out);
        self.note_shown();
        self.check_idle();
        result
    }

    /// What follows from an accepted input without the room's doing.
    fn note_input(&mut self, input: &Input, out: &[Output]) {
        match input {
            Input::Join { tracks, can_mesh, .. } => {
                let Some(Output::Tell { to, event: Event::Welcome { you, participants, .. } }) = out.first() else {
                    panic!("a join is answered by a welcome first");
                };
                assert!(to.0 > self.newest.0, "no number is used twice");
                self.newest.0 = to.0;
                assert_eq!(you.id, *to);
                let others: Vec<_> = self.clients.keys().copied().collect();
                assert_eq!(participants.iter().map(|p| p.id).collect::<Vec<_>>(), others);
                let mut client = Client::new(self.now, *can_mesh);
                client.publishes = tracks.iter().copied().collect();
                self.clients.insert(*to, client);
            }
            Input::Return { participant } => {
                let first = out.first();
                let welcomed =
                    matches!(first, Some(Output::Tell { to, event: Event::Welcome { .. } }) if to == participant);
                assert!(welcomed, "a return is answered by a welcome first");
                self.client(*participant).away_since = None;
            }
            Input::Vanish { participant } => {
                let now = self.now;
                self.client(*participant).lose_socket(now);
            }
            Input::Publish { participant, source, muted } => {
                let was = self.client(*participant).publishes.insert(*source, *muted);
                assert_eq!(was, None, "one track of each source");
            }
            Input::Unpublish { participant, track } => {
                let source = self.tracks[track].source;
                self.client(*participant).publishes.remove(&source);
            }
            Input::Mute { participant, track, muted } => {
                let source = self.tracks[track].source;
                self.client(*participant).publishes.insert(source, *muted);
            }
            Input::Leave { .. }
            | Input::Transport { .. }
            | Input::Link { .. }
            | Input::Shown { .. }
            | Input::StartLeg { .. }
            | Input::StopLeg { .. }
            | Input::LegChanged { .. }
            | Input::Timeout => {}
        }
    }

    pub(super) fn client(&mut self, id: ParticipantId) -> &mut Client {
        self.clients.get_mut(&id).expect("it is in the room")
    }

    /// Numbers of new tracks are the room's to give; what they are is not.
    fn learn_tracks(&mut self) {
        self.tracks.clear();
        for info in self.room.participants() {
            for track in &info.tracks {
                self.newest.1 = self.newest.1.max(track.id.0);
                let known = Track { owner: info.id, source: track.source };
                assert!(self.tracks.insert(track.id, known).is_none(), "a track has one owner");
            }
        }
    }

    fn carry_out(&mut self, output: &Output, input: &Input) {
        match output {
            Output::Tell { to, event } => self.told(*to, event, input),
            Output::OpenTransport { participant, direction } => {
                let client = self.client(*participant);
                let transport = transport(client, *direction);
                assert_eq!(*transport, Transport::Closed, "what is opened was closed");
                *transport = Transport::Opening;
                match direction {
                    Direction::Up => {
                        client.told_to_send = false;
                        client.inbox.push_back(Mail::NewUp);
                    }
                    Direction::Down => {}
                }
            }
            Output::CloseTransport { participant, direction } => {
                self.shut(*participant, *direction);
            }
            Output::Subscribe { receiver, track } => {
                let owner = self.tracks.get(track).expect("a track that exists").owner;
                assert_ne!(owner, *receiver, "nobody receives itself");
                let down = self.client(*receiver).down;
                assert!(matches!(down, Transport::Opening | Transport::Connected), "subscribed over an open transport");
                assert!(self.subscribed.insert((*receiver, *track)), "subscribed once");
            }
            Output::Unsubscribe { receiver, track } => {
                assert!(self.subscribed.remove(&(*receiver, *track)), "what is unsubscribed was subscribed");
            }
            Output::PreferCodec { codec } => assert_eq!(self.room.preferred_codec(), Some(*codec)),
            Output::StartLeg { leg, of, .. } => {
                assert!(leg.0 > self.newest.2, "no number is used twice");
                self.newest.2 = leg.0;
                self.legs.insert(*leg, Leg { of: *of, taps: BTreeSet::new() });
            }
            Output::Tap { leg, track } => {
                assert!(self.tracks.contains_key(track), "a track that exists");
                assert!(self.legs.get_mut(leg).expect("a live leg").taps.insert(*track), "tapped once");
            }
            Output::Untap { leg, track } => {
                assert!(self.legs.get_mut(leg).expect("a live leg").taps.remove(track), "what is untapped was tapped");
            }
            Output::StopLeg { leg } => {
                let leg = self.legs.remove(leg).expect("a live leg");
                assert!(leg.taps.is_empty(), "untapped before it stops");
            }
            Output::Removed { participant, reason } => self.removed(*participant, *reason),
            Output::Switched { .. } | Output::Empty => {}
        }
    }

    fn told(&mut self, to: ParticipantId, event: &Event, input: &Input) {
        match event {
            Event::OpenLink { peer, link, polite } => {
                assert_eq!(*polite, to > *peer, "one end is polite");
                let ends = [to.min(*peer), to.max(*peer)];
                let known = self.links.entry(*link).or_insert(Link { ends, wire: Wire::Dialing });
                assert_eq!(known.ends, ends, "a link's number is its own");
            }
            Event::CloseLink { link, peer } => {
                let known = self.links.get(link).expect("what is closed was open");
                assert_eq!(known.ends, [to.min(*peer), to.max(*peer)]);
            }
            Event::SendUp { active } => self.client(to).told_to_send = *active,
            Event::Path { peer, carrier, epoch } => {
                self.stuck.remove(&(to, *peer));
                assert!(*epoch <= self.room.epoch());
                if !matches!(input, Input::Return { .. }) {
                    assert!(
                        self.is_open((to, *peer), *carrier),
                        "{to} is sent to {peer} over {carrier:?} that is not there"
                    );
                }
            }
            Event::PathStuck { peer, carrier } => {
                let path = self.room.path(to, *peer);
                assert!(path == PathInfo::Arriving(*carrier) || path == PathInfo::MovingTo(*carrier));
                assert!(self.stuck.insert((to, *peer)), "an order is reported as stuck once");
            }
            Event::Leg(_)
            | Event::Welcome { .. }
            | Event::ParticipantJoined(_)
            | Event::ParticipantLeft { .. }
            | Event::ParticipantAway { .. }
            | Event::TrackPublished { .. }
            | Event::TrackUnpublished { .. }
            | Event::TrackMuted { .. }
            | Event::Mode { .. }
            | Event::SfuUnreachable => {}
        }
        let client = self.clients.get_mut(&to).expect("only who is in the room is told");
        assert_eq!(client.away_since, None, "who is away is told nothing");
        client.inbox.push_back(Mail::Event(event.clone()));
    }

    fn shut(&mut self, id: ParticipantId, direction: Direction) {
        let client = self.client(id);
        let transport = transport(client, direction);
        assert_ne!(*transport, Transport::Closed, "what is closed was open");
        *transport = Transport::Closed;
        match direction {
            Direction::Up => client.told_to_send = false,
            Direction::Down => self.subscribed.retain(|(receiver, _)| *receiver != id),
        }
    }

    fn removed(&mut self, id: ParticipantId, reason: Departure) {
        let gone = self.clients.remove(&id).expect("it was in the room");
        match reason {
            Departure::Left => {}
            Departure::Vanished => {
                let since = gone.away_since.expect("it was away");
                assert!(since + self.settings.resume_grace <= self.now, "its grace time is over");
            }
            Departure::SfuUnreachable => {
                assert!(!gone.was_shown, "only newcomers are refused");
                assert!(gone.joined + self.settings.switch_deadline <= self.now, "a newcomer has the whole deadline");
                let told = matches!(gone.inbox.back(), Some(Mail::Event(Event::SfuUnreachable)));
                assert!(told || gone.away_since.is_some(), "who is refused is told so");
            }
        }
        assert!(gone.up == Transport::Closed && gone.down == Transport::Closed, "its transports are closed");
        assert!(!self.subscribed.iter().any(|(receiver, _)| *receiver == id));
    }

    /// A link that the room has closed: each end that is there was told.
    fn drop_closed_links(&mut self, out: &[Output]) {
        for (&link, known) in &self.links {
            let [a, b] = known.ends;
            let is_open = self.room.link(a, b) == Some(link);
            for (to, peer) in [(a, b), (b, a)] {
                let is_there = self.clients.get(&to).is_some_and(|client| client.away_since.is_none());
                let told = out.contains(&Output::Tell { to, event: Event::CloseLink { peer, link } });
                assert_eq!(is_there && !is_open, told, "{to} is told that its link to {peer} is closed");
            }
        }
        self.links.retain(|&id, link| self.room.link(link.ends[0], link.ends[1]) == Some(id));
    }

    /// The host has what it takes for the pair's media to go over `carrier`.
    fn is_open(&self, (receiver, sender): Pair, carrier: Carrier) -> bool {
        match carrier {
            Carrier::Mesh => self.room.link(receiver, sender).is_some(),
            Carrier::Sfu => {
                let (to, from) = (&self.clients[&receiver], &self.clients[&sender]);
                let sends = from.told_to_send || from.away_since.is_some();
                from.up == Transport::Connected
                    && to.down == Transport::Connected
                    && sends
                    && self.gets_all((receiver, sender))
            }
        }
    }

    fn gets_all(&self, (receiver, sender): Pair) -> bool {
        let mut tracks = self.tracks.iter().filter(|(_, track)| track.owner == sender);
        tracks.all(|(&id, _)| self.subscribed.contains(&(receiver, id)))
    }

    /// Media of the pair gets through over `carrier`, here and now.
    pub(super) fn works(&self, (receiver, sender): Pair, carrier: Carrier) -> bool {
        let (to, from) = (&self.clients[&receiver], &self.clients[&sender]);
        match carrier {
            Carrier::Mesh => {
                let link = to.links.get(&sender);
                let is_up = link.is_some_and(|id| self.links.get(id).is_some_and(|link| link.wire == Wire::Up));
                is_up && link == from.links.get(&receiver)
            }
            Carrier::Sfu => from.sends && self.is_open((receiver, sender), carrier),
        }
    }

    pub(super) fn shows_something(&self, sender: ParticipantId) -> bool {
        self.clients[&sender].publishes.values().any(|muted| !muted)
    }

    pub(super) fn pairs(&self) -> Vec<Pair> {
        let ids: Vec<_> = self.clients.keys().copied().collect();
        let all = ids.iter().flat_map(|&to| ids.iter().map(move |&from| (to, from)));
        all.filter(|(to, from)| to != from).collect()
    }

    /// Who sees whom, and over what.
    fn playing(&self) -> Vec<(Pair, Carrier)> {
        let shown =
            self.pairs().into_iter().filter_map(|pair| Some((pair, *self.clients[&pair.0].screen.get(&pair.1)?)));
        shown.filter(|&(pair, carrier)| self.shows_something(pair.1) && self.works(pair, carrier)).collect()
    }

    fn check_still_playing(&self, playing: &[(Pair, Carrier)]) {
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

    fn somebody_is_on_sfu(&self) -> bool {
        self.pairs().iter().any(|&(to, from)| self.room.path(to, from) == PathInfo::On(Carrier::Sfu))
    }

    fn all_are_connected(&self) -> bool {
        self.clients.values().all(|client| client.up == Transport::Connected && client.down == Transport::Connected)
    }

    pub(super) fn fits_mesh(&self) -> bool {
        let count = self.clients.len();
        count <= 1 || count <= self.settings.mesh_limit && self.clients.values().all(|client| client.can_mesh)
    }

    fn check_mode(&mut self, out: &[Output], was_settled_on_sfu: bool) {
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
            assert!(
                settled.is_none() || switched == settled.into_iter().collect::<Vec<_>>(),
                "the end of a switch is said"
            );
            assert!(settled.is_some() || epoch > self.epoch, "a new direction is a new epoch");
        }
        if was_settled_on_sfu
            && self.all_are_connected()
            && matches!(mode, Mode::Demoting | Mode::Mesh)
            && !self.clients.is_empty()
        {
            let waited = self.now - self.large_at >= self.settings.demote_after;
            assert!(
                waited || self.clients.len() == 1,
                "a room goes back to mesh only after having been small for long"
            );
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

    fn check_state(&mut self, input: &Input, out: &[Output]) {
        for info in self.room.participants() {
            let client = self.clients.get(&info.id).expect("nobody is counted who is not there");
            assert_eq!(info.away, client.away_since.is_some());
            let publishes: BTreeMap<_, _> = info.tracks.iter().map(|track| (track.source, track.muted)).collect();
            assert_eq!(publishes, client.publishes);
            assert!(publishes.len() == info.tracks.len(), "one track of each source");
            let overdue = client.away_since.is_some_and(|since| since + self.settings.resume_grace <= self.now);
            assert!(!overdue, "a vanished one is gone after its grace time");
        }
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
            let mut tracks = self.tracks.iter().filter(|(_, track)| track.owner == from);
            let right = tracks.all(|(&id, _)| self.subscribed.contains(&(to, id)) == (over_sfu && down_is_open));
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

    fn check_leg_touches_nothing(&self, out: &[Output]) {
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

    fn check_end(&self, was_empty: bool, out: &[Output]) {
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

    fn note_shown(&mut self) {
        for (to, from) in self.pairs() {
            if matches!(self.room.path(to, from), PathInfo::On(_)) {
                self.client(to).was_shown = true;
                self.client(from).was_shown = true;
            }
        }
    }

    /// What is due has been done: asking again changes nothing.
    fn check_idle(&mut self) {
        let mut again = Vec::new();
        self.room.handle(self.now, Input::Timeout, &mut again).expect("a timeout is never refused");
        assert_eq!(again, [], "one pass is enough");
        assert!(self.room.poll_timeout().is_none_or(|at| at > self.now), "a timer that is due is dealt with");
    }

    pub(super) fn net(&self, link: &Link) -> Net {
        self.nets.get(&link.ends.into_iter().collect()).copied().unwrap_or(Net::Direct)
    }

    /// The media plane or the client sees how a transport fares.
    pub(super) fn try_transport(&mut self, id: ParticipantId, direction: Direction, dies: bool) {
        let client = self.client(id);
        let reach = match direction {
            Direction::Up => client.reach_up,
            Direction::Down => client.reach_down,
        };
        let transport = transport(client, direction);
        let report = match (*transport, reach, dies) {
            (Transport::Opening, Reach::Good, false) => TransportReport::Connected,
            (Transport::Opening, Reach::Blocked, _) | (Transport::Opening | Transport::Connected, _, true) => {
                TransportReport::Failed
            }
            (Transport::Connected, Reach::Good, false) | (Transport::Closed | Transport::Dead, _, _) => return,
            (Transport::Connected, Reach::Blocked, false) => TransportReport::Failed,
        };
        *transport = match report {
            TransportReport::Connected => Transport::Connected,
            TransportReport::Failed => Transport::Dead,
        };
        self.handle(Input::Transport { participant: id, direction, report }).expect("it is in the room");
    }

    /// The network decides on a link, and its ends see that.
    pub(super) fn try_link(&mut self, id: LinkId, dies: bool) {
        let Some(link) = self.links.get(&id) else { return };
        let [a, b] = link.ends;
        let known = self.clients[&a].links.get(&b) == Some(&id) && self.clients[&b].links.get(&a) == Some(&id);
        let (wire, report) = match (link.wire, self.net(link), dies) {
            (Wire::Dialing, Net::Direct, false) if known => (Wire::Up, LinkReport::Connected { relayed: false }),
            (Wire::Dialing, Net::Relay, false) if known => (Wire::Up, LinkReport::Connected { relayed: true }),
            (Wire::Dialing | Wire::Up, Net::Blocked, _) | (Wire::Dialing | Wire::Up, _, true) => {
                (Wire::Dead, LinkReport::Failed)
            }
            (Wire::Dialing | Wire::Up | Wire::Dead, _, _) => return,
        };
        self.links.get_mut(&id).expect("it was there").wire = wire;
        for (end, peer) in [(a, b), (b, a)] {
            if self.clients[&end].links.get(&peer) == Some(&id) {
                self.say(end, Input::Link { participant: end, peer, link: id, report });
            }
        }
    }

    /// Puts a message on its way to the room, where there is a socket.
    pub(super) fn say(&mut self, id: ParticipantId, message: Input) {
        let client = self.client(id);
        if client.away_since.is_none() {
            client.outbox.push_back(message);
        }
    }

    /// The client reads the next that it was sent. A dead link that it is told of again it reports again.
    pub(super) fn read(&mut self, id: ParticipantId) {
        let client = self.client(id);
        let reopened = match client.inbox.front() {
            Some(Mail::Event(Event::OpenLink { peer, link, .. })) => Some((*peer, *link)),
            Some(Mail::Event(_) | Mail::NewUp) | None => None,
        };
        client.read();
        if let Some((peer, link)) = reopened
            && self.links.get(&link).is_some_and(|known| known.wire == Wire::Dead)
        {
            self.say(id, Input::Link { participant: id, peer, link, report: LinkReport::Failed });
        }
    }

    /// The client proves and shows what it was sent to, where that works or there is nothing to prove.
    pub(super) fn prove(&mut self, (receiver, sender): Pair) {
        let Some(want) = self.clients[&receiver].wants.get(&sender).copied() else { return };
        let nothing_to_prove = !self.shows_something(sender);
        if want.said
            || self.clients[&receiver].slow
            || !nothing_to_prove && !self.works((receiver, sender), want.carrier)
        {
            return;
        }
        let client = self.client(receiver);
        client.screen.insert(sender, want.carrier);
        client.wants.get_mut(&sender).expect("it was there").said = true;
        self.say(receiver, Input::Shown { receiver, sender, carrier: want.carrier, epoch: want.epoch });
    }

    /// The next message of a client arrives.
    pub(super) fn hear(&mut self, id: ParticipantId) {
        if let Some(message) = self.client(id).outbox.pop_front() {
            self.handle(message).expect("a client in the room is heard");
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.room.poll_timeout().is_some_and(|at| at <= self.now) {
            self.handle(Input::Timeout).expect("a timeout is never refused");
        }
    }
}

pub(super) fn transport(client: &mut Client, direction: Direction) -> &mut Transport {
    match direction {
        Direction::Up => &mut client.up,
        Direction::Down => &mut client.down,
    }
}
