//! The media plane.
//!
//! A shard is one pinned OS thread with one UDP port and its own transports. It is told what to do by [`Command`]s and says
//! what happened by [`Event`]s, both over bounded channels; it knows nothing of rooms, signaling or HTTP.
//! SDP is written and read outside the shards ([`sdp`]), so that what reaches one is typed and checked.

pub mod bwe;
mod by_id;
pub mod data;
pub mod forward;
mod handle;
mod meters;
mod out;
mod place;
mod publication;
pub mod rtcp;
pub mod sdp;
mod shard;
pub mod tap;
mod tcp;
mod traffic;
pub mod transport;
mod udp;
mod up;

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

pub use forward::layer::{Layer, Wish};
pub use forward::picture::Size;
pub use handle::{Sfu, ShardFull, StartError};
pub use place::{ShardId, ShardLoad};
pub use tcp::End as StreamEnd;
pub use traffic::{Counts, Traffic, WeakTraffic};
pub(crate) use udp::machine_addresses;

pub use crate::room::{Direction, Kind, Source, VideoCodec};

/// One server transport of the whole process: an ICE session, a DTLS association, one direction of media.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub u64);

impl fmt::Debug for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.0)
    }
}

/// One publication of the whole process: what one m-line of an up transport brings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub u64);

impl fmt::Debug for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pub{}", self.0)
    }
}

/// ICE short-term credential (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredential {
    pub ufrag: String,
    pub pwd: String,
}

impl fmt::Debug for IceCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredential({})", self.ufrag)
    }
}

/// Who sends the ClientHello (RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    Client,
    Server,
}

/// What the far end's description said, as far as a shard needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    pub ice: IceCredential,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// The server's own role.
    pub dtls: DtlsRole,
    /// Up only: the media that will arrive.
    pub receive: Vec<Receive>,
    /// It takes data channels.
    pub data: bool,
    /// Where the far end offered: on the way up what its payload types and header-extension ids are here, on the way down what
    /// ours are there.
    pub numbers: Option<Box<forward::numbers::Numbers>>,
}

/// One m-line of an up transport: where its packets belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    pub mid: String,
    /// From `a=ssrc`, where the far end says it; packets are else known by their MID extension.
    pub ssrc: Option<u32>,
    /// The same of its retransmissions.
    pub repair_ssrc: Option<u32>,
    pub kind: Kind,
    pub publication: PublicationId,
}

/// What one m-line of a down transport sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    pub mid: String,
    pub ssrc: u32,
    /// Where retransmissions go (RFC 4588), if the far end takes them apart.
    pub rtx: Option<u32>,
    /// The far end takes redundant sound (RFC 2198).
    pub red: bool,
    /// The far end tells when packets with transport-wide numbers come.
    pub transport_cc: bool,
    /// It is somebody's screen, which goes before all other pictures.
    pub screen: bool,
    pub publication: PublicationId,
}

/// To a shard.
#[derive(Debug)]
pub enum Command {
    /// Answer STUN for these credentials. Events of the transport go to `events`.
    Open {
        transport: TransportId,
        direction: Direction,
        local: IceCredential,
        events: tokio::sync::mpsc::Sender<Event>,
    },
    /// The answer has come. Comes again when a later answer changes `receive`.
    SetRemote {
        transport: TransportId,
        remote: Remote,
    },
    /// ICE restarts: checks are answered for these credentials as well, and for them alone once one has come.
    RestartIce {
        transport: TransportId,
        local: IceCredential,
    },
    /// Forward a publication into a down transport. It may not exist yet; forwarding starts with its first packets
    /// (video: with a key frame, which the shard asks for and asks for again until it comes).
    Subscribe {
        transport: TransportId,
        send: Send,
        wish: Wish,
    },
    /// What the receiver can use of what a down transport sends on an m-line, from now on.
    Wish {
        transport: TransportId,
        mid: String,
        wish: Wish,
    },
    Unsubscribe {
        transport: TransportId,
        mid: String,
    },
    /// Pauses what a down transport sends on an m-line, or goes on with it.
    Forward {
        transport: TransportId,
        mid: String,
        on: bool,
    },
    /// Of a room's microphones only the `most` loudest are forwarded from now on (RFC 6464), and for some seconds what is new to
    /// its receiver; all again when there are none `among` which to choose.
    Loudest {
        room: data::HubId,
        most: usize,
        among: Vec<PublicationId>,
    },
    /// Copy a publication's packets to `tap` until the tap is dropped or `Untap`.
    Tap {
        publication: PublicationId,
        tap: tap::Tap,
    },
    Untap {
        publication: PublicationId,
        tap: tap::TapId,
    },
    RequestKeyFrame {
        publication: PublicationId,
    },
    Close {
        transport: TransportId,
    },
    /// What goes over the transport is told there from now on.
    Count {
        transport: TransportId,
        traffic: Traffic,
    },
    /// The transport has data channels. Once for each transport.
    OpenData {
        transport: TransportId,
        end: data::DataEnd,
    },
    /// A message on the reliable channel of a client that is not the native one.
    SendData {
        transport: TransportId,
        kind: data::Kind,
        bytes: bytes::Bytes,
    },
}

/// From a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// ICE and DTLS are up and the fingerprint agreed with the description. `reached`: when the first check had arrived.
    Connected { transport: TransportId, direction: Direction, remote: SocketAddr, reached: Instant },
    /// It is closed and forgotten: DTLS failed, the fingerprint was another, or nothing was heard for too long.
    Failed { transport: TransportId, direction: Direction, reason: FailReason },
    /// The first packet of a publication has arrived over this transport, or its codec has changed.
    Media { publication: PublicationId, codec: Codec },
    /// A down transport sends another layer of a publication from now on, or the first. Not told of every one when there are many.
    Layer { transport: TransportId, publication: PublicationId, layer: Layer },
    /// What the path of a down transport is taken to take from now on. Told each second at most, of changes that are worth it.
    Estimate { transport: TransportId, kbps: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    Opus,
    Video(VideoCodec),
}

impl Codec {
    pub fn kind(self) -> Kind {
        match self {
            Codec::Opus => Kind::Audio,
            Codec::Video(_) => Kind::Video,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FailReason {
    #[error("no ICE check arrived in time")]
    NoCheck,
    #[error("the DTLS handshake failed")]
    Handshake,
    #[error("the certificate is not the one of the description")]
    Fingerprint,
    #[error("ICE consent ran out")]
    Consent,
    #[error("the far end closed the transport")]
    Closed,
}
