//! The doors for apps that are built on Ant Media's SDKs, under each name of `antmedia.apps`: signaling, HLS, REST.

mod rest;
pub(super) mod streams;
mod tokens;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{App, whip};
use crate::config::Config;
use crate::signal::antmedia;
use crate::websocket::Upgrade;

pub(super) fn router(app: App) -> Router {
    let known = middleware::from_fn_with_state(app.clone(), known_app);
    Router::new()
        .route("/{app}/websocket", get(websocket))
        .with_state(app.clone())
        .merge(whip::stream_router(app.clone()))
        .merge(rest::router(app.clone()))
        .merge(streams::router(&app))
        .route_layer(known)
}

/// Everything else is not found: an app that is not named is not there.
async fn known_app(State(app): State<App>, request: Request, next: Next) -> Response {
    let first = request.uri().path().split('/').nth(1).unwrap_or_default();
    if app.config.antmedia.apps.iter().any(|name| name == first) {
        return next.run(request).await;
    }
    (StatusCode::NOT_FOUND, "no such app; `antmedia.apps` names them").into_response()
}

/// Most participants of a room that is joined peer to peer.
fn most_peers(config: &Config, app: &String) -> usize {
    if config.antmedia.two_peer_apps.contains(app) { 2 } else { config.room.capacity }
}

/// Opens a signaling socket of the second dialect. Whatever the query says is passed over, as in the original.
async fn websocket(State(app): State<App>, Path(name): Path<String>, upgrade: Upgrade) -> Response {
    let config = app.config.clone();
    let Some(place) = app.sockets.take(config.limits.sockets) else {
        metrics::counter!("crescendo_refused_total", "limit" => "limits.sockets").increment(1);
        return (StatusCode::SERVICE_UNAVAILABLE, "this server has as many sockets as it takes").into_response();
    };
    let most_peers = most_peers(&config, &name);
    upgrade.open(config.antmedia.max_message_bytes, async move |socket| {
        let _place = place;
        antmedia::socket::run(socket, app.rooms, app.streams, &app.access, &app.config, (name, most_peers)).await;
    })
}
