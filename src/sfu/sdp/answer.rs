//! Reads a description of a client, as far as the server needs it. Everything in it is hostile until it is typed.

use super::SdpError;
use crate::room::Kind;
use crate::sfu::{DtlsRole, IceCredential};

/// Longest description. A down transport of 100 m-lines is answered with about 150 kB.
pub(super) const MAX_BYTES: usize = 512 * 1024;
/// Most m-lines of a description.
pub(super) const MAX_SECTIONS: usize = 1024;

/// Payload types of one m-line that are looked at. Browsers have some 40.
const MAX_FORMATS: usize = 128;

/// RFC 8445 section 5.3 and RFC 8839 section 5.4: 4 to 256 and 22 to 256 ice-chars.
const UFRAG: std::ops::RangeInclusive<usize> = 4..=256;
const PWD: std::ops::RangeInclusive<usize> = 22..=256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) ice: IceCredential,
    pub(super) fingerprint: [u8; 32],
    /// The server's own role.
    pub(super) dtls: DtlsRole,
    pub(super) sections: Vec<Section>,
    /// The mids of the first BUNDLE group (RFC 9143).
    pub(super) bundle: Vec<String>,
}

impl Answer {
    /// All of these share one transport.
    pub(super) fn bundles<'a>(&self, mut mids: impl Iterator<Item = &'a str>) -> bool {
        mids.all(|mid| self.is_bundled(mid))
    }

    pub(super) fn is_bundled(&self, mid: &str) -> bool {
        self.bundle.iter().any(|bundled| bundled == mid)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Section {
    pub(super) mid: String,
    /// The port was 0.
    pub(super) rejected: bool,
    pub(super) sends: bool,
    pub(super) receives: bool,
    /// The first one that is named.
    pub(super) ssrc: Option<u32>,
    /// The first one that carries retransmissions (`a=ssrc-group:FID`, RFC 4588 section 8.3).
    pub(super) repair_ssrc: Option<u32>,
    /// What follows `m=`.
    pub(super) line: String,
    pub(super) kind: Option<Kind>,
    /// Data channels over DTLS and SCTP (RFC 8841).
    pub(super) is_data: bool,
    /// In the order of the m-line.
    pub(super) formats: Vec<Format>,
    /// (id, URI)
    pub(super) extensions: Vec<(u8, String)>,
}

/// One payload type of an m-line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Format {
    pub(super) payload_type: u8,
    /// As in `a=rtpmap`: `VP8/90000`.
    pub(super) name: String,
    /// As in `a=fmtp`.
    pub(super) parameters: String,
    /// As in `a=rtcp-fb`.
    pub(super) feedback: Vec<String>,
}

/// What a session or a section may say of the transport. With BUNDLE the first section that says it speaks for all.
#[derive(Default)]
struct TransportLines<'a> {
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    fingerprint: Option<&'a str>,
    setup: Option<&'a str>,
    bundle: Option<&'a str>,
}

/// An answer. Its `a=setup` has decided who is the DTLS client.
pub(super) fn parse(sdp: &str) -> Result<Answer, SdpError> {
    read(sdp, |setup| match setup {
        "active" => Some(DtlsRole::Server),
        "passive" => Some(DtlsRole::Client),
        _ => None,
    })
}

/// An offer. Where it leaves the choice, the server is the DTLS client, which saves a round trip.
pub(super) fn parse_offer(sdp: &str) -> Result<Answer, SdpError> {
    read(sdp, |setup| match setup {
        "active" => Some(DtlsRole::Server),
        "actpass" | "passive" => Some(DtlsRole::Client),
        _ => None,
    })
}

fn read(sdp: &str, role: impl Fn(&str) -> Option<DtlsRole>) -> Result<Answer, SdpError> {
    if sdp.len() > MAX_BYTES {
        return Err(SdpError::TooLong);
    }
    let mut lines = TransportLines::default();
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in sdp.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let bad = SdpError::Line(number + 1);
        let (kind, value) = line.split_once('=').filter(|(kind, _)| kind.len() == 1).ok_or(bad)?;
        match kind {
            "m" if sections.len() == MAX_SECTIONS => return Err(SdpError::TooManySections),
            "m" => {
                let port = value.split(' ').nth(1).and_then(|port| port.parse::<u16>().ok()).ok_or(bad)?;
                // RFC 3264 section 5.1: sendrecv when nothing is said.
                let section = Section { rejected: port == 0, sends: true, receives: true, ..Section::default() };
                sections.push(media(value, section));
            }
            "a" => attribute(value, sections.last_mut(), &mut lines),
            _ => {}
        }
    }
    let ice = credential(lines.ufrag, lines.pwd).ok_or(SdpError::Ice)?;
    let fingerprint = lines.fingerprint.and_then(fingerprint).ok_or(SdpError::Fingerprint)?;
    let dtls = lines.setup.and_then(role).ok_or(SdpError::Setup)?;
    let bundle = lines.bundle.unwrap_or_default().split(' ').skip(1).map(str::to_owned).collect();
    Ok(Answer { ice, fingerprint, dtls, sections, bundle })
}

