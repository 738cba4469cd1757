//! Plain HTTP's way to HTTPS.

use axum::Router;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};

const HTTPS_PORT: u16 = 443;

/// Sends every request to the same host and path on `port`; without a port there is nowhere to go.
pub(super) fn router(port: Option<u16>) -> Router {
    Router::new().fallback(async move |uri: Uri, headers: HeaderMap| {
        match port.and_then(|p| target(p, &uri, &headers)) {
            Some(target) => Redirect::permanent(&target).into_response(),
            None => refuse(),
        }
    })
}

fn target(port: u16, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host: Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
    let host = host.host();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some(match port {
        HTTPS_PORT => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    })
}

fn refuse() -> Response {
    (StatusCode::BAD_REQUEST, "this port speaks TLS").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16, host: &str, path: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        target(port, &path.parse().expect("a path"), &headers)
    }

    #[test]
    fn the_host_and_the_path_stay_and_the_port_is_that_of_https() {
        assert_eq!(to(443, "call.example:80", "/r/a?b=c").as_deref(), Some("https://call.example/r/a?b=c"));
        assert_eq!(to(5443, "call.example", "/").as_deref(), Some("https://call.example:5443/"));
        assert_eq!(to(443, "[2001:db8::1]:8080", "/").as_deref(), Some("https://[2001:db8::1]/"));
    }

    #[test]
    fn a_host_that_is_none_leads_nowhere() {
        assert_eq!(to(443, "a b", "/"), None);
        assert_eq!(target(443, &Uri::from_static("/"), &HeaderMap::new()), None);
    }
}
