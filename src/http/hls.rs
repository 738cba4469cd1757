//! `/hls/{room}/{file}`: playlists, init sections, segments and parts, straight from a broadcast's memory.
//!
//! A file is found by comparing its name with those that the store gave out; no name is ever part of a path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use crescendo_hls::{Answer, File, FileKind, Query, Store};
use tokio::time::{Instant, timeout_at};
use tower_http::cors::{Any, CorsLayer};

use super::range::{self, Span, content_range};
use crate::room::ids::RoomName;

#[cfg(test)]
mod tests;

/// Playlists change with every part; whoever caches one would show the past. A CDN may hold it for as long as it takes to
/// answer those who ask at once.
const PLAYLIST_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The names of media are never used twice.
const MEDIA_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Which rooms can be watched.
#[derive(Debug, Clone, Default)]
pub struct HlsDirectory {
    rooms: Arc<Mutex<BTreeMap<RoomName, Arc<Store>>>>,
}

impl HlsDirectory {
    /// The room is watched from `store` from now on; one that was there before is replaced.
    pub fn insert(&self, room: RoomName, store: Arc<Store>) {
        self.lock().insert(room, store);
    }

    /// Forgets `store` after `linger`, unless another broadcast of the room took its place. For those who are a little
    /// behind the end. Wants a tokio runtime.
    pub fn remove_after(&self, room: RoomName, store: Arc<Store>, linger: Duration) {
        let directory = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(linger).await;
            let mut rooms = directory.lock();
            if rooms.get(&room).is_some_and(|there| Arc::ptr_eq(there, &store)) {
                rooms.remove(&room);
            }
        });
    }

    pub fn get(&self, room: &RoomName) -> Option<Arc<Store>> {
        self.lock().get(room).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomName, Arc<Store>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The route, readable from every origin: players live on other people's pages.
pub fn router(directory: HlsDirectory) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(Any)
        .expose_headers([header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ETAG]);
    Router::new().route("/hls/{room}/{file}", get(serve)).layer(cors).with_state(directory)
}

async fn serve(
    State(directory): State<HlsDirectory>,
    Path((room, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(store) = room.parse::<RoomName>().ok().and_then(|room| directory.get(&room)) else {
        return refusal(StatusCode::NOT_FOUND);
    };
    let Some(query) = parse_query(query.as_deref().unwrap_or("")) else {
        return refusal(StatusCode::BAD_REQUEST);
    };
    match wait(&store, &file, query).await {
        Ok(found) => respond(&file, &found, &headers),
        Err(status) => refusal(status),
    }
}

/// Blocks as long as the store says that the answer is about to be there.
async fn wait(store: &Store, file: &str, query: Query) -> Result<File, StatusCode> {
    let began = Instant::now();
    loop {
        match store.get(file, query) {
            Answer::Now(found) => return Ok(found),
            Answer::NotFound => return Err(StatusCode::NOT_FOUND),
            Answer::BadQuery => return Err(StatusCode::BAD_REQUEST),
            Answer::Wait { mut changed, patience } => match timeout_at(began + patience, changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(StatusCode::NOT_FOUND),
                Err(_) => return Err(StatusCode::SERVICE_UNAVAILABLE),
            },
        }
    }
}

/// Delivery directives among whatever else a player or a token adds. None where one is no
/// number.
fn parse_query(text: &str) -> Option<Query> {
    let mut query = Query::default();
    for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "_HLS_msn" => query.msn = Some(value.parse().ok()?),
            "_HLS_part" => query.part = Some(value.parse().ok()?),
            _ => {}
        }
    }
    Some(query)
}

fn respond(name: &str, file: &File, request: &HeaderMap) -> Response {
    let (content_type, cache, tag) = match file.kind {
        FileKind::Playlist => ("application/vnd.apple.mpegurl", PLAYLIST_CACHE, playlist_tag(&file.body)),
        FileKind::Media => ("video/mp4", MEDIA_CACHE, format!("\"{name}\"")),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    let matches =
        |value: &HeaderValue| value.to_str().is_ok_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    if request.get(header::IF_NONE_MATCH).is_some_and(matches) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let asked = request.get(header::RANGE).and_then(|value| value.to_str().ok());
    let length = file.body.len();
    match asked.map_or(Span::Whole, |asked| range::parse(asked, length)) {
        Span::Whole => (headers, file.body.clone()).into_response(),
        Span::Part { first, last } => {
            headers.insert(header::CONTENT_RANGE, content_range(&format!("bytes {first}-{last}/{length}")));
            (StatusCode::PARTIAL_CONTENT, headers, file.body.slice(first..=last)).into_response()
        }
        Span::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, content_range(&format!("bytes */{length}")));
            (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()
        }
    }
}

/// FNV-1a of the text: two playlists that differ have different tags.
fn playlist_tag(body: &Bytes) -> String {
    let hash = body
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("\"{hash:016x}\"")
}

/// What is not there now may be there in a moment, so nobody remembers that it was not.
fn refusal(status: StatusCode) -> Response {
    (status, [(header::CACHE_CONTROL, PLAYLIST_CACHE)]).into_response()
}
