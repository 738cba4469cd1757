//! The pages and the client library, built by Vite and embedded in the binary.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::room::ids::RoomName;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web/dist"]
struct Dist;

/// Names under `/assets` carry a hash of their content.
const FOREVER: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async |headers: HeaderMap| file("index.html", REVALIDATE, &headers)))
        .route("/admin", get(async |headers: HeaderMap| file("admin.html", REVALIDATE, &headers)))
        .route("/client.js", get(async |headers: HeaderMap| library("client.js", &headers)))
        .route("/client-worker.js", get(async |headers: HeaderMap| library("client-worker.js", &headers)))
        .route("/favicon.svg", get(async |headers: HeaderMap| file("favicon.svg", REVALIDATE, &headers)))
        .route("/r/{room}", get(async |path, headers: HeaderMap| page("call.html", path, &headers)))
        .route("/watch/{room}", get(async |path, headers: HeaderMap| page("watch.html", path, &headers)))
        .route("/r/", get(async || Redirect::to("/")))
        .route("/assets/{*path}", get(asset))
        .fallback(async |headers: HeaderMap| not_found(&headers))
}

/// Apps on other origins import it, and modules are always fetched with CORS.
fn library(name: &str, headers: &HeaderMap) -> Response {
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], file(name, REVALIDATE, headers)).into_response()
}

/// A page about one room; a name that no room can have leads nowhere.
fn page(name: &str, Path(room): Path<String>, headers: &HeaderMap) -> Response {
    match room.parse::<RoomName>() {
        Ok(_) => file(name, REVALIDATE, headers),
        Err(_) => not_found(headers),
    }
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{path}"), FOREVER, &headers)
}

fn not_found(headers: &HeaderMap) -> Response {
    let mut response = match Dist::get("notfound.html") {
        Some(found) => respond("notfound.html", found, REVALIDATE, headers),
        None => "nothing here".into_response(),
    };
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

fn file(name: &str, cache: &'static str, headers: &HeaderMap) -> Response {
    match Dist::get(name) {
        Some(found) => respond(name, found, cache, headers),
        None => (StatusCode::NOT_FOUND, "nothing here").into_response(),
    }
}

fn respond(name: &str, found: EmbeddedFile, cache: &'static str, headers: &HeaderMap) -> Response {
    let hash = found.metadata.sha256_hash();
    let tag = format!("\"{}\"", hash[..12].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache.to_owned()), (header::ETAG, tag)];
    (headers, found.data.into_owned()).into_response()
}
