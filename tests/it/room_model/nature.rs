//! What networks, clients and time do, as far as the world lets them.

use std::time::Duration;

use crescendo::room::ids::{LinkId, ParticipantId};
use crescendo::room::{Direction, Event, Input, LinkReport, TransportReport};

use super::client::{Mail, Reach, Transport};
use super::world::{Link, Net, Pair, Wire, World, transport};

impl World {
    pub(super) fn net(&self, link: &Link) -> Net {
        self.nets.get(&link.ends.into_iter().collect()).copied().unwrap_or(self.usual_net)
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

    /// The network decides on a link, or takes it another way, and its ends see that.
    pub(super) fn try_link(&mut self, id: LinkId, dies: bool) {
        let Some(link) = self.links.get(&id) else { return };
        let [a, b] = link.ends;
        let known = self.clients[&a].links.get(&b) == Some(&id) && self.clients[&b].links.get(&a) == Some(&id);
        let connected = |relayed| (Wire::Up { relayed }, LinkReport::Connected { relayed });
        let (wire, report) = match (link.wire, self.net(link), dies) {
            (Wire::Dialing | Wire::Up { .. }, Net::Blocked, _) | (Wire::Dialing | Wire::Up { .. }, _, true) => {
                (Wire::Dead, LinkReport::Failed)
            }
            (Wire::Dialing | Wire::Up { relayed: true }, Net::Direct, false) if known => connected(false),
            (Wire::Dialing | Wire::Up { relayed: false }, Net::Relay, false) if known => connected(true),
            (Wire::Dialing | Wire::Up { .. } | Wire::Dead, _, _) => return,
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
