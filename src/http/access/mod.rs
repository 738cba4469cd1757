//! Who may use which door of HTTP. What keys and tokens are is [`crate::access`]; here requests show them.
//!
//! A route of the API is behind [`back_end`], which gives its handlers the [`Caller`]; doors for media ask [`admit`]; what is
//! watched is [`watched`].

mod mint;
mod viewer;

use std::time::SystemTime;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub(super) use mint::routes;
pub(super) use viewer::{Tickets, watched};

use super::problem::Problem;
use super::{App, events, security};
use crate::access::{Access, Admitted, BackEnd, Grant, Refused, is_api_key};
use crate::host::Refusal;
use crate::room::ids::RoomName;
use crate::signal::antmedia::doubt::Doubt;
use crate::signal::antmedia::streams::{Holder, StreamId};

/// Who uses the API.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// The machine itself, where there are no keys.
    Machine,
    BackEnd(BackEnd),
    /// Bears a token that grants `admin` of the room that the request names, and of no other.
    RoomAdmin,
    /// Bears a token that grants `admin` of every room.
    Admin,
    /// Bears a token that is signed with `access.rest_secret`.
    AntMedia,
}

/// Before any door looks at a token: gets the key that it names, where that may be published by now.
pub(super) async fn learn(State(access): State<Access>, request: Request, next: Next) -> Response {
    let token = token_of(request.uri()).or_else(|| bearer(request.headers())).map(str::to_owned);
    access.learn(token.as_deref()).await;
    next.run(request).await
}

/// `?token=` of a request.
fn token_of(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Lets a request through to a route of the API: without keys, when it comes from this machine and from no page of another site; else
/// with an API key, or with a token that grants `admin` of the room that the request names, or of every room where it names none. The
/// handler finds the [`Caller`] among the extensions.
pub(super) async fn back_end(State(app): State<App>, params: RawPathParams, request: Request, next: Next) -> Response {
    if app.access.is_open()
        && let Some((limit, text)) = stranger(&request)
    {
        metrics::counter!("crescendo_refused_total", "limit" => limit).increment(1);
        return Problem::new(StatusCode::FORBIDDEN, text, None).into_response();
    }
    let caller = caller(&app, &params, request.uri(), request.headers());
    let_in(caller, request, next).await
}

/// The same for Ant Media's REST, whose callers may have a token of their own kind, with `Bearer` before it or without.
pub(super) async fn antmedia_back_end(
    State(app): State<App>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let token = antmedia_token(request.headers()).filter(|_| !app.access.is_open());
    match token.map(|token| app.access.read_rest(token, SystemTime::now())) {
        Some(Ok(())) => let_in(Ok(Caller::AntMedia), request, next).await,
        Some(Err(refused)) if bearer(request.headers()).is_none() => let_in(Err(refused), request, next).await,
        Some(Err(_)) | None => back_end(State(app), params, request, next).await,
    }
}

/// Who has no business at a door without keys: what is counted, and said.
fn stranger(request: &Request) -> Option<(&'static str, &'static str)> {
    if !security::is_local(request) {
        let text = "without keys (`access.api_keys`) this door is open to the server's own machine only";
        return Some(("local only", text));
    }
    let text = "without keys (`access.api_keys`) this door is closed to pages of other sites";
    security::is_of_another_site(request).then_some(("own pages only", text))
}

async fn let_in(caller: Result<Caller, Refused>, mut request: Request, next: Next) -> Response {
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refuse("api", refused).into_response(),
    }
}

fn caller(app: &App, params: &RawPathParams, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Refused> {
    if app.access.is_open() {
        return Ok(Caller::Machine);
    }
    let credential = bearer(headers).ok_or(Refused::Missing)?;
    if is_api_key(credential) {
        return app.access.back_end(credential).map(Caller::BackEnd);
    }
    let pass = app.access.read(credential, SystemTime::now())?;
    match room_of(app, params).or_else(|| events::room_of(uri)) {
        Some(room) => pass.check(&room, Grant::Admin)?,
        None => pass.check_everywhere(Grant::Admin)?,
    }
    match pass.check_everywhere(Grant::Admin) {
        Ok(()) => Ok(Caller::Admin),
        Err(_) => Ok(Caller::RoomAdmin),
    }
}

/// The room that a path is about: by its own name, or by the id of a stream of the second dialect.
fn room_of(app: &App, params: &RawPathParams) -> Option<RoomName> {
    let named = |wanted| params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    if let Some(room) = named("room") {
        return room.parse().ok();
    }
    let id: StreamId = named("app").and(named("id"))?.parse().ok()?;
    Some(app.streams.live(&id).map_or(id, |live| live.room))
}

/// Ant Media's servers take the bare token, in one header from clients and in another from proxies.
fn antmedia_token(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all("proxyauthorization").iter().chain(headers.get_all(header::AUTHORIZATION));
    let text = given.next()?.to_str().ok()?.trim();
    Some(
        text.split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or(text, |(_, token)| token),
    )
}

/// Lets somebody into a room for what `wanted` names, with the token of `Authorization: Bearer`.
pub(super) fn admit(
    app: &App,
    door: &'static str,
    headers: &HeaderMap,
    room: &RoomName,
    wanted: &[Grant],
) -> Result<Admitted, Problem> {
    let admitted = app.access.admit(bearer(headers), room, wanted, SystemTime::now());
    admitted.map_err(|refused| refuse(door, refused))
}

/// As whom a request asks for a stream id: who shows the same token is the same, where tokens are asked for.
pub(super) fn holder(app: &App, headers: &HeaderMap) -> Holder {
    let token = bearer(headers).filter(|_| !app.access.is_open());
    Holder { token: token.map(str::to_owned), doubt: Doubt::default() }
}

/// Whether that token would let somebody in; it is not used up by this.
pub(super) fn may(app: &App, door: &'static str, headers: &HeaderMap, room: &RoomName, wanted: Grant) -> bool {
    admit(app, door, headers, room, &[wanted]).is_ok()
}

/// RFC 6750 section 2.1. None where there is not exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, credential) = given.next()?.to_str().ok()?.split_once(' ')?;
    let is_one = given.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    Some(credential.trim()).filter(|_| is_one)
}

pub(super) fn refuse(door: &'static str, refused: Refused) -> Problem {
    refused.count(door);
    let Refusal { code, message } = Refusal::of_access(refused);
    match refused.is_about_grants() {
        true => Problem::new(StatusCode::FORBIDDEN, message, Some(code)),
        // RFC 9110 section 11.6.1.
        false => Problem::new(StatusCode::UNAUTHORIZED, message, Some(code)).with(header::WWW_AUTHENTICATE, "Bearer"),
    }
}
