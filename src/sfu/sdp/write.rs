//! Writes the server's offers.

use std::fmt::Write;

use super::Local;
use super::answer::Format;
use super::tables::{self, Payload, Scope};
use crate::room::{Kind, VideoCodec};
use crate::sfu::DtlsRole;

/// What an offered m-line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// The client is to send here; with `layers`, in several encodings if it can.
    Receive { kind: Kind, layers: bool },
    /// The server sends here.
    Send { kind: Kind, ssrc: u32, rtx: u32 },
    /// Data channels (RFC 8841).
    Data,
    /// Over; its place is free for another one (RFC 8829 section 5.2.2).
    Closed { kind: Kind },
}

/// An offer's text.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) local: &'a Local,
    pub(super) version: u64,
    /// The most wanted first.
    pub(super) codecs: &'a [VideoCodec],
    pub(super) start_bitrate_kbps: Option<u32>,
    /// Redundant sound, which is sent where it comes first in what is asked for.
    pub(super) red: bool,
}

impl Offer<'_> {
    /// The whole offer of these (mid, line).
    pub(super) fn text<'a>(&self, lines: impl Iterator<Item = (&'a str, Line)> + Clone) -> String {
        let mut out = String::new();
        self.write(&mut out, lines).expect("writing to a string does not fail");
        out
    }

    fn write<'a>(&self, out: &mut String, lines: impl Iterator<Item = (&'a str, Line)> + Clone) -> std::fmt::Result {
        let open = lines.clone().filter(|(_, line)| !matches!(line, Line::Closed { .. }));
        bundle_and_session(out, self.local, self.version, open.map(|(mid, _)| mid))?;
        lines.into_iter().try_for_each(|(mid, line)| self.section(out, mid, line))
    }

    fn section(&self, out: &mut String, mid: &str, line: Line) -> std::fmt::Result {
        let (kind, port, direction) = match line {
            Line::Data => return data(out, self.local, mid, SETUP),
            Line::Receive { kind, .. } => (kind, 9, "recvonly"),
            Line::Send { kind, .. } => (kind, 9, "sendonly"),
            Line::Closed { kind } => (kind, 0, "inactive"),
        };
        let payloads: Vec<&Payload> =
            self.codecs.iter().flat_map(|codec| tables::VIDEO.iter().filter(|p| p.codec == *codec)).collect();
        match kind {
            Kind::Audio => {
                let (opus, red) = (tables::OPUS, tables::RED);
                write!(out, "m=audio {port} UDP/TLS/RTP/SAVPF ")?;
                match line {
                    _ if !self.red => write!(out, "{opus}")?,
                    Line::Receive { .. } => write!(out, "{red} {opus}")?,
                    _ => write!(out, "{opus} {red}")?,
                }
            }
            Kind::Video => {
                write!(out, "m=video {port} UDP/TLS/RTP/SAVPF")?;
                payloads.iter().try_for_each(|payload| write!(out, " {} {}", payload.payload_type, payload.rtx))?;
            }
        }
        write!(out, "\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n")?;
        transport(out, self.local, SETUP)?;
        for (id, scope, uri) in tables::EXTENSIONS {
            let sends = matches!(line, Line::Send { .. });
            let is_used = match scope {
                Scope::Both => true,
                Scope::Audio => kind == Kind::Audio,
                Scope::Encodings => kind == Kind::Video && !sends,
                Scope::Reserved => false,
            };
            if is_used {
                write!(out, "a=extmap:{id} {uri}\r\n")?;
            }
        }
        let congestion = matches!(line, Line::Receive { .. } | Line::Send { .. });
        match kind {
            Kind::Audio => {
                let opus = tables::OPUS;
                write!(out, "a=rtpmap:{opus} opus/48000/2\r\na=fmtp:{opus} {}\r\n", tables::OPUS_FORMAT)?;
                if congestion {
                    write!(out, "a=rtcp-fb:{opus} transport-cc\r\n")?;
                }
                if self.red {
                    let red = tables::RED;
                    write!(out, "a=rtpmap:{red} red/48000/2\r\na=fmtp:{red} {opus}/{opus}\r\n")?;
                }
            }
            Kind::Video => payloads.iter().try_for_each(|payload| self.payload(out, payload, congestion))?,
        }
        if let Line::Receive { layers: true, .. } = line {
            // RFC 8853 section 5.1: these are alternatives of one picture, each on a stream of its own.
            tables::RIDS.iter().try_for_each(|rid| write!(out, "a=rid:{rid} recv\r\n"))?;
            write!(out, "a=simulcast:recv {}\r\n", tables::RIDS.join(";"))?;
        }
        if let Line::Send { kind, ssrc, rtx } = line {
            write!(out, "a=msid:{mid} {mid}\r\n")?;
            match kind {
                Kind::Audio => write!(out, "a=ssrc:{ssrc} cname:crescendo\r\n")?,
                Kind::Video => write!(
                    out,
                    "a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{ssrc} cname:crescendo\r\na=ssrc:{rtx} cname:crescendo\r\n"
                )?,
            }
        }
        Ok(())
    }

    fn payload(&self, out: &mut String, payload: &Payload, congestion: bool) -> std::fmt::Result {
        let Payload { payload_type, rtx, name, format, .. } = payload;
        write!(out, "a=rtpmap:{payload_type} {name}/90000\r\n")?;
        let start = self.start_bitrate_kbps.map(|kbps| format!("x-google-start-bitrate={kbps}"));
        match (*format, start) {
            ("", None) => {}
            ("", Some(start)) => write!(out, "a=fmtp:{payload_type} {start}\r\n")?,
            (format, None) => write!(out, "a=fmtp:{payload_type} {format}\r\n")?,
            (format, Some(start)) => write!(out, "a=fmtp:{payload_type} {format};{start}\r\n")?,
        }
        if congestion {
            write!(out, "a=rtcp-fb:{payload_type} transport-cc\r\n")?;
        }
        for feedback in ["ccm fir", "nack", "nack pli"] {
            write!(out, "a=rtcp-fb:{payload_type} {feedback}\r\n")?;
        }
        write!(out, "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={payload_type}\r\n")
    }
}

