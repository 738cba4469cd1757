//! HTTP on one connection, by hyper, with a bound on everything that a client can make large or long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tracing::trace;

use super::{Duplex, Over, ended};
use crate::config;

/// Buffer of an HTTP/1 connection, at least hyper's least. Higher: fewer reads of large bodies; lower: less memory a connection.
const LEAST_BUFFER: usize = 64 * 1024;
/// An HTTP/2 connection that is silent for this long is asked whether it is there, and closed when it does not answer in
/// the same time again. Lower: the dead are noticed sooner, for more traffic.
const PING: Duration = Duration::from_secs(20);
/// Streams that a client has opened and reset before they were looked at, and that were reset for its errors, before the
/// connection is closed (CVE-2023-44487). Higher: forgives a browser that changes its mind; lower: a flood costs less.
const RESETS: usize = 64;

/// What every connection is served with.
pub(super) struct Server {
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
}

impl Server {
    pub(super) fn new(config: &config::Http) -> Self {
        let read_time = Duration::from_millis(config.read_timeout_ms.into());
        let mut one = http1::Builder::new();
        one.timer(TokioTimer::new())
            .header_read_timeout(read_time)
            .max_header_size(config.max_header_bytes)
            .max_buf_size(config.max_header_bytes.max(LEAST_BUFFER));
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.timer(TokioTimer::new())
            .max_concurrent_streams(config.http2_streams)
            .max_header_list_size(u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        Self { one, two }
    }

    /// HTTP/1.1 until the connection ends or has become a WebSocket; once the server is over, until the request that is
    /// under way is answered.
    pub(super) async fn serve_one(&self, stream: Box<dyn Duplex>, peer: SocketAddr, site: Router, over: Over) {
        let serving = self.one.serve_connection(TokioIo::new(stream), service(site, peer)).with_upgrades();
        serve(serving, |serving| serving.graceful_shutdown(), over).await;
    }

    /// HTTP/2, likewise.
    pub(super) async fn serve_two(&self, stream: Box<dyn Duplex>, peer: SocketAddr, site: Router, over: Over) {
        let serving = self.two.serve_connection(TokioIo::new(stream), service(site, peer));
        serve(serving, |serving| serving.graceful_shutdown(), over).await;
    }
}

/// Runs a connection to its end. Once the server is over, `finish` tells it to take no more requests.
async fn serve<C>(connection: C, finish: impl FnOnce(Pin<&mut C>), mut over: Over)
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ended(&mut over) => {
            finish(connection.as_mut());
            connection.await
        }
    };
    note(result);
}

/// The site, told who asks.
fn service(
    site: Router,
    peer: SocketAddr,
) -> impl HttpService<Incoming, ResBody = axum::body::Body, Error = Infallible, Future: Send> {
    let site = TowerToHyperService::new(site);
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        site.call(request)
    })
}

fn note(result: Result<(), hyper::Error>) {
    if let Err(error) = result {
        trace!(%error, "an HTTP connection broke");
        if error.is_timeout() {
            metrics::counter!("crescendo_refused_total", "limit" => "http.read_timeout_ms").increment(1);
        }
    }
}
