//! `/api/v1/rooms/{room}/participants`.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::no_room;
use crate::access::Refused;
use crate::http::App;
use crate::http::access::{Caller, refuse};
use crate::http::problem::{Problem, json, refused, room_name};
use crate::room::ids::{ParticipantId, TrackId};
use crate::signal::message::{ErrorCode, Participant};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Participants {
    /// In the order in which they came.
    participants: Vec<Participant>,
}

fn participant_id(text: &str) -> Result<ParticipantId, Problem> {
    text.parse().map_err(|_| unknown(text))
}

fn unknown(id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("no participant {id:?}"), Some(ErrorCode::UnknownParticipant))
}

/// Who is in a room
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/participants", operation_id = "listParticipants", tag = "participants",
    params(("room" = String, Path, description = "Name of the room", example = "demo")),
    responses(
        (status = 200, description = "Everybody", body = Participants),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>, Path(room): Path<String>) -> Result<Json<Participants>, Problem> {
    let room = room_name(&room)?;
    let view = app.rooms.inspect(&room).await.ok_or_else(|| no_room(&room))?;
    Ok(Json(Participants { participants: view.participants }))
}

/// One participant
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/participants/{id}", operation_id = "inspectParticipant", tag = "participants",
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As in `p1`", example = "p1")),
    responses(
        (status = 200, description = "The participant", body = Participant),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room or participant", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn inspect(
    State(app): State<App>,
    Path((room, id)): Path<(String, String)>,
) -> Result<Json<Participant>, Problem> {
    let (room, id) = (room_name(&room)?, participant_id(&id)?);
    let view = app.rooms.inspect(&room).await.ok_or_else(|| no_room(&room))?;
    let found = view.participants.into_iter().find(|participant| participant.id.0 == id);
    found.map(Json).ok_or_else(|| unknown(&id.to_string()))
}

/// Put somebody out
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}/participants/{id}", operation_id = "removeParticipant", tag = "participants",
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As in `p1`", example = "p1")),
    responses(
        (status = 204, description = "It is out, and was told so"),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room or participant", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove(
    State(app): State<App>,
    Path((room, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (room, id) = (room_name(&room)?, participant_id(&id)?);
    app.rooms.expel(&room, id).await.ok_or_else(|| no_room(&room))?.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a participant is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Move {
    /// Name of another room, which need not be there yet.
    #[schema(pattern = r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$", example = "breakout-1")]
    room: String,
}

/// Send somebody to another room
///
/// Its client is told, with a token for that room where tokens are asked for, and goes there by itself, under its name and with what it
/// was granted. The others hear that it left, with the reason `moved`. Whether there is a place for it is seen to first. An admin of one
/// room lets nobody into another: this takes an API key, or a token with `admin` of every room.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/participants/{id}/move", operation_id = "moveParticipant", tag = "participants",
    request_body = Move,
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As in `p1`", example = "p1")),
    responses(
        (status = 204, description = "It is out, and was told where to go"),
        (status = 400, description = "Not JSON, or a name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room or participant", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is there already, its client speaks another protocol, the other room is full, or one of them is encrypted end to end", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not what is described here", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server takes no new rooms: it will stop", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn transfer(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((room, id)): Path<(String, String)>,
    body: Result<Json<Move>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    match caller {
        Caller::Machine | Caller::BackEnd(_) | Caller::Admin => {}
        // Who runs one room lets nobody into another.
        Caller::RoomAdmin | Caller::AntMedia => return Err(refuse("api", Refused::EveryRoomOnly)),
    }
    let Move { room: to } = json(body)?;
    let (room, id, to) = (room_name(&room)?, participant_id(&id)?, room_name(&to)?);
    let conflict = |text: &str| Problem::new(StatusCode::CONFLICT, text, None);
    if room == to {
        return Err(conflict("it is in that room"));
    }
    match app.rooms.transfer(&room, id, &to, &app.access).await.ok_or_else(|| no_room(&room))?.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(conflict("only clients of the native protocol can be told to go to another room")),
    }
}

/// What is to become of a track.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TrackChange {
    muted: bool,
}

/// Mute a track, or unmute it
///
/// Everybody is told, its owner too, whose client mutes it; by way of the server it is not forwarded from then on, until it is
/// unmuted here or by its owner.
#[utoipa::path(
    patch, path = "/api/v1/rooms/{room}/participants/{id}/tracks/{track}", operation_id = "muteTrack", tag = "participants",
    request_body = TrackChange,
    params(
        ("room" = String, Path, description = "Name of the room", example = "demo"),
        ("id" = String, Path, description = "As in `p1`", example = "p1"), ("track" = String, Path, description = "As in `t1`", example = "t1")
    ),
    responses(
        (status = 200, description = "Its participant, as it is now", body = Participant),
        (status = 400, description = "Not JSON, or a name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room, participant or track", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not what is described here", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn mute(
    State(app): State<App>,
    Path((room, id, track)): Path<(String, String, String)>,
    body: Result<Json<TrackChange>, JsonRejection>,
) -> Result<Json<Participant>, Problem> {
    let TrackChange { muted } = json(body)?;
    let (room, id) = (room_name(&room)?, participant_id(&id)?);
    let no_track =
        |_| Problem::new(StatusCode::NOT_FOUND, format!("no track {track:?}"), Some(ErrorCode::UnknownTrack));
    let track: TrackId = track.parse().map_err(no_track)?;
    app.rooms.mute(&room, id, track, muted).await.ok_or_else(|| no_room(&room))?.map(Json).map_err(refused)
}
