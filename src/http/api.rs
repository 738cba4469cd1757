//! The REST API, `/api/v1`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::{Deserialize, Serialize};

use super::problem::{Problem, refused, room_name};
use super::{App, recordings, security};
use crate::host::legs_supported;
use crate::room::ids::{LegId, ParticipantId, RoomName};
use crate::signal::message::{ErrorCode, Id, LegKind};

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/api/v1/rooms", get(list))
        .route("/api/v1/rooms/{room}", get(inspect))
        .route("/api/v1/rooms/{room}/legs", get(legs).post(start_leg))
        .route("/api/v1/rooms/{room}/legs/{id}", get(leg).delete(stop_leg))
        .merge(recordings::routes())
        .route_layer(middleware::from_fn(security::local_only))
        .route("/api/v1/capabilities", get(capabilities))
        .with_state(app)
}

fn leg_id(text: &str) -> Result<LegId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, format!("no leg {text:?}"), Some(ErrorCode::UnknownLeg)))
}

fn no_room(room: &RoomName) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("nobody is in a room {room}"), None)
}

#[derive(Serialize)]
struct Capabilities {
    legs: &'static [LegKind],
}

/// What this server can do. Open to everybody: pages ask it.
async fn capabilities(State(app): State<App>) -> Json<Capabilities> {
    Json(Capabilities { legs: legs_supported(&app.config) })
}

async fn list(State(app): State<App>) -> Response {
    Json(serde_json::json!({ "rooms": app.rooms.list().await })).into_response()
}

async fn inspect(State(app): State<App>, Path(room): Path<String>) -> Result<Response, Problem> {
    let room = room_name(&room)?;
    let view = app.rooms.inspect(&room).await.ok_or_else(|| no_room(&room))?;
    Ok(Json(view).into_response())
}

async fn legs(State(app): State<App>, Path(room): Path<String>) -> Result<Response, Problem> {
    let room = room_name(&room)?;
    let view = app.rooms.inspect(&room).await.ok_or_else(|| no_room(&room))?;
    Ok(Json(serde_json::json!({ "legs": view.legs })).into_response())
}

async fn leg(State(app): State<App>, Path((room, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let (room, id) = (room_name(&room)?, leg_id(&id)?);
    let view = app.rooms.inspect(&room).await.ok_or_else(|| no_room(&room))?;
    match view.legs.into_iter().find(|leg| leg.id.0 == id) {
        Some(leg) => Ok(Json(leg).into_response()),
        None => Err(Problem::new(StatusCode::NOT_FOUND, format!("no leg {id}"), Some(ErrorCode::UnknownLeg))),
    }
}

/// The body of `POST /api/v1/rooms/{room}/legs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StartLeg {
    kind: LegKind,
    #[serde(default)]
    of: Option<Id<ParticipantId>>,
}

async fn start_leg(
    State(app): State<App>,
    Path(room): Path<String>,
    body: Result<Json<StartLeg>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Problem> {
    let room = room_name(&room)?;
    let Json(body) = body.map_err(|bad| Problem::new(bad.status(), bad.body_text(), Some(ErrorCode::BadMessage)))?;
    let started = app.rooms.start_leg(&room, body.kind.into(), body.of.map(|id| id.0)).await;
    let leg = started.ok_or_else(|| no_room(&room))?.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(leg)).into_response())
}

async fn stop_leg(State(app): State<App>, Path((room, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let (room, id) = (room_name(&room)?, leg_id(&id)?);
    let leg = app.rooms.stop_leg(&room, id).await.ok_or_else(|| no_room(&room))?.map_err(refused)?;
    Ok(Json(leg).into_response())
}
