//! `/api/v1/rooms/{room}/recordings`: what was recorded in a room, to list, download and delete.

use std::fs::File;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use crescendo_record::{Container, Library, LibraryError, Listed, RecordingId};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::{Problem, room_name};
use super::range::{self, Span};
use crate::host::recordings::library;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recordings {
    /// As `docs/recording.md` describes them.
    #[schema(value_type = Vec<Object>)]
    recordings: Vec<Listed>,
}

impl From<LibraryError> for Problem {
    fn from(error: LibraryError) -> Self {
        let status = match &error {
            LibraryError::NotThere => StatusCode::NOT_FOUND,
            LibraryError::Busy => StatusCode::CONFLICT,
            LibraryError::Moved(_) => StatusCode::GONE,
            LibraryError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
            LibraryError::Io(error) => {
                tracing::warn!(%error, "a recording cannot be read");
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the recording cannot be read", None);
            }
        };
        Self::new(status, error.to_string(), None)
    }
}

/// Asks the library on a thread that may block.
async fn ask<T: Send + 'static>(app: &App, act: impl FnOnce(Library) -> T + Send + 'static) -> Result<T, Problem> {
    let off = || Problem::new(StatusCode::NOT_FOUND, "this server records nothing", None);
    let library = library(&app.config.record).ok_or_else(off)?;
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the recordings cannot be read", None);
    tokio::task::spawn_blocking(move || act(library)).await.map_err(broken)
}

/// What was recorded in a room
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/recordings", operation_id = "listRecordings", tag = "recordings",
    params(("room" = String, Path, description = "Name of the room", example = "demo")),
    responses(
        (status = 200, description = "All recordings", body = Recordings),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This server records nothing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>, Path(room): Path<String>) -> Result<Json<Recordings>, Problem> {
    let room = room_name(&room)?;
    let recordings = ask(&app, move |library| library.list(Some(room.as_str()))).await?;
    Ok(Json(Recordings { recordings }))
}

/// One recording
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/recordings/{id}", operation_id = "inspectRecording", tag = "recordings",
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As the list has it", example = "demo~20261122T160000Z-l1")),
    responses(
        (status = 200, description = "The recording", body = Object),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such recording or file, or this server records nothing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(State(app): State<App>, Path((room, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let (room, id) = (room_name(&room)?, id.parse::<RecordingId>()?);
    let listed = ask(&app, move |library| library.get(room.as_str(), &id)).await??;
    Ok(Json(listed).into_response())
}

/// Delete a recording
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}/recordings/{id}", operation_id = "deleteRecording", tag = "recordings",
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As the list has it", example = "demo~20261122T160000Z-l1")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such recording or file, or this server records nothing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is being written or uploaded", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(app): State<App>,
    Path((room, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (room, id) = (room_name(&room)?, id.parse::<RecordingId>()?);
    ask(&app, move |library| library.delete(room.as_str(), &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// A file of a recording, or a range of it
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/recordings/{id}/{file}", operation_id = "downloadRecording", tag = "recordings",
    params(("room" = String, Path, description = "Name of the room", example = "demo"), ("id" = String, Path, description = "As the list has it", example = "demo~20261122T160000Z-l1"), ("file" = String, Path, description = "As the recording names it", example = "Ann-p1-camera.mp4")),
    responses(
        (status = 200, description = "The file", content_type = "video/mp4"),
        (status = 206, description = "The range", content_type = "video/mp4"),
        (status = 400, description = "A name that no room can have", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such recording or file, or this server records nothing", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Its files are elsewhere", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "There is no such range"),
    )
)]
pub(super) async fn download(
    State(app): State<App>,
    Path((room, id, name)): Path<(String, String, String)>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let (room, id) = (room_name(&room)?, id.parse::<RecordingId>()?);
    let asked = request.get(header::RANGE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    ask(&app, move |library| {
        let file = library.open(room.as_str(), &id, &name)?;
        Ok(respond(&name, file, asked.as_deref()).map_err(LibraryError::Io)?)
    })
    .await?
}

/// The file or a range of it, as long as it is now: one that is being written grows on.
fn respond(name: &str, file: File, asked: Option<&str>) -> std::io::Result<Response> {
    let length = file.metadata()?.len();
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(Container::of(name).map_or(Container::Mp4, |(container, _)| container).media_type()),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (status, first, count) = match asked.map_or(Span::Whole, |asked| range::parse(asked, whole)) {
        Span::Whole => (StatusCode::OK, 0, length),
        Span::Part { first, last } => {
            headers.insert(header::CONTENT_RANGE, range::content_range(&format!("bytes {first}-{last}/{length}")));
            (StatusCode::PARTIAL_CONTENT, first as u64, (last - first + 1) as u64)
        }
        Span::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, range::content_range(&format!("bytes */{length}")));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    Ok((status, headers, range::body(file, first, count)?).into_response())
}
