//! Stream tokens by REST: for one time, or as JWTs. Who may ask is a back end; who has one may publish or play.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rest::{Bad, PAGE, id, result};
use crate::access::{Grant, Refused, Stream, StreamToken, StreamUse};
use crate::http::App;
use crate::http::access::{self, Caller};
use crate::room::Source;
use crate::signal::antmedia::streams::StreamId;

/// To be put behind the door of back ends.
pub(super) fn router() -> Router<App> {
    let all = "/{app}/rest/v2/broadcasts";
    let one = "/{app}/rest/v2/broadcasts/{id}";
    Router::new()
        .route(&format!("{all}/validate-token"), post(validate))
        .route(&format!("{one}/token"), get(give))
        .route(&format!("{one}/jwt-token"), get(sign))
        .route(&format!("{one}/tokens"), delete(revoke))
        .route(&format!("{one}/tokens/list/{{offset}}/{{size}}"), get(list))
        .route_layer(middleware::from_fn(back_ends_only))
}

/// Whoever makes tokens decides who comes in: a token is not enough for that.
async fn back_ends_only(
    Extension(caller): Extension<Caller>,
    request: axum::extract::Request,
    next: middleware::Next,
) -> Response {
    match caller {
        Caller::Machine | Caller::BackEnd(_) | Caller::AntMedia => next.run(request).await,
        Caller::Admin | Caller::RoomAdmin => access::refuse("api", Refused::BackEndsOnly).into_response(),
    }
}

/// What is asked for. All come as text: what is no number has the original's answer, too.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    /// Seconds since 1970.
    #[serde(default)]
    expire_date: String,
    #[serde(rename = "type", default)]
    used_to: String,
    #[serde(default)]
    room_id: String,
}

/// A token as Ant Media's REST shows it.
fn shown(token: &str, of: &StreamToken) -> Value {
    let StreamToken { stream, used_to, room, expires_s } = of;
    json!({ "tokenId": token, "streamId": stream.as_str(), "expireDate": expires_s, "type": used_to.name(),
            "roomId": room.as_ref().map(StreamId::as_str), "blackListed": false })
}

fn bad(text: impl Into<String>) -> Bad {
    Bad(text.into())
}

fn used_to(text: &str) -> Result<StreamUse, Bad> {
    match text {
        "publish" => Ok(StreamUse::Publish),
        "play" => Ok(StreamUse::Play),
        _ => Err(bad("Invalid token type. Supported types are 'play' and 'publish'")),
    }
}

/// None for an empty one.
fn room_id(text: &str) -> Result<Option<StreamId>, Bad> {
    if text.is_empty() { Ok(None) } else { id(text).map(Some) }
}

fn asked(app: &App, stream: &str, query: Result<Query<Asked>, QueryRejection>) -> Result<StreamToken, Bad> {
    let Query(asked) = query.map_err(|error| bad(error.body_text()))?;
    let expires_s: u64 = asked.expire_date.parse().unwrap_or(0);
    if expires_s == 0 || asked.used_to.is_empty() {
        return Err(bad("Define Stream ID, Token Type and Expire Date (unix time)"));
    }
    let used_to = used_to(&asked.used_to)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let most_s = u64::from(app.config.access.max_ttl_s);
    if expires_s <= now_s || expires_s > now_s + most_s {
        let text = format!(
            "expireDate is a time to come, in seconds since 1970, {most_s} from now at most (access.max_ttl_s)"
        );
        return Err(bad(text));
    }
    Ok(StreamToken { stream: id(stream)?, used_to, room: room_id(&asked.room_id)?, expires_s })
}

async fn give(
    State(app): State<App>,
    Path((_, stream)): Path<(String, String)>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Bad> {
    let token = asked(&app, &stream, query)?;
    let Some(text) = app.access.give_once(&token, SystemTime::now()) else {
        metrics::counter!("crescendo_refused_total", "limit" => "access.one_time_tokens").increment(1);
        let text = "as many tokens are out as there may be (access.one_time_tokens)";
        return Ok(result(StatusCode::SERVICE_UNAVAILABLE, text, ""));
    };
    Ok(Json(shown(&text, &token)).into_response())
}

async fn sign(
    State(app): State<App>,
    Path((_, stream)): Path<(String, String)>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Bad> {
    let token = asked(&app, &stream, query)?;
    let text = app.access.sign_stream(&token);
    let text = text.ok_or_else(|| bad("there is no secret for such tokens (access.stream_secret)"))?;
    Ok(Json(shown(&text, &token)))
}

async fn list(
    State(app): State<App>,
    Path((_, stream, offset, size)): Path<(String, String, usize, usize)>,
) -> Result<Json<Value>, Bad> {
    let given = app.access.given(&id(&stream)?, SystemTime::now()).into_iter().skip(offset).take(size.min(PAGE));
    Ok(Json(given.map(|(text, token)| shown(&text, &token)).collect()))
}

async fn revoke(State(app): State<App>, Path((_, stream)): Path<(String, String)>) -> Result<Json<Value>, Bad> {
    Ok(answer(app.access.revoke(&id(&stream)?) > 0))
}

/// A token as somebody has shown it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    token_id: String,
    stream_id: String,
    #[serde(rename = "type")]
    used_to: String,
    #[serde(default)]
    room_id: Option<String>,
}

/// Whether a token is good, for a back end that lets people in by itself. One for one time is used up by it, as in the original.
async fn validate(State(app): State<App>, body: Result<Json<Shown>, JsonRejection>) -> Result<Json<Value>, Bad> {
    let Ok(Json(Shown { token_id, stream_id, used_to: kind, room_id: room })) = body else {
        return Err(bad("the body is a token: tokenId, streamId and type"));
    };
    let (stream, room) = (id(&stream_id)?, room_id(&room.unwrap_or_default())?);
    let wanted = match used_to(&kind)? {
        StreamUse::Publish => [Source::Microphone, Source::Camera].map(Grant::Publish).to_vec(),
        StreamUse::Play => vec![Grant::Subscribe],
    };
    let asked = Stream { id: &stream, room: room.as_ref().unwrap_or(&stream) };
    // Also where nobody is asked for a token: this is about the token.
    Ok(answer(app.access.is_good(&token_id, asked, &wanted, SystemTime::now())))
}

/// The result of what cannot go wrong, and may come to nothing.
fn answer(success: bool) -> Json<Value> {
    Json(json!({ "success": success, "message": null, "dataId": null, "errorId": 0 }))
}
