//! `/{app}/rest/v2/broadcasts`: what apps ask most. For this machine's own processes, like the API.

use axum::body::to_bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::{BroadcastHooks, is_receiver};
use crate::http::{App, access, problem};
use crate::room::{Format, LegKind, LegPlan};
use crate::signal::antmedia::answers::{shown, subtracks};
use crate::signal::antmedia::streams::{META_DATA_MAX, NotMade, StreamId, broadcast, room_of_label};

/// Bytes of what the library says is wrong.
const TEXT_MAX: usize = 4_096;

/// Most broadcasts of one answer, as in the original.
pub(super) const PAGE: usize = 50;

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
        .route(&format!("{one}/recording/{{on}}"), put(record))
        .route(&format!("{one}/endpoint"), any(not_here))
        .route("/{app}/rest/v2/", any(nothing))
        .route("/{app}/rest/v2/{*path}", any(nothing))
        .merge(super::tokens::router())
        .route_layer(middleware::from_fn_with_state(app.clone(), access::antmedia_back_end))
        .route_layer(middleware::map_response(as_result))
        .with_state(app)
}

/// The answer to what changes something.
pub(super) fn result(status: StatusCode, message: &str, data_id: &str) -> Response {
    let success = status.is_success();
    (status, Json(json!({ "success": success, "message": message, "dataId": data_id, "errorId": 0 }))).into_response()
}

/// What is wrong with a method, a path, a query or a body, where it is text or nothing, in the words of the protocol.
async fn as_result(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_text = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !response.status().is_client_error() || !is_text {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = match to_bytes(body, TEXT_MAX).await {
        Ok(text) if !text.is_empty() => String::from_utf8_lossy(&text).into_owned(),
        Ok(_) | Err(_) => parts.status.canonical_reason().unwrap_or_default().to_lowercase(),
    };
    let mut said = result(parts.status, &text, "");
    // What else the answer says stays: which methods there are (`Allow`), and the like.
    for described in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(described);
    }
    said.headers_mut().extend(parts.headers);
    said
}

async fn nothing() -> Response {
    result(StatusCode::NOT_FOUND, "there is nothing under this path", "")
}

/// What this server has no part for.
async fn not_here() -> Response {
    result(StatusCode::NOT_IMPLEMENTED, "this server does not do that", "")
}

/// What is wrong with a request.
#[derive(Debug)]
pub(super) struct Bad(pub(super) String);

impl IntoResponse for Bad {
    fn into_response(self) -> Response {
        result(StatusCode::BAD_REQUEST, &self.0, "")
    }
}

pub(super) fn id(text: &str) -> Result<StreamId, Bad> {
    text.parse().map_err(|bad| Bad(format!("stream id: {bad}")))
}

fn none(id: &StreamId) -> Response {
    result(StatusCode::NOT_FOUND, &format!("there is no broadcast {id}"), "")
}

/// Fields of a broadcast that an app may set; others are passed over.
const SETTABLE: [&str; 5] = ["name", "description", "metaData", "type", "role"];
/// Fields that are text where they are there.
const TEXTS: [&str; 6] = ["streamId", "name", "description", "type", "role", "listenerHookURL"];

/// Who is told of a broadcast, where that is on; an empty text is nobody.
fn hook<'a>(app: &App, fields: &'a Map<String, Value>) -> Option<Option<&'a str>> {
    let given = fields.get("listenerHookURL").filter(|_| app.config.webhooks.broadcast_hooks != BroadcastHooks::Off)?;
    Some(given.as_str().filter(|url| !url.is_empty()))
}

/// Text is text, and each is bounded as metadata is.
fn check(app: &App, fields: &Map<String, Value>) -> Result<(), Bad> {
    let is_text = |value: &Value| value.is_string() || value.is_null();
    if let Some(field) = TEXTS.iter().find(|field| !fields.get(**field).is_none_or(is_text)) {
        return Err(Bad(format!("{field} is text")));
    }
    if fields.get("type").is_some_and(|kind| kind == "streamSource") {
        return Err(Bad("this server pulls no streams: `streamSource` is not there".to_owned()));
    }
    if hook(app, fields).flatten().is_some_and(|url| !is_receiver(url)) {
        let text = "listenerHookURL is an address of http or https, without a user and a password";
        return Err(Bad(text.to_owned()));
    }
    let settable = fields.iter().filter(|(field, _)| SETTABLE.contains(&field.as_str()));
    for (field, value) in settable {
        if value.to_string().len() > META_DATA_MAX {
            return Err(Bad(format!("{field} has at most {META_DATA_MAX} bytes as JSON")));
        }
    }
    Ok(())
}

fn object(body: Result<Json<Value>, JsonRejection>) -> Result<Map<String, Value>, Bad> {
    match body {
        Ok(Json(Value::Object(fields))) => Ok(fields),
        Ok(_) | Err(_) => Err(Bad("the body is a JSON object".to_owned())),
    }
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
    shown(&app.streams, id.as_str(), &subtracks(&app.streams, view.as_ref()), view.as_ref())
}

async fn create(State(app): State<App>, body: Result<Json<Value>, JsonRejection>) -> Result<Response, Bad> {
    let fields = object(body)?;
    check(&app, &fields)?;
    let id = match fields.get("streamId").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(text) => id(text)?,
        // 24 digits, as the original makes them.
        None => {
            let digits: String = (0..24).map(|_| char::from(b'0' + fastrand::u8(..10))).collect();
            digits.parse().expect("digits are a stream id")
        }
    };
    let mut made = broadcast(id.as_str(), None, &[]);
    set(&mut made, &fields);
    let url = hook(&app, &fields).flatten();
    made["listenerHookURL"] = url.into();
    match app.streams.make(id.clone(), made.clone()) {
        Ok(()) => {
            app.streams.hook(&id, url);
            Ok(Json(made).into_response())
        }
        Err(NotMade::Taken) => Err(Bad("a broadcast of this id is there already".to_owned())),
        Err(NotMade::Full) => Ok(result(StatusCode::SERVICE_UNAVAILABLE, "this server holds no more broadcasts", "")),
    }
}

