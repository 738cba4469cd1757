//! What is said of a room to who asks, by WebSocket or by REST.

use serde_json::{Value, json};

use super::client::{Action, Question};
use super::say::{self, Definition};
use super::streams::{StreamId, Streams, broadcast};
use crate::host::RoomView;
use crate::room::ids::ParticipantId;

/// A stream of a room: its id, whose it is, and how it is shown.
#[derive(Debug)]
pub struct Subtrack {
    pub id: String,
    pub participant: ParticipantId,
    pub shown: Value,
    pub role: String,
}

/// The streams of a room: everybody who sends something.
pub fn subtracks(streams: &Streams, view: Option<&RoomView>) -> Vec<Subtrack> {
    let Some(view) = view else { return Vec::new() };
    let Ok(room) = view.name.parse::<StreamId>() else { return Vec::new() };
    let senders = view.participants.iter().filter(|participant| !participant.tracks.is_empty());
    senders
        .map(|participant| {
            let id = streams.label(&room, participant.id.0, &participant.name);
            let live = id.parse().ok().and_then(|id: StreamId| streams.live(&id));
            let mut shown = broadcast(&id, live.as_ref(), &[]);
            if live.is_none() {
                // Somebody who came in by another door.
                shown["name"] = participant.name.as_str().into();
                shown["status"] = "broadcasting".into();
            }
            shown["mainTrackStreamId"] = view.name.as_str().into();
            let role = live.map(|live| live.role).unwrap_or_default();
            Subtrack { id, participant: participant.id.0, shown, role }
        })
        .collect()
}

pub(super) fn answer(streams: &Streams, question: Question, view: Option<&RoomView>, out: &mut Vec<Action>) {
    let all = subtracks(streams, view);
    let ids = |of: &str| -> Vec<String> { all.iter().map(|track| track.id.clone()).filter(|id| id != of).collect() };
    let in_role = |role: &str| all.iter().filter(|track| role.is_empty() || track.role == role).collect::<Vec<_>>();
    let said = match question {
        Question::Broadcast(id) => match shown(streams, &id, &all, view) {
            Some(broadcast) => {
                let mut said = say::notification("broadcastObject", &id);
                said["broadcast"] = broadcast.to_string().into();
                said
            }
            None => say::error(Definition::NoStreamExist, &id, "nobody publishes it"),
        },
        Question::Subtracks { id, role, offset, size } => {
            let page = in_role(&role).into_iter().skip(offset).take(size);
            let mut said = say::notification("subtrackList", &id);
            said["subtrackList"] = page.map(|track| Value::from(track.shown.to_string())).collect();
            said
        }
        Question::SubtrackCount { id, role } => {
            let mut said = say::notification("subtrackCount", &id);
            said["count"] = in_role(&role).len().into();
            said
        }
        Question::TrackList(id) => {
            let list = ids(&id);
            json!({ "command": "trackList", "streamId": id, "trackList": list })
        }
        Question::RoomInfo(id) if all.is_empty() => {
            let mut said = say::error(Definition::NoActiveStreamsInRoom, &id, "");
            said["room"] = id.as_str().into();
            said
        }
        Question::RoomInfo(id) => {
            let list: Vec<Value> = all
                .iter()
                .map(|track| {
                    json!({ "streamId": track.id, "streamName": track.shown["name"],
                                     "metaData": track.shown["metaData"] })
                })
                .collect();
            json!({ "command": "roomInformation", "streamId": id, "room": id, "ATTR_ROOM_NAME": id,
                    "streams": ids(""), "streamList": list })
        }
        Question::StreamInfo(id) if all.is_empty() => say::error(Definition::NoStreamExist, &id, "nobody publishes it"),
        // One rendition, in the sender's own size.
        Question::StreamInfo(id) => {
            json!({ "command": "streamInformation", "streamId": id, "streamInfo":
                    [{ "streamWidth": 0, "streamHeight": 0, "videoBitrate": 0, "audioBitrate": 0, "videoCodec": "" }] })
        }
        Question::Viewers(id) => {
            let mut said = say::notification("subscriberCount", &id);
            said["count"] = viewers(view).into();
            said
        }
    };
    out.push(Action::Say(said));
}

/// A broadcast as it is now: a stream, a room in which somebody sends, or made and not published yet. `all`: the streams of
/// the room that it is or is in, which `view` shows.
pub fn shown(streams: &Streams, id: &str, all: &[Subtrack], view: Option<&RoomView>) -> Option<Value> {
    let name: StreamId = id.parse().ok()?;
    let (live, made) = (streams.live(&name), streams.made(&name));
    let now = match all.iter().find(|track| track.id == id) {
        // A stream of its own is its room's only one.
        Some(track) => match live {
            Some(live) if live.room == name => broadcast(id, Some(&live), &[]),
            Some(_) | None => track.shown.clone(),
        },
        None if all.is_empty() => return made,
        None => {
            let ids: Vec<String> = all.iter().map(|track| track.id.clone()).collect();
            broadcast(id, live.as_ref(), &ids)
        }
    };
    let mut shown = match made {
        Some(made) => laid_over(made, now),
        None => now,
    };
    shown["webRTCViewerCount"] = viewers(view).into();
    shown["hlsViewerCount"] = view.map_or(0, |view| view.viewers).into();
    Some(shown)
}

/// What was made, with what there is to say of it now. Its type is said when it is made, or never.
fn laid_over(mut made: Value, now: Value) -> Value {
    if let Value::Object(now) = now {
        let says = |field: &str, value: &Value| {
            let is_nothing = value.is_null() || [json!(""), json!(0), json!([])].contains(value);
            field != "type" && !is_nothing
        };
        now.into_iter().filter(|(field, value)| says(field, value)).for_each(|(field, value)| made[field] = value);
    }
    made
}

/// Those who send nothing.
fn viewers(view: Option<&RoomView>) -> usize {
    view.map_or(0, |view| view.participants.iter().filter(|participant| participant.tracks.is_empty()).count())
}
