//! What the dialect has to know of a description beyond passing it on: which m-line carries what, and the names that the
//! server's own offers give to tracks.

use std::collections::BTreeMap;

use crate::room::Kind;

/// Sections that are looked at; a peer has three.
const MAX_SECTIONS: usize = 256;

/// An m-line of audio or video that its author sends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) mid: String,
    pub(super) kind: Kind,
}

/// The m-lines of a description on which its author sends.
pub(super) fn sending(sdp: &str) -> Vec<Sending> {
    let mut sections: Vec<(Option<Kind>, String, bool)> = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            if sections.len() == MAX_SECTIONS {
                break;
            }
            let kind = kind(media);
            let rejected = media.split(' ').nth(1) == Some("0");
            sections.push((kind, String::new(), !rejected));
        } else if let Some((_, mid, sends)) = sections.last_mut() {
            match line {
                "a=recvonly" | "a=inactive" => *sends = false,
                _ => {
                    if let Some(name) = line.strip_prefix("a=mid:") {
                        *mid = name.to_owned();
                    }
                }
            }
        }
    }
    let sends = |(kind, mid, sends): (Option<Kind>, String, bool)| Some(Sending { mid, kind: kind.filter(|_| sends)? });
    sections.into_iter().filter_map(sends).collect()
}

fn kind(media: &str) -> Option<Kind> {
    match media.split(' ').next() {
        Some("audio") => Some(Kind::Audio),
        Some("video") => Some(Kind::Video),
        Some(_) | None => None,
    }
}

/// An offer of ours in which each m-line that carries a track of somebody is named after them (RFC 8830): `streams` gives
/// (stream, track) by mid.
pub(super) fn name_tracks(sdp: &str, streams: &BTreeMap<String, (String, String)>) -> String {
    let mut named = String::with_capacity(sdp.len() + 64 * streams.len());
    for line in sdp.split_inclusive("\r\n") {
        // Our offers say the mid as stream and track.
        let mid = line.strip_prefix("a=msid:").and_then(|msid| msid.split(' ').next());
        match mid.and_then(|mid| streams.get(mid)) {
            Some((stream, track)) => {
                named.push_str("a=msid:");
                named.push_str(stream);
                named.push(' ');
                named.push_str(track);
                named.push_str("\r\n");
            }
            None => named.push_str(line),
        }
    }
    named
}
