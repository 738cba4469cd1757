//! What a client asks for: places in rooms, and what it does there.

use super::super::command::{Play, Publish};
use super::super::place::{Choice, Place, Playing, Publishing, Role};
use super::super::say::{self, Definition};
use super::super::streams::{Claimed, Holder, Live, ROLE_MAX, check_meta_data, now_ms, room_of_label};
use super::{Action, Client, PAGE, invalid, name};
use crate::host::Entry;
use crate::room::ids::TrackId;
use crate::room::names::display_name;
use crate::room::{Kind, Reach, Source};
use crate::signal::message::{ClientMessage, Id};

impl Client {
    pub(super) fn join(&mut self, id: &str, mode: &str, out: &mut Vec<Action>) {
        let Some(room) = name(id, out) else { return };
        match self.in_room(&room).map(Place::is_mesh) {
            // It starts over, with new peer connections at both ends.
            Some(true) => self.leave_room(&room, "", out),
            Some(false) => {
                let text = "this socket publishes or plays in that room";
                return out.push(Action::Say(say::error(Definition::StreamIdInUse, id, text)));
            }
            None => {}
        }
        let tracks = match mode {
            "play" => Vec::new(),
            _ => vec![(Source::Microphone, false), (Source::Camera, false)],
        };
        let entry = Entry::Mesh { most: self.terms.most_peers };
        self.enter(room, Role::Mesh, "Guest".into(), tracks, entry, out);
    }

    pub(super) fn leave(&mut self, id: &str, out: &mut Vec<Action>) {
        let room = id.parse().ok().filter(|room| self.in_room(room).is_some_and(Place::is_mesh));
        match room {
            Some(room) => {
                self.leave_room(&room, id, out);
                out.push(Action::Say(say::notification("leaved", id)));
            }
            None => out.push(Action::Say(say::error(Definition::NoPeerAssociatedBefore, id, ""))),
        }
    }

    pub(super) fn publish(&mut self, publish: Publish, out: &mut Vec<Action>) {
        let Publish { stream_id, stream_name, main_track, video, audio, meta_data, role, token } = publish;
        let Some(id) = name(&stream_id, out) else { return };
        let room = match main_track.as_str() {
            "" => id.clone(),
            main => match main.parse() {
                Ok(room) => room,
                Err(_) => return out.push(Action::Say(invalid(&stream_id, "mainTrack"))),
            },
        };
        let say = |definition, text: &str| Action::Say(say::error(definition, &stream_id, text));
        if self.publishing(&stream_id).is_some() {
            return out.push(say(Definition::AlreadyPublishing, ""));
        }
        let is_of_a_transport =
            self.places.values().any(|place| place.is_mesh() && place.server_transport(&stream_id).is_some());
        if room_of_label(&stream_id).is_some_and(|of| of == room) || is_of_a_transport {
            return self.is_taken(&stream_id, out);
        }
        if !video && !audio {
            return out.push(say(Definition::NoEncoderSettings, "neither audio nor video is to be published"));
        }
        if let Err(why) = check_meta_data(&meta_data) {
            return out.push(say(Definition::MissingParameter, &why));
        }
        if role.len() > ROLE_MAX {
            return out.push(say(Definition::MissingParameter, &format!("role has at most {ROLE_MAX} bytes")));
        }
        match self.in_room(&room).map(|place| (place.is_mesh(), place.publishes().is_some())) {
            Some((true, _)) => return out.push(say(Definition::StreamIdInUse, "this socket has joined that room")),
            Some((_, true)) => {
                return out.push(say(Definition::AlreadyPublishing, "one socket publishes one stream in a room"));
            }
            Some((false, false)) | None => {}
        }
        let display = display_name(&stream_name, self.terms.name_chars);
        let live = Live {
            app: self.terms.app.clone(),
            started: false,
            room: room.clone(),
            participant: self.in_room(&room).and_then(|place| place.you),
            name: display,
            meta_data,
            role,
            since_ms: now_ms(),
        };
        let token = Some(token).filter(|token| self.terms.closed && !token.is_empty());
        let holder = Holder { token, doubt: self.terms.doubt.clone() };
        let claim = match self.streams.claim(&id, live, holder) {
            Claimed::Yes { claim, instead } => {
                out.extend(instead.map(|(room, participant)| Action::PutOut { room, participant }));
                claim
            }
            Claimed::InUse => return out.push(say(Definition::StreamIdInUse, "somebody publishes under this id")),
        };
        let publishing = Publishing { claim, started: false };
        let wanted = [(audio, Source::Microphone), (video, Source::Camera)];
        let sources = wanted.into_iter().filter(|(on, _)| *on).map(|(_, source)| source);
        match self.places.iter_mut().find(|(_, place)| place.room == room) {
            // It plays this room already.
            Some((&place, known)) => {
                if let Role::Server { publishes, plays } = &mut known.role {
                    let receives = plays.is_some();
                    *publishes = Some(publishing);
                    out.push(Action::Reach { place, reach: Reach::Server { sends: true, receives } });
                    out.extend(sources.map(|source| {
                        let message = ClientMessage::Publish { request: 0, source: source.into(), muted: false };
                        Action::Send { place, message }
                    }));
                }
            }
            None => {
                let role = Role::Server { publishes: Some(publishing), plays: None };
                let tracks = sources.map(|source| (source, false)).collect();
                self.enter(room, role, stream_id, tracks, Entry::Publish { data: true }, out);
            }
        }
    }

