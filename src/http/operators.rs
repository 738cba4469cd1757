//! `/metrics`, `/healthz`, `/readyz`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};

use super::{App, access};

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state(app.clone(), access::back_end))
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
    metrics::gauge!("crescendo_draining").set(u8::from(app.rooms.is_draining()));
    metrics::gauge!("crescendo_hls_viewers").set(app.hls.viewers() as f64);
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response()
}
