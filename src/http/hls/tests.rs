use std::time::SystemTime;

use crescendo_hls::{HlsLeg, Options};
use crescendo_leg_api::{Codec, Frame, Layer, Leg as _, Track, TrackKey};

use super::*;
use crate::http::range::{Span, parse};

#[test]
fn ranges_are_read_as_the_rfc_says() {
    assert_eq!(parse("bytes=0-3", 10), Span::Part { first: 0, last: 3 });
    assert_eq!(parse("bytes=4-", 10), Span::Part { first: 4, last: 9 });
    assert_eq!(parse("bytes=-4", 10), Span::Part { first: 6, last: 9 });
    assert_eq!(parse("bytes=-40", 10), Span::Part { first: 0, last: 9 });
    assert_eq!(parse("bytes=8-400", 10), Span::Part { first: 8, last: 9 });
    for unsatisfiable in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
        assert_eq!(parse(unsatisfiable, 10), Span::Unsatisfiable, "{unsatisfiable}");
    }
    assert_eq!(parse("bytes=0-", 0), Span::Unsatisfiable);
    for whole in ["bytes=3-2", "bytes=0-1,4-5", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-b"] {
        assert_eq!(parse(whole, 10), Span::Whole, "{whole}");
    }
}

#[test]
fn delivery_directives_are_found_among_others() {
    let query = |text| Asked::parse(text).map(|asked| asked.query);
    let all = Query { msn: Some(12), part: Some(3), skip: true };
    assert_eq!(query("token=x&_HLS_msn=12&_HLS_part=3&_HLS_skip=YES"), Some(all));
    assert_eq!(query(""), Some(Query::default()));
    assert_eq!(Asked::parse("start=-90.5").and_then(|asked| asked.start_s), Some(-90.5));
    for absurd in [
        "_HLS_msn=-1",
        "_HLS_msn=",
        "_HLS_part=99999999999999999999999",
        "_HLS_msn=%31",
        "start=NaN",
        "start=inf",
        "start=1e300",
        "start=soon",
    ] {
        assert_eq!(Asked::parse(absurd), None, "{absurd}");
    }
}

const SPS: [u8; 15] = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf0, 0x88, 0x46, 0xa0];

/// A leg whose time is ours, 30 pictures a second, and the room it is watched in.
struct Broadcast {
    leg: HlsLeg,
    directory: HlsDirectory,
    store: Arc<Store>,
    pictures: u32,
}

impl Broadcast {
    fn new() -> Self {
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
        Self { leg, directory, store, pictures: 0 }
    }

    fn picture(&mut self) {
        let key = self.pictures.is_multiple_of(30);
        let units: &[&[u8]] = if key { &[&SPS, &[0x68, 1], &[0x65, 0x88]] } else { &[&[0x41, 0x9a]] };
        let data: Vec<u8> =
            units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes(), *unit].concat()).collect();
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

    /// Until the index can be had: the sound is encoded on threads that follow our time as fast as they can.
    fn offered() -> Self {
        let mut broadcast = Self::new();
        while !broadcast.store.offered() {
            broadcast.picture();
            std::thread::yield_now();
        }
        broadcast
    }

    async fn get(
        &self,
        room: &str,
        file: &str,
        query: Option<&str>,
        headers: &[(header::HeaderName, &str)],
    ) -> Response {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
        let path = Path((room.to_owned(), file.to_owned()));
        serve(State(self.directory.clone()), path, RawQuery(query.map(String::from)), headers).await
    }
}

