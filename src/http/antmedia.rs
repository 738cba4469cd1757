//! The doors for apps that are built on Ant Media's SDKs, under each name of `antmedia.apps`.

use axum::Router;
use axum::extract::{Path, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use crate::signal::antmedia;
use crate::signal::socket::OVERSIZE_FACTOR;

pub(super) fn router(app: App) -> Router {
    Router::new().route("/{app}/websocket", get(websocket)).with_state(app)
}

/// Opens a signaling socket of the second dialect. Whatever the query says is passed over, as in the original.
async fn websocket(State(app): State<App>, Path(name): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    let config = app.config.clone();
    if !config.antmedia.apps.contains(&name) {
        return (StatusCode::NOT_FOUND, "no such app; `antmedia.apps` names them").into_response();
    }
    let Some(place) = app.sockets.take(config.limits.sockets) else {
        metrics::counter!("crescendo_refused_total", "limit" => "limits.sockets").increment(1);
        return (StatusCode::SERVICE_UNAVAILABLE, "this server has as many sockets as it takes").into_response();
    };
    let most_peers = if config.antmedia.two_peer_apps.contains(&name) { 2 } else { config.room.capacity };
    let most = config.antmedia.max_message_bytes * OVERSIZE_FACTOR;
    upgrade.max_message_size(most).max_frame_size(most).on_upgrade(async move |socket| {
        let _place = place;
        antmedia::socket::run(socket, app.rooms, app.streams, &app.config, most_peers).await;
    })
}
