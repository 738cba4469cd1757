//! A broadcast's files behind the real listeners, and clients that mean no good or have no luck.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crescendo::config::Config;
use crescendo::http::hls::{HlsDirectory, router};
use crescendo::listen::{Beyond, Listeners};
use crescendo_hls::{HlsLeg, Options, Store};
use crescendo_leg_api::{Codec, Frame, Layer, Leg as _, Track, TrackKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::check::text;
use crate::support::PATIENCE;

const SPS: [u8; 15] = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf0, 0x88, 0x46, 0xa0];
/// More than sockets hold, so that who does not read keeps the server waiting.
const KEY_FRAME_BYTES: usize = 16 << 20;

/// A broadcast whose time is ours, 30 pictures a second, and where it is served.
struct Broadcast {
    leg: HlsLeg,
    store: Arc<Store>,
    http: SocketAddr,
    pictures: u32,
}

impl Broadcast {
    async fn start() -> Self {
        let (mut leg, store) = HlsLeg::new(Options {
            part: Duration::from_millis(200),
            segment: Duration::from_secs(1),
            segments: 3,
            window: Duration::from_secs(60),
            audio_kbps: 64,
            transcodes: crescendo_hls::Budget::new(1),
            transcode_kbps: 500,
            ladder: Vec::new(),
            directory: None,
            of: None,
            composition: crescendo_hls::Composition::default(),
            started: SystemTime::now(),
        });
        let (participant, name) = ("p1".to_owned(), String::new());
        leg.track_added(Track { key: TrackKey(1), participant, name, screen: false, audio: false });
        let directory = HlsDirectory::default();
        directory.insert("demo".parse().expect("a room name"), store.clone());
        let mut config = Config::default();
        config.http.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let listeners = Listeners::bind(&config).await.expect("a port");
        let http = listeners.http()[0];
        tokio::spawn(async move {
            listeners.serve(&config, router(directory), Beyond::default(), std::future::pending()).await
        });
        let mut broadcast = Self { leg, store, http, pictures: 0 };
        // The sound is encoded on threads that follow our time as fast as they can.
        while !broadcast.store.offered() {
            broadcast.picture(64);
            std::thread::yield_now();
        }
        broadcast
    }

    fn picture(&mut self, bytes: usize) {
        let key = self.pictures.is_multiple_of(30);
        let mut slice = vec![0x5a; if key { bytes } else { 64 }];
        slice[..2].copy_from_slice(if key { &[0x65, 0x88] } else { &[0x41, 0x9a] });
        let units: &[&[u8]] = if key { &[&SPS, &[0x68, 1], &slice] } else { &[&slice] };
        let mut data = Vec::new();
        for unit in units {
            data.extend_from_slice(&(unit.len() as u32).to_be_bytes());
            data.extend_from_slice(unit);
        }
        let capture = Duration::from_secs(1) * self.pictures / 30;
        self.leg.frame(Frame {
            track: TrackKey(1),
            layer: Layer::WHOLE,
            codec: Codec::H264,
            capture,
            key,
            data: data.into(),
        });
        self.leg.tick(capture);
        self.pictures += 1;
    }

    /// Until as many pictures have been taken as make a segment.
    fn segment(&mut self, bytes: usize) {
        (0..30).for_each(|_| self.picture(bytes));
    }

    fn name_of_newest_segment(&self) -> String {
        let playlist = text(&self.store, "video.m3u8");
        playlist.lines().rfind(|line| line.ends_with(".m4s") && !line.starts_with('#')).expect("a segment").to_owned()
    }

