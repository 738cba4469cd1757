//! What an input changes: the facts, and what participants are told of them. Paths, links, transports and the mode follow
//! in `reconcile`. Each input is checked before anything is changed.

use std::collections::BTreeSet;
use std::time::Instant;

use super::ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};
use super::participant::{Standing, Track};
use super::path::Aim;
use super::publication::first_repeated;
use super::{
    Carrier, Couple, Demotion, Departure, Direction, Event, Input, Leg, LegInfo, LegPlan, LegState, LinkReport, Output,
    Pair, Participant, Presence, Reach, Room, RoomError, Source, TransportReport, Way,
};

impl Room {
    pub(super) fn apply(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), RoomError> {
        match input {
            Input::Join { name, tracks, decodes, encrypted, reach } => {
                self.join(now, Participant::new(name, decodes, encrypted, reach), &tracks, out)
            }
            Input::Reach { participant, reach } => self.reach(now, participant, reach, out),
            Input::Leave { participant } => self.leave(participant, Departure::Left, out),
            Input::Remove { participant } => self.leave(participant, Departure::Removed, out),
            Input::Move { participant } => self.leave(participant, Departure::Moved, out),
            Input::Vanish { participant } => self.vanish(now, participant, out),
            Input::Return { participant } => self.come_back(participant, out),
            Input::Publish { participant, source, muted } => self.publish(participant, source, muted, out),
            Input::Unpublish { participant, track } => self.unpublish(participant, track, out),
            Input::Mute { participant, track, muted } => self.mute(participant, track, muted, out),
            Input::Transport { participant, direction, report } => {
                self.transport(now, participant, direction, report, out)
            }
            Input::Link { participant, peer, link, report } => self.link_report(participant, peer, link, report, out),
            Input::Shown { receiver, sender, carrier, epoch } => self.shown(receiver, sender, carrier, epoch),
            Input::StartLeg { plan, by } => self.start_leg(plan, by, out),
            Input::StopLeg { leg } => self.leg_changed(leg, LegState::Stopped, out),
            Input::LegChanged { leg, state } => self.leg_changed(leg, state, out),
            Input::Timeout => Ok(()),
        }
    }

    fn join(
        &mut self,
        now: Instant,
        mut participant: Participant,
        tracks: &[(Source, bool)],
        out: &mut Vec<Output>,
    ) -> Result<(), RoomError> {
        if self.is_full() {
            return Err(RoomError::RoomFull);
        }
        match (self.is_encrypted(), participant.encrypted) {
            (Some(true), false) => return Err(RoomError::RoomEncrypted),
            (Some(false), true) => return Err(RoomError::RoomNotEncrypted),
            (None, _) | (Some(false), false) | (Some(true), true) => {}
        }
        if participant.reach.is_hidden() {
            self.refuse_hidden(participant.encrypted, tracks)?;
        }
        if let Some(source) = first_repeated(tracks) {
            return Err(RoomError::SourceTaken(source));
        }
        if tracks.len() > self.settings.tracks_per_participant {
            return Err(RoomError::TooManyTracks);
        }
        if !tracks.is_empty() {
            self.refuse_another_publisher()?;
        }
        self.last.participant += 1;
        let id = ParticipantId(self.last.participant);
        for &(source, muted) in tracks {
            participant.tracks.insert(self.next_track(), Track { source, muted });
        }
        let joined = Event::ParticipantJoined(participant.info(id));
        self.participants.insert(id, participant);
        self.pair_up(now, id, out);
        self.members_changed();
        self.welcome(id, out);
        self.tell_others(id, &joined, out);
        Ok(())
    }

    fn reach(&mut self, now: Instant, id: ParticipantId, reach: Reach, out: &mut Vec<Output>) -> Result<(), RoomError> {
        let participant = self.known(id)?;
        // Others would have to be told, or to forget, who it is.
        if participant.reach.is_hidden() != reach.is_hidden() {
            return Err(RoomError::Hidden);
        }
        if std::mem::replace(&mut participant.reach, reach) != reach {
            self.pair_up(now, id, out);
            self.members_changed();
        }
        Ok(())
    }

