//! What should be, derived from the facts, and the differences to what is.
//!
//! Everything new comes before anything old goes: links, transports, subscriptions, then the orders to use them, and only
//! then what nobody uses any more.

use std::collections::BTreeSet;
use std::time::Instant;

use super::ids::{LinkId, ParticipantId};
use super::mode::Target;
use super::participant::Standing;
use super::path::{Aim, Order, Way};
use super::{
    Carrier, Couple, Demotion, Departure, Event, Link, Output, Pair, Participant, Path, Phase, Presence, Progress,
    Room, publication,
};

impl Room {
    pub(super) fn reconcile(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut orders = BTreeSet::new();
        self.let_go_of_the_vanished(now, out);
        loop {
            let links = self.links.len();
            self.bury_the_dead(now, &mut orders);
            self.retarget(now);
            self.direct(now, &mut orders, out);
            // A link that one direction opened may be what the other one lacks.
            let is_linked_anew = self.links.len() > links;
            if !self.refuse_newcomer(now, out) && !self.detour(now) && !is_linked_anew {
                break;
            }
        }
        let switched = self.settle(now);
        self.announce(out);
        self.open_transports(now, out);
        self.carry_more(out);
        self.report_paths(now, &orders, out);
        self.carry_less(out);
        self.close_links(out);
        self.close_transports(out);
        self.prefer_codec(out);
        self.account_for_relays(now);
        out.extend(switched);
    }

    fn let_go_of_the_vanished(&mut self, now: Instant, out: &mut Vec<Output>) {
        let grace = self.settings.resume_grace;
        let is_over = |participant: &Participant| match participant.presence {
            Presence::Here => false,
            Presence::Away { since } => since + grace <= now,
        };
        let gone: Vec<_> = self.participants.iter().filter(|(_, p)| is_over(p)).map(|(&id, _)| id).collect();
        for id in gone {
            self.remove(id, Departure::Vanished, out);
        }
    }

    /// Decides which carrier the room aims for.
    fn retarget(&mut self, now: Instant) {
        let fits_mesh = self.fits_mesh();
        let turns = match self.target.carrier {
            Carrier::Mesh if !fits_mesh => true,
            Carrier::Mesh => {
                if self.target.is_demoting() && self.misses_mesh(now) {
                    self.target.demotion = Demotion::CalledOff;
                } else if self.suffers_relays(now) {
                    self.target.demotion = Demotion::Relayed;
                }
                matches!(self.target.demotion, Demotion::CalledOff | Demotion::Relayed)
            }
            Carrier::Sfu if !fits_mesh => {
                self.target.demotion = Demotion::Unwanted;
                false
            }
            Carrier::Sfu => self.may_return_to_mesh(now),
        };
        if turns {
            self.end_detours();
            self.target.turn(now);
        }
    }

    fn fits_mesh(&self) -> bool {
        let count = self.participants.len();
        count <= 1 || count <= self.settings.mesh_limit && self.participants.values().all(|p| p.reach.can_mesh())
    }

    /// The room is on or under way to the SFU and small enough for a mesh.
    fn may_return_to_mesh(&mut self, now: Instant) -> bool {
        let since = match self.target.demotion {
            Demotion::Unwanted => now,
            Demotion::Waiting { since } => since,
            Demotion::CalledOff => return false,
            Demotion::Relayed => {
                let returns = self.wants_relays();
                if returns {
                    self.target.demotion = Demotion::Unwanted;
                }
                return returns;
            }
        };
        self.target.demotion = Demotion::Waiting { since };
        let has_waited = since + self.settings.demote_after <= now;
        let returns = has_waited || self.target.is_promoting() || self.is_sfu_unused() || self.is_sfu_broken();
        if returns {
            self.target.demotion = Demotion::Unwanted;
        }
        returns
    }

    pub(super) fn is_sfu_unused(&self) -> bool {
        !self.ways.values().any(|way| way.path.uses(Carrier::Sfu))
    }

