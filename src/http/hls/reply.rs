//! Answers and their headers: how long they may be kept, what they are known by, in which form and which part of them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use crescendo_hls::{Query, Store, Text};

use super::index;
use super::query::{Asked, Viewer};
use crate::http::range::{self, Span, content_range};

/// The names of media are never used twice.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For what is one viewer's own, and for what is not there: it may be there in a moment.
const NEVER: HeaderValue = HeaderValue::from_static("no-store");
const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=2");
const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");

/// For how long a playlist may be kept, in whole seconds (RFC 8216bis appendix B.1): six target durations where the request names
/// what it waits for and so is never made again by one who has the answer, else half of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Freshness(u64);

impl Freshness {
    pub(super) fn of(query: &Query, store: Option<&Store>) -> Self {
        let target_s = store.map_or(1, Store::target_seconds);
        if query.msn.is_some() { Self(6 * target_s) } else { Self((target_s / 2).max(1)) }
    }

    fn header(self) -> HeaderValue {
        HeaderValue::from_str(&format!("public, max-age={}", self.0)).expect("digits are a header value")
    }
}

pub(super) fn refusal(status: StatusCode) -> Response {
    (status, [(header::CACHE_CONTROL, NEVER)]).into_response()
}

/// A playlist that is made for one viewer.
pub(super) fn index(text: String) -> Response {
    ([(header::CACHE_CONTROL, NEVER), (header::CONTENT_TYPE, PLAYLIST)], text).into_response()
}

/// Nobody where there is no broadcast.
pub(super) fn viewers(store: Option<&Store>) -> Response {
    let count = store.map_or(0, Store::viewers);
    ([(header::CACHE_CONTROL, BRIEFLY)], Json(serde_json::json!({ "viewers": count }))).into_response()
}

/// A playlist that is the same for all, packed where the client can unpack it.
pub(super) fn playlist(text: &Arc<Text>, fresh: Freshness, request: &HeaderMap) -> Response {
    let asked = request.get(header::RANGE).and_then(|value| value.to_str().ok());
    let packed = asked.is_none() && takes_gzip(request);
    let tag = if packed { format!("{}-gzip\"", text.tag().trim_end_matches('"')) } else { text.tag().to_owned() };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CACHE_CONTROL, fresh.header());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, PLAYLIST);
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(known) = not_modified(&tag, &mut headers, request) {
            return known;
        }
        return (headers, text.gzip().clone()).into_response();
    }
    bytes(text.body(), &tag, headers, request)
}

/// An init section, segment or part that is in memory.
pub(super) fn media(name: &str, body: &Bytes, request: &HeaderMap) -> Response {
    bytes(body, &format!("\"{name}\""), media_headers(name), request)
}

fn media_headers(name: &str) -> HeaderMap {
    let kind = if name.starts_with("audio-") { "audio/mp4" } else { "video/mp4" };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers
}

/// The shared bytes, or a range of them: nothing is copied.
fn bytes(body: &Bytes, tag: &str, mut headers: HeaderMap, request: &HeaderMap) -> Response {
    if let Some(known) = not_modified(tag, &mut headers, request) {
        return known;
    }
    match span(request, tag, body.len(), &mut headers) {
        Span::Whole => (headers, body.clone()).into_response(),
        Span::Part { first, last } => (StatusCode::PARTIAL_CONTENT, headers, body.slice(first..=last)).into_response(),
        Span::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response(),
    }
}

/// A segment that is on disk only.
pub(super) async fn stored(name: &str, path: PathBuf, request: &HeaderMap) -> Response {
    let (mut headers, tag) = (media_headers(name), format!("\"{name}\""));
    if let Some(known) = not_modified(&tag, &mut headers, request) {
        return known;
    }
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        std::io::Result::Ok((file, usize::try_from(length).unwrap_or(usize::MAX)))
    });
    let Ok(Ok((file, length))) = opened.await else { return refusal(StatusCode::NOT_FOUND) };
    let (status, first, count) = match span(request, &tag, length, &mut headers) {
        Span::Whole => (StatusCode::OK, 0, length),
        Span::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Span::Unsatisfiable => return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response(),
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    match range::body(file, first as u64, count as u64) {
        Ok(body) => (status, headers, body).into_response(),
        Err(_) => refusal(StatusCode::NOT_FOUND),
    }
}

/// A media playlist of a broadcast that is over.
pub(super) async fn stored_playlist(path: PathBuf, request: &HeaderMap) -> Response {
    match tokio::fs::read(path).await {
        Ok(text) => playlist(&Arc::new(Text::new(text)), Freshness::of(&Query::default(), None), request),
        Err(_) => refusal(StatusCode::NOT_FOUND),
    }
}

/// Its multivariant playlist.
pub(super) async fn stored_index(path: PathBuf, asked: &Asked, viewer: Viewer) -> Response {
    match tokio::fs::read(path).await {
        Ok(text) => index(index::personal(&text, asked, viewer)),
        Err(_) => refusal(StatusCode::NOT_FOUND),
    }
}

/// What of it is asked for, and the headers that say so. A range of another version than there is asks for all of this one.
fn span(request: &HeaderMap, tag: &str, length: usize, headers: &mut HeaderMap) -> Span {
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let same = request.get(header::IF_RANGE).is_none_or(|version| version.as_bytes() == tag.as_bytes());
    let asked = request.get(header::RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
    let span = asked.map_or(Span::Whole, |asked| range::parse(asked, length));
    match span {
        Span::Whole => {}
        Span::Part { first, last } => {
            headers.insert(header::CONTENT_RANGE, content_range(&format!("bytes {first}-{last}/{length}")));
        }
        Span::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, content_range(&format!("bytes */{length}")));
        }
    }
    span
}

/// Adds the tag, and answers who has what it stands for.
fn not_modified(tag: &str, headers: &mut HeaderMap, request: &HeaderMap) -> Option<Response> {
    headers.insert(header::ETAG, HeaderValue::from_str(tag).ok()?);
    let is_known = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|tags| tags.split(',').any(|known| matches!(known.trim(), "*") || weakly(known) == tag))
    };
    request.get_all(header::IF_NONE_MATCH).iter().any(is_known).then(|| {
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::CONTENT_ENCODING);
        (StatusCode::NOT_MODIFIED, std::mem::take(headers)).into_response()
    })
}

/// A tag without the mark that a cache on the way may have put on it (RFC 9110 section 8.8.3.2).
fn weakly(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// Accept-Encoding has gzip (RFC 9110 section 12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let refused =
        |weight: &str| weight.trim().strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
    request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let mut parts = coding.split(';');
            let name = parts.next().unwrap_or_default().trim();
            (name.eq_ignore_ascii_case("gzip") || name == "*") && !parts.any(refused)
        })
    })
}
