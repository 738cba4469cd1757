//! The REST API, `/api/v1`, and its description (OpenAPI 3.1).

mod common;
mod legs;
mod node;
mod participants;
mod rooms;

use axum::body::to_bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{PROBLEM, Problem};
use super::{App, access, events, idempotency, recordings};
use crate::host::events::Event;
use crate::room::ids::RoomName;

#[cfg(test)]
mod tests;

/// Longest text of the framework's that is passed on, in bytes.
const REFUSAL_MAX: usize = 1_024;

#[derive(OpenApi)]
#[openapi(
    info(title = "Crescendo", description = "Rooms, those who are in them, broadcasts and recordings."),
    components(schemas(Event, Problem)),
    tags(
        (name = "rooms"), (name = "participants"), (name = "legs", description = "Broadcasts and recordings that run"),
        (name = "recordings"), (name = "events"), (name = "tokens"), (name = "node"),
    )
)]
struct Description;

/// For those who run rooms. What is added here is in the description.
fn guarded() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(rooms::list, rooms::create))
        .routes(routes!(rooms::inspect, rooms::close))
        .routes(routes!(participants::list))
        .routes(routes!(participants::inspect, participants::remove))
        .routes(routes!(participants::transfer))
        .routes(routes!(participants::mute))
        .routes(routes!(legs::list, legs::start))
        .routes(routes!(legs::inspect, legs::stop))
        .routes(routes!(recordings::list))
        .routes(routes!(recordings::one, recordings::delete))
        .routes(routes!(recordings::download))
        .routes(routes!(events::read))
        .routes(routes!(node::inspect))
        .merge(access::routes())
}

/// For everybody: pages ask it.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(node::capabilities))
}

pub(super) fn router(app: App) -> Router {
    let (guarded, of_guarded) = guarded().split_for_parts();
    let (open, of_open) = open().split_for_parts();
    let description = common::describe(of_guarded, of_open, !app.access.is_open(), app.config.access.max_ttl_s);
    let guarded = guarded
        .layer(middleware::from_fn_with_state(app.clone(), idempotency::once))
        .layer(DefaultBodyLimit::max(app.config.api.max_body_bytes))
        .method_not_allowed_fallback(no_method)
        .route_layer(middleware::from_fn_with_state(app.clone(), access::back_end))
        .layer(middleware::map_response(as_problem));
    let reference = Router::new()
        .route("/api", get(async || axum::response::Redirect::permanent("/api/")))
        .route("/api/", get(async || text("text/html; charset=utf-8", include_str!("reference/index.html"))))
        .route("/api/reference.js", get(async || text("text/javascript", include_str!("reference/reference.js"))))
        .route("/api/reference.css", get(async || text("text/css", include_str!("reference/reference.css"))))
        .route("/api/openapi.json", get(async move || Json(description)))
        .route("/api/{*path}", any(nothing));
    guarded.merge(open.method_not_allowed_fallback(no_method)).merge(reference).with_state(app)
}

/// What the framework refuses by itself, as a path that is no UTF-8, is told as everything else.
async fn as_problem(response: Response) -> Response {
    let is_told = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    if is_told || !response.status().is_client_error() || response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, REFUSAL_MAX).await.unwrap_or_default();
    Problem::new(parts.status, String::from_utf8_lossy(&text), None).into_response()
}

async fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the API has nothing under this path", None)
}

async fn no_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method", None)
}

fn text(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn no_room(room: &RoomName) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no room {room}"), None)
}