    /// Somebody who is here was seeing another over the SFU and does so no longer.
    pub(super) fn is_sfu_broken(&self) -> bool {
        let is_here = |id| self.participants.get(&id).is_some_and(Participant::is_here);
        self.ways.iter().any(|(&pair, way)| {
            way.path == Path::Settled { on: Carrier::Sfu }
                && !self.is_proven(pair)
                && is_here(pair.receiver)
                && is_here(pair.sender)
        })
    }

    /// A pair was sent to mesh and has not got there by its deadline.
    fn misses_mesh(&self, now: Instant) -> bool {
        let deadline = self.settings.switch_deadline;
        let misses = |order: &Order| order.to == Carrier::Mesh && order.since + deadline <= now;
        self.ways.values().any(|way| way.path.order().is_some_and(misses))
    }

    /// The server can bring `sender`'s media to `receiver`: both transports are up.
    pub(super) fn is_proven(&self, pair: Pair) -> bool {
        let sends = self.participants.get(&pair.sender).is_some_and(|sender| sender.up.is_connected());
        sends && self.participants.get(&pair.receiver).is_some_and(|receiver| receiver.down.is_connected())
    }

    /// Takes from each pair the carriers that are dead. That begins a new epoch: what a receiver has said about a carrier
    /// that died must not pass for what it will say about the next one.
    fn bury_the_dead(&mut self, now: Instant, orders: &mut BTreeSet<Pair>) {
        let mut lost = false;
        let mut went_back = BTreeSet::new();
        let pairs: Vec<Pair> = self.ways.keys().copied().collect();
        for pair in pairs {
            let is_proven = self.is_proven(pair);
            let is_linked = self.is_linked(pair);
            let Some(way) = self.ways.get_mut(&pair) else { continue };
            let before = way.path;
            if !is_linked && way.path.lose(Carrier::Mesh, now) {
                went_back.insert(pair);
            }
            // Who is settled on the SFU and has no link stays: its transports are being opened again, and nothing better is known.
            let stays = way.path == Path::Settled { on: Carrier::Sfu } && !is_linked;
            if !is_proven && !stays && way.path.lose(Carrier::Sfu, now) {
                went_back.insert(pair);
            }
            lost |= way.path != before;
        }
        if lost {
            self.target.next_epoch();
        }
        for &pair in &went_back {
            self.establish(pair);
        }
        orders.append(&mut went_back);
    }

    /// Sends each pair where it aims, as soon as that can be tried. Who is shown over the other carrier waits for its turn; its
    /// time began with the switch, whenever that comes.
    fn direct(&mut self, now: Instant, orders: &mut BTreeSet<Pair>, out: &mut Vec<Output>) {
        self.let_go_of_broken_ways(now);
        let target = self.target.carrier;
        let waits = |way: &Way| way.path == Path::Settled { on: way.aims_for(target).other() };
        let can_be_tried = |pair: Pair, way: &Way| way.aims_for(target) == Carrier::Mesh || self.is_proven(pair);
        let ready = self.ways.iter().filter(|&(&pair, way)| can_be_tried(pair, way));
        let (waiting, hurried): (Vec<_>, Vec<_>) =
            ready.map(|(&pair, way)| (pair, waits(way))).partition(|&(_, waits)| waits);
        for (pair, _) in hurried {
            self.send_on(pair, now, orders, out);
        }
        let since = self.target.switching_since().unwrap_or(now);
        let mut pace = self.pace(now);
        for (pair, _) in waiting {
            if pace.as_mut().is_none_or(|pace| pace.lets_go(pair)) {
                self.send_on(pair, since, orders, out);
            }
        }
        self.take_links(now, orders, out);
    }

    /// Who has nothing and cannot go where it aims takes the link that stands for the sake of the other direction.
    fn take_links(&mut self, now: Instant, orders: &mut BTreeSet<Pair>, out: &mut Vec<Output>) {
        let has_nothing = self.ways.iter().filter(|(_, way)| matches!(way.path, Path::Nothing { .. }));
        let stranded: Vec<Pair> = has_nothing.map(|(&pair, _)| pair).filter(|&pair| self.is_linked(pair)).collect();
        for pair in stranded {
            self.send(pair, Carrier::Mesh, now, orders, out);
        }
    }

