//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): `/whip/{room}` and `/whep/{room}`, and what is below them.
//!
//! Web pages of other origins use these doors as they do the signaling socket: there is nothing here that a cookie would open.

mod request;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post};
use axum::{Extension, Router};
use serde::Deserialize;
use tracing::info;

use self::request::{SDP, SDP_FRAGMENT, body, if_match, links, refused, refused_sdp};
use super::problem::{Problem, room_name};
use super::{App, access};
use crate::access::Grant;
use crate::config::{Config, Origin};
use crate::host::{Patched, RoomView, Rooms};
use crate::room::ids::{ParticipantId, RoomName};
use crate::room::names;
use crate::room::{Kind, Source};
use crate::sfu::sdp::{AnsweredDown, AnsweredUp, Fragment};
use crate::signal::antmedia::streams::{Claimed, Live, StreamId, now_ms, room_of_label};
use crate::signal::whip::{Door, NotOpened, Opening, Purpose, Sessions, Stream};
use crate::turn::Gate;

/// What a page of another origin may read of an answer.
const READABLE: &str = "location, link, etag, accept-post, accept-patch, retry-after";
/// Seconds for which a browser need not ask again what it may do.
const PREFLIGHT_AGE_S: &str = "86400";
/// Seconds after which a player may ask again for what is not there.
const RETRY_AFTER_S: &str = "2";

/// What all requests share.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    sessions: Sessions,
    gate: Arc<Gate>,
    /// Makes users of the relay out of addresses, which nobody has to see.
    users: RandomState,
}

impl Doors {
    pub(super) fn new(rooms: &Rooms, config: &Arc<Config>) -> Self {
        let gate = Gate::new(Instant::now(), config.whip.requests_per_second, config.whip.request_burst);
        Self { sessions: Sessions::new(rooms.clone(), config.clone()), gate: Arc::new(gate), users: RandomState::new() }
    }
}

pub(super) fn router(app: App) -> Router {
    let whip = Router::new()
        .route("/whip/{room}", endpoint(post(publish)))
        .route("/whip/{room}/{session}", session())
        .layer(Extension(Door::Whip));
    let whep = Router::new()
        .route("/whep/{room}", endpoint(post(play)))
        .route("/whep/{room}/{session}", session())
        .layer(Extension(Door::Whep));
    layered(whip.merge(whep), app)
}

/// The same door for a stream of an app that is built for Ant Media's server.
pub(super) fn stream_router(app: App) -> Router {
    let whip = Router::new()
        .route("/{app}/whip/{room}", endpoint(post(publish_stream)))
        .route("/{app}/whip/{room}/{session}", session())
        .layer(Extension(Door::Whip));
    layered(whip, app)
}

fn layered(doors: Router<App>, app: App) -> Router {
    doors
        .layer(DefaultBodyLimit::max(app.config.whip.max_body_bytes))
        .layer(middleware::from_fn_with_state(app.clone(), at_the_door))
        .with_state(app)
}

/// Other methods are answered with 405 by the router. A GET has nothing to show (RFC 9725 section 4.1).
fn endpoint(post: MethodRouter<App>) -> MethodRouter<App> {
    post.merge(get(async || StatusCode::NO_CONTENT).options(endpoint_options))
}

fn session() -> MethodRouter<App> {
    patch(trickle)
        .delete(end)
        .get(look)
        .options(async || ([(header::HeaderName::from_static("accept-patch"), SDP_FRAGMENT)], StatusCode::OK))
}