    /// Every pair of one who receives and one who sends has a way, and no other pair.
    fn pair_up(&mut self, now: Instant, id: ParticipantId, out: &mut Vec<Output>) {
        let others: Vec<_> = self.participants.keys().copied().filter(|&other| other != id).collect();
        for pair in others.into_iter().flat_map(|other| Couple::new(id, other).pairs()) {
            let reach = |id| self.participants.get(&id).map(|participant| participant.reach);
            let receives = reach(pair.receiver).is_some_and(Reach::receives);
            if receives && reach(pair.sender).is_some_and(Reach::sends) {
                self.ways.entry(pair).or_insert_with(|| Way::new(now));
            } else if self.ways.remove(&pair).is_some() {
                self.unsubscribe(pair, out);
            }
        }
    }

    fn unsubscribe(&mut self, Pair { receiver, sender }: Pair, out: &mut Vec<Output>) {
        let tracks: Vec<TrackId> =
            self.participants.get(&sender).into_iter().flat_map(|sender| sender.tracks.keys().copied()).collect();
        let subscribed = self.participants.get_mut(&receiver).and_then(|receiver| receiver.down.load_mut());
        let Some(subscribed) = subscribed else { return };
        let gone = tracks.into_iter().filter(|track| subscribed.remove(track));
        out.extend(gone.map(|track| Output::Unsubscribe { receiver, track }));
    }

    fn leave(&mut self, id: ParticipantId, reason: Departure, out: &mut Vec<Output>) -> Result<(), RoomError> {
        self.known(id)?;
        self.remove(id, reason, out);
        Ok(())
    }

    fn vanish(&mut self, now: Instant, id: ParticipantId, out: &mut Vec<Output>) -> Result<(), RoomError> {
        let participant = self.known(id)?;
        match participant.presence {
            Presence::Away { .. } => {}
            Presence::Here => {
                participant.presence = Presence::Away { since: now };
                self.tell_others(id, &Event::ParticipantAway { participant: id, away: true }, out);
            }
        }
        Ok(())
    }

    /// The client has kept its peer connections. It is told all that is under way once more: what it knows already is the
    /// same again, and what it missed is made good.
    fn come_back(&mut self, id: ParticipantId, out: &mut Vec<Output>) -> Result<(), RoomError> {
        let participant = self.known(id)?;
        let was = std::mem::replace(&mut participant.presence, Presence::Here);
        self.welcome(id, out);
        match was {
            Presence::Here => {}
            Presence::Away { .. } => {
                self.tell_others(id, &Event::ParticipantAway { participant: id, away: false }, out);
            }
        }
        for (couple, link) in &self.links {
            for (end, peer, polite) in couple.ends().into_iter().filter(|&(end, ..)| end == id) {
                self.tell(end, Event::OpenLink { peer, link: link.id, polite }, out);
            }
        }
        if let Some(&active) = self.participants.get(&id).and_then(|participant| participant.up.load()) {
            self.tell(id, Event::SendUp { active }, out);
        }
        for pair in self.ways.keys().filter(|pair| pair.receiver == id) {
            self.tell_path(*pair, out);
        }
        Ok(())
    }

    fn publish(
        &mut self,
        id: ParticipantId,
        source: Source,
        muted: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), RoomError> {
        let limit = self.settings.tracks_per_participant;
        let participant = self.known(id)?;
        if participant.reach.is_hidden() {
            return Err(RoomError::Hidden);
        }
        if participant.publishes(source) {
            return Err(RoomError::SourceTaken(source));
        }
        if participant.tracks.len() >= limit {
            return Err(RoomError::TooManyTracks);
        }
        if participant.tracks.is_empty() {
            self.refuse_another_publisher()?;
        }
        let track = self.next_track();
        let published = Track { source, muted };
        self.known(id)?.tracks.insert(track, published);
        self.tell_all(&Event::TrackPublished { participant: id, track: published.info(track) }, out);
        Ok(())
    }

    fn unpublish(&mut self, id: ParticipantId, track: TrackId, out: &mut Vec<Output>) -> Result<(), RoomError> {
        self.own_track(id, track)?;
        self.known(id)?.tracks.remove(&track);
        self.tell_all(&Event::TrackUnpublished { participant: id, track }, out);
        self.release_track(track, out);
        Ok(())
    }