    pub(super) fn play(&mut self, play: Play, out: &mut Vec<Action>) {
        let Play { stream_id, track_list, disable_tracks_by_default, token: _ } = play;
        let Some(id) = name(&stream_id, out) else { return };
        if self.playing(&stream_id).is_some() {
            return out.push(Action::Say(say::error(Definition::AlreadyPlaying, &stream_id, "")));
        }
        // A stream of a room is watched there; anything else is a room.
        let live = self.streams.live(&id).filter(|live| live.room != id);
        let (room, only) = match live {
            Some(Live { room, participant: Some(participant), .. }) => (room, Some(participant)),
            Some(_) => {
                let text = "it is about to be published";
                return out.push(Action::Say(say::error(Definition::NoStreamExist, &stream_id, text)));
            }
            None => (id.clone(), None),
        };
        let mut choice = Choice { off_by_default: disable_tracks_by_default, ..Choice::default() };
        for track in track_list.into_iter().take(PAGE) {
            let (label, on) = match track.strip_prefix('!') {
                Some(label) => (label, false),
                None => (track.as_str(), true),
            };
            choice.off_by_default |= on;
            [Kind::Audio, Kind::Video].into_iter().for_each(|kind| choice.pick(label, kind, on));
        }
        let playing = Playing { id, only, choice };
        match self.places.iter_mut().find(|(_, place)| place.room == room) {
            Some((&place, known)) => match &mut known.role {
                Role::Server { publishes: Some(_), plays: plays @ None } if only.is_none() => {
                    *plays = Some(playing);
                    out.push(Action::Reach { place, reach: Reach::Server { sends: true, receives: true } });
                }
                Role::Mesh | Role::Server { .. } => {
                    let text = "this socket is in that room already";
                    out.push(Action::Say(say::error(Definition::AlreadyPlaying, &stream_id, text)));
                }
            },
            None => {
                let role = Role::Server { publishes: None, plays: Some(playing) };
                self.enter(room, role, "Viewer".into(), Vec::new(), Entry::Watch { only }, out);
            }
        }
    }

    /// What is not published or played is stopped already; SDKs say so before each new attempt.
    pub(super) fn stop(&mut self, id: &str, out: &mut Vec<Action>) {
        let found = self.places.iter_mut().find_map(|(&place, known)| {
            let ends_publishing = known.publishes().is_some_and(|publishing| publishing.claim.id().as_str() == id);
            let ends_playing = known.plays().is_some_and(|playing| playing.id.as_str() == id);
            (ends_publishing || ends_playing).then_some((place, known, ends_publishing))
        });
        let Some((place, known, ends_publishing)) = found else { return };
        let tracks: Vec<TrackId> = known.own_tracks().collect();
        let Role::Server { publishes, plays } = &mut known.role else { return };
        let definition = match ends_publishing {
            true => {
                *publishes = None;
                "publish_finished"
            }
            false => {
                *plays = None;
                "play_finished"
            }
        };
        let (sends, receives) = (publishes.is_some(), plays.is_some());
        if ends_publishing {
            known.close_up();
        } else {
            known.close_down();
        }
        match (sends, receives) {
            (false, false) => {
                self.places.remove(&place);
                out.push(Action::Leave { place });
            }
            (sends, receives) => {
                let tracks = tracks.into_iter().filter(|_| ends_publishing);
                out.extend(tracks.map(|track| {
                    let message = ClientMessage::Unpublish { track: Id(track) };
                    Action::Send { place, message }
                }));
                out.push(Action::Reach { place, reach: Reach::Server { sends, receives } });
            }
        }
        self.end(id.to_owned());
        out.push(Action::Say(say::notification(definition, id)));
    }
}