/// Counts each request, lets an address make so many, and says what pages of other origins may do.
async fn at_the_door(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let exempt = app.config.limits.exempt_networks.iter().any(|network| network.contains(peer.ip()));
    let mut response = match exempt || is_preflight(&request) || app.whip.gate.lets_in(Instant::now(), peer.ip()) {
        true => next.run(request).await,
        false => {
            metrics::counter!("crescendo_refused_total", "limit" => "whip.requests_per_second").increment(1);
            let text = "too many requests from this address";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, text, None);
            problem.with(header::RETRY_AFTER, RETRY_AFTER_S).into_response()
        }
    };
    let (counted, status) = (counted(&method), response.status().as_u16().to_string());
    metrics::counter!("crescendo_whip_requests_total", "method" => counted, "status" => status).increment(1);
    let headers = response.headers_mut();
    let mut say = |name, value| drop(headers.insert(name, HeaderValue::from_static(value)));
    say(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    say(header::ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
    if method == Method::OPTIONS {
        say(header::ACCESS_CONTROL_ALLOW_METHODS, "POST, PATCH, DELETE, GET, OPTIONS");
        say(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match");
        say(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S);
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// A stranger can make up any number of methods.
fn counted(method: &Method) -> &'static str {
    match method.as_str() {
        "POST" => "post",
        "PATCH" => "patch",
        "DELETE" => "delete",
        "OPTIONS" => "options",
        "GET" => "get",
        _ => "other",
    }
}

/// What clients may say in the query; what else is there is passed over.
#[derive(Debug, Deserialize)]
struct Asked {
    /// How others see who publishes or watches.
    name: Option<String>,
    /// WHEP: name or id of whom to show.
    participant: Option<String>,
}

type Queried = Result<Query<Asked>, QueryRejection>;
type Sent = Result<Bytes, BytesRejection>;

fn asked(query: Queried) -> Result<Asked, Problem> {
    let Query(asked) = query.map_err(|bad| Problem::new(StatusCode::BAD_REQUEST, bad.body_text(), None))?;
    Ok(asked)
}

fn display_name(name: Option<String>, otherwise: &str, config: &Config) -> String {
    let kept = |name: &str| names::display_name(name, config.limits.name_chars);
    name.map(|name| kept(&name)).filter(|name| !name.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

async fn publish(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(room): Path<String>,
    query: Queried,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let room = room_name(&room)?;
    let admitted = access::admit(&app, "whip", &headers, &room, &[Grant::Join])?;
    let asked = asked(query)?;
    let offer = body(&headers, SDP, sent)?;
    let sources = AnsweredUp::sources(&offer, &app.config.sfu.codecs()).map_err(refused_sdp)?;
    let name = display_name(admitted.pass.identity.clone().or(asked.name), "WHIP", &app.config);
    let base = format!("/whip/{room}");
    let purpose = Purpose::Publish { sources, stream: None };
    open(&app, Opening { room, name, from: peer.ip(), offer, purpose, admitted }, &base).await
}

async fn publish_stream(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let id: StreamId = room_name(&id)?;
    let admitted = access::admit(&app, "whip", &headers, &id, &[Grant::Join])?;
    let offer = body(&headers, SDP, sent)?;
    let sources = AnsweredUp::sources(&offer, &app.config.sfu.codecs()).map_err(refused_sdp)?;
    let taken = |text: &str| Problem::new(StatusCode::CONFLICT, text, None);
    if room_of_label(id.as_str()).is_some_and(|room| app.rooms.is_there(&room)) {
        return Err(taken("ids of this form are those of a room's participants"));
    }
    let live = Live {
        app: name.clone(),
        started: false,
        room: id.clone(),
        participant: None,
        name: String::new(),
        meta_data: serde_json::Value::Null,
        role: String::new(),
        since_ms: now_ms(),
    };
    let claim = match app.streams.claim(&id, live, access::holder(&app, &headers)) {
        Claimed::Yes { claim, instead } => {
            if let Some((room, participant)) = instead {
                info!(room = %room.short(), %participant, "a publisher has come back in another session");
                // None: it has left by itself.
                let _ = app.rooms.expel(&room, participant).await;
            }
            claim
        }
        Claimed::InUse => return Err(taken("somebody publishes under this id")),
    };
    let stream = Some(Stream { claim, broadcast: app.config.antmedia.hls });
    let base = format!("/{name}/whip/{id}");
    let purpose = Purpose::Publish { sources, stream };
    let (name, from) = (id.to_string(), peer.ip());
    open(&app, Opening { name, room: id, from, offer, purpose, admitted }, &base).await
}

async fn play(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(room): Path<String>,
    query: Queried,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let room = room_name(&room)?;
    let admitted = access::admit(&app, "whep", &headers, &room, &[Grant::Join, Grant::Subscribe])?;
    let asked = asked(query)?;
    let offer = body(&headers, SDP, sent)?;
    let decodes = AnsweredDown::decodes(&offer, &app.config.sfu.codecs()).map_err(refused_sdp)?;
    let view = app.rooms.inspect(&room).await;
    let Some(of) = view.as_ref().and_then(|view| shown(view, asked.participant.as_deref())) else {
        let text = match &asked.participant {
            Some(wanted) => format!("{wanted:?} sends nothing in the room {room} now"),
            None => format!("nobody sends anything in the room {room} now"),
        };
        let problem = Problem::new(StatusCode::CONFLICT, text, None);
        return Err(problem.with(header::RETRY_AFTER, RETRY_AFTER_S));
    };
    let name = display_name(admitted.pass.identity.clone().or(asked.name), "WHEP", &app.config);
    let base = format!("/whep/{room}");
    let purpose = Purpose::Play { of, decodes };
    open(&app, Opening { room, name, from: peer.ip(), offer, purpose, admitted }, &base).await
}

/// Of those who send, and have that name or id if one is wanted: who has a camera on, and came last.
fn shown(view: &RoomView, wanted: Option<&str>) -> Option<ParticipantId> {
    let sends = view.participants.iter().filter(|participant| !participant.tracks.is_empty());
    let wanted = sends.filter(|p| wanted.is_none_or(|wanted| p.name == wanted || p.id.0.to_string() == wanted));
    let has_picture = |tracks: &[crate::signal::message::Track]| {
        tracks.iter().any(|track| Source::from(track.source).kind() == Kind::Video)
    };
    wanted.max_by_key(|p| (has_picture(&p.tracks), p.id.0)).map(|participant| participant.id.0)
}

async fn open(app: &App, opening: Opening, base: &str) -> Result<Response, Problem> {
    let opened = app.whip.sessions.open(opening).await.map_err(|why| match why {
        NotOpened::Full | NotOpened::Late => {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, why.to_string(), None);
            problem.with(header::RETRY_AFTER, RETRY_AFTER_S)
        }
        NotOpened::AddressFull => {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, why.to_string(), None);
            problem.with(header::RETRY_AFTER, RETRY_AFTER_S)
        }
        NotOpened::Refused(refusal) => refused(refusal),
    })?;
    let place = [
        (header::LOCATION, format!("{base}/{}", opened.id)),
        (header::ETAG, format!("\"{}\"", opened.entity_tag)),
        (header::CONTENT_TYPE, SDP.to_owned()),
    ];
    let mut response = (StatusCode::CREATED, place, opened.answer.to_string()).into_response();
    links(&opened.ice_servers, response.headers_mut());
    Ok(response)
}

/// ICE servers for those who cannot take them after their offer (RFC 9725 section 4.6); a browser's own question is not for them.
/// However often an address asks, it is one user of the relay. Credentials are for those who may come in.
async fn endpoint_options(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(params): Path<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let mut response = ([(header::HeaderName::from_static("accept-post"), SDP)], StatusCode::OK).into_response();
    let room = params.get("room").and_then(|room| room.parse().ok());
    let may_join = |room| access::may(&app, "whip", request.headers(), &room, Grant::Join);
    if !is_preflight(&request) && room.is_some_and(may_join) {
        let who = format!("whip/{:016x}", app.whip.users.hash_one(Origin::of(peer.ip())));
        links(&app.rooms.ice_servers(&who), response.headers_mut());
    }
    response
}

/// The last two segments of a session's path.
#[derive(Debug, Deserialize)]
struct Named {
    room: String,
    session: String,
}

impl Named {
    fn room(&self) -> Result<RoomName, Problem> {
        self.room.parse().map_err(|_| gone())
    }
}

fn gone() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such session any more", None)
}

async fn look(
    State(app): State<App>,
    Extension(door): Extension<Door>,
    Path(named): Path<Named>,
) -> Result<StatusCode, Problem> {
    match app.whip.sessions.is_there((door, &named.room()?, &named.session)) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(gone()),
    }
}

/// Candidates of the client, or a restart of ICE (RFC 9725 sections 4.3.1 to 4.3.3).
async fn trickle(
    State(app): State<App>,
    Extension(door): Extension<Door>,
    Path(named): Path<Named>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let room = named.room()?;
    let at = (door, &room, named.session.as_str());
    if !app.whip.sessions.is_there(at) {
        return Err(gone());
    }
    let fragment = body(&headers, SDP_FRAGMENT, sent)?;
    let fragment = Fragment::parse(&fragment);
    let tags = if_match(&headers)?;
    let fragment = fragment.map_err(|bad| Problem::new(StatusCode::BAD_REQUEST, bad.to_string(), None))?;
    match app.whip.sessions.patch(at, tags, fragment).await.ok_or_else(gone)? {
        Patched::Taken => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { entity_tag, fragment } => {
            let headers =
                [(header::ETAG, format!("\"{entity_tag}\"")), (header::CONTENT_TYPE, SDP_FRAGMENT.to_owned())];
            Ok((headers, fragment).into_response())
        }
        Patched::Stale => {
            let text = "ICE has begun anew since then; the entity tag is another";
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, text, None))
        }
    }
}

/// Whatever If-Match says (RFC 9725 section 4.3.1).
async fn end(
    State(app): State<App>,
    Extension(door): Extension<Door>,
    Path(named): Path<Named>,
) -> Result<StatusCode, Problem> {
    match app.whip.sessions.close((door, &named.room()?, &named.session)).await {
        true => Ok(StatusCode::OK),
        false => Err(gone()),
    }
}
