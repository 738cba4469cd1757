//! The world around a room: the host that carries out its outputs, the networks, and what truly works. Every output is
//! checked against what the host has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crescendo::room::ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};
use crescendo::room::{
    Carrier, Departure, Direction, Event, Input, LegState, LinkReport, Mode, Output, PathInfo, Reach, Room, RoomError,
    Settings, Source,
};

use super::client::{Client, Mail, Transport};
use super::relays::Relays;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Net {
    Direct,
    Relay,
    Blocked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Dialing,
    Up { relayed: bool },
    Dead,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) ends: [ParticipantId; 2],
    pub(super) wire: Wire,
    /// Which ends have told the room that it is relayed, or that it is not.
    pub(super) said: BTreeMap<ParticipantId, bool>,
}

impl Link {
    fn new(ends: [ParticipantId; 2]) -> Self {
        Self { ends, wire: Wire::Dialing, said: BTreeMap::new() }
    }
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
    /// Between those of whom `nets` says nothing.
    pub(super) usual_net: Net,
    pub(super) legs: BTreeMap<LegId, Leg>,
    pub(super) mode: Mode,
    pub(super) epoch: Epoch,
    /// When the room was last too large for a mesh.
    pub(super) large_at: Instant,
    /// When the room last turned to the other carrier.
    pub(super) turned_at: Instant,
    /// When pairs last had a reason to move.
    pub(super) unsettled_at: Instant,
    pub(super) relays: Relays,
    pub(super) handled: u64,
    pub(super) newest: (u32, u32, u32),
    pub(super) stuck: BTreeSet<Pair>,
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
            usual_net: Net::Direct,
            legs: BTreeMap::new(),
            mode: Mode::Mesh,
            epoch: Epoch(0),
            large_at: now,
            turned_at: now,
            unsettled_at: now,
            relays: Relays::new(),
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
        let (mode, moving, calm) = (self.mode, self.moving(), self.calm());
        let settled_on_sfu = self.settled_on_sfu();
        let was = (self.mode, self.relays.settled_on);
        let was_empty = self.clients.is_empty();
        let before = self.handled.is_multiple_of(16).then(|| format!("{:?}", self.room));
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
        self.check_mode(&out, &settled_on_sfu);
        // Those who were let go together at half time may be called back in the same moment.
        if self.mode == mode || !matches!(mode, Mode::Promoting | Mode::Demoting) {
            self.check_pace(&moving, &calm);
        }
        self.check_relays(&input, &out, was);
        self.check_state(&input, &out);
        self.check_still_playing(&playing);
        self.check_end(was_empty, &out);
        self.note_shown(&input);
        self.check_idle();
        result
    }

    /// What follows from an accepted input without the room's doing.
    fn note_input(&mut self, input: &Input, out: &[Output]) {
        match input {
            Input::Join { tracks, reach, encrypted, .. } => {
                let Some(Output::Tell { to, event: Event::Welcome { you, participants, .. } }) = out.first() else {
                    panic!("a join is answered by a welcome first");
                };
                assert!(to.0 > self.newest.0, "no number is used twice");
                self.newest.0 = to.0;
                assert_eq!(you.id, *to);
                let others: Vec<_> = self.visible().map(|(&id, _)| id).collect();
                assert_eq!(participants.iter().map(|p| p.id).collect::<Vec<_>>(), others);
                let mut client = Client::new(self.now, *reach, *encrypted);
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
            Input::Link { participant, peer, link, report: LinkReport::Connected { relayed } } => {
                let ends = [*participant.min(peer), *participant.max(peer)];
                if let Some(known) = self.links.get_mut(link).filter(|known| known.ends == ends) {
                    known.said.insert(*participant, *relayed);
                }
            }
            Input::Link { report: LinkReport::Failed, .. }
            | Input::Leave { .. }
            | Input::Remove { .. }
            | Input::Move { .. }
            | Input::Reach { .. }
            | Input::Transport { .. }
            | Input::Shown { .. }
            | Input::StartLeg { .. }
            | Input::StopLeg { .. }
            | Input::LegChanged { .. }
            | Input::Timeout => {}
        }
    }

    /// As the first who came to be seen wanted it.
    pub(super) fn encrypted(&self) -> Option<bool> {
        self.visible().next().map(|(_, client)| client.encrypted)
    }

    pub(super) fn visible(&self) -> impl Iterator<Item = (&ParticipantId, &Client)> {
        self.clients.iter().filter(|(_, client)| client.takes_part != Reach::Hidden)
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
            Output::StartLeg { leg, plan } => {
                assert!(leg.0 > self.newest.2, "no number is used twice");
                self.newest.2 = leg.0;
                self.legs.insert(*leg, Leg { of: plan.of, taps: BTreeSet::new() });
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
                let known = self.links.entry(*link).or_insert_with(|| Link::new(ends));
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
            // What was sent over it ends with it, even where the client cannot hear of that.
            Direction::Up => (client.told_to_send, client.sends) = (false, false),
            Direction::Down => self.subscribed.retain(|(receiver, _)| *receiver != id),
        }
    }

    fn removed(&mut self, id: ParticipantId, reason: Departure) {
        let gone = self.clients.remove(&id).expect("it was in the room");
        match reason {
            Departure::Left | Departure::Removed | Departure::Moved => {}
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
                assert!(told || is_open || !is_there, "{to} is told that its link to {peer} is closed");
                assert!(!told || !is_open, "{to} is told so of a link that is open");
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
                let is_up =
                    link.is_some_and(|id| self.links.get(id).is_some_and(|link| matches!(link.wire, Wire::Up { .. })));
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

    fn note_shown(&mut self, input: &Input) {
        let &Input::Shown { receiver, sender, carrier, .. } = input else { return };
        if self.room.path(receiver, sender) == PathInfo::On(carrier) {
            self.client(receiver).was_shown = true;
            self.client(sender).was_shown = true;
        }
    }
}

pub(super) fn transport(client: &mut Client, direction: Direction) -> &mut Transport {
    match direction {
        Direction::Up => &mut client.up,
        Direction::Down => &mut client.down,
    }
}
