//! `/{app}/rest/v2/broadcasts`: what apps ask most. For this machine's own processes, like the API.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http::{App, security};
use crate::signal::antmedia::answers::{shown, subtracks};
use crate::signal::antmedia::streams::{META_DATA_MAX, NotMade, StreamId, broadcast};

/// Most broadcasts of one answer, as in the original.
const PAGE: usize = 50;

pub(super) fn router(app: App) -> Router {
    let all = "/{app}/rest/v2/broadcasts";
    let one = "/{app}/rest/v2/broadcasts/{id}";
    Router::new()
        .route(&format!("{all}/create"), post(create))
        .route(&format!("{all}/list/{{offset}}/{{size}}"), get(list))
        .route(&format!("{all}/count"), get(count))
        .route(&format!("{all}/active-live-stream-count"), get(live_count))
        .route(one, get(look).delete(delete).put(update))
        .route(&format!("{one}/stop"), post(stop))
        .route(&format!("{one}/start"), post(not_here))
        .route(&format!("{one}/subtracks/{{offset}}/{{size}}"), get(list_subtracks))
        .route(&format!("{one}/active-subtracks/{{offset}}/{{size}}"), get(list_subtracks))
        .route(&format!("{one}/active-subtracks-count"), get(count_subtracks))
        .route(&format!("{one}/subtrack"), any(not_here))
        .route(&format!("{one}/recording/{{on}}"), any(not_here))
        .route(&format!("{one}/token"), any(not_here))
        .route(&format!("{one}/jwt-token"), any(not_here))
        .route(&format!("{one}/endpoint"), any(not_here))
        .route_layer(middleware::from_fn(security::local_only))
        .with_state(app)
}

/// The answer to what changes something.
fn result(status: StatusCode, message: &str, data_id: &str) -> Response {
    let success = status.is_success();
    (status, Json(json!({ "success": success, "message": message, "dataId": data_id, "errorId": 0 }))).into_response()
}

/// What this server has no part for.
async fn not_here() -> Response {
    result(StatusCode::NOT_IMPLEMENTED, "this server does not do that", "")
}

fn id(text: &str) -> Result<StreamId, Box<Response>> {
    text.parse().map_err(|bad| Box::new(result(StatusCode::BAD_REQUEST, &format!("stream id: {bad}"), "")))
}

fn none(id: &StreamId) -> Response {
    result(StatusCode::NOT_FOUND, &format!("there is no broadcast {id}"), "")
}

/// Fields of a broadcast that an app may set; others are passed over.
const SETTABLE: [&str; 5] = ["name", "description", "metaData", "type", "role"];

/// Each is bounded as metadata is.
fn check(fields: &Map<String, Value>) -> Result<(), Box<Response>> {
    let settable = fields.iter().filter(|(field, _)| SETTABLE.contains(&field.as_str()));
    for (field, value) in settable {
        if value.to_string().len() > META_DATA_MAX {
            let text = format!("{field} has at most {META_DATA_MAX} bytes as JSON");
            return Err(Box::new(result(StatusCode::BAD_REQUEST, &text, "")));
        }
    }
    Ok(())
}

fn set(broadcast: &mut Value, fields: &Map<String, Value>) {
    for field in SETTABLE {
        if let Some(value) = fields.get(field) {
            broadcast[field] = value.clone();
        }
    }
}

/// A broadcast as it is now: live, a room in which somebody sends, or made and not published yet.
async fn find(app: &App, id: &StreamId) -> Option<Value> {
    let live = app.streams.live(id);
    let room = live.as_ref().map_or(id, |live| &live.room);
    let view = app.rooms.inspect(room).await;
    shown(&app.streams, id.as_str(), &subtracks(&app.streams, view.as_ref()))
}

