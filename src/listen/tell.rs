//! What a connection at a door for TLS speaks: HTTP/1.1, HTTP/2, TURN and ICE over TCP share one port.
//!
//! A TLS client that names protocols (ALPN, RFC 7301) has said it; browsers name HTTP's and, for TURN, none. Then the first
//! byte inside tells: STUN messages begin with 0x00 to 0x03 (RFC 7983 §7), HTTP with a letter. ChannelData, which begins with
//! 0x40 to 0x4F as the letters `A` to `O` do, never comes first: a channel needs an allocation, and an allocation on a stream
//! needs this connection (RFC 8656 §3.1). Outside TLS the first byte is 0x16 for a TLS record. ICE over TCP begins with the length
//! of a check (RFC 4571), which is no method that STUN has: longer than its header, and shorter than 256 or not much longer.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::Duplex;
use super::crowd::{Guest, Kind};

// ALPN names, the most wanted first.

/// RFC 7443. coturn's clients name HTTP/1.1 beside it, and speak this.
pub(super) const TURN: &[u8] = b"stun.turn";
pub(super) const HTTP2: &[u8] = b"h2";
pub(super) const HTTP1: &[u8] = b"http/1.1";
/// RFC 8737: a certificate authority looks whether the name is ours.
pub(super) const ACME: &[u8] = b"acme-tls/1";

/// The first byte of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Bytes of a STUN header (RFC 8489 §5): every check is longer, and the types of the requests that STUN and TURN have, 0x0001 to
/// 0x000D, are numbers below.
const STUN_HEADER: u16 = 20;
/// STUN messages begin with 0 to 3 (RFC 7983 §7).
const LAST_OF_STUN: u8 = 0x03;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    Turn,
    /// ICE over TCP (RFC 6544), never in TLS.
    Media,
}

/// A connection that is ready to be served.
pub(super) struct Told {
    pub(super) protocol: Protocol,
    pub(super) secure: bool,
    pub(super) stream: Box<dyn Duplex>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Untold {
    #[error("closed before it said anything")]
    Silent,
    #[error("a certificate authority has looked at the challenge")]
    Challenge,
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    #[error("TLS and a first byte took too long")]
    Late,
}

impl Untold {
    pub(super) fn count(&self) {
        let reason = match self {
            Untold::Silent | Untold::Challenge => return,
            Untold::Tls(_) => "broken",
            Untold::Late => "late",
        };
        metrics::counter!("crescendo_tls_handshakes_failed_total", "reason" => reason).increment(1);
    }
}

/// Waits for the first byte, for TLS if that is what it begins, and for the first byte in it. The caller bounds the time.
pub(super) async fn tell(guest: Guest, tls: &TlsAcceptor, media: bool) -> Result<Told, Untold> {
    let mut first = [0; 2];
    match guest.tcp().peek(&mut first).await {
        Ok(1..) => {}
        Ok(0) | Err(_) => return Err(Untold::Silent),
    }
    if first[0] != TLS_HANDSHAKE {
        let protocol = match by_first_byte(first[0]) {
            // Clients send the length and the check at once; of who does not the first byte says TURN.
            Protocol::Turn if media && u16::from_be_bytes(first) >= STUN_HEADER => Protocol::Media,
            protocol => protocol,
        };
        guest.is(match protocol {
            Protocol::Turn => Kind::Turn,
            Protocol::Media => Kind::Media,
            Protocol::Http1 | Protocol::Http2 => Kind::Http,
        });
        return Ok(Told { protocol, secure: false, stream: Box::new(guest) });
    }
    let mut stream = tls.accept(guest).await.map_err(Untold::Tls)?;
    let named = stream.get_ref().1.alpn_protocol().map(by_name);
    if let Some(None) = named {
        let _ = stream.shutdown().await;
        return Err(Untold::Challenge);
    }
    let first = stream.fill_buf().await.map_err(Untold::Tls)?.first().copied().ok_or(Untold::Silent)?;
    let protocol = named.flatten().unwrap_or_else(|| by_first_byte(first));
    stream.get_ref().0.is(match protocol {
        Protocol::Turn | Protocol::Media => Kind::Turns,
        Protocol::Http1 | Protocol::Http2 => Kind::Https,
    });
    Ok(Told { protocol, secure: true, stream: Box::new(stream) })
}

/// What an agreed ALPN name stands for; none for the ACME challenge, which says nothing more.
fn by_name(alpn: &[u8]) -> Option<Protocol> {
    match alpn {
        HTTP2 => Some(Protocol::Http2),
        HTTP1 => Some(Protocol::Http1),
        TURN => Some(Protocol::Turn),
        _ => None,
    }
}

/// What is neither is left to the HTTP parser, which answers 400.
fn by_first_byte(first: u8) -> Protocol {
    if first <= LAST_OF_STUN { Protocol::Turn } else { Protocol::Http1 }
}
