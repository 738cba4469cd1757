//! `/api/v1/node` and `/api/v1/capabilities`: the server itself.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::host::{NodeLoad, legs_supported};
use crate::http::App;
use crate::signal::message::LegKind;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Capabilities {
    legs: &'static [LegKind],
}

/// What this server can do
#[utoipa::path(
    get, path = "/api/v1/capabilities", operation_id = "inspectCapabilities", tag = "node",
    responses((status = 200, description = "What it can do", body = Capabilities))
)]
pub(super) async fn capabilities(State(app): State<App>) -> Json<Capabilities> {
    Json(Capabilities { legs: legs_supported(&app.config) })
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    version: &'static str,
    #[serde(flatten)]
    load: NodeLoad,
    /// Those who watch broadcasts.
    viewers: usize,
    /// It lets nobody in any more.
    draining: bool,
    /// All its media threads run.
    media: bool,
}

/// How this server is
#[utoipa::path(
    get, path = "/api/v1/node", operation_id = "inspectNode", tag = "node",
    responses((status = 200, description = "The server's state", body = Node))
)]
pub(super) async fn inspect(State(app): State<App>) -> Json<Node> {
    Json(Node {
        version: env!("CARGO_PKG_VERSION"),
        load: app.rooms.load(),
        viewers: app.hls.viewers(),
        draining: app.rooms.is_draining(),
        media: app.rooms.has_media(),
    })
}
