//! What participants say: most of it becomes an input of the room, some is passed on to others.

use tracing::{debug, info, warn};

use super::ice::IcePatch;
use super::member::{self, Accepted, DownTransport, Member, UpTransport};
use super::messages::Sent;
use super::task::Task;
use super::{IfMatch, Patched, Refusal};
use crate::access::Grant;
use crate::room::ids::{Epoch, LinkId, ParticipantId, TrackId};
use crate::room::{Direction, Input, LegPlan, LinkReport, TransportReport};
use crate::sfu::sdp::SdpError;
use crate::sfu::{Command, Counts, Layer, PublicationId, Size, Wish};
use crate::signal::message::{ClientMessage, ErrorCode, Id, Leg, LinkStatus, ServerMessage};
use crate::signal::outgoing::Outgoing;

impl Task {
    pub(super) fn message(&mut self, from: ParticipantId, message: ClientMessage) {
        match message {
            // Both are dealt with where the socket is.
            ClientMessage::Join { .. } | ClientMessage::Ping { .. } => {}
            ClientMessage::Leave {} => self.quiet(from, Input::Leave { participant: from }),
            ClientMessage::Publish { request, source, muted } => {
                let source = source.into();
                if self.may(from, Grant::Publish(source), request) && self.may_publish(from, request) {
                    self.asked(from, Input::Publish { participant: from, source, muted }, Some(request));
                    self.count_publisher(from);
                }
            }
            ClientMessage::Unpublish { track } => {
                if self.asked(from, Input::Unpublish { participant: from, track: track.0 }, None) {
                    self.forget_track(track.0);
                    self.count_publisher(from);
                }
            }
            ClientMessage::Mute { track, muted } => {
                if self.asked(from, Input::Mute { participant: from, track: track.0, muted }, None) && !muted {
                    self.hold_back(track.0, false);
                }
            }
            ClientMessage::LinkDescription { peer, link, description, tracks } => {
                let relayed = ServerMessage::LinkDescription { peer: Id(from), link, description, tracks };
                self.relay(from, peer.0, LinkId(link), relayed);
            }
            ClientMessage::LinkCandidate { peer, link, candidate } => {
                let relayed = ServerMessage::LinkCandidate { peer: Id(from), link, candidate };
                self.relay(from, peer.0, LinkId(link), relayed);
            }
            ClientMessage::LinkState { peer, link, state, relayed } => {
                let report = match state {
                    LinkStatus::Connected => LinkReport::Connected { relayed },
                    LinkStatus::Failed => LinkReport::Failed,
                };
                self.quiet(from, Input::Link { participant: from, peer: peer.0, link: LinkId(link), report });
            }
            ClientMessage::LinkTraffic { peer, link, bytes, packets, lost, rtt_ms } => {
                self.traffic_told(from, peer.0, LinkId(link), Counts { bytes, packets, lost }, rtt_ms);
            }
            ClientMessage::Answer { transport, generation, sdp } => {
                self.answer(from, transport.into(), generation, &sdp);
            }
            ClientMessage::TransportFailed { transport, generation } => {
                let direction = transport.into();
                let current = self.members.get(&from).and_then(|member| member.transport(direction));
                if current.is_some_and(|(_, own)| own == generation) {
                    info!(room = %self.name.short(), participant = %from, ?direction, "the client lost a server transport");
                    let report = TransportReport::Failed;
                    self.quiet(from, Input::Transport { participant: from, direction, report });
                }
            }
            ClientMessage::RestartIce { transport, generation } => {
                self.restart_ice(from, transport.into(), generation);
            }
            ClientMessage::Shown { peer, carrier, epoch } => {
                let (carrier, epoch) = (carrier.into(), Epoch(epoch));
                self.quiet(from, Input::Shown { receiver: from, sender: peer.0, carrier, epoch });
            }
            ClientMessage::View { track, width, height, layer } => {
                self.seen(from, track.0, Size { width, height }, layer.map(member::layer));
            }
            ClientMessage::Keys { .. } if self.is_hidden(from) => self.refuse_word(from, None),
            ClientMessage::Message { request, .. } if self.is_hidden(from) => self.refuse_word(from, request),
            ClientMessage::Keys { to, data } if self.members.contains_key(&to.0) => {
                self.tell(to.0, ServerMessage::Keys { from: Id(from), data });
            }
            // It has just left: nobody has to be told a key.
            ClientMessage::Keys { .. } => {}
            ClientMessage::Message { to, data, binary, unreliable: true, .. } => {
                self.pass_on_unreliable(from, &Sent { to: to.map(|id| id.0), data, binary });
            }
            ClientMessage::Message { request, to, data, binary, unreliable: false } => {
                self.pass_on(from, request, Sent { to: to.map(|id| id.0), data, binary });
            }
            ClientMessage::StartLeg { request, kind, of, layout, ladder, format } => {
                if self.may(from, Grant::Legs, request) {
                    let (of, layout, format) = (of.map(|id| id.0), layout.into(), format.into());
                    let plan = LegPlan { kind: kind.into(), of, layout, ladder: ladder.0, format };
                    let started = self.start_leg(plan, Some(from).filter(|from| !self.is_hidden(*from)));
                    self.tell_of_leg(from, started, request);
                }
            }
            ClientMessage::StopLeg { request, leg } => {
                if self.may(from, Grant::Legs, request) {
                    let stopped = self.stop_leg(leg.0);
                    self.tell_of_leg(from, stopped, request);
                }
            }
        }
    }