async fn look(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Result<Response, Bad> {
    let id = id(&text)?;
    Ok(find(&app, &id).await.map_or_else(|| none(&id), |found| Json(found).into_response()))
}

async fn update(
    State(app): State<App>,
    Path((_, text)): Path<(String, String)>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Response, Bad> {
    let id = id(&text)?;
    let fields = object(body)?;
    check(&app, &fields)?;
    let changed = app.streams.change(&id, |live| {
        if let Some(name) = fields.get("name").and_then(Value::as_str) {
            live.name = name.to_owned();
        }
        if let Some(meta_data) = fields.get("metaData") {
            live.meta_data = meta_data.clone();
        }
    });
    let url = hook(&app, &fields);
    let kept = app.streams.change_made(&id, |made| {
        set(made, &fields);
        if let Some(url) = url {
            made["listenerHookURL"] = url.into();
        }
    });
    if let Some(url) = url.filter(|_| changed || kept) {
        app.streams.hook(&id, url);
    }
    Ok(if changed || kept { result(StatusCode::OK, "", id.as_str()) } else { none(&id) })
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
    let live = app.streams.all().into_iter().filter(|(_, live)| live.started).count();
    Json(json!({ "number": live })).into_response()
}

/// Ends what is published under the id, by whatever door it came; where it is a room's, all that is sent there. True when
/// something was.
async fn end(app: &App, id: &StreamId) -> bool {
    let (room, only) = match app.streams.live(id) {
        Some(live) => (live.room, Some(id.as_str())),
        None => match room_of_label(id.as_str()) {
            Some(room) if app.rooms.is_there(&room) => (room, Some(id.as_str())),
            Some(_) | None => (id.clone(), None),
        },
    };
    let view = app.rooms.inspect(&room).await;
    let tracks = subtracks(&app.streams, view.as_ref());
    let mut ended = false;
    for track in tracks.iter().filter(|track| only.is_none_or(|only| track.id == only)) {
        ended |= matches!(app.rooms.expel(&room, track.participant).await, Some(Ok(())));
    }
    ended
}

async fn stop(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Result<Response, Bad> {
    let id = id(&text)?;
    Ok(if end(&app, &id).await {
        result(StatusCode::OK, "", id.as_str())
    } else {
        result(StatusCode::NOT_FOUND, &format!("nobody publishes {id}"), "")
    })
}

async fn delete(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Result<Response, Bad> {
    let id = id(&text)?;
    let (ended, unmade) = (end(&app, &id).await, app.streams.unmake(&id));
    Ok(if ended || unmade { result(StatusCode::OK, "", id.as_str()) } else { none(&id) })
}

/// What else an app may say of a recording. A name for its file is passed over: `record.files` gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recording {
    record_type: Option<String>,
    /// Of a rendition; 0 is what is sent.
    #[serde(default)]
    resolution_height: u32,
}

/// Starts or stops the recording of a stream, or of all streams of a room by the room's id. `dataId` is the leg that records.
async fn record(
    State(app): State<App>,
    Path((_, text, on)): Path<(String, String, String)>,
    Query(asked): Query<Recording>,
) -> Result<Response, Bad> {
    let id = id(&text)?;
    let format = match asked.record_type.as_deref() {
        None | Some("mp4") if asked.resolution_height == 0 => Format::Mp4,
        Some("webm") if asked.resolution_height == 0 => Format::WebM,
        _ => {
            let text = "this server records what is sent as it is, as mp4 or webm";
            return Ok(result(StatusCode::NOT_IMPLEMENTED, text, ""));
        }
    };
    let (room, of) = match app.streams.live(&id) {
        Some(live) if live.participant.is_none() => return Ok(none(&id)),
        Some(live) => (live.room, live.participant),
        None => (id.clone(), None),
    };
    let changed = match on.as_str() {
        "true" => app.rooms.start_leg(&room, LegPlan { format, ..LegPlan::new(LegKind::Record, of) }).await,
        "false" => match app.rooms.recording(&room, of).await {
            Some(leg) => app.rooms.stop_leg(&room, leg).await,
            None => return Ok(result(StatusCode::NOT_FOUND, &format!("{id} is not being recorded"), "")),
        },
        _ => return Err(Bad("recording is true or false".to_owned())),
    };
    Ok(match changed {
        Some(Ok(leg)) => result(StatusCode::OK, "", &leg.id.0.to_string()),
        Some(Err(refusal)) => result(problem::status(refusal.code), &refusal.message, ""),
        None => none(&id),
    })
}

async fn list_subtracks(
    State(app): State<App>,
    Path((_, text, offset, size)): Path<(String, String, usize, usize)>,
) -> Result<Json<Value>, Bad> {
    let tracks = tracks(&app, &id(&text)?).await;
    Ok(Json(tracks.into_iter().skip(offset).take(size.min(PAGE)).collect()))
}

async fn count_subtracks(State(app): State<App>, Path((_, text)): Path<(String, String)>) -> Result<Json<Value>, Bad> {
    Ok(Json(json!({ "number": tracks(&app, &id(&text)?).await.len() })))
}

async fn tracks(app: &App, room: &StreamId) -> Vec<Value> {
    let view = app.rooms.inspect(room).await;
    subtracks(&app.streams, view.as_ref()).into_iter().map(|track| track.shown).collect()
}
