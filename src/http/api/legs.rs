//! `/api/v1/rooms/{room}/legs`: broadcasts and recordings that run.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::no_room;
use crate::host::{LegView, Refusal};
use crate::http::App;
use crate::http::problem::{Problem, json, refused, room_name};
use crate::room::LegPlan;
use crate::room::ids::{LegId, ParticipantId};
use crate::signal::message::{ErrorCode, Format, Id, Ladder, Layout, Leg, LegKind};

fn leg_id(text: &str) -> Result<LegId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, format!("no leg {text:?}"), Some(ErrorCode::UnknownLeg)))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Legs {
    legs: Vec<LegView>,
}

/// A room's broadcast and recordings
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/legs", operation_id = "listLegs", tag = "legs",
    params(("room" = String, Path, description = "Name of the room", example = "demo")),
    responses(
        (status = 200, description = "All that run", body = Legs),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>, Path(room): Path<String>) -> Result<Json<Legs>, Problem> {
    let room = room_name(&room)?;
    let view = app.rooms.inspect(&room).await.ok_or_else(|| no_room(&room))?;
    Ok(Json(Legs { legs: view.legs }))
}

/// One leg
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/legs/{id}", operation_id = "inspectLeg", tag = "legs",
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As in `l1`", example = "l1")),
    responses(
        (status = 200, description = "The leg", body = LegView),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room or leg", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn inspect(
    State(app): State<App>,
    Path((room, id)): Path<(String, String)>,
) -> Result<Json<LegView>, Problem> {
    let (room, id) = (room_name(&room)?, leg_id(&id)?);
    let view = app.rooms.inspect(&room).await.ok_or_else(|| no_room(&room))?;
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("no leg {id}"), Some(ErrorCode::UnknownLeg));
    view.legs.into_iter().find(|view| view.leg.id.0 == id).map(Json).ok_or_else(unknown)
}

/// A leg to be started.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StartLeg {
    kind: LegKind,
    /// Whose picture to show, or who alone is recorded; of a picture of several, who comes first.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^p[0-9]{1,9}$", example = "p1")]
    of: Option<Id<ParticipantId>>,
    /// Of a recording, `single` is a file of each participant.
    #[serde(default)]
    layout: Layout,
    /// Of a broadcast: heights that its picture is transcoded to, in pixels, at most three, in any order. Those that are
    /// larger than the picture are left out. Each takes a place of `hls.transcodes`.
    #[serde(default)]
    #[schema(schema_with = Ladder::schema)]
    ladder: Ladder,
    /// Of a recording: what its files are. In `webm` there are VP8, VP9 and AV1; a picture in H.264 is left out.
    #[serde(default)]
    format: Format,
}

/// Start a broadcast or a recording, or get the one that runs
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/legs", operation_id = "startLeg", tag = "legs", request_body = StartLeg,
    params(
        ("room" = String, Path, description = "Name of the room", example = "demo"),
        ("Idempotency-Key" = Option<String>, Header, description = "A request that is made again with the same key is answered as it was, and not done twice", min_length = 1, max_length = 255)
    ),
    responses(
        (status = 201, description = "It runs", body = Leg),
        (status = 400, description = "Not JSON, or a key or a name that cannot be", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nobody is there, or not who is named, there are as many as may be, the room is encrypted, or this server does not do that kind", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not what is described here, or the key was used for something else", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(app): State<App>,
    Path(room): Path<String>,
    body: Result<Json<StartLeg>, JsonRejection>,
) -> Result<(StatusCode, Json<Leg>), Problem> {
    let room = room_name(&room)?;
    let StartLeg { kind, of, layout, ladder, format } = json(body)?;
    let (layout, format) = (layout.into(), format.into());
    let plan = LegPlan { kind: kind.into(), of: of.map(|id| id.0), layout, ladder: ladder.0, format };
    let started = app.rooms.start_leg(&room, plan).await;
    let refused = |refusal: Refusal| match refusal.code {
        // What the path names is there: the room.
        ErrorCode::UnknownParticipant => Problem::new(StatusCode::CONFLICT, refusal.message, Some(refusal.code)),
        _ => refused(refusal),
    };
    Ok((StatusCode::CREATED, Json(started.ok_or_else(|| no_room(&room))?.map_err(refused)?)))
}

/// Stop a leg
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}/legs/{id}", operation_id = "stopLeg", tag = "legs",
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As in `l1`", example = "l1")),
    responses(
        (status = 200, description = "The leg, stopped", body = Leg),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room or leg", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn stop(
    State(app): State<App>,
    Path((room, id)): Path<(String, String)>,
) -> Result<Json<Leg>, Problem> {
    let (room, id) = (room_name(&room)?, leg_id(&id)?);
    app.rooms.stop_leg(&room, id).await.ok_or_else(|| no_room(&room))?.map(Json).map_err(refused)
}