    fn is_hidden(&self, participant: ParticipantId) -> bool {
        self.members.get(&participant).is_some_and(Member::is_hidden)
    }

    /// Others do not know of it, and so hear nothing from it.
    fn refuse_word(&mut self, from: ParticipantId, request: Option<u32>) {
        let refusal = Refusal::new(ErrorCode::NotGranted, "who is hidden says nothing to the others");
        self.tell(from, refusal.into_message(false, request));
    }

    fn tell_of_leg(&mut self, to: ParticipantId, changed: Result<Leg, Refusal>, request: u32) {
        match changed {
            Ok(leg) => self.tell(to, ServerMessage::Leg { leg, request: Some(request) }),
            Err(refusal) => self.tell(to, refusal.into_message(false, Some(request))),
        }
    }

    /// Whether a participant was granted this; it is told when it was not.
    fn may(&mut self, from: ParticipantId, grant: Grant, request: u32) -> bool {
        let Some(member) = self.members.get(&from) else { return false };
        let Err(refused) = member.grants.check(grant) else { return true };
        refused.count("room");
        self.tell(from, Refusal::of_access(refused).into_message(false, Some(request)));
        false
    }

    /// Whether the limits leave room for another track; who publishes nothing so far takes a place.
    fn may_publish(&mut self, from: ParticipantId, request: u32) -> bool {
        let Some(member) = self.members.get_mut(&from) else { return false };
        let refused = self.shared.refuse_when_full(&self.name, &self.settings).and_then(|()| {
            if member.publishes.is_none() {
                member.publishes = Some(self.shared.publisher()?);
            }
            Ok(())
        });
        let Err(refusal) = refused else { return true };
        self.tell(from, refusal.into_message(false, Some(request)));
        false
    }

    /// Who publishes nothing any more, or was refused by the room, has no place among those who do.
    fn count_publisher(&mut self, from: ParticipantId) {
        let publishes = self.room.participant(from).is_some_and(|shown| !shown.tracks.is_empty());
        if let Some(member) = self.members.get_mut(&from).filter(|_| !publishes) {
            member.publishes = None;
        }
    }

    /// From one end of a mesh link to the other, while it is the link of the two.
    fn relay(&mut self, from: ParticipantId, to: ParticipantId, link: LinkId, message: ServerMessage) {
        if self.room.link(from, to) == Some(link) {
            self.tell(to, message);
        }
    }

    fn answer(&mut self, from: ParticipantId, direction: Direction, generation: u32, sdp: &str) {
        let Some(member) = self.members.get_mut(&from) else { return };
        let accepted = match direction {
            Direction::Up => {
                let Some(up) = member.up.as_mut().filter(|up| up.generation == generation) else { return };
                let publications = &member.publications;
                up.answer(sdp, |source| publications[&source]).map(|remote| (up.id, remote, Vec::new()))
            }
            Direction::Down => {
                let Some(down) = member.down.as_mut().filter(|down| down.generation == generation) else { return };
                down.answer(sdp).map(|(remote, sends)| (down.id, remote, sends))
            }
        };
        match accepted {
            Ok((transport, remote, sends)) => {
                member.entering.answered(direction);
                self.command(Command::SetRemote { transport, remote });
                for send in sends {
                    let (wish, wanted) = self.wanted(from, send.publication);
                    self.send_down(transport, send, wish, wanted);
                }
                if direction == Direction::Down {
                    self.unflushed.insert(from);
                }
            }
            // A second answer to one offer, after a resume.
            Err(SdpError::Unasked) => {}
            Err(error) => {
                warn!(room = %self.name.short(), participant = %from, %error, "answer refused");
                self.tell(from, Refusal::new(ErrorCode::BadSdp, error.to_string()).into_message(false, None));
                let report = TransportReport::Failed;
                self.quiet(from, Input::Transport { participant: from, direction, report });
            }
        }
    }