    /// Sends the pair where it aims.
    fn send_on(&mut self, pair: Pair, since: Instant, orders: &mut BTreeSet<Pair>, out: &mut Vec<Output>) {
        let Some(to) = self.ways.get(&pair).map(|way| way.aims_for(self.target.carrier)) else { return };
        self.send(pair, to, since, orders, out);
    }

    fn send(&mut self, pair: Pair, to: Carrier, since: Instant, orders: &mut BTreeSet<Pair>, out: &mut Vec<Output>) {
        let Target { epoch, turned, .. } = self.target;
        let is_linked = self.is_linked(pair);
        let Some(way) = self.ways.get_mut(&pair) else { return };
        let order = Order { to, epoch, since, progress: Progress::InTime };
        if way.path.send(order, turned) {
            orders.insert(pair);
        }
        if is_linked {
            way.path.find_link();
        }
        if way.path.uses(Carrier::Mesh) && !is_linked {
            self.open_link(pair.couple(), out);
        }
    }

    fn is_linked(&self, pair: Pair) -> bool {
        self.links.contains_key(&pair.couple())
    }

    /// Who stayed on a broken SFU for want of anything better has nothing to keep once it aims for mesh.
    fn let_go_of_broken_ways(&mut self, now: Instant) {
        let target = self.target.carrier;
        let aims_for_mesh = self.ways.iter().filter(|(_, way)| way.aims_for(target) == Carrier::Mesh);
        let broken: Vec<Pair> = aims_for_mesh.map(|(&pair, _)| pair).filter(|&pair| !self.is_proven(pair)).collect();
        for pair in broken {
            if let Some(way) = self.ways.get_mut(&pair) {
                way.path.lose(Carrier::Sfu, now);
            }
        }
    }

    fn open_link(&mut self, couple: Couple, out: &mut Vec<Output>) {
        self.last.link += 1;
        let link = LinkId(self.last.link);
        self.links.insert(couple, Link::new(link));
        for pair in couple.pairs() {
            if let Some(way) = self.ways.get_mut(&pair) {
                way.path.find_link();
            }
        }
        for (end, peer, polite) in couple.ends() {
            self.tell(end, Event::OpenLink { peer, link, polite }, out);
        }
    }

    /// Refuses a newcomer who needed the SFU and has got no path at all by the deadline, the latest one first: it may be
    /// the reason why an earlier one has none.
    fn refuse_newcomer(&mut self, now: Instant, out: &mut Vec<Output>) -> bool {
        if self.target.carrier != Carrier::Sfu {
            return false;
        }
        let newcomers = self.participants.iter().rev().filter(|(_, p)| p.standing == Standing::Newcomer);
        let refused = newcomers.map(|(&id, _)| id).find(|&id| self.is_left_out(id, now));
        if let Some(id) = refused {
            self.tell(id, Event::SfuUnreachable, out);
            self.remove(id, Departure::SfuUnreachable, out);
        }
        refused.is_some()
    }

    /// It has had nothing to and from anybody, and for as long as a switch may take.
    fn is_left_out(&self, id: ParticipantId, now: Instant) -> bool {
        let mut since = None;
        for (_, way) in self.ways.iter().filter(|(pair, _)| pair.has(id)) {
            match way.path {
                Path::Nothing { since: at } => since = Some(since.map_or(at, |earlier: Instant| earlier.min(at))),
                Path::Arriving { .. } | Path::Settled { .. } | Path::Moving { .. } => return false,
            }
        }
        since.is_some_and(|since| since + self.settings.switch_deadline <= now)
    }

