//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is made again is answered as it was, and not done
//! twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;

#[cfg(test)]
mod tests;

const KEY: &str = "idempotency-key";
/// Longest key, in bytes.
const KEY_MAX: usize = 255;
/// Larger answers are not kept.
const ANSWER_MAX: usize = 64 * 1024;

type Hash = [u8; 32];

/// What was answered lately. Copies are the same.
#[derive(Debug, Clone)]
pub(super) struct Answers(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    by_key: BTreeMap<Hash, Entry>,
    /// Oldest first.
    order: VecDeque<(Instant, Hash)>,
    most: usize,
    time: Duration,
}

#[derive(Debug, Clone)]
struct Entry {
    request: Hash,
    /// None while it is worked on.
    answer: Option<Answer>,
}

#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What to do about a request.
#[derive(Debug, PartialEq)]
enum Found {
    New,
    Answered(Answer),
    UnderWay,
    /// The key was used for another request.
    Differs,
}

impl Answers {
    pub(super) fn new(most: usize, time: Duration) -> Self {
        Self(Arc::new(Mutex::new(Kept { by_key: BTreeMap::new(), order: VecDeque::new(), most, time })))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn begin(&mut self, now: Instant, key: Hash, request: Hash) -> Found {
        while let Some(&(at, _)) = self.order.front()
            && now.saturating_duration_since(at) >= self.time
        {
            self.forget_oldest();
        }
        match self.by_key.get(&key) {
            Some(entry) if entry.request != request => Found::Differs,
            Some(Entry { answer: Some(answer), .. }) => Found::Answered(answer.clone()),
            Some(Entry { answer: None, .. }) => Found::UnderWay,
            None => {
                while self.order.len() >= self.most.max(1) {
                    self.forget_oldest();
                }
                self.by_key.insert(key, Entry { request, answer: None });
                self.order.push_back((now, key));
                Found::New
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.by_key.remove(&oldest);
        }
    }

    fn end(&mut self, key: &Hash, answer: Option<Answer>) {
        match (self.by_key.get_mut(key), answer) {
            (Some(entry), Some(answer)) => entry.answer = Some(answer),
            (Some(_), None) => {
                self.by_key.remove(key);
                self.order.retain(|(_, other)| other != key);
            }
            (None, _) => {}
        }
    }
}

/// Forgets a request that ended without an answer worth keeping, also when its connection is lost.
struct UnderWay<'a> {
    answers: &'a Answers,
    key: Hash,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut kept = self.answers.lock();
        if kept.by_key.get(&self.key).is_some_and(|entry| entry.answer.is_none()) {
            kept.end(&self.key, None);
        }
    }
}

pub(super) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let key = match request.headers().get(KEY) {
        Some(key) if request.method() == Method::POST => key.clone(),
        Some(_) | None => return next.run(request).await,
    };
    if key.is_empty() || key.len() > KEY_MAX {
        let text = format!("an Idempotency-Key has 1 to {KEY_MAX} bytes");
        return Problem::new(StatusCode::BAD_REQUEST, text, None).into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, app.config.api.max_body_bytes).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", None).into_response();
    };
    // Keys of one caller are not those of another.
    let caller = parts.headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let key = hash(&[caller, key.as_bytes()]);
    let target = parts.uri.path_and_query().map(|target| target.as_str()).unwrap_or_default();
    let asked = hash(&[target.as_bytes(), &body]);
    let found = app.answers.lock().begin(Instant::now(), key, asked);
    match found {
        Found::New => {}
        Found::Answered(answer) => return answer.into_response(),
        Found::UnderWay => {
            return Problem::new(StatusCode::CONFLICT, "this request is being worked on", None).into_response();
        }
        Found::Differs => {
            let text = "this Idempotency-Key was used for another request";
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text, None).into_response();
        }
    }
    let _under_way = UnderWay { answers: &app.answers, key };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    // What was refused was not done, and may be done later.
    if !response.status().is_success() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer was lost", None).into_response();
    };
    let answer = Answer { status: parts.status, headers: parts.headers, body };
    if answer.body.len() <= ANSWER_MAX {
        app.answers.lock().end(&key, Some(answer.clone()));
    }
    answer.into_response()
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

/// Of parts that cannot run into each other.
fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}
