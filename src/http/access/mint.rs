//! `POST /api/v1/tokens`: a token for somebody, signed with the API key that asks for it.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Caller, refuse};
use crate::access::{Claims, Publish, Refused};
use crate::host::plan::whole;
use crate::http::App;
use crate::http::problem::{Problem, json};
use crate::signal::message::ErrorCode;

/// How long a token lasts where the request does not say.
const TTL_S: u32 = 3_600;

pub(in crate::http) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(mint))
}

/// What the token is to say: the claims of `docs/access.md`, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewToken {
    /// A room's name, or `*`.
    #[schema(pattern = r"^(\*|(?!\.{1,2}$)[A-Za-z0-9._-]{1,64})$", example = "demo")]
    room: String,
    /// What somebody is called, and nothing else: without control characters.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "Ann")]
    identity: Option<String>,
    #[serde(default)]
    join: bool,
    /// `true`, `false`, or a list of sources.
    #[serde(default)]
    publish: Publish,
    #[serde(default)]
    subscribe: bool,
    #[serde(default)]
    legs: bool,
    #[serde(default)]
    admin: bool,
    /// Others are not told that it is there; it publishes nothing.
    #[serde(default)]
    hidden: bool,
    /// 1 to `access.max_ttl_s`.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, example = 3600)]
    ttl_s: Option<u32>,
}

#[derive(Serialize, ToSchema)]
struct Minted {
    token: String,
    /// Seconds since 1970.
    exp: u64,
}

/// Make a token
#[utoipa::path(
    post, path = "/api/v1/tokens", operation_id = "createToken", tag = "tokens", request_body = NewToken,
    responses(
        (status = 201, description = "The token", body = Minted),
        (status = 400, description = "Not JSON, or claims that cannot be", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are no keys that a token could be signed with", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not what is described here", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn mint(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<NewToken>, JsonRejection>,
) -> Result<Response, Problem> {
    let bad = |status, text: String| Problem::new(status, text, Some(ErrorCode::BadMessage));
    let asked = json(body)?;
    let by = match caller {
        Caller::BackEnd(by) => by,
        // Else it could give itself what it was not granted, for ever.
        Caller::Admin | Caller::RoomAdmin | Caller::AntMedia => return Err(refuse("api", Refused::BackEndsOnly)),
        Caller::Machine => {
            let text =
                "there are no keys (`access.api_keys`) that a token could be signed with, and nobody asks for one";
            return Err(Problem::new(StatusCode::CONFLICT, text, None));
        }
    };
    let most = app.config.access.max_ttl_s;
    let ttl_s = asked.ttl_s.unwrap_or(TTL_S.min(most));
    if !(1..=most).contains(&ttl_s) {
        return Err(bad(StatusCode::BAD_REQUEST, format!("ttlS is 1 to {most}")));
    }
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let exp = now_s + u64::from(ttl_s);
    let NewToken { room, identity, join, publish, subscribe, legs, admin, hidden, ttl_s: _ } = asked;
    // What others are told to find in tokens they find in these.
    let aud = Some(&app.config.access.audience).filter(|audience| !audience.is_empty()).cloned();
    let exp_claim = Some(exp.into());
    let claims = Claims {
        room,
        identity,
        join,
        publish,
        subscribe,
        legs,
        admin,
        hidden,
        exp: exp_claim,
        nbf: None,
        aud: aud.map(Into::into),
    };
    claims.check().map_err(|refused| bad(StatusCode::BAD_REQUEST, refused.to_string()))?;
    let gone = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the key is gone", None);
    let token = app.access.mint(&by, &claims).ok_or_else(gone)?;
    let kept = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, kept, Json(Minted { token, exp })).into_response())
}
