//! `GET /api/v1/events`: what happens, as server-sent events (HTML Living Standard section 9.2).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::problem::{Problem, room_name};
use crate::host::events::{Event, Reader, Told};
use crate::host::limit::Place;
use crate::room::ids::RoomName;

const LAST_EVENT_ID: &str = "last-event-id";

/// The only path here.
const PATH: &str = "/api/v1/events";

/// The room to which a request for events keeps itself.
pub(super) fn room_of(uri: &Uri) -> Option<RoomName> {
    let Query(wanted) = Query::<Wanted>::try_from_uri(uri).ok().filter(|_| uri.path() == PATH)?;
    wanted.room?.parse().ok()
}

/// What of it somebody wants.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Events of this room only.
    room: Option<String>,
}

/// Everything that happens from now on, or from the event after `Last-Event-ID` on as far as it is kept.
///
/// Each event's data is an `Event`. An event `missed` has `{"missed": n}`: the reader was too slow, or away for too long, and so
/// many events of all rooms are gone; `null` when the server has been started anew in between.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "readEvents", tag = "events",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was read")),
    responses(
        (status = 200, description = "The stream", body = Event, content_type = "text/event-stream"),
        (status = 400, description = "A name that no room can have, or an id that is none", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many streams are open as may be", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(app): State<App>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let Query(wanted) = wanted.map_err(|bad| Problem::new(bad.status(), bad.body_text(), None))?;
    let room = wanted.room.as_deref().map(room_name).transpose()?;
    let reader = match headers.get(LAST_EVENT_ID) {
        None => app.rooms.events().read(),
        Some(last) => {
            let id = last.to_str().ok().and_then(|id| id.parse().ok());
            let none = || Problem::new(StatusCode::BAD_REQUEST, "Last-Event-ID is no id of an event", None);
            app.rooms.events().read_after(id.ok_or_else(none)?)
        }
    };
    let limit = app.config.api.event_streams;
    let place = app.event_streams.take(limit).ok_or_else(|| {
        metrics::counter!("crescendo_refused_total", "limit" => "api.event_streams").increment(1);
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{limit} streams of events are open"), None)
    })?;
    let alive = KeepAlive::new().interval(Duration::from_millis(app.config.api.keep_alive_ms.into()));
    Ok(Sse::new(stream::unfold(Stand { reader, room, _place: place }, next)).keep_alive(alive))
}

struct Stand {
    reader: Reader,
    room: Option<RoomName>,
    _place: Place,
}

async fn next(mut stand: Stand) -> Option<(Result<sse::Event, Infallible>, Stand)> {
    loop {
        let shown = match stand.reader.next().await? {
            Told::Event(event) if stand.room.as_ref().is_some_and(|room| room.as_str() != event.room) => continue,
            Told::Event(event) => sse::Event::default().id(event.id.to_string()).json_data(&*event),
            Told::Missed(missed) => {
                sse::Event::default().event("missed").json_data(serde_json::json!({ "missed": missed }))
            }
        };
        return Some((Ok(shown.expect("an event is JSON on one line")), stand));
    }
}
