//! Payload types and header-extension ids: one table for the whole process, the same in every offer of the server.
//! An id never moves to another URI: browsers keep what they learnt in the first description.

use crate::sfu::forward::layer::{LAYERS, Layer};
use crate::sfu::{Codec, VideoCodec};

/// One way to send a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    pub payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588).
    pub rtx: u8,
    pub codec: VideoCodec,
    /// As in `a=rtpmap`.
    pub name: &'static str,
    /// As in `a=fmtp`; empty for none.
    pub format: &'static str,
}

pub const OPUS: u8 = 111;
pub const OPUS_FORMAT: &str = "minptime=10;useinbandfec=1";
/// Redundant Opus (RFC 2198).
pub const RED: u8 = 63;
pub const OPUS_CLOCK: u32 = 48_000;
pub const VIDEO_CLOCK: u32 = 90_000;

/// In the order in which the variants of one codec are preferred. H.264 in constrained baseline, which every client has, then
/// baseline for those that name it so.
pub const VIDEO: [Payload; 5] = [
    Payload {
        payload_type: 102,
        rtx: 103,
        codec: VideoCodec::H264,
        name: "H264",
        format: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    },
    Payload {
        payload_type: 104,
        rtx: 105,
        codec: VideoCodec::H264,
        name: "H264",
        format: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
    },
    Payload { payload_type: 96, rtx: 97, codec: VideoCodec::Vp8, name: "VP8", format: "" },
    Payload { payload_type: 98, rtx: 99, codec: VideoCodec::Vp9, name: "VP9", format: "profile-id=0" },
    Payload { payload_type: 45, rtx: 46, codec: VideoCodec::Av1, name: "AV1", format: "" },
];

/// Every WebRTC stack has it, whatever it says (RFC 8841 section 5).
pub const SCTP_PORT: u16 = 5_000;

/// What a payload type carries.
pub fn codec(payload_type: u8) -> Option<Codec> {
    if payload_type == OPUS {
        return Some(Codec::Opus);
    }
    VIDEO.iter().find(|payload| payload.payload_type == payload_type).map(|payload| Codec::Video(payload.codec))
}

/// The payload type whose retransmissions this one carries.
pub fn repaired(payload_type: u8) -> Option<u8> {
    VIDEO.iter().find(|payload| payload.rtx == payload_type).map(|payload| payload.payload_type)
}

/// The payload type that carries retransmissions of this one.
pub fn rtx(payload_type: u8) -> Option<u8> {
    VIDEO.iter().find(|payload| payload.payload_type == payload_type).map(|payload| payload.rtx)
}

/// The first payload type that carries retransmissions of a codec.
pub fn rtx_of(codec: Codec) -> Option<u8> {
    VIDEO.iter().find(|payload| Codec::Video(payload.codec) == codec).map(|payload| payload.rtx)
}

/// In Hz.
pub fn clock_rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => OPUS_CLOCK,
        Codec::Video(_) => VIDEO_CLOCK,
    }
}

/// Which sections a header extension belongs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Both,
    Audio,
    /// Video that comes in several encodings.
    Encodings,
    /// It has an id, and no offer has it yet.
    Reserved,
}

pub const MID: u8 = 1;
/// Which encoding of an m-line a packet is of, and which one it repairs (RFC 8852).
pub const RID: u8 = 2;
pub const REPAIRED_RID: u8 = 3;
pub const TRANSPORT_CC: u8 = 4;
pub const ABS_CAPTURE_TIME: u8 = 6;
pub const AUDIO_LEVEL: u8 = 7;

/// (id, where, URI)
pub const EXTENSIONS: [(u8, Scope, &str); 8] = [
    (MID, Scope::Both, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (RID, Scope::Encodings, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (REPAIRED_RID, Scope::Encodings, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
    (TRANSPORT_CC, Scope::Both, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"),
    (5, Scope::Reserved, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (ABS_CAPTURE_TIME, Scope::Both, "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"),
    (AUDIO_LEVEL, Scope::Audio, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    (8, Scope::Reserved, "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"),
];

/// Names of encodings (RFC 8851), the smallest first.
pub const RIDS: [&str; LAYERS] = ["l", "m", "h"];

pub fn rid(layer: Layer) -> &'static str {
    RIDS[layer.index()]
}

/// Extensions that mean the same to a receiver as to the server; all others end here.
pub fn is_forwarded(extension: u8) -> bool {
    matches!(extension, ABS_CAPTURE_TIME | AUDIO_LEVEL)
}
