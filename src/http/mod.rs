//! The HTTP doors: pages, API, signaling, HLS, metrics. Wires everything; nobody imports it but `main` and the host's legs.

mod access;
mod antmedia;
pub mod api;
mod events;
pub mod hls;
mod idempotency;
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
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::access::Access;
use crate::config::Config;
use crate::host::Rooms;
use crate::host::limit::Count;
use crate::signal::antmedia::streams::Streams;
use crate::signal::socket;
use crate::websocket::Upgrade;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct App {
    pub rooms: Rooms,
    pub hls: hls::HlsDirectory,
    pub metrics: PrometheusHandle,
    pub access: Access,
    pub config: Arc<Config>,
    /// Stream ids of apps that are built on Ant Media's SDKs.
    pub streams: Streams,
    /// Open signaling sockets.
    sockets: Count,
    event_streams: Count,
    /// To requests that may be made again.
    answers: idempotency::Answers,
    whip: whip::Doors,
    /// Of those who watch broadcasts.
    tickets: access::Tickets,
}

impl App {
    pub fn new(
        rooms: Rooms,
        hls: hls::HlsDirectory,
        metrics: PrometheusHandle,
        access: Access,
        config: Arc<Config>,
    ) -> Self {
        let kept = Duration::from_secs(config.api.idempotency_s.into());
        let answers = idempotency::Answers::new(config.api.idempotency_keys, kept);
        let whip = whip::Doors::new(&rooms, &config);
        let streams = Streams::new(rooms.events().clone());
        Self {
            rooms,
            hls,
            metrics,
            access,
            config,
            streams,
            sockets: Count::default(),
            event_streams: Count::default(),
            answers,
            whip,
            tickets: access::Tickets::new(),
        }
    }
}

/// Everything that the server answers over HTTP. Serve it with the peer's address as connect info.
pub fn router(app: App) -> Router {
    let read_time = Duration::from_millis(app.config.http.read_timeout_ms.into());
    let (access, learns) = (app.access.clone(), app.access.learns());
    let site = Router::new()
        .route("/signal", get(signal))
        .with_state(app.clone())
        .merge(antmedia::router(app.clone()))
        .merge(whip::router(app.clone()))
        .merge(api::router(app.clone()))
        .merge(operators::router(app.clone()))
        .merge(pages::router())
        .layer(middleware::from_fn(security::headers))
        .layer(RequestBodyTimeoutLayer::new(read_time))
        .merge(access::watched(&app, hls::routes(app.hls.clone())).layer(hls::cors()));
    if learns { site.layer(middleware::from_fn_with_state(access, access::learn)) } else { site }
}

/// Opens a signaling socket, unless there are too many.
async fn signal(State(app): State<App>, upgrade: Upgrade) -> Response {
    let Some(place) = app.sockets.take(app.config.limits.sockets) else {
        metrics::counter!("crescendo_refused_total", "limit" => "limits.sockets").increment(1);
        return (StatusCode::SERVICE_UNAVAILABLE, "this server has as many sockets as it takes").into_response();
    };
    let most = app.config.signal.max_message_bytes * socket::OVERSIZE_FACTOR;
    upgrade.open(most, async move |socket| {
        let _place = place;
        socket::run(socket, app.rooms, &app.access, &app.config).await;
    })
}
