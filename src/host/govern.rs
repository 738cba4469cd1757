//! What whoever runs a room may do with those who are in it.

use std::time::{Duration, Instant, SystemTime};

use tracing::info;

use super::Refusal;
use super::task::Task;
use crate::access::{Access, Pass, Scope};
use crate::room::Input;
use crate::room::ids::{ParticipantId, RoomName, TrackId};
use crate::sfu::Command;
use crate::signal::message::{ErrorCode, Participant, ServerMessage};

/// How long who is sent to another room may take to get there. Longer: worse connections make it, and a token that nobody uses
/// is good for longer.
const MOVE_TIME: Duration = Duration::from_secs(60);

impl Task {
    /// Everybody has to go, and the room ends.
    pub(super) fn end(&mut self) {
        self.kept = None;
        for participant in self.members.keys().copied().collect::<Vec<_>>() {
            self.put_out(participant, "the room was closed");
        }
    }

    /// Somebody has to go.
    pub(super) fn expel(&mut self, participant: ParticipantId) -> Result<(), Refusal> {
        self.known(participant)?;
        self.put_out(participant, "you were removed from the room");
        Ok(())
    }

    /// Whether somebody could come in who is not encrypted.
    pub(super) fn welcomes(&self) -> Result<(), Refusal> {
        if self.room.is_encrypted() == Some(true) {
            return Err(Refusal::new(ErrorCode::EncryptionDiffers, "that room is encrypted end to end"));
        }
        match self.room.is_full() {
            true => Err(Refusal::new(ErrorCode::RoomFull, "that room is full")),
            false => Ok(()),
        }
    }

    /// Somebody has to go to another room, and gets a token for that where one is needed. False when its client speaks another
    /// protocol, which has no word for it.
    pub(super) fn send_to(
        &mut self,
        participant: ParticipantId,
        to: &RoomName,
        access: &Access,
    ) -> Result<bool, Refusal> {
        let known = self.known(participant)?;
        let member = self.members.get(&participant).filter(|member| member.is_native());
        let Some(member) = member else { return Ok(false) };
        if self.room.is_encrypted() == Some(true) {
            let text = "the room is encrypted end to end, and its keys are for itself alone";
            return Err(Refusal::new(ErrorCode::RoomEncrypted, text));
        }
        let token = match access.is_open() {
            true => None,
            false => {
                let (scope, grants, now) = (Scope::Room(to.clone()), member.grants.clone(), SystemTime::now());
                let identity = Some(known.name).filter(|name| !name.is_empty());
                let given = access.give_pass(Pass { scope, identity, grants, expires: now + MOVE_TIME }, now);
                let full = || Refusal::new(ErrorCode::ServerFull, "as many tokens for one time are out as may be");
                Some(given.ok_or_else(full)?)
            }
        };
        info!(room = %self.name.short(), %participant, %to, "moved");
        self.tell(participant, ServerMessage::Moved { room: to.to_string(), token });
        self.quiet(participant, Input::Move { participant });
        Ok(true)
    }

    fn put_out(&mut self, participant: ParticipantId, why: &str) {
        info!(room = %self.name.short(), %participant, why, "put out");
        self.tell(participant, Refusal::new(ErrorCode::Removed, why).into_message(true, None));
        self.quiet(participant, Input::Remove { participant });
    }

    /// Mutes a track, which the server does not forward from then on, until it is unmuted here or by its owner.
    pub(super) fn silence(
        &mut self,
        participant: ParticipantId,
        track: TrackId,
        muted: bool,
    ) -> Result<Participant, Refusal> {
        self.input(Input::Mute { participant, track, muted }).map_err(Refusal::of_room)?;
        self.hold_back(track, muted);
        self.known(participant)
    }

    /// Forwards a track to nobody, or to whoever wants it again.
    pub(super) fn hold_back(&mut self, track: TrackId, on: bool) {
        let is_new = if on { self.held_back.insert(track) } else { self.held_back.remove(&track) };
        let Some((publication, _)) = self.publication(track).filter(|_| is_new) else { return };
        let receivers = self.members.values().filter_map(|member| {
            let down = member.down.as_ref()?;
            Some((down.id, down.sent(publication)?.mid, !on && member.wants(track)))
        });
        for (transport, mid, on) in receivers.collect::<Vec<_>>() {
            self.command(Command::Forward { transport, mid, on });
        }
    }

    fn known(&self, participant: ParticipantId) -> Result<Participant, Refusal> {
        let unknown = || Refusal::new(ErrorCode::UnknownParticipant, format!("no participant {participant}"));
        self.room.participant(participant).map(Into::into).ok_or_else(unknown)
    }

    /// Nobody is there, and nobody is waited for.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.room.is_empty() && self.kept.as_ref().is_none_or(|kept| kept.until() <= now)
    }
}
