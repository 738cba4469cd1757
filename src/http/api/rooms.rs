//! `/api/v1/rooms`: what there is, what is made, what is closed.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::no_room;
use crate::host::RoomView;
use crate::host::plan::{NotMade, Plan};
use crate::http::App;
use crate::http::problem::{Problem, json, refused, room_name};
use crate::room::ids::RoomName;
use crate::signal::message::ErrorCode;

/// Rooms on a page, unless the caller says so.
const PAGE: usize = 100;
/// Most rooms on a page. Each of them is asked for what is in it.
const PAGE_MAX: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Most rooms to answer with.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rooms {
    /// By name.
    rooms: Vec<RoomView>,
    /// `cursor` of the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All rooms, page by page
#[utoipa::path(
    get, path = "/api/v1/rooms", operation_id = "listRooms", tag = "rooms", params(Page),
    responses(
        (status = 200, description = "A page", body = Rooms),
        (status = 400, description = "A limit or a cursor that is none", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Rooms>, Problem> {
    let Query(page) = page.map_err(|bad| Problem::new(bad.status(), bad.body_text(), None))?;
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("limit is from 1 to {PAGE_MAX}"), None));
    }
    let after = page.cursor.as_deref().map(room_name).transpose()?;
    let (rooms, next) = app.rooms.page(after.as_ref(), limit).await;
    Ok(Json(Rooms { rooms, next: next.map(|name| name.to_string()) }))
}

/// A room to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewRoom {
    #[schema(pattern = r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$", example = "demo")]
    name: String,
    #[serde(default)]
    settings: Plan,
}

/// Make a room
///
/// It is kept while nobody is there, for `emptyMs`.
#[utoipa::path(
    post, path = "/api/v1/rooms", operation_id = "createRoom", tag = "rooms", request_body = NewRoom,
    params(("Idempotency-Key" = Option<String>, Header, description = "A request that is made again with the same key is answered as it was, and not done twice", min_length = 1, max_length = 255)),
    responses(
        (status = 201, description = "It is there", body = RoomView, headers(("location" = String, description = "Its address"))),
        (status = 400, description = "Not JSON, or a key, a name or a setting that cannot be", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is there already, or there are as many as may be", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not what is described here, or the key was used for something else", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is shutting down", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    body: Result<Json<NewRoom>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let NewRoom { name, settings } = json(body)?;
    let name = room_name(&name)?;
    let view = app.rooms.make(&name, &settings).await.map_err(|not_made| match not_made {
        NotMade::Settings(error) => {
            Problem::new(StatusCode::BAD_REQUEST, error.to_string(), Some(ErrorCode::BadMessage))
        }
        NotMade::IsThere => Problem::new(StatusCode::CONFLICT, format!("there is a room {name}"), None),
        NotMade::Refused(refusal) => refused(refusal),
    })?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/rooms/{name}"))], Json(view)))
}

/// What is in a room
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}", operation_id = "inspectRoom", tag = "rooms",
    params(("room" = String, Path, description = "Name of the room", example = "demo")),
    responses(
        (status = 200, description = "The room", body = RoomView),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn inspect(State(app): State<App>, Path(room): Path<String>) -> Result<Json<RoomView>, Problem> {
    let room = room_name(&room)?;
    app.rooms.inspect(&room).await.map(Json).ok_or_else(|| no_room(&room))
}

/// Close a room: everybody has to go
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}", operation_id = "closeRoom", tag = "rooms",
    params(("room" = String, Path, description = "Name of the room", example = "demo")),
    responses(
        (status = 204, description = "It is closed"),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such room", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn close(State(app): State<App>, Path(room): Path<String>) -> Result<StatusCode, Problem> {
    let room: RoomName = room_name(&room)?;
    match app.rooms.close(&room).await {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_room(&room)),
    }
}