    fn mute(&mut self, id: ParticipantId, track: TrackId, muted: bool, out: &mut Vec<Output>) -> Result<(), RoomError> {
        let owned = self.own_track(id, track)?;
        if std::mem::replace(&mut owned.muted, muted) != muted {
            self.tell_all(&Event::TrackMuted { participant: id, track, muted }, out);
        }
        Ok(())
    }

    fn transport(
        &mut self,
        now: Instant,
        id: ParticipantId,
        direction: Direction,
        report: TransportReport,
        out: &mut Vec<Output>,
    ) -> Result<(), RoomError> {
        if self.known(id)?.report(now, direction, report) {
            out.push(Output::CloseTransport { participant: id, direction });
        }
        Ok(())
    }

    fn link_report(
        &mut self,
        id: ParticipantId,
        peer: ParticipantId,
        link: LinkId,
        report: LinkReport,
        out: &mut Vec<Output>,
    ) -> Result<(), RoomError> {
        self.known(id)?;
        let couple = Couple::new(id, peer);
        let Some(known) = self.links.get_mut(&couple).filter(|known| known.id == link) else { return Ok(()) };
        match report {
            LinkReport::Connected { relayed } => {
                known.note(couple, id, relayed);
                if relayed {
                    self.meet_relay();
                }
            }
            LinkReport::Failed => {
                self.call_off_demotion();
                self.fail_link(couple, out);
            }
        }
        Ok(())
    }

    /// Closes a dead link. Its pairs try the SFU next, whatever the room aims for.
    fn fail_link(&mut self, couple: Couple, out: &mut Vec<Output>) {
        self.close_link(couple, out);
        let aim = match self.target.carrier {
            Carrier::Mesh => Aim::Detour,
            Carrier::Sfu => Aim::Target,
        };
        for pair in couple.pairs() {
            if let Some(way) = self.ways.get_mut(&pair) {
                way.aim = aim;
            }
        }
    }

    fn call_off_demotion(&mut self) {
        if self.target.is_demoting() {
            self.target.demotion = Demotion::CalledOff;
        }
    }

    fn shown(
        &mut self,
        receiver: ParticipantId,
        sender: ParticipantId,
        carrier: Carrier,
        epoch: Epoch,
    ) -> Result<(), RoomError> {
        self.known(receiver)?;
        let Some(way) = self.ways.get_mut(&Pair { receiver, sender }) else { return Ok(()) };
        if way.path.shown(carrier, epoch) {
            self.establish(Pair { receiver, sender });
        }
        Ok(())
    }

    /// Both ends of a pair with a settled path are in the call: they are not refused any more.
    pub(super) fn establish(&mut self, pair: Pair) {
        for (_, end) in self.participants.iter_mut().filter(|&(&id, _)| pair.has(id)) {
            end.standing = Standing::Established;
        }
    }

    fn start_leg(&mut self, plan: LegPlan, by: Option<ParticipantId>, out: &mut Vec<Output>) -> Result<(), RoomError> {
        if self.participants.is_empty() {
            return Err(RoomError::NobodyHere);
        }
        if self.is_encrypted() == Some(true) {
            return Err(RoomError::LegOfEncrypted);
        }
        for id in [plan.of, by].into_iter().flatten() {
            self.known(id)?;
        }
        if self.legs.len() >= self.settings.max_legs {
            return Err(RoomError::TooManyLegs);
        }
        self.last.leg += 1;
        let id = LegId(self.last.leg);
        let info = LegInfo { id, plan, state: LegState::Starting, started_by: by };
        self.legs.insert(id, Leg { info: info.clone(), taps: BTreeSet::new() });
        out.push(Output::StartLeg { leg: id, plan });
        self.tell_all(&Event::Leg(info), out);
        Ok(())
    }

    /// A leg that is stopped by the room gets [`Output::StopLeg`]; one that ended by itself is just let go of.
    fn leg_changed(&mut self, id: LegId, state: LegState, out: &mut Vec<Output>) -> Result<(), RoomError> {
        let leg = self.legs.get_mut(&id).ok_or(RoomError::UnknownLeg(id))?;
        if leg.info.state == state {
            return Ok(());
        }
        leg.info.state = state;
        let info = leg.info.clone();
        if !info.state.is_live() {
            self.end_leg(id, out);
        }
        self.tell_all(&Event::Leg(info), out);
        Ok(())
    }