#[tokio::test]
async fn what_was_not_given_out_is_not_found() {
    let early = Broadcast::new();
    assert_eq!(early.get("demo", "index.m3u8", None, &[]).await.status(), StatusCode::NOT_FOUND);
    let broadcast = Broadcast::offered();
    for (room, file) in
        [("other", "index.m3u8"), ("..", "index.m3u8"), ("demo", "../x"), ("demo", "/etc/passwd"), ("demo", "")]
    {
        let response = broadcast.get(room, file, None, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{room} {file}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
    let half = broadcast.get("demo", "video.m3u8", Some("_HLS_part=1"), &[]).await;
    assert_eq!(half.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn playlists_are_asked_for_again_and_media_is_kept_for_ever() {
    let broadcast = Broadcast::offered();
    let playlist = broadcast.get("demo", "video.m3u8", None, &[]).await;
    assert_eq!(playlist.status(), StatusCode::OK);
    assert_eq!(playlist.headers()[header::CONTENT_TYPE], "application/vnd.apple.mpegurl");
    assert_eq!(playlist.headers()[header::CACHE_CONTROL], "public, max-age=1");
    let tag = playlist.headers()[header::ETAG].to_str().expect("text").to_owned();
    let again = broadcast.get("demo", "video.m3u8", None, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);

    let text = axum::body::to_bytes(playlist.into_body(), 1 << 20).await.expect("a body");
    let text = String::from_utf8(text.to_vec()).expect("UTF-8");
    let segment = text.lines().find(|line| line.ends_with(".m4s")).expect("a segment");
    let media = broadcast.get("demo", segment, None, &[(header::RANGE, "bytes=4-7")]).await;
    assert_eq!(media.status(), StatusCode::PARTIAL_CONTENT);
    assert!(media.headers()[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
    let body = axum::body::to_bytes(media.into_body(), 1 << 20).await.expect("a body");
    assert_eq!(&body[..], b"styp");
}

#[tokio::test]
async fn a_blocked_reload_is_answered_by_the_part_that_it_waits_for() {
    let mut broadcast = Broadcast::offered();
    let number = broadcast.pictures / 30 + 1;
    let store = broadcast.store.clone();
    let query = Query { msn: Some(number.into()), part: Some(0), skip: false };
    let mut waiting = tokio::spawn(async move { wait(&store, "video.m3u8", query).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    while !waiting.is_finished() {
        assert!(broadcast.pictures < 30 * number + 10, "the part is there and nobody was told");
        broadcast.picture();
        tokio::task::yield_now().await;
    }
    assert!(broadcast.pictures > 30 * number, "answered before the part was there");
    let Ok(Ok(Answer::Playlist(text))) = (&mut waiting).await else { panic!("no playlist") };
    assert!(String::from_utf8_lossy(text.body()).contains(&format!("-{number}.0.m4s\",INDEPENDENT=YES")));
}

#[tokio::test]
async fn a_playlist_is_packed_for_those_who_unpack_and_then_known_by_another_tag() {
    let broadcast = Broadcast::offered();
    let plain = broadcast.get("demo", "video.m3u8", None, &[]).await;
    for (accepted, packed) in
        [("gzip, deflate, br", true), ("br;q=1, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false)]
    {
        let response = broadcast.get("demo", "video.m3u8", None, &[(header::ACCEPT_ENCODING, accepted)]).await;
        assert_eq!(response.headers().contains_key(header::CONTENT_ENCODING), packed, "{accepted}");
        assert_eq!(response.headers()[header::VARY], "accept-encoding");
        assert_eq!(response.headers()[header::ETAG] != plain.headers()[header::ETAG], packed, "{accepted}");
        let tag = response.headers()[header::ETAG].to_str().expect("text").to_owned();
        let known = [(header::ACCEPT_ENCODING, accepted), (header::IF_NONE_MATCH, &format!("\"x\", W/{tag}"))];
        assert_eq!(broadcast.get("demo", "video.m3u8", None, &known).await.status(), StatusCode::NOT_MODIFIED);
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        assert_eq!(body.starts_with(&[0x1f, 0x8b]), packed, "{accepted}");
    }
}

#[tokio::test]
async fn who_asks_to_start_elsewhere_is_told_so_in_the_index() {
    let broadcast = Broadcast::offered();
    let response = broadcast.get("demo", "index.m3u8", Some("start=-30"), &[]).await;
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    assert!(text.starts_with("#EXTM3U\n#EXT-X-START:TIME-OFFSET=-30.000,PRECISE=YES\n"), "{text}");
    assert_eq!(broadcast.get("demo", "index.m3u8", Some("start=x"), &[]).await.status(), StatusCode::BAD_REQUEST);
}
