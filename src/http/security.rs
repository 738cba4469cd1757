//! Headers on every page, and which requests are the machine's own.

use std::net::IpAddr;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::listen::Secure;

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

/// Whether a request comes from this machine itself. One that a proxy has passed on does not.
pub(super) fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    peer.is_some_and(is_loopback) && !forwarded(request.headers()) && names_this_machine(request)
}

/// Whether a page that did not come from here has its browser ask: one that the machine's user looks at can reach this machine, too,
/// and needs no answer to do harm.
pub(super) fn is_of_another_site(request: &Request) -> bool {
    let said = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Fetch Metadata, which no script can set; browsers without it name the origin of all that changes something (RFC 6454 section 7).
    match (said("sec-fetch-site"), said(header::ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").is_none_or(|(_, from)| from != host(request)),
        (None, None) => false,
    }
}

/// Whether a request came over TLS: to us, or to a proxy that says so. Whoever says so and lies has cookies that do not come back.
pub(super) fn is_secure(request: &Request) -> bool {
    let forwarded = request.headers().get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    request.extensions().get::<Secure>().is_some()
        || forwarded.is_some_and(|all| all.split(',').next().is_some_and(|first| first.trim() == "https"))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The `Host` is an address or `localhost`. A page of another site whose name was made to lead here (DNS rebinding) says that
/// site's name.
fn names_this_machine(request: &Request) -> bool {
    let host = host(request);
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// What the client took us for, with the port where it is not the usual one. HTTP/2 has it in the target (RFC 9113 §8.3.1).
fn host(request: &Request) -> &str {
    let target = request.uri().authority().map(|authority| authority.as_str());
    target.or_else(|| request.headers().get(header::HOST)?.to_str().ok()).unwrap_or_default()
}

fn forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}