    /// A plain client's offer for one of its transports.
    pub(super) fn offer(&mut self, from: ParticipantId, generation: u32, sdp: &str) {
        let Some(member) = self.members.get_mut(&from) else { return };
        match member.take_offer(generation, sdp) {
            None => {}
            Some(Ok(Accepted { transport, answer, entity_tag, remote })) => {
                if let Some(direction) = member.direction_of(transport) {
                    member.entering.answered(direction);
                }
                self.command(Command::SetRemote { transport, remote });
                let down = self.members.get(&from).and_then(|member| member.down.as_ref());
                let unsent = down.filter(|down| down.id == transport).map(DownTransport::unsent);
                unsent.into_iter().flatten().for_each(|track| self.subscribe(from, track));
                self.tell(from, Outgoing::Answer { generation, sdp: answer.into(), entity_tag: entity_tag.into() });
            }
            Some(Err(error)) => {
                warn!(room = %self.name.short(), participant = %from, %error, "offer refused");
                self.tell(from, Refusal::new(ErrorCode::BadSdp, error.to_string()).into_message(false, None));
            }
        }
    }

    /// What a plain client says of ICE. None when there is no such transport.
    pub(super) fn patch_ice(&mut self, from: ParticipantId, patch: &IcePatch) -> Option<Patched> {
        let IcePatch { generation, tags, fragment } = patch;
        let fresh = self.shared.sfu.local(self.shard).ice;
        let (transport, ice) = self.members.get_mut(&from)?.ice(*generation)?;
        let matches = match tags {
            IfMatch::Any => true,
            IfMatch::Tags(tags) => tags.iter().any(|tag| tag == ice.entity_tag()),
        };
        match (matches, ice.is_restarted_by(fragment)) {
            (false, _) => Some(Patched::Stale),
            (true, false) => Some(Patched::Taken),
            (true, true) => {
                let fragment = ice.restart(fragment, fresh.clone());
                let entity_tag = ice.entity_tag().to_owned();
                info!(room = %self.name.short(), participant = %from, ?transport, "ICE restarted");
                self.command(Command::RestartIce { transport, local: fresh });
                Some(Patched::Restarted { entity_tag, fragment })
            }
        }
    }

    /// The client has lost contact, as after a change of networks.
    fn restart_ice(&mut self, from: ParticipantId, direction: Direction, generation: u32) {
        let fresh = self.shared.sfu.local(self.shard).ice;
        let Some(member) = self.members.get_mut(&from) else { return };
        let Some(transport) = member.restart_ice(direction, generation, fresh.clone()) else { return };
        info!(room = %self.name.short(), participant = %from, ?transport, "ICE restarts");
        metrics::counter!("crescendo_ice_restarts_total").increment(1);
        let offer = match direction {
            Direction::Up => member.up.as_mut().and_then(UpTransport::offer),
            // With what else it has to be told, or after the answer that is awaited.
            Direction::Down => {
                self.unflushed.insert(from);
                None
            }
        };
        self.command(Command::RestartIce { transport, local: fresh });
        if let Some(offer) = offer {
            self.tell(from, offer);
        }
    }

    fn wanted(&self, receiver: ParticipantId, publication: PublicationId) -> (Wish, bool) {
        let Some(member) = self.members.get(&receiver) else { return (Wish::default(), false) };
        let is_held_back = |track| self.held_back.contains(&track);
        let own = |track| (member.wish(track), member.wants(track) && !is_held_back(track));
        member.track(publication).map_or((Wish::default(), true), own)
    }

    /// A participant says how large it shows a track.
    fn seen(&mut self, from: ParticipantId, track: TrackId, shown: Size, most: Option<Layer>) {
        let Some((publication, _)) = self.publication(track) else { return };
        let Some(member) = self.members.get_mut(&from) else { return };
        let is_seen = shown.width > 0 && shown.height > 0;
        // What is not seen comes back as it was.
        if is_seen {
            let wish = Wish { shown: Some(shown), most };
            member.set_wish(track, wish);
            let sent = member.down.as_ref().and_then(|down| Some((down.id, down.sent(publication)?.mid)));
            if let Some((transport, mid)) = sent {
                self.command(Command::Wish { transport, mid, wish });
            }
        }
        self.forward(from, track, is_seen);
    }

    /// An input that a participant asked for: what is wrong with it is told. True when nothing was.
    fn asked(&mut self, from: ParticipantId, input: Input, request: Option<u32>) -> bool {
        let result = self.input(input);
        if let Err(error) = result {
            self.tell(from, Refusal::of_room(error).into_message(false, request));
        }
        result.is_ok()
    }

    /// An input that may come too late, which is nobody's fault.
    pub(super) fn quiet(&mut self, from: ParticipantId, input: Input) {
        if let Err(error) = self.input(input) {
            debug!(room = %self.name.short(), participant = %from, %error, "input dropped");
        }
    }
}
