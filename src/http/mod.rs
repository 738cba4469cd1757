//! The HTTP doors: pages, API, signaling, HLS, metrics. Wires everything; nobody imports it but `main` and the host's legs.

mod antmedia;
pub mod api;
pub mod hls;
mod operators;
mod pages;
mod problem;
mod range;
mod recordings;
mod security;
mod whip;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::config::Config;
use crate::host::Rooms;
use crate::host::limit::Count;
use crate::signal::antmedia::streams::Streams;
use crate::signal::socket;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct App {
    pub rooms: Rooms,
    pub hls: hls::HlsDirectory,
    pub metrics: PrometheusHandle,
    pub config: Arc<Config>,
    /// Stream ids of apps that are built on Ant Media's SDKs.
    pub streams: Streams,
    /// Open signaling sockets.
    sockets: Count,
    whip: whip::Doors,
}

impl App {
    pub fn new(rooms: Rooms, hls: hls::HlsDirectory, metrics: PrometheusHandle, config: Arc<Config>) -> Self {
        let whip = whip::Doors::new(&rooms, &config);
        Self { rooms, hls, metrics, config, streams: Streams::default(), sockets: Count::default(), whip }
    }
}

/// Everything that the server answers over HTTP. Serve it with the peer's address as connect info.
pub fn router(app: App) -> Router {
    let read_time = Duration::from_millis(app.config.http.read_timeout_ms.into());
    Router::new()
        .route("/signal", get(signal))
        .with_state(app.clone())
        .merge(antmedia::router(app.clone()))
        .merge(whip::router(app.clone()))
        .merge(api::router(app.clone()))
        .merge(operators::router(app.clone()))
        .merge(pages::router())
        .layer(middleware::from_fn(security::headers))
        .layer(RequestBodyTimeoutLayer::new(read_time))
        .merge(hls::router(app.hls))
}

/// Opens a signaling socket, unless there are too many.
async fn signal(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    let Some(place) = app.sockets.take(app.config.limits.sockets) else {
        metrics::counter!("crescendo_refused_total", "limit" => "limits.sockets").increment(1);
        return (StatusCode::SERVICE_UNAVAILABLE, "this server has as many sockets as it takes").into_response();
    };
    let most = app.config.signal.max_message_bytes * socket::OVERSIZE_FACTOR;
    upgrade.max_message_size(most).max_frame_size(most).on_upgrade(async move |socket| {
        let _place = place;
        socket::run(socket, app.rooms, &app.config).await;
    })
}
