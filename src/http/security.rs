//! Headers on every page, and who may use the doors that are for operators.

use std::net::IpAddr;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Scripts and styles from this server only; nobody frames a page of ours but ourselves.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; img-src 'self' data: blob:; \
                      worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'self'";

pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(self), microphone=(self), display-capture=(self)"),
    );
    response
}

/// Lets a request through when it comes from this machine itself. There are no keys yet that another could show, so the API
/// and the metrics are for the machine's own processes; a request that a proxy has passed on is not one of these.
pub(super) async fn local_only(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    if peer.is_some_and(is_loopback) && !forwarded(request.headers()) && names_this_machine(&request) {
        next.run(request).await
    } else {
        metrics::counter!("crescendo_refused_total", "limit" => "local only").increment(1);
        (StatusCode::FORBIDDEN, "this door is open to the server's own machine only").into_response()
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The `Host` is an address or `localhost`. A page of another site whose name was made to lead here (DNS rebinding) says that
/// site's name.
fn names_this_machine(request: &Request) -> bool {
    // HTTP/2 has the host in the target (RFC 9113 §8.3.1).
    let target = request.uri().authority().map(|authority| authority.as_str());
    let host = target.or_else(|| request.headers().get(header::HOST)?.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}