/// `audio 9 UDP/TLS/RTP/SAVPF 111 63`
fn media(line: &str, section: Section) -> Section {
    let mut words = line.split(' ');
    let kind = match words.next() {
        Some("audio") => Some(Kind::Audio),
        Some("video") => Some(Kind::Video),
        Some(_) | None => None,
    };
    let formats = words.skip(2).take(MAX_FORMATS).filter_map(|word| word.parse().ok());
    let formats = formats.map(|payload_type| Format { payload_type, ..Format::default() }).collect();
    let is_data = line.starts_with("application ") && line.ends_with(" UDP/DTLS/SCTP webrtc-datachannel");
    Section { line: line.to_owned(), kind, is_data, formats, ..section }
}

/// `96 VP8/90000`: what is said of a payload type of the section, and the rest.
fn of_format<'a, 'b>(section: &'a mut Section, value: &'b str) -> Option<(&'a mut Format, &'b str)> {
    let (payload_type, rest) = value.split_once(' ')?;
    let payload_type: u8 = payload_type.parse().ok()?;
    let format = section.formats.iter_mut().find(|format| format.payload_type == payload_type)?;
    Some((format, rest))
}

fn attribute<'a>(text: &'a str, section: Option<&mut Section>, lines: &mut TransportLines<'a>) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    // A rejected section's transport is none.
    if !section.as_ref().is_some_and(|section| section.rejected) {
        match name {
            "ice-ufrag" => drop(lines.ufrag.get_or_insert(value)),
            "ice-pwd" => drop(lines.pwd.get_or_insert(value)),
            "group" if value.starts_with("BUNDLE ") => drop(lines.bundle.get_or_insert(value)),
            "setup" => drop(lines.setup.get_or_insert(value)),
            "fingerprint" if value.starts_with("sha-256 ") => drop(lines.fingerprint.get_or_insert(value)),
            _ => {}
        }
    }
    let Some(section) = section else { return };
    match name {
        // Its port is 0 because it has no transport of its own (RFC 9143 section 6).
        "bundle-only" => section.rejected = false,
        "mid" => section.mid = value.to_owned(),
        "sendrecv" => (section.sends, section.receives) = (true, true),
        "sendonly" => (section.sends, section.receives) = (true, false),
        "recvonly" => (section.sends, section.receives) = (false, true),
        "inactive" => (section.sends, section.receives) = (false, false),
        "rtpmap" => {
            if let Some((format, name)) = of_format(section, value) {
                format.name = name.to_owned();
            }
        }
        "fmtp" => {
            if let Some((format, parameters)) = of_format(section, value) {
                format.parameters = parameters.to_owned();
            }
        }
        "rtcp-fb" => {
            if let Some((format, feedback)) = of_format(section, value) {
                format.feedback.push(feedback.to_owned());
            }
        }
        "extmap" => {
            // `3/sendonly URI`
            let (id, uri) = value.split_once(' ').unwrap_or((value, ""));
            let id = id.split('/').next().and_then(|id| id.parse().ok());
            section.extensions.extend(id.map(|id: u8| (id, uri.to_owned())));
        }
        "ssrc" => section.ssrc = section.ssrc.or(value.split(' ').next().and_then(|ssrc| ssrc.parse().ok())),
        "ssrc-group" => section.repair_ssrc = section.repair_ssrc.or_else(|| repair_ssrc(value)),
        _ => {}
    }
}

/// `FID 1 2`
fn repair_ssrc(group: &str) -> Option<u32> {
    group.strip_prefix("FID ")?.split(' ').nth(1)?.parse().ok()
}

pub(super) fn credential(ufrag: Option<&str>, pwd: Option<&str>) -> Option<IceCredential> {
    let allowed =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'));
    let ufrag = ufrag.filter(|text| UFRAG.contains(&text.len()) && allowed(text))?;
    let pwd = pwd.filter(|text| PWD.contains(&text.len()) && allowed(text))?;
    Some(IceCredential { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() })
}

/// `sha-256 AB:CD:…` (RFC 8122 section 5).
fn fingerprint(value: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut pairs = value.strip_prefix("sha-256 ")?.trim_end().split(':');
    for byte in &mut bytes {
        let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(bytes)
}
