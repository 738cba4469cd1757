//! What is asked for of a broadcast: a file and a query, in place of those that players send.
#![no_main]

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use crescendo::http::hls::{HlsDirectory, router};
use crescendo_hls::{Budget, HlsLeg, Options};
use crescendo_leg_api::{Codec, Frame, Layer, Leg as _, Track, TrackKey};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;

/// 640×360, constrained baseline.
const SPS: [u8; 15] = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf0, 0x88, 0x46, 0xa0];
const FPS: u32 = 10;
const SECONDS: u32 = 5;

/// The pages of a broadcast of a few seconds, which goes on as long as this does.
static SITE: LazyLock<(Runtime, Router)> = LazyLock::new(|| {
    let (mut leg, store) = HlsLeg::new(Options {
        part: Duration::from_millis(200),
        segment: Duration::from_secs(1),
        segments: 3,
        window: Duration::from_secs(60),
        audio_kbps: 96,
        transcodes: Budget::new(0),
        transcode_kbps: 500,
        ladder: Vec::new(),
        directory: None,
        of: None,
        composition: crescendo_hls::Composition::default(),
        started: SystemTime::UNIX_EPOCH,
    });
    let key = TrackKey(1);
    leg.track_added(Track { key, participant: "p1".into(), name: String::new(), screen: false, audio: false });
    for index in 0..FPS * SECONDS {
        leg.frame(frame(key, index));
        leg.tick(Duration::from_secs(1) * index / FPS);
    }
    let directory = HlsDirectory::default();
    directory.insert("demo".parse().expect("a name"), store);
    // Its end would say that no more comes, and nothing would be waited for.
    std::mem::forget(leg);
    (Builder::new_current_thread().enable_all().build().expect("a runtime"), router(directory))
});

fn frame(track: TrackKey, index: u32) -> Frame {
    let key = index.is_multiple_of(FPS);
    let slice: &[u8] = if key { &[0x65, 0x88, 0x84, 0x5a] } else { &[0x41, 0x9a, 0x84, 0x5a] };
    let units: &[&[u8]] = if key { &[&SPS, &[0x68, 1], slice] } else { &[slice] };
    let mut data = Vec::new();
    for unit in units {
        data.extend_from_slice(&(unit.len() as u32).to_be_bytes());
        data.extend_from_slice(unit);
    }
    let capture = Duration::from_secs(1) * index / FPS;
    Frame { track, layer: Layer::WHOLE, codec: Codec::H264, capture, key, data: data.into() }
}

/// What comes at once; what has to be waited for is given up.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fuzz_target!(|asked: &str| {
    let Ok(request) = Request::builder().uri(format!("/hls/demo/{asked}")).body(Body::empty()) else { return };
    let (runtime, site) = &*SITE;
    let _in_it = runtime.enter();
    let Some(Ok(answer)) = now(site.clone().call(request)) else { return };
    assert!(!answer.status().is_server_error(), "{}", answer.status());
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if answer.status().is_success() && kind == "application/vnd.apple.mpegurl" {
        let body = now(to_bytes(answer.into_body(), usize::MAX)).expect("it is in memory").expect("whole");
        let text = std::str::from_utf8(&body).expect("text");
        assert!(text.starts_with("#EXTM3U\n"));
        // Whatever was asked for stays within its line.
        assert!(
            text.lines().all(|line| line.is_empty() || line.starts_with('#') || !line.contains([' ', '"'])),
            "{text}"
        );
    }
});
