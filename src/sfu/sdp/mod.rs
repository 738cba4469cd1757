//! Session descriptions (RFC 8829). To the native client the server offers, so that payload types and extension ids are those of
//! [`tables`]; where a client offers ([`AnsweredUp`], [`AnsweredDown`]) they are mapped. Pure: what comes out is typed and goes to a shard.

mod answer;
mod answered;
mod answered_down;
mod down;
mod fragment;
mod h264;
pub mod tables;
mod up;
mod write;

use std::net::SocketAddr;

pub use answered::AnsweredUp;
pub use answered_down::AnsweredDown;
pub use down::{Assigned, Down};
pub use fragment::{Fragment, IceSession};
pub use up::Up;

use super::IceCredential;

/// The server's end of one transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    pub ice: IceCredential,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// Over UDP.
    pub candidates: Vec<SocketAddr>,
    /// Where it waits for connections over TCP (RFC 6544).
    pub tcp_candidates: Vec<SocketAddr>,
    /// Largest message that is taken on a data channel, in bytes.
    pub max_message_bytes: usize,
    /// Session id of the `o=` line, below 2^62.
    pub session: u64,
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("the description is longer than {} bytes", answer::MAX_BYTES)]
    TooLong,
    #[error("the description has more than {} m-lines", answer::MAX_SECTIONS)]
    TooManySections,
    #[error("line {0} is not SDP")]
    Line(usize),
    #[error("nothing was offered that this could answer")]
    Unasked,
    #[error("the offer has no audio or video that this server takes")]
    Nothing,
    #[error(
        "m-line {0} cannot be taken: its codecs are not known here, or it goes the wrong way, or there are too many"
    )]
    Section(usize),
    #[error("the m-lines do not share one transport (BUNDLE)")]
    Bundle,
    #[error("the m-lines are not those of the offer")]
    Sections,
    #[error("a=ice-ufrag or a=ice-pwd is missing or of the wrong length")]
    Ice,
    #[error("a=fingerprint with sha-256 is missing or malformed")]
    Fingerprint,
    #[error("a=setup must be active or passive")]
    Setup,
}

#[cfg(test)]
mod tests;