    /// Takes its taps from a leg and forgets it.
    pub(super) fn end_leg(&mut self, id: LegId, out: &mut Vec<Output>) {
        let Some(leg) = self.legs.remove(&id) else { return };
        out.extend(leg.taps.iter().map(|&track| Output::Untap { leg: id, track }));
        match leg.info.state {
            LegState::Failed(_) => {}
            LegState::Starting | LegState::Running | LegState::Waiting(_) | LegState::Stopped => {
                out.push(Output::StopLeg { leg: id });
            }
        }
    }

    /// Takes a participant out, with all that hangs on it.
    pub(super) fn remove(&mut self, id: ParticipantId, reason: Departure, out: &mut Vec<Output>) {
        let left = Event::ParticipantLeft { participant: id, reason };
        self.tell_others(id, &left, out);
        let Some(mut gone) = self.participants.remove(&id) else { return };
        for &track in gone.tracks.keys() {
            self.release_track(track, out);
        }
        let links: Vec<Couple> = self.links.keys().copied().filter(|couple| couple.has(id)).collect();
        for couple in links {
            self.close_link(couple, out);
        }
        gone.close(id, false, false, out);
        self.ways.retain(|pair, _| !pair.has(id));
        self.members_changed();
        out.push(Output::Removed { participant: id, reason });
    }

    pub(super) fn close_link(&mut self, couple: Couple, out: &mut Vec<Output>) {
        if let Some(link) = self.links.remove(&couple) {
            for (end, peer, _) in couple.ends() {
                self.tell(end, Event::CloseLink { peer, link: link.id }, out);
            }
        }
    }

    /// Nobody receives or taps a track that is gone.
    fn release_track(&mut self, track: TrackId, out: &mut Vec<Output>) {
        for (&receiver, participant) in &mut self.participants {
            if participant.down.load_mut().is_some_and(|subscribed| subscribed.remove(&track)) {
                out.push(Output::Unsubscribe { receiver, track });
            }
        }
        for (&leg, wanted) in &mut self.legs {
            if wanted.taps.remove(&track) {
                out.push(Output::Untap { leg, track });
            }
        }
    }

    /// Somebody came or went: what had failed those who were here may be tried again.
    fn members_changed(&mut self) {
        self.target.members_changed();
        self.end_detours();
    }

    pub(super) fn end_detours(&mut self) {
        for way in self.ways.values_mut() {
            way.aim = Aim::Target;
        }
    }

    fn welcome(&self, id: ParticipantId, out: &mut Vec<Output>) {
        let Some(you) = self.participant(id) else { return };
        let participants = self.participants().filter(|other| other.id != id && !other.hidden).collect();
        let (mode, epoch) = self.announced;
        self.tell(id, Event::Welcome { you, participants, mode, epoch, legs: self.legs().collect() }, out);
    }

    /// Who is hidden shows nothing, and cannot ask for the keys of an encrypted room, where nobody is to listen unseen.
    fn refuse_hidden(&self, encrypted: bool, tracks: &[(Source, bool)]) -> Result<(), RoomError> {
        match encrypted || !tracks.is_empty() {
            true => Err(RoomError::Hidden),
            false => Ok(()),
        }
    }

    /// For somebody who publishes nothing so far.
    fn refuse_another_publisher(&self) -> Result<(), RoomError> {
        let publishers = self.participants.values().filter(|participant| !participant.tracks.is_empty()).count();
        if publishers < self.settings.publishers { Ok(()) } else { Err(RoomError::TooManyPublishers) }
    }

    fn known(&mut self, id: ParticipantId) -> Result<&mut Participant, RoomError> {
        self.participants.get_mut(&id).ok_or(RoomError::UnknownParticipant(id))
    }

    fn own_track(&mut self, id: ParticipantId, track: TrackId) -> Result<&mut Track, RoomError> {
        let exists = self.tracks().any(|(_, known, _)| known == track);
        let owned = self.known(id)?.tracks.get_mut(&track);
        owned.ok_or(if exists { RoomError::NotYourTrack(track) } else { RoomError::UnknownTrack(track) })
    }

    fn next_track(&mut self) -> TrackId {
        self.last.track += 1;
        TrackId(self.last.track)
    }
}