async fn create(
    State(app): State<App>,
    body: Result<Json<Value>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let Ok(Json(Value::Object(fields))) = body else {
        return result(StatusCode::BAD_REQUEST, "the body is a JSON object", "");
    };
    if let Err(too_large) = check(&fields) {
        return *too_large;
    }
    let id = match fields.get("streamId").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(text) => match id(text) {
            Ok(id) => id,
            Err(bad) => return *bad,
        },
        // 24 digits, as the original makes them.
        None => {
            let digits: String = (0..24).map(|_| char::from(b'0' + fastrand::u8(..10))).collect();
            digits.parse().expect("digits are a stream id")
        }
    };
    let mut made = broadcast(id.as_str(), None, &[]);
    set(&mut made, &fields);
    match app.streams.make(id, made.clone()) {
        Ok(()) => Json(made).into_response(),
        Err(NotMade::Taken) => result(StatusCode::BAD_REQUEST, "a broadcast of this id is there already", ""),
        Err(NotMade::Full) => result(StatusCode::SERVICE_UNAVAILABLE, "this server holds no more broadcasts", ""),
    }
}

async fn look(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Response {
    match id(&text) {
        Ok(id) => find(&app, &id).await.map_or_else(|| none(&id), |found| Json(found).into_response()),
        Err(bad) => *bad,
    }
}

async fn update(State(app): State<App>, Path((_, text)): Path<(String, String)>, Json(body): Json<Value>) -> Response {
    let id = match id(&text) {
        Ok(id) => id,
        Err(bad) => return *bad,
    };
    let fields = body.as_object().cloned().unwrap_or_default();
    if let Err(too_large) = check(&fields) {
        return *too_large;
    }
    let changed = app.streams.change(&id, |live| {
        if let Some(name) = fields.get("name").and_then(Value::as_str) {
            live.name = name.to_owned();
        }
        if let Some(meta_data) = fields.get("metaData") {
            live.meta_data = meta_data.clone();
        }
    });
    let kept = app.streams.change_made(&id, |made| set(made, &fields));
    if changed || kept { result(StatusCode::OK, "", id.as_str()) } else { none(&id) }
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    search: String,
}

async fn list(
    State(app): State<App>,
    Path((_, offset, size)): Path<(String, usize, usize)>,
    Query(Search { search }): Query<Search>,
) -> Response {
    let ids = app.streams.ids().into_iter().filter(|id| id.as_str().contains(&search));
    let mut page = Vec::new();
    for id in ids.skip(offset).take(size.min(PAGE)) {
        page.extend(find(&app, &id).await);
    }
    Json(page).into_response()
}

async fn count(State(app): State<App>) -> Response {
    Json(json!({ "number": app.streams.ids().len() })).into_response()
}

async fn live_count(State(app): State<App>) -> Response {
    Json(json!({ "number": app.streams.all().len() })).into_response()
}

/// Ends what is published under the id; true when something was.
async fn end(app: &App, id: &StreamId) -> bool {
    match app.streams.live(id) {
        Some(live) => match live.participant {
            Some(participant) => app.rooms.remove(&live.room, participant).await,
            None => false,
        },
        None => false,
    }
}

async fn stop(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Response {
    match id(&text) {
        Ok(id) if end(&app, &id).await => result(StatusCode::OK, "", id.as_str()),
        Ok(id) => none(&id),
        Err(bad) => *bad,
    }
}

async fn delete(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Response {
    let id = match id(&text) {
        Ok(id) => id,
        Err(bad) => return *bad,
    };
    let (ended, unmade) = (end(&app, &id).await, app.streams.unmake(&id));
    if ended || unmade { result(StatusCode::OK, "", id.as_str()) } else { none(&id) }
}

async fn list_subtracks(
    State(app): State<App>,
    Path((_, text, offset, size)): Path<(String, String, usize, usize)>,
) -> Response {
    match id(&text) {
        Ok(id) => Json(tracks(&app, &id).await.into_iter().skip(offset).take(size.min(PAGE)).collect::<Value>())
            .into_response(),
        Err(bad) => *bad,
    }
}

async fn count_subtracks(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Response {
    match id(&text) {
        Ok(id) => Json(json!({ "number": tracks(&app, &id).await.len() })).into_response(),
        Err(bad) => *bad,
    }
}

async fn tracks(app: &App, room: &StreamId) -> Vec<Value> {
    let view = app.rooms.inspect(room).await;
    subtracks(&app.streams, view.as_ref()).into_iter().map(|track| track.shown).collect()
}
