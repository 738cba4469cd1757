//! `/hls/{room}/{file}`: playlists, init sections, segments and parts, the live edge straight from a broadcast's memory.
//! `/hls/{room}/{run}/{file}`: the same of one certain broadcast, for as long as it is kept.
//!
//! A file is found by comparing its name with those that the store gave out; no name is part of a path before that.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use crescendo_hls::{Answer, Archive, INDEX, Query, Store};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::room::ids::RoomName;

mod index;
mod query;
mod reply;
#[cfg(test)]
mod tests;

use query::{Asked, Viewer};
use reply::Freshness;

/// `/hls/{room}/viewers`: how many watch, as JSON.
const VIEWERS: &str = "viewers";

/// Which rooms can be watched, and what is left of broadcasts that are over.
#[derive(Debug, Clone, Default)]
pub struct HlsDirectory {
    rooms: Arc<Mutex<BTreeMap<RoomName, Arc<Store>>>>,
    archive: Option<Arc<Archive>>,
}

impl HlsDirectory {
    pub fn new(archive: Option<Arc<Archive>>) -> Self {
        Self { rooms: Arc::default(), archive }
    }

    /// The room is watched from `store` from now on; one that was there before is replaced.
    pub fn insert(&self, room: RoomName, store: Arc<Store>) {
        let replaced = self.lock().insert(room.clone(), store);
        if let Some(replaced) = replaced {
            drop(self.store_away(room, &replaced));
        }
    }

    /// Forgets `store` after `linger`, unless another broadcast of the room took its place. For those who are a little
    /// behind the end; what is on disk is the archive's from then on. Wants a tokio runtime.
    pub fn remove_after(&self, room: RoomName, store: Arc<Store>, linger: Duration) {
        let directory = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(linger).await;
            if !directory.is_there(&room, &store) {
                return;
            }
            if let Some(stored) = directory.store_away(room.clone(), &store) {
                // A panic is told by its thread.
                let _ = stored.await;
            }
            let mut rooms = directory.lock();
            if rooms.get(&room).is_some_and(|there| Arc::ptr_eq(there, &store)) {
                rooms.remove(&room);
            }
        });
    }

    pub fn get(&self, room: &RoomName) -> Option<Arc<Store>> {
        self.lock().get(room).cloned()
    }

    /// How many watch, all rooms together.
    pub(super) fn viewers(&self) -> usize {
        let stores: Vec<_> = self.lock().values().cloned().collect();
        stores.iter().map(|store| store.viewers()).sum()
    }

    fn is_there(&self, room: &RoomName, store: &Arc<Store>) -> bool {
        self.lock().get(room).is_some_and(|there| Arc::ptr_eq(there, store))
    }

    /// Hands what is on disk to the archive, once all is written.
    fn store_away(&self, room: RoomName, store: &Store) -> Option<JoinHandle<()>> {
        let archive = self.archive.clone().filter(|_| store.is_stored())?;
        let run = store.run().to_owned();
        Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = archive.add(room.as_str(), &run) {
                tracing::warn!(room = %room.short(), %error, "a broadcast that is over cannot be watched");
            }
        }))
    }

    /// The file of a broadcast that is over. `run`: of a certain one.
    fn archived(&self, room: &RoomName, run: Option<&str>, file: &str) -> Option<PathBuf> {
        let archive = self.archive.as_ref()?;
        match run.or_else(|| Archive::run_of(file)) {
            Some(run) => archive.find(room.as_str(), run, file),
            None => archive.find(room.as_str(), &archive.newest(room.as_str())?, file),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomName, Arc<Store>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes, readable from every origin.
pub fn router(directory: HlsDirectory) -> Router {
    routes(directory).layer(cors())
}

pub(super) fn routes(directory: HlsDirectory) -> Router {
    Router::new()
        .route("/hls/{room}/{file}", get(serve))
        .route("/hls/{room}/{run}/{file}", get(serve_run))
        .with_state(directory)
}

/// Players live on other people's pages. Headers are named one by one: `*` is not for Authorization.
pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ETAG])
}

async fn serve(
    State(directory): State<HlsDirectory>,
    Path((room, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&directory, &room, None, &file, query.as_deref(), &headers).await
}

async fn serve_run(
    State(directory): State<HlsDirectory>,
    Path((room, run, file)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&directory, &room, Some(&run), &file, query.as_deref(), &headers).await
}

async fn answer(
    directory: &HlsDirectory,
    room: &str,
    run: Option<&str>,
    file: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Response {
    let Ok(room) = room.parse::<RoomName>() else { return reply::refusal(StatusCode::NOT_FOUND) };
    let Some(asked) = Asked::parse(query.unwrap_or("")) else { return reply::refusal(StatusCode::BAD_REQUEST) };
    let store = directory.get(&room).filter(|store| run.is_none_or(|run| run == store.run()));
    if file == VIEWERS && run.is_none() {
        return reply::viewers(store.as_deref());
    }
    // Whoever has no name gets one with the index.
    let viewer = asked.viewer.unwrap_or_else(|| Viewer(fastrand::u64(..)));
    if let (Some(store), Some(viewer)) = (&store, asked.viewer.filter(|_| file != INDEX)) {
        store.saw(viewer.0);
    }
    let found = match &store {
        Some(store) => wait(store, file, asked.query).await,
        None => Ok(Answer::NotFound),
    };
    match found {
        Ok(Answer::Playlist(text)) if file == INDEX => reply::index(index::personal(text.body(), &asked, viewer)),
        Ok(Answer::Playlist(text)) => reply::playlist(&text, Freshness::of(&asked.query, store.as_deref()), headers),
        Ok(Answer::Media(body)) => reply::media(file, &body, headers),
        Ok(Answer::Stored(path)) => reply::stored(file, path, headers).await,
        Ok(Answer::NotFound) => {
            // A broadcast that has begun hides the one before it, but for the files of those who are still at it.
            let hidden = store.is_some() && Archive::run_of(file).is_none();
            match directory.archived(&room, run, file).filter(|_| !hidden) {
                Some(path) if file == INDEX => reply::stored_index(path, &asked, viewer).await,
                Some(path) if Archive::run_of(file).is_none() => reply::stored_playlist(path, headers).await,
                Some(path) => reply::stored(file, path, headers).await,
                None => reply::refusal(StatusCode::NOT_FOUND),
            }
        }
        Ok(Answer::BadQuery) => reply::refusal(StatusCode::BAD_REQUEST),
        Ok(Answer::Wait { .. }) | Err(TooLate) => reply::refusal(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// What was waited for did not come.
#[derive(Debug)]
struct TooLate;

/// Blocks as long as the store says that the answer is about to be there.
async fn wait(store: &Store, file: &str, query: Query) -> Result<Answer, TooLate> {
    let began = Instant::now();
    loop {
        match store.get(file, query) {
            Answer::Wait { mut changed, patience } => match timeout_at(began + patience, changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(Answer::NotFound),
                Err(_) => return Err(TooLate),
            },
            answer @ (Answer::Playlist(_)
            | Answer::Media(_)
            | Answer::Stored(_)
            | Answer::NotFound
            | Answer::BadQuery) => return Ok(answer),
        }
    }
}
