//! Reads an answer, as far as the server needs it. Everything in it is hostile until it is typed.

use super::SdpError;
use crate::sfu::{DtlsRole, IceCredential};

/// Longest description. A down transport of 100 m-lines is answered with about 150 kB.
pub(super) const MAX_BYTES: usize = 512 * 1024;
/// Most m-lines of a description.
pub(super) const MAX_SECTIONS: usize = 1024;

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
}

/// What a session or a section may say of the transport. With BUNDLE the first section that says it speaks for all.
#[derive(Default)]
struct TransportLines<'a> {
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    fingerprint: Option<&'a str>,
    setup: Option<&'a str>,
}

pub(super) fn parse(sdp: &str) -> Result<Answer, SdpError> {
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
                sections.push(Section { rejected: port == 0, sends: true, receives: true, ..Section::default() });
            }
            "a" => attribute(value, sections.last_mut(), &mut lines),
            _ => {}
        }
    }
    let ice = credential(&lines).ok_or(SdpError::Ice)?;
    let fingerprint = lines.fingerprint.and_then(fingerprint).ok_or(SdpError::Fingerprint)?;
    let dtls = match lines.setup {
        Some("active") => DtlsRole::Server,
        Some("passive") => DtlsRole::Client,
        Some(_) | None => return Err(SdpError::Setup),
    };
    Ok(Answer { ice, fingerprint, dtls, sections })
}

fn attribute<'a>(text: &'a str, section: Option<&mut Section>, lines: &mut TransportLines<'a>) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    // A rejected section's transport is none.
    if !section.as_ref().is_some_and(|section| section.rejected) {
        match name {
            "ice-ufrag" => drop(lines.ufrag.get_or_insert(value)),
            "ice-pwd" => drop(lines.pwd.get_or_insert(value)),
            "setup" => drop(lines.setup.get_or_insert(value)),
            "fingerprint" if value.starts_with("sha-256 ") => drop(lines.fingerprint.get_or_insert(value)),
            _ => {}
        }
    }
    let Some(section) = section else { return };
    match name {
        "mid" => section.mid = value.to_owned(),
        "sendrecv" => (section.sends, section.receives) = (true, true),
        "sendonly" => (section.sends, section.receives) = (true, false),
        "recvonly" => (section.sends, section.receives) = (false, true),
        "inactive" => (section.sends, section.receives) = (false, false),
        "ssrc" => section.ssrc = section.ssrc.or(value.split(' ').next().and_then(|ssrc| ssrc.parse().ok())),
        _ => {}
    }
}

fn credential(lines: &TransportLines<'_>) -> Option<IceCredential> {
    let allowed =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'));
    let ufrag = lines.ufrag.filter(|text| UFRAG.contains(&text.len()) && allowed(text))?;
    let pwd = lines.pwd.filter(|text| PWD.contains(&text.len()) && allowed(text))?;
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
