//! Who watches a broadcast. Players ask for a playlist and then for hundreds of files, each by its own address: a token comes
//! with the first, and a cookie with all others. Its value is a ticket, which costs less to check than a token, and opens nothing
//! but this broadcast.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{bearer, refuse, token_of};
use crate::access::{Access, Grant, is_once};
use crate::http::antmedia::streams;
use crate::http::{App, security};
use crate::room::ids::RoomName;

#[cfg(test)]
mod tests;

const COOKIE: &str = "crescendo_hls";

/// What tickets are made and checked with: a key of this process alone. Who has one from before a restart comes with the token again.
#[derive(Clone)]
pub(in crate::http) struct Tickets(hmac::Key);

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    pub(in crate::http) fn new() -> Self {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).expect("the system has randomness");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// Seconds since 1970 at which it runs out, a dot, and the HMAC over that and the room.
    fn issue(&self, room: &RoomName, until_s: u64) -> String {
        let tag = hmac::sign(&self.0, format!("{until_s} {room}").as_bytes());
        format!("{until_s}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn is_good(&self, ticket: &str, room: &RoomName, now: SystemTime) -> bool {
        let Some((until, tag)) = ticket.split_once('.') else { return false };
        let (Ok(until_s), Ok(tag)) = (until.parse::<u64>(), URL_SAFE_NO_PAD.decode(tag)) else { return false };
        until_s > seconds(now) && hmac::verify(&self.0, format!("{until_s} {room}").as_bytes(), &tag).is_ok()
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// Puts routes of a broadcast, `/hls/{room}/…` or `/{app}/streams/{file}`, behind a token with `subscribe`, where there are keys.
pub(in crate::http) fn watched<S: Clone + Send + Sync + 'static>(app: &App, routes: Router<S>) -> Router<S> {
    match app.access.is_open() || !app.config.access.hls {
        true => routes,
        false => guarded(Watch { access: app.access.clone(), tickets: app.tickets.clone() }, routes),
    }
}

fn guarded<S: Clone + Send + Sync + 'static>(watch: Watch, routes: Router<S>) -> Router<S> {
    routes.route_layer(from_fn_with_state(watch, viewer))
}

/// What is needed to tell who may watch.
#[derive(Debug, Clone)]
struct Watch {
    access: Access,
    tickets: Tickets,
}

async fn viewer(State(watch): State<Watch>, params: RawPathParams, request: Request, next: Next) -> Response {
    let named = |wanted| params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let room = match (named("room"), named("file")) {
        (Some(room), _) => room.parse().ok(),
        (None, file) => file.and_then(streams::room_of),
    };
    let Some(room) = room else { return StatusCode::NOT_FOUND.into_response() };
    let now = SystemTime::now();
    if ticket(request.headers()).is_some_and(|ticket| watch.tickets.is_good(ticket, &room, now)) {
        return kept_private(next.run(request).await);
    }
    let secure = if security::is_secure(&request) { "; Secure" } else { "" };
    let token = token_of(request.uri()).or_else(|| bearer(request.headers()));
    let token = token.map(str::to_owned);
    let admitted = match watch.access.admit(token.as_deref(), &room, &[Grant::Subscribe], now) {
        Ok(admitted) => admitted,
        Err(refused) => return refuse("hls", refused).into_response(),
    };
    let is_playlist = named("file").is_some_and(|file| file.ends_with(".m3u8"));
    // What the cookie is for besides: a player of Ant Media's asks for its first playlist again.
    let own = named("room").is_none().then(|| request.uri().path().to_owned());
    let is_asked_only = request.method() == Method::HEAD;
    let mut response = kept_private(next.run(request).await);
    let is_there = response.status().is_success();
    // Players look whether there is something before they come for it: that uses no token up, and lets nobody in.
    let is_used = is_there && !(is_asked_only && token.as_deref().is_some_and(is_once));
    if !is_used {
        return response;
    }
    let pass = admitted.keep();
    if is_playlist {
        let (until_s, now_s) = (seconds(pass.expires), seconds(now));
        let (ticket, age_s) = (watch.tickets.issue(&room, until_s), until_s.saturating_sub(now_s));
        for path in [Some(format!("/hls/{room}")), own].into_iter().flatten() {
            let cookie = format!("{COOKIE}={ticket}; Path={path}; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
            let cookie = HeaderValue::from_str(&cookie).expect("names, digits and base64 are a header value");
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn ticket(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// What a viewer may keep, a cache that others ask may not.
fn kept_private(mut response: Response) -> Response {
    let kept = response.headers().get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let private = kept.and_then(|kept| HeaderValue::from_str(&kept.replace("public", "private")).ok());
    if let Some(private) = private {
        response.headers_mut().insert(header::CACHE_CONTROL, private);
    }
    response
}
