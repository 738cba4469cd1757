//! `/metrics`, `/healthz`, `/readyz`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};

use super::{App, security};

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn(security::local_only))
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .with_state(app)
}

/// Whether somebody new should be sent here.
async fn ready(State(app): State<App>) -> Response {
    let refuse = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    match (app.rooms.is_draining(), app.rooms.has_media()) {
        (false, true) => "ready".into_response(),
        (true, _) => refuse("draining"),
        (false, false) => refuse("a media thread has ended; restart"),
    }
}

async fn metrics(State(app): State<App>) -> Response {
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response()
}
