//! The HTTP doors: pages, API, signaling, HLS, metrics. Wires everything; nobody imports it but `main` and the host's legs.

pub mod api;
pub mod hls;
mod operators;
mod pages;
mod security;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::config::Config;
use crate::host::Rooms;
use crate::signal::socket;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct App {
    pub rooms: Rooms,
    pub hls: hls::HlsDirectory,
    pub metrics: PrometheusHandle,
    pub config: Arc<Config>,
    /// Open signaling sockets.
    sockets: Arc<AtomicUsize>,
}

impl App {
    pub fn new(rooms: Rooms, hls: hls::HlsDirectory, metrics: PrometheusHandle, config: Arc<Config>) -> Self {
        Self { rooms, hls, metrics, config, sockets: Arc::default() }
    }
}

/// Everything that the server answers over HTTP. Serve it with the peer's address as connect info.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/signal", get(signal))
        .with_state(app.clone())
        .merge(api::router(app.clone()))
        .merge(operators::router(app.clone()))
        .merge(pages::router())
        .layer(middleware::from_fn(security::headers))
        .merge(hls::router(app.hls))
}

/// Opens a signaling socket, unless there are too many.
async fn signal(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    let Some(counted) = Counted::new(&app.sockets, app.config.limits.sockets) else {
        metrics::counter!("crescendo_refused_total", "limit" => "limits.sockets").increment(1);
        return (StatusCode::SERVICE_UNAVAILABLE, "this server has as many sockets as it takes").into_response();
    };
    let most = app.config.signal.max_message_bytes * socket::OVERSIZE_FACTOR;
    upgrade.max_message_size(most).max_frame_size(most).on_upgrade(async move |socket| {
        let _counted = counted;
        socket::run(socket, app.rooms, &app.config).await;
    })
}

/// One of a limited number, for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let taken = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < limit).then_some(n + 1));
        taken.ok().map(|_| Self(count.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
