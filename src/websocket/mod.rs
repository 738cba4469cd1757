//! WebSockets (RFC 6455) of the server: the library's, on a stream that abridges what is far too long.
//!
//! A library refuses a message beyond its limit and cannot go on behind it, so a client's mistake would end its socket. Here the
//! message is shortened before the library sees it: it is over the limit still, can be answered as such, and the socket stays.

mod abridge;

use std::future::Future;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub use abridge::{Abridged, Abridger, SEAM};
pub use tokio_tungstenite::tungstenite::protocol::CloseFrame;
pub use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
pub use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// An open one.
pub type WebSocket = WebSocketStream<Abridged<TokioIo<Upgraded>>>;

/// What a socket is closed with on which this was read (RFC 6455 section 7.4.1); none where there is nobody to be told.
pub fn code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Capacity(_) => Some(CloseCode::Size),
        _ => None,
    }
}

/// A request to open one (RFC 6455 section 4.2.1), over HTTP/1.1: no other is offered.
#[derive(Debug)]
pub struct Upgrade {
    ready: OnUpgrade,
    /// Switching protocols, with what proves that the key was read.
    response: axum::http::Response<()>,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let asked = Request::from_parts(parts.clone(), ());
        let response =
            create_response(&asked).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()).into_response())?;
        let ready = parts.extensions.remove::<OnUpgrade>();
        let ready = ready.ok_or_else(|| (StatusCode::UPGRADE_REQUIRED, "not on this connection").into_response())?;
        Ok(Self { ready, response })
    }
}

impl Upgrade {
    /// Opens it, and has `work` done with it. Of a message of more than `most` bytes that many come, and up to [`SEAM`] more.
    pub fn open<F>(self, most: usize, work: impl FnOnce(WebSocket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { ready, response } = self;
        tokio::spawn(async move {
            let Ok(stream) = ready.await else { return };
            let limit = Some(most + SEAM);
            let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
            let stream = Abridged::new(TokioIo::new(stream), most);
            work(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await).await;
        });
        response.map(|()| axum::body::Body::empty())
    }
}
