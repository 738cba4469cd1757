//! A request to the API: a line with its method and path, then its body. The whole site answers, with rooms that are really made, and
//! whatever comes is never the server's fault.
#![no_main]

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use crescendo::access::Access;
use crescendo::config::{self, Config};
use crescendo::host::Rooms;
use crescendo::http::hls::HlsDirectory;
use crescendo::http::{App, router};
use crescendo::sfu::Sfu;
use libfuzzer_sys::fuzz_target;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

static SITE: LazyLock<(Runtime, Router)> = LazyLock::new(|| {
    let set = [
        "sfu.listen=127.0.0.1:0",
        "sfu.pin=false",
        "turn.enabled=false",
        "hls.directory=",
        "record.directory=/nowhere",
    ];
    let mut config = config::load(None, &set.map(str::to_owned)).expect("good");
    config.access.api_keys = vec![config::ApiKey { id: "shop".into(), secret: config::Hidden(SECRET.into()) }];
    config.limits.rooms = 100;
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let site = runtime.block_on(async { site(config) });
    (runtime, site)
});

fn site(config: Config) -> Router {
    let sfu = Sfu::start(&config.sfu).expect("a port");
    let access = Access::new(&config.access).expect("a key");
    let hls = HlsDirectory::default();
    let rooms = Rooms::new(config.clone(), sfu, hls.clone(), None);
    router(App::new(rooms, hls, PrometheusBuilder::new().build_recorder().handle(), access, Arc::new(config)))
}

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, body) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let Some((method, path)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else { return };
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer shop.{SECRET}"))
        .header(header::CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))))
        .body(Body::from(body.to_vec()));
    let Ok(request) = request else { return };
    let (runtime, site) = &*SITE;
    runtime.block_on(async {
        let Ok(answer) = site.clone().call(request).await;
        let status = answer.status();
        assert!(!status.is_server_error(), "{status}");
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_problem = kind == "application/problem+json";
        assert_eq!(is_problem, status.is_client_error(), "{status}: {kind}");
        // Streams of events have no end.
        if kind.contains("json") && method != "HEAD" {
            let body = to_bytes(answer.into_body(), usize::MAX).await.expect("it is in memory");
            let told: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert!(!is_problem || told["status"] == status.as_u16());
        }
    });
});
