//! Simulated participants: they obey what they are told, late and in order, and answer late and in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crescendo::room::ids::{Epoch, LinkId, ParticipantId};
use crescendo::room::{self, Carrier, Event, Input, Source};

/// What the network between a participant and the server lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Good,
    Blocked,
}

/// A server transport as the media plane has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Closed,
    Opening,
    Connected,
    /// Dead, and the room has been told.
    Dead,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) carrier: Carrier,
    pub(super) epoch: Epoch,
    pub(super) said: bool,
}

#[derive(Debug)]
pub(super) enum Mail {
    Event(Event),
    /// The offer of a new up transport: it sends nothing until told.
    NewUp,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) takes_part: room::Reach,
    pub(super) encrypted: bool,
    pub(super) joined: Instant,
    pub(super) away_since: Option<Instant>,
    /// It never proves anything.
    pub(super) slow: bool,
    pub(super) reach_up: Reach,
    pub(super) reach_down: Reach,
    pub(super) up: Transport,
    pub(super) down: Transport,
    /// What the room has told it, and what it has heard of that.
    pub(super) told_to_send: bool,
    pub(super) sends: bool,
    pub(super) inbox: VecDeque<Mail>,
    pub(super) outbox: VecDeque<Input>,
    pub(super) wants: BTreeMap<ParticipantId, Want>,
    /// What is on its screen.
    pub(super) screen: BTreeMap<ParticipantId, Carrier>,
    pub(super) links: BTreeMap<ParticipantId, LinkId>,
    pub(super) roster: BTreeSet<ParticipantId>,
    /// What it publishes, and whether that is muted.
    pub(super) publishes: BTreeMap<Source, bool>,
    /// A pair of it was once shown, and the room was told so.
    pub(super) was_shown: bool,
}

impl Client {
    pub(super) fn new(joined: Instant, takes_part: room::Reach, encrypted: bool) -> Self {
        Self {
            takes_part,
            encrypted,
            joined,
            away_since: None,
            slow: false,
            reach_up: Reach::Good,
            reach_down: Reach::Good,
            up: Transport::Closed,
            down: Transport::Closed,
            told_to_send: false,
            sends: false,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            wants: BTreeMap::new(),
            screen: BTreeMap::new(),
            links: BTreeMap::new(),
            roster: BTreeSet::new(),
            publishes: BTreeMap::new(),
            was_shown: false,
        }
    }

    /// Reads the next of what it was sent.
    pub(super) fn read(&mut self) {
        let event = match self.inbox.pop_front() {
            Some(Mail::Event(event)) => event,
            Some(Mail::NewUp) => {
                self.sends = false;
                return;
            }
            None => return,
        };
        match event {
            Event::Welcome { participants, .. } => {
                self.roster = participants.iter().map(|other| other.id).collect();
                self.wants.retain(|peer, _| self.roster.contains(peer));
                self.screen.retain(|peer, _| self.roster.contains(peer));
                self.links.retain(|peer, _| self.roster.contains(peer));
            }
            Event::ParticipantJoined(other) => assert!(self.roster.insert(other.id), "joined twice"),
            Event::ParticipantLeft { participant, .. } => {
                assert!(self.roster.remove(&participant), "left without having joined");
                self.wants.remove(&participant);
                self.screen.remove(&participant);
                self.links.remove(&participant);
            }
            Event::OpenLink { peer, link, .. } => drop(self.links.insert(peer, link)),
            Event::CloseLink { peer, link } => {
                if self.links.get(&peer) == Some(&link) {
                    self.links.remove(&peer);
                }
            }
            Event::SendUp { active } => self.sends = active,
            Event::Path { peer, carrier, epoch } => {
                self.wants.insert(peer, Want { carrier, epoch, said: false });
            }
            Event::ParticipantAway { .. }
            | Event::TrackPublished { .. }
            | Event::TrackUnpublished { .. }
            | Event::TrackMuted { .. }
            | Event::Mode { .. }
            | Event::PathStuck { .. }
            | Event::Leg(_)
            | Event::SfuUnreachable => {}
        }
    }

    /// The socket is gone with all that was on its way.
    pub(super) fn lose_socket(&mut self, now: Instant) {
        self.away_since.get_or_insert(now);
        self.inbox.clear();
        self.outbox.clear();
    }
}
