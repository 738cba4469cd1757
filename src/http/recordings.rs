//! `/api/v1/rooms/{room}/recordings`: what was recorded in a room, to list, download and delete.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use crescendo_record::{Library, LibraryError, RecordingId};
use tokio::io::AsyncReadExt as _;

use super::App;
use super::problem::{Problem, room_name};
use super::range::{self, Span};
use crate::host::recordings::library;

/// What is read from disk and sent at a time.
const PIECE_BYTES: usize = 128 * 1024;

/// Routes of the API, for those who may use it.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/rooms/{room}/recordings", get(list))
        .route("/api/v1/rooms/{room}/recordings/{id}", get(one).delete(delete))
        .route("/api/v1/rooms/{room}/recordings/{id}/{file}", get(download))
}

impl From<LibraryError> for Problem {
    fn from(error: LibraryError) -> Self {
        let status = match &error {
            LibraryError::NotThere => StatusCode::NOT_FOUND,
            LibraryError::Busy => StatusCode::CONFLICT,
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
    let off = || Problem::new(StatusCode::NOT_IMPLEMENTED, "this server records nothing", None);
    let library = library(&app.config.record).ok_or_else(off)?;
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the recordings cannot be read", None);
    tokio::task::spawn_blocking(move || act(library)).await.map_err(broken)
}

async fn list(State(app): State<App>, Path(room): Path<String>) -> Result<Response, Problem> {
    let room = room_name(&room)?;
    let recordings = ask(&app, move |library| library.list(Some(room.as_str()))).await?;
    Ok(Json(serde_json::json!({ "recordings": recordings })).into_response())
}

async fn one(State(app): State<App>, Path((room, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let (room, id) = (room_name(&room)?, id.parse::<RecordingId>()?);
    let listed = ask(&app, move |library| library.get(room.as_str(), &id)).await??;
    Ok(Json(listed).into_response())
}

async fn delete(State(app): State<App>, Path((room, id)): Path<(String, String)>) -> Result<StatusCode, Problem> {
    let (room, id) = (room_name(&room)?, id.parse::<RecordingId>()?);
    ask(&app, move |library| library.delete(room.as_str(), &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn download(
    State(app): State<App>,
    Path((room, id, name)): Path<(String, String, String)>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let (room, id) = (room_name(&room)?, id.parse::<RecordingId>()?);
    let asked = request.get(header::RANGE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    ask(&app, move |library| {
        let file = library.open(room.as_str(), &id, &name)?;
        Ok(respond(file, asked.as_deref()).map_err(LibraryError::Io)?)
    })
    .await?
}

/// The file or a range of it, as long as it is now: one that is being written grows on.
fn respond(mut file: File, asked: Option<&str>) -> std::io::Result<Response> {
    let length = file.metadata()?.len();
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
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
    file.seek(SeekFrom::Start(first))?;
    let reader = tokio::fs::File::from_std(file).take(count);
    let pieces = futures_util::stream::try_unfold(reader, async |mut reader| {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
        std::io::Result::Ok((read > 0).then(|| (Bytes::from(piece), reader)))
    });
    Ok((status, headers, Body::from_stream(pieces)).into_response())
}
