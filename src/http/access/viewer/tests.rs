use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE as COOKIES, SET_COOKIE};
use axum::routing::get;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::*;
use crate::access::Claims;
use crate::config;

/// A broadcast of every room, behind one key.
struct Door {
    watch: Watch,
    site: TowerToHyperService<Router>,
}

impl Door {
    fn new() -> Self {
        let secret = config::Hidden("0123456789abcdef0123456789abcdef".into());
        let api_keys = vec![config::ApiKey { id: "shop".into(), secret }];
        let access = Access::new(&config::Access { api_keys, ..config::Access::default() }).expect("a key");
        let watch = Watch { access, tickets: Tickets::new() };
        let file = get(async || ([(CACHE_CONTROL, "public, max-age=3")], "#EXTM3U"));
        let routes = Router::new().route("/hls/{room}/{file}", file.clone()).route("/{app}/streams/{file}", file);
        Self { site: TowerToHyperService::new(guarded(watch.clone(), routes)), watch }
    }

    /// For whoever watches the room `demo`.
    fn token(&self) -> String {
        let back_end = self.watch.access.back_end("shop.0123456789abcdef0123456789abcdef").expect("its own");
        let exp = seconds(SystemTime::now()) + 600;
        let claims = serde_json::json!({ "room": "demo", "subscribe": true, "exp": exp });
        let claims: Claims = serde_json::from_value(claims).expect("claims");
        self.watch.access.mint(&back_end, &claims).expect("signed")
    }

    async fn ask(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.site.call(request.body(Body::empty()).expect("a request")).await.expect("an answer")
    }
}

/// Name and value, and what is said of it.
fn cookie(response: &Response) -> Option<(String, String)> {
    let set = response.headers().get(SET_COOKIE)?.to_str().expect("text");
    let (pair, rest) = set.split_once("; ").expect("more than a value");
    Some((pair.to_owned(), rest.to_owned()))
}

#[tokio::test]
async fn over_https_the_cookie_comes_back_over_https_alone() {
    let door = Door::new();
    let path = format!("/hls/demo/index.m3u8?token={}", door.token());
    let is_secure = |response: &Response| cookie(response).expect("a cookie").1.ends_with("; Secure");
    assert!(!is_secure(&door.ask(&path, &[]).await));
    let forwarded = header::HeaderName::from_static("x-forwarded-proto");
    for (said, secure) in [("https", true), ("https, http", true), ("http", false), ("http, https", false)] {
        assert_eq!(is_secure(&door.ask(&path, &[(forwarded.clone(), said)]).await), secure, "{said}");
    }
    let mut request = Request::builder().uri(&path).body(Body::empty()).expect("a request");
    request.extensions_mut().insert(crate::listen::Secure);
    assert!(is_secure(&door.site.call(request).await.expect("an answer")));
}

#[tokio::test]
async fn the_first_playlist_sets_a_cookie_with_which_all_files_come() {
    let door = Door::new();
    let token = door.token();
    let first = door.ask(&format!("/hls/demo/index.m3u8?viewer=1&token={token}"), &[]).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()[CACHE_CONTROL], "private, max-age=3");
    let (pair, rest) = cookie(&first).expect("a cookie");
    assert!(!pair.contains(&token), "the token itself stays with who has it");
    // What is left of the token, and the leeway.
    let age: u32 = rest.split("Max-Age=").nth(1).and_then(|age| age.split(';').next()?.parse().ok()).expect("a number");
    assert!((600..=630).contains(&age), "{age}");
    assert_eq!(rest.replace(&age.to_string(), "N"), "Path=/hls/demo; Max-Age=N; HttpOnly; SameSite=Lax");

    for file in ["index.m3u8", "video.m3u8", "video-1-0.m4s", "viewers"] {
        let path = format!("/hls/demo/{file}");
        assert_eq!(door.ask(&path, &[]).await.status(), StatusCode::UNAUTHORIZED, "{file}");
        let mixed = format!("theme=dark; {pair}");
        let answer = door.ask(&path, &[(COOKIES, &mixed)]).await;
        assert_eq!((answer.status(), cookie(&answer)), (StatusCode::OK, None), "{file}");
        let shown = format!("Bearer {token}");
        assert_eq!(door.ask(&path, &[(AUTHORIZATION, &shown)]).await.status(), StatusCode::OK, "{file}");
    }
    assert_eq!(cookie(&door.ask(&format!("/hls/demo/1.m4s?token={token}"), &[]).await), None);
    let (_, rest) = cookie(&door.ask(&format!("/live/streams/demo.m3u8?token={token}"), &[]).await).expect("a cookie");
    assert!(rest.starts_with("Path=/hls/demo; "), "it is for the files that the playlist leads to");
}

#[tokio::test]
async fn a_cookie_of_another_room_another_server_or_another_time_is_none() {
    let door = Door::new();
    let (demo, now_s) = ("demo".parse().expect("a name"), seconds(SystemTime::now()));
    let other = "other".parse().expect("a name");
    let good = door.watch.tickets.issue(&demo, now_s + 60);
    let (_, tag) = good.split_once('.').expect("two parts");
    for (bad, what) in [
        (door.watch.tickets.issue(&other, now_s + 60), "another room"),
        (Tickets::new().issue(&demo, now_s + 60), "another server"),
        (door.watch.tickets.issue(&demo, now_s - 1), "over"),
        (format!("{}.{tag}", now_s + 61), "longer than was said"),
        (good.replace('.', ""), "one part"),
        (format!("{good}="), "padding"),
        (String::new(), "nothing"),
    ] {
        let answer = door.ask("/hls/demo/video.m3u8", &[(COOKIES, &format!("{COOKIE}={bad}"))]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
    }
    let answer = door.ask("/hls/demo/video.m3u8", &[(COOKIES, &format!("{COOKIE}={good}"))]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let token = door.token();
    assert_eq!(door.ask(&format!("/hls/other/index.m3u8?token={token}"), &[]).await.status(), StatusCode::FORBIDDEN);
}