/// What comes before the sections. `mids`: those that share the transport, as a BUNDLE group.
pub(super) fn bundle_and_session<'a>(
    out: &mut String,
    local: &Local,
    version: u64,
    mids: impl Iterator<Item = &'a str>,
) -> std::fmt::Result {
    let Local { session, .. } = local;
    write!(out, "v=0\r\no=- {session} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n")?;
    let mut mids = mids.peekable();
    if mids.peek().is_some() {
        out.push_str("a=group:BUNDLE");
        mids.try_for_each(|mid| write!(out, " {mid}"))?;
        out.push_str("\r\n");
    }
    out.write_str("a=msid-semantic: WMS *\r\n")
}

/// There is one port for RTP and RTCP (RFC 8858), which RFC 9725 section 4.4.1 wants to be said.
const MUX_ONLY: &str = "a=rtcp-mux-only\r\n";

/// The first lines of a section that answers a client's, with the client's payload types. `direction`: `sendonly`.
pub(super) fn taken(
    out: &mut String,
    kind: Kind,
    mut formats: impl Iterator<Item = u8>,
    mid: &str,
    direction: &str,
) -> std::fmt::Result {
    write!(out, "m={} 9 UDP/TLS/RTP/SAVPF", media(kind))?;
    formats.try_for_each(|format| write!(out, " {format}"))?;
    write!(out, "\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n{MUX_ONLY}")
}

/// What is said of a client's format: its name and `parameters`, and of its feedback what is `used`.
pub(super) fn format(out: &mut String, format: &Format, parameters: &str, used: &[&str]) -> std::fmt::Result {
    let Format { payload_type, name, feedback, .. } = format;
    write!(out, "a=rtpmap:{payload_type} {name}\r\n")?;
    if !parameters.is_empty() {
        write!(out, "a=fmtp:{payload_type} {parameters}\r\n")?;
    }
    let mut known = used.iter().filter(|used| feedback.iter().any(|known| known == **used));
    known.try_for_each(|feedback| write!(out, "a=rtcp-fb:{payload_type} {feedback}\r\n"))
}

/// As in `m=`.
pub(super) fn media(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    }
}

/// As in `a=setup`.
pub(super) fn setup(dtls: DtlsRole) -> &'static str {
    match dtls {
        DtlsRole::Client => "active",
        DtlsRole::Server => "passive",
    }
}

/// The m-line of data channels. `setup`: the DTLS role.
pub(super) fn data(out: &mut String, local: &Local, mid: &str, setup: &str) -> std::fmt::Result {
    write!(out, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n")?;
    path(out, local, setup)?;
    let (port, bytes) = (tables::SCTP_PORT, local.max_message_bytes);
    write!(out, "a=sctp-port:{port}\r\na=max-message-size:{bytes}\r\n")
}

/// The same in every section of media: a receiver of BUNDLE reads it in the first, others in each.
pub(super) fn transport(out: &mut String, local: &Local, setup: &str) -> std::fmt::Result {
    path(out, local, setup)?;
    out.write_str("a=rtcp-mux\r\na=rtcp-rsize\r\n")
}

fn path(out: &mut String, local: &Local, setup: &str) -> std::fmt::Result {
    credential(out, local)?;
    out.write_str("a=fingerprint:sha-256 ")?;
    for (at, byte) in local.fingerprint.iter().enumerate() {
        write!(out, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
    }
    write!(out, "\r\na=setup:{setup}\r\n")?;
    candidates(out, local)
}

pub(super) fn credential(out: &mut String, Local { ice, .. }: &Local) -> std::fmt::Result {
    write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", ice.ufrag, ice.pwd)
}

pub(super) fn candidates(out: &mut String, local: &Local) -> std::fmt::Result {
    for (at, candidate) in local.candidates.iter().enumerate() {
        // RFC 8445 section 5.1.2.1: type preference 126 for host, one component; earlier ones are preferred.
        let priority = (126 << 24) + ((65_535 - at.min(65_535)) << 8) + 255;
        let (ip, port) = (candidate.ip(), candidate.port());
        write!(out, "a=candidate:{} 1 udp {priority} {ip} {port} typ host\r\n", at + 1)?;
    }
    for (at, candidate) in local.tcp_candidates.iter().enumerate() {
        // RFC 6544 section 4.2: type preference 90, so that UDP is preferred wherever it goes; direction preference 4, passive.
        let priority = (90 << 24) + (((4 << 13) + 8_191 - at.min(8_191)) << 8) + 255;
        let (ip, port, foundation) = (candidate.ip(), candidate.port(), local.candidates.len() + at + 1);
        write!(out, "a=candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive\r\n")?;
    }
    out.write_str("a=end-of-candidates\r\n")
}

/// `active`: the server is the DTLS client and speaks first, which saves a round trip. RFC 8842 section 5.3 asks for
/// `actpass` in a first offer, but that leaves the choice to the browser, which then wants to be the client.
const SETUP: &str = "active";