    /// Pairs that have waited for the SFU in vain and have nothing else try mesh.
    fn detour(&mut self, now: Instant) -> bool {
        let deadline = self.settings.switch_deadline;
        let target = self.target.carrier;
        let mut any = false;
        for (pair, way) in &mut self.ways {
            let is_due = match way.path {
                Path::Nothing { since } => since + deadline <= now,
                Path::Arriving { .. } | Path::Settled { .. } | Path::Moving { .. } => false,
            };
            let ends = [pair.receiver, pair.sender];
            let can_mesh = ends.iter().all(|id| self.participants.get(id).is_some_and(|p| p.reach.can_mesh()));
            if is_due && can_mesh {
                way.aim = match target {
                    Carrier::Mesh => Aim::Target,
                    Carrier::Sfu => Aim::Detour,
                };
                any = true;
            }
        }
        any
    }

    /// Ends the switch when everybody is there or was given up on. A demotion gives nobody up: it is called off instead.
    fn settle(&mut self, now: Instant) -> Option<Output> {
        let since = self.target.switching_since()?;
        let to = self.target.carrier;
        let is_over = since + self.settings.switch_deadline <= now && !self.target.is_demoting();
        if !is_over && !self.ways.values().all(|way| way.is_there(to)) {
            return None;
        }
        self.target.phase = Phase::Settled;
        Some(Output::Switched { to, took: now - since })
    }

    /// Orders that are new, and those that are overdue.
    fn report_paths(&mut self, now: Instant, orders: &BTreeSet<Pair>, out: &mut Vec<Output>) {
        for &pair in orders {
            self.tell_path(pair, out);
        }
        let deadline = self.settings.switch_deadline;
        let find = |way: &mut Way| way.path.find_stuck(|since| since + deadline <= now);
        let stuck: Vec<_> = self.ways.iter_mut().filter_map(|(&pair, way)| Some((pair, find(way)?))).collect();
        for (Pair { receiver, sender: peer }, carrier) in stuck {
            self.tell(receiver, Event::PathStuck { peer, carrier }, out);
        }
    }

    /// Tells the receiver where the pair is or was sent to.
    pub(super) fn tell_path(&self, pair: Pair, out: &mut Vec<Output>) {
        let (carrier, epoch) = match self.ways.get(&pair).map(|way| way.path) {
            Some(Path::Arriving { order } | Path::Moving { order }) => (order.to, order.epoch),
            Some(Path::Settled { on }) => (on, self.target.epoch),
            Some(Path::Nothing { .. }) | None => return,
        };
        self.tell(pair.receiver, Event::Path { peer: pair.sender, carrier, epoch }, out);
    }

    /// A link goes when neither direction needs it.
    fn close_links(&mut self, out: &mut Vec<Output>) {
        let needs_link = |pair: &Pair| self.ways.get(pair).is_some_and(|way| way.path.uses(Carrier::Mesh));
        let unused = |couple: &Couple| !couple.pairs().iter().any(needs_link);
        let unused: Vec<Couple> = self.links.keys().copied().filter(unused).collect();
        for couple in unused {
            self.close_link(couple, out);
        }
    }

    fn prefer_codec(&mut self, out: &mut Vec<Output>) {
        let decoders = self.participants.values().map(|participant| &participant.decodes);
        let codec = publication::preferred_codec(&self.settings.video_codecs, decoders);
        if self.codec != codec {
            self.codec = codec;
            out.extend(codec.map(|codec| Output::PreferCodec { codec }));
        }
    }

    fn announce(&mut self, out: &mut Vec<Output>) {
        let (mode, epoch) = (self.target.mode(), self.target.epoch);
        if self.announced != (mode, epoch) {
            self.announced = (mode, epoch);
            self.tell_all(&Event::Mode { mode, epoch }, out);
        }
    }

    /// A leg alone does not keep a room alive.
    pub(super) fn end(&mut self, out: &mut Vec<Output>) {
        while let Some((&id, _)) = self.legs.first_key_value() {
            self.end_leg(id, out);
        }
        out.push(Output::Empty);
    }
}
