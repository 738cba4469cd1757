//! What participants say: most of it becomes an input of the room, some is passed on to others.

use tracing::{debug, info, warn};

use super::ice::IcePatch;
use super::member::Accepted;
use super::messages::Sent;
use super::task::{Task, refusal};
use super::{IfMatch, Patched, Refusal};
use crate::room::ids::{Epoch, LinkId, ParticipantId};
use crate::room::{Direction, Input, LinkReport, TransportReport};
use crate::sfu::sdp::SdpError;
use crate::sfu::{Command, PublicationId};
use crate::signal::message::{ClientMessage, ErrorCode, Id, LinkStatus, ServerMessage};
use crate::signal::outgoing::Outgoing;

impl Task {
    pub(super) fn message(&mut self, from: ParticipantId, message: ClientMessage) {
        match message {
            // Both are dealt with where the socket is.
            ClientMessage::Join { .. } | ClientMessage::Ping { .. } => {}
            ClientMessage::Leave {} => self.quiet(from, Input::Leave { participant: from }),
            ClientMessage::Publish { request, source, muted } => {
                let input = Input::Publish { participant: from, source: source.into(), muted };
                self.asked(from, input, Some(request));
            }
            ClientMessage::Unpublish { track } => {
                if self.asked(from, Input::Unpublish { participant: from, track: track.0 }, None) {
                    self.tracks.remove(&track.0);
                }
            }
            ClientMessage::Mute { track, muted } => {
                self.asked(from, Input::Mute { participant: from, track: track.0, muted }, None);
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
            ClientMessage::Answer { transport, generation, sdp } => {
                self.answer(from, transport.into(), generation, &sdp);
            }
            ClientMessage::TransportFailed { transport, generation } => {
                let direction = transport.into();
                let current = self.members.get(&from).and_then(|member| member.transport(direction));
                if current.is_some_and(|(_, own)| own == generation) {
                    info!(room = %self.name, participant = %from, ?direction, "the client lost a server transport");
                    let report = TransportReport::Failed;
                    self.quiet(from, Input::Transport { participant: from, direction, report });
                }
            }
            ClientMessage::Shown { peer, carrier, epoch } => {
                let (carrier, epoch) = (carrier.into(), Epoch(epoch));
                self.quiet(from, Input::Shown { receiver: from, sender: peer.0, carrier, epoch });
            }
            ClientMessage::Keys { to, data } if self.members.contains_key(&to.0) => {
                self.tell(to.0, ServerMessage::Keys { from: Id(from), data });
            }
            // It has just left: nobody has to be told a key.
            ClientMessage::Keys { .. } => {}
            ClientMessage::Message { request, to, data, binary } => {
                self.pass_on(from, request, Sent { to: to.map(|id| id.0), data, binary });
            }
            ClientMessage::StartLeg { request, kind, of } => {
                match self.start_leg(kind.into(), of.map(|id| id.0), Some(from)) {
                    Ok(leg) => self.tell(from, ServerMessage::Leg { leg, request: Some(request) }),
                    Err(refusal) => self.tell(from, refusal.into_message(false, Some(request))),
                }
            }
            ClientMessage::StopLeg { request, leg } => match self.stop_leg(leg.0) {
                Ok(leg) => self.tell(from, ServerMessage::Leg { leg, request: Some(request) }),
                Err(refusal) => self.tell(from, refusal.into_message(false, Some(request))),
            },
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
                self.command(Command::SetRemote { transport, remote });
                for send in sends {
                    let wanted = self.is_wanted(from, send.publication);
                    self.send_down(transport, send, wanted);
                }
                if direction == Direction::Down {
                    self.unflushed.insert(from);
                }
            }
            // A second answer to one offer, after a resume.
            Err(SdpError::Unasked) => {}
            Err(error) => {
                warn!(room = %self.name, participant = %from, %error, "answer refused");
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
                self.command(Command::SetRemote { transport, remote });
                self.tell(from, Outgoing::Answer { generation, sdp: answer.into(), entity_tag: entity_tag.into() });
            }
            Some(Err(error)) => {
                warn!(room = %self.name, participant = %from, %error, "offer refused");
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
                info!(room = %self.name, participant = %from, ?transport, "ICE restarted");
                self.command(Command::RestartIce { transport, local: fresh });
                Some(Patched::Restarted { entity_tag, fragment })
            }
        }
    }

    fn is_wanted(&self, receiver: ParticipantId, publication: PublicationId) -> bool {
        let member = self.members.get(&receiver);
        member.is_some_and(|member| member.track(publication).is_none_or(|track| member.wants(track)))
    }

    /// An input that a participant asked for: what is wrong with it is told. True when nothing was.
    fn asked(&mut self, from: ParticipantId, input: Input, request: Option<u32>) -> bool {
        let result = self.input(input);
        if let Err(error) = result {
            self.tell(from, refusal(error).into_message(false, request));
        }
        result.is_ok()
    }

    /// An input that may come too late, which is nobody's fault.
    pub(super) fn quiet(&mut self, from: ParticipantId, input: Input) {
        if let Err(error) = self.input(input) {
            debug!(room = %self.name, participant = %from, %error, "input dropped");
        }
    }
}
