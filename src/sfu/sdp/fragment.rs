//! Trickle ICE and ICE restarts of a transport that the client offered: SDP fragments (RFC 8840 section 9), as WHIP and WHEP
//! send them.

use std::fmt::Write;

use super::answer::credential;
use super::{Local, SdpError, write};
use crate::room::Kind;
use crate::sfu::IceCredential;

/// Candidates of one fragment. A client has some for each of its interfaces and relays.
const MAX_CANDIDATES: usize = 256;

/// What a client says of its end of ICE. Its candidates are read and passed over: the server learns addresses from checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    ice: Option<IceCredential>,
}

impl Fragment {
    /// # Errors
    /// It is none, it has neither credentials nor candidates, or different credentials for different m-lines.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let (mut ufrag, mut pwd) = (None, None);
        let (mut candidates, mut ended) = (0, false);
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let bad = SdpError::Line(number + 1);
            match line.split_once('=').ok_or(bad)? {
                ("m", _) => {}
                ("a", attribute) => match attribute.split_once(':').unwrap_or((attribute, "")) {
                    ("ice-ufrag", value) if *ufrag.get_or_insert(value) != value => return Err(SdpError::Ice),
                    ("ice-pwd", value) if *pwd.get_or_insert(value) != value => return Err(SdpError::Ice),
                    ("candidate", value) if !is_candidate(value) => return Err(bad),
                    ("candidate", _) if candidates == MAX_CANDIDATES => return Err(bad),
                    ("candidate", _) => candidates += 1,
                    ("end-of-candidates", _) => ended = true,
                    _ => {}
                },
                _ => return Err(bad),
            }
        }
        let ice = match (ufrag, pwd) {
            (None, None) => None,
            (ufrag, pwd) => Some(credential(ufrag, pwd).ok_or(SdpError::Ice)?),
        };
        match ice.is_some() || candidates > 0 || ended {
            true => Ok(Self { ice }),
            false => Err(SdpError::Nothing),
        }
    }
}

/// `1 1 udp 2122260223 192.0.2.1 61764 typ host …` (RFC 8839 section 5.1).
fn is_candidate(value: &str) -> bool {
    let words: Vec<&str> = value.split(' ').take(8).collect();
    let [foundation, component, _, priority, _, port, "typ", _] = words[..] else { return false };
    (1..=32).contains(&foundation.len())
        && component.parse::<u16>().is_ok()
        && priority.parse::<u32>().is_ok()
        && port.parse::<u16>().is_ok()
}

/// ICE of one transport: what both ends are known by. It begins with the offer's answer and anew with each restart.
#[derive(Debug)]
pub struct IceSession {
    local: Local,
    remote: IceCredential,
    /// Kind and mid of the m-line that speaks for all.
    tag: (Kind, String),
}

impl IceSession {
    pub(super) fn new(local: &Local, remote: &IceCredential, tag: (Kind, String)) -> Self {
        Self { local: local.clone(), remote: remote.clone(), tag }
    }

    /// Names the session among all of its transport (RFC 9110 section 8.8.3, without quotes).
    pub fn entity_tag(&self) -> &str {
        &self.local.ice.ufrag
    }

    /// True when the client says that it begins anew; of what else it says nothing has to be kept.
    pub fn is_restarted_by(&self, fragment: &Fragment) -> bool {
        fragment.ice.as_ref().is_some_and(|ice| *ice != self.remote)
    }

    /// Begins anew, with a fresh credential; what the client has to be told.
    pub fn restart(&mut self, fragment: &Fragment, fresh: IceCredential) -> String {
        self.remote = fragment.ice.clone().unwrap_or_else(|| self.remote.clone());
        self.local.ice = fresh;
        let mut out = String::new();
        self.write(&mut out).expect("writing to a string does not fail");
        out
    }

    /// RFC 8840 section 4.4: the m-line stands for the offer's, with nothing said of its media.
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (kind, mid) = &self.tag;
        let media = write::media(*kind);
        write!(out, "{ICE_OPTIONS}a=ice-lite\r\nm={media} 9 RTP/AVP 0\r\na=mid:{mid}\r\n")?;
        write::credential(out, &self.local)?;
        write::candidates(out, &self.local)
    }
}

/// Candidates may follow the offer (RFC 8840 section 4.1.1).
pub(super) const ICE_OPTIONS: &str = "a=ice-options:trickle\r\n";

#[cfg(test)]
mod tests;