    /// The address of a playlist that is there in a second of our time.
    fn soon(&self) -> String {
        let next = text(&self.store, "video.m3u8").lines().filter(|line| line.contains("EXT-X-PRELOAD-HINT")).count();
        assert_eq!(next, 1, "it is live");
        let newest = self.name_of_newest_segment();
        let number: u64 =
            newest.trim_end_matches(".m4s").rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number");
        format!("/hls/demo/video.m3u8?_HLS_msn={}&_HLS_part=0", number + 2)
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.http).await.expect("the server listens");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        stream
    }

    /// Status, head and body.
    async fn answer(&self, method: &str, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let mut stream = self.ask(method, path, headers).await;
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("in time").expect("read");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, head, answer.split_off(end + 4))
    }

    /// Until so many requests wait.
    async fn waits(&self, count: usize) {
        let settled = async {
            while self.store.waiting() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, settled).await.unwrap_or_else(|_| panic!("{} requests wait", self.store.waiting()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_addresses_and_queries_get_a_clear_no() {
    let broadcast = Broadcast::start().await;
    let long = format!("/hls/demo/{}", "a".repeat(8_000));
    let many = format!("/hls/demo/video.m3u8?{}", "_HLS_msn=1&".repeat(700));
    for (path, status) in [
        ("/hls/demo/video.m3u8?_HLS_msn=18446744073709551615", 400),
        ("/hls/demo/video.m3u8?_HLS_msn=18446744073709551616", 400),
        ("/hls/demo/video.m3u8?_HLS_msn=-1", 400),
        ("/hls/demo/video.m3u8?_HLS_msn=1&_HLS_part=18446744073709551615&_HLS_msn=x", 400),
        ("/hls/demo/video.m3u8?_HLS_part=3", 400),
        ("/hls/demo/video.m3u8?_HLS_msn=%00", 400),
        ("/hls/demo/index.m3u8?start=1e999", 400),
        ("/hls/demo/index.m3u8?start=%22%0a%23EXT", 400),
        ("/hls/demo/index.m3u8?viewer=%22%0d%0aset-cookie:x", 200),
        ("/hls/demo/video.m3u8?viewer=&=&&&==", 200),
        ("/hls/demo/../../etc/passwd", 404),
        ("/hls/demo/..%2f..%2fetc%2fpasswd", 404),
        ("/hls/%2e%2e/%2e%2e/index.m3u8", 404),
        ("/hls/demo/%00", 404),
        ("/hls/demo/%ff%fe", 400),
        ("/hls/de%2fmo/index.m3u8", 404),
        ("/hls/demo/video-+1-0.m4s", 404),
        ("/hls/demo/1/video.m3u8", 404),
        (&long, 404),
        (&many, 200),
    ] {
        let (found, head, body) = broadcast.answer("GET", path, "").await;
        assert_eq!(found, status, "{path}: {head}");
        assert!(!head.contains("set-cookie") && !body.windows(4).any(|four| four == b"#EXT") || found == 200, "{path}");
    }
    assert_eq!(broadcast.answer("POST", "/hls/demo/index.m3u8", "content-length: 0\r\n").await.0, 405);
    assert_eq!(broadcast.store.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_while_waiting_leaves_nothing_behind() {
    let mut broadcast = Broadcast::start().await;
    let soon = broadcast.soon();
    let mut waiting = Vec::new();
    for _ in 0..200 {
        waiting.push(broadcast.ask("GET", &soon, "").await);
    }
    broadcast.waits(200).await;
    let mut patient = waiting.pop().expect("one");
    drop(waiting);
    broadcast.waits(1).await;
    broadcast.segment(64);
    broadcast.segment(64);
    let mut answer = Vec::new();
    timeout(PATIENCE, patient.read_to_end(&mut answer)).await.expect("in time").expect("read");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    broadcast.waits(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_do_not_read_hold_up_nobody_and_the_end_lets_all_go() {
    let mut broadcast = Broadcast::start().await;
    broadcast.segment(KEY_FRAME_BYTES);
    broadcast.segment(64);
    let playlist = text(&broadcast.store, "video.m3u8");
    let names: Vec<_> = playlist.lines().filter(|line| line.ends_with(".m4s")).collect();
    let mut large = None;
    for name in names {
        let (_, head, _) = broadcast.answer("HEAD", &format!("/hls/demo/{name}"), "").await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if length.is_some_and(|length| length >= KEY_FRAME_BYTES) {
            large = Some(format!("/hls/demo/{name}"));
        }
    }
    let large = large.expect("the large segment");
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(broadcast.ask("GET", &large, "").await);
    }
    for stream in &mut idle {
        // It has begun.
        timeout(PATIENCE, stream.readable()).await.expect("in time").expect("open");
    }
    let (status, _, body) = broadcast.answer("GET", &large, "").await;
    assert!(status == 200 && body.len() >= KEY_FRAME_BYTES);
    let soon = broadcast.soon();
    let mut waiting = broadcast.ask("GET", &soon, "").await;
    broadcast.waits(1).await;
    broadcast.leg.finish();
    let mut answer = Vec::new();
    timeout(PATIENCE, waiting.read_to_end(&mut answer)).await.expect("in time").expect("read");
    assert!(answer.ends_with(b"#EXT-X-ENDLIST\n"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_ranges_tags_and_origins_are_as_http_has_them() {
    let mut broadcast = Broadcast::start().await;
    broadcast.segment(64);
    let path = format!("/hls/demo/{}", broadcast.name_of_newest_segment());
    let (status, head, body) = broadcast.answer("GET", &path, "origin: https://elsewhere.example\r\n").await;
    assert_eq!(status, 200);
    assert!(head.contains("access-control-allow-origin: *") && head.contains("accept-ranges: bytes"), "{head}");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").to_owned();
    let (status, head, nothing) = broadcast.answer("HEAD", &path, "").await;
    assert_eq!((status, nothing.len()), (200, 0));
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let (status, head, part) = broadcast.answer("GET", &path, "range: bytes=4-7\r\n").await;
    assert_eq!((status, &part[..]), (206, &body[4..8]));
    assert!(head.contains(&format!("content-range: bytes 4-7/{}", body.len())), "{head}");
    let stale = "range: bytes=4-7\r\nif-range: \"another\"\r\n";
    assert_eq!(broadcast.answer("GET", &path, stale).await.0, 200);
    let (status, head, _) = broadcast.answer("GET", &path, "range: bytes=99999999-\r\n").await;
    assert_eq!(status, 416);
    assert!(head.contains(&format!("content-range: bytes */{}", body.len())), "{head}");
    assert_eq!(broadcast.answer("GET", &path, &format!("if-none-match: {tag}\r\n")).await.0, 304);
    let preflight = "origin: https://elsewhere.example\r\naccess-control-request-method: GET\r\naccess-control-request-headers: range\r\n";
    let (status, head, _) = broadcast.answer("OPTIONS", &path, preflight).await;
    assert_eq!(status, 200);
    assert!(
        head.contains("access-control-allow-headers: range") && head.contains("access-control-allow-methods: get,head"),
        "{head}"
    );

    let (_, head, index) = broadcast.answer("GET", "/hls/demo/index.m3u8", "").await;
    assert!(head.contains("cache-control: no-store"), "{head}");
    let index = String::from_utf8(index).expect("UTF-8");
    for line in index.lines().filter(|line| line.contains(".m3u8")) {
        assert!(line.contains(".m3u8?viewer="), "{index}");
    }
    let playlist = index.lines().rfind(|line| !line.starts_with('#')).expect("a playlist").to_owned();
    for _ in 0..2 {
        assert_eq!(broadcast.answer("GET", &format!("/hls/demo/{playlist}"), "").await.0, 200);
    }
    let (_, _, viewers) = broadcast.answer("GET", "/hls/demo/viewers", "").await;
    assert_eq!(viewers, b"{\"viewers\":1}");
}
