//! A down transport that the client offers, as in WHEP: the server answers, and its numbers are made into the client's.
//!
//! The first audio and the first video m-line that receive are taken, and each is for one publication in its life: another one
//! under its SSRC would be sealed with the same key stream (RFC 3711 section 9.1), and there is no further offer that could
//! name a new SSRC.

use std::fmt::Write;

use super::answer::{self, Answer, Format, Section};
use super::answered::{extensions, is_video, reject, sound_formats};
use super::fragment::{ICE_OPTIONS, IceSession};
use super::h264::{self, Profile};
use super::tables::{self, Payload};
use super::write::{self, bundle_and_session};
use super::{Local, SdpError};
use crate::room::{Kind, Source, VideoCodec};
use crate::sfu::forward::numbers::Numbers;
use crate::sfu::{DtlsRole, PublicationId, Remote, Send};

/// Names the one stream (RFC 8830) of such a transport.
const STREAM: &str = "crescendo";

#[derive(Debug)]
pub struct AnsweredDown {
    local: Local,
    codecs: Vec<VideoCodec>,
    /// The m-lines that were taken; none before the offer.
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    mid: String,
    kind: Kind,
    /// The client takes redundant sound.
    red: bool,
    ssrc: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Free,
    Holds(PublicationId),
    Spent,
}

/// What the client receives on an m-line: its formats, each with the server's payload types that it can decode.
struct Taken<'a> {
    section: &'a Section,
    kind: Kind,
    formats: Vec<(&'a Format, Vec<u8>)>,
}

impl AnsweredDown {
    /// `codecs`: the most wanted first.
    pub fn new(local: Local, codecs: &[VideoCodec]) -> Self {
        Self { local, codecs: codecs.to_vec(), lines: Vec::new() }
    }

    /// The video codecs that an offer takes; none when it is for sound alone.
    ///
    /// # Errors
    /// The offer is malformed, or takes nothing that this server sends.
    pub fn decodes(offer: &str, codecs: &[VideoCodec]) -> Result<Vec<VideoCodec>, SdpError> {
        let offer = answer::parse_offer(offer)?;
        let taken = take(&offer, codecs)?;
        let known = taken.iter().flatten().flat_map(|taken| taken.formats.iter().flat_map(|(_, ours)| ours));
        let known: Vec<u8> = known.copied().collect();
        let knows =
            |codec: &VideoCodec| tables::VIDEO.iter().any(|p| p.codec == *codec && known.contains(&p.payload_type));
        Ok(codecs.iter().copied().filter(knows).collect())
    }

    /// The answer, and where the client is.
    ///
    /// # Errors
    /// The offer is malformed, takes nothing that this server sends, or is a second one.
    pub fn answer(&mut self, offer: &str) -> Result<(String, Remote), SdpError> {
        if !self.lines.is_empty() {
            return Err(SdpError::Unasked);
        }
        let offer = answer::parse_offer(offer)?;
        let taken = take(&offer, &self.codecs)?;
        // 0 and 1 are what the server's own reports come from.
        let first = fastrand::u32(2..u32::MAX - 1);
        self.lines = (first..)
            .zip(taken.iter().flatten())
            .map(|(ssrc, Taken { section, kind, formats })| Line {
                red: formats.iter().any(|(_, ours)| ours.contains(&tables::RED)),
                mid: section.mid.clone(),
                kind: *kind,
                ssrc,
                stage: Stage::Free,
            })
            .collect();
        let text = self.text(&offer, &taken);
        let kept = || taken.iter().flatten();
        let formats = kept().flat_map(|taken| &taken.formats);
        let payloads = formats.flat_map(|(theirs, ours)| ours.iter().map(|ours| (*ours, theirs.payload_type)));
        let known = kept().flat_map(|taken| extensions(taken.section, taken.kind));
        let numbers = Some(Box::new(Numbers::new(payloads, known.map(|(theirs, ours, _)| (ours, theirs)))));
        let Answer { ice, fingerprint, dtls, .. } = offer;
        Ok((text, Remote { ice, fingerprint, dtls, receive: Vec::new(), data: false, numbers }))
    }

    /// ICE as it was agreed on.
    pub fn ice(&self, remote: &Remote) -> Option<IceSession> {
        let first = self.lines.first()?;
        Some(IceSession::new(&self.local, &remote.ice, (first.kind, first.mid.clone())))
    }

    /// Finds the m-line for a publication; nothing when there is none that is free.
    pub fn assign(&mut self, publication: PublicationId, source: Source) -> Option<Send> {
        let line = self.lines.iter_mut().find(|line| line.kind == source.kind() && line.stage == Stage::Free)?;
        line.stage = Stage::Holds(publication);
        Some(line.send(publication))
    }

    /// What is forwarded of a publication.
    pub fn sent(&self, publication: PublicationId) -> Option<Send> {
        self.lines.iter().find(|line| line.stage == Stage::Holds(publication)).map(|line| line.send(publication))
    }

    /// The publication is no longer wanted; the mid that sent it.
    pub fn release(&mut self, publication: PublicationId) -> Option<String> {
        let line = self.lines.iter_mut().find(|line| line.stage == Stage::Holds(publication))?;
        line.stage = Stage::Spent;
        Some(line.mid.clone())
    }

    fn text(&self, offer: &Answer, taken: &[Option<Taken<'_>>]) -> String {
        let mut out = String::new();
        let mids = self.lines.iter().map(|line| line.mid.as_str()).filter(|mid| offer.is_bundled(mid));
        let mut lines = self.lines.iter();
        let written = bundle_and_session(&mut out, &self.local, 1, mids).and_then(|()| {
            out.push_str(ICE_OPTIONS);
            offer.sections.iter().zip(taken).try_for_each(|(section, taken)| {
                match taken.as_ref().and_then(|taken| Some((taken, lines.next()?))) {
                    Some((taken, line)) => self.section(&mut out, taken, line.ssrc, offer.dtls),
                    None => reject(&mut out, section),
                }
            })
        });
        written.expect("writing to a string does not fail");
        out
    }

    fn section(&self, out: &mut String, taken: &Taken<'_>, ssrc: u32, dtls: DtlsRole) -> std::fmt::Result {
        let Taken { section, kind, formats } = taken;
        let mid = &section.mid;
        write::taken(out, *kind, formats.iter().map(|(format, _)| format.payload_type), mid, "sendonly")?;
        write::transport(out, &self.local, write::setup(dtls))?;
        for (theirs, ours, uri) in extensions(section, *kind) {
            if ours == tables::MID || tables::is_forwarded(ours) {
                write!(out, "a=extmap:{theirs} {uri}\r\n")?;
            }
        }
        for (format, _) in formats {
            // What the server hears. What it sends has no transport-wide numbers.
            write::format(out, format, &format.parameters, &["ccm fir", "nack", "nack pli"])?;
        }
        write!(out, "a=msid:{STREAM} {mid}\r\na=ssrc:{ssrc} cname:crescendo\r\na=ssrc:{ssrc} msid:{STREAM} {mid}\r\n")
    }
}

impl Line {
    fn send(&self, publication: PublicationId) -> Send {
        let Self { mid, ssrc, red, .. } = self;
        Send { mid: mid.clone(), ssrc: *ssrc, rtx: None, red: *red, transport_cc: false, screen: false, publication }
    }
}

/// The first m-line of each kind that receives what the server sends; all others are rejected.
fn take<'a>(offer: &'a Answer, codecs: &[VideoCodec]) -> Result<Vec<Option<Taken<'a>>>, SdpError> {
    let mut free = vec![Kind::Audio, Kind::Video];
    let mut take = |section: &'a Section| {
        let taken = usable(section, codecs)?;
        let at = free.iter().position(|kind| *kind == taken.kind)?;
        free.swap_remove(at);
        Some(taken)
    };
    let taken: Vec<_> = offer.sections.iter().map(&mut take).collect();
    let mut mids = taken.iter().flatten().map(|taken| taken.section.mid.as_str());
    match taken.iter().flatten().count() {
        0 => Err(SdpError::Nothing),
        2.. if !offer.bundles(&mut mids) => Err(SdpError::Bundle),
        _ => Ok(taken),
    }
}

fn usable<'a>(section: &'a Section, codecs: &[VideoCodec]) -> Option<Taken<'a>> {
    if section.rejected || !section.receives || section.mid.is_empty() {
        return None;
    }
    let kind = section.kind?;
    let mut formats: Vec<(&Format, Vec<u8>)> = Vec::new();
    let mut add = |format: &'a Format, ours: u8| match formats.iter_mut().find(|(known, _)| *known == format) {
        Some((_, all)) => all.push(ours),
        None => formats.push((format, vec![ours])),
    };
    match kind {
        Kind::Audio => sound_formats(section).into_iter().for_each(|(format, ours)| add(format, ours)),
        Kind::Video => {
            for payload in codecs.iter().flat_map(|codec| tables::VIDEO.iter().filter(move |p| p.codec == *codec)) {
                if let Some(format) = decoder(section, payload) {
                    add(format, payload.payload_type);
                }
            }
        }
    }
    (!formats.is_empty()).then_some(Taken { section, kind, formats })
}

/// The client's format that decodes what the server sends as `payload`.
fn decoder<'a>(section: &'a Section, payload: &Payload) -> Option<&'a Format> {
    match payload.codec {
        VideoCodec::H264 => {
            let units = |format: &&Format| is_h264(format) && h264::is_non_interleaved(&format.parameters);
            let of = |profile: &Profile| {
                section.formats.iter().filter(units).find(|f| Profile::of(&f.parameters) == Some(*profile))
            };
            Profile::of(payload.format)?.decoders().iter().find_map(of)
        }
        VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1 => section.formats.iter().find(|f| is_video(f, payload)),
    }
}

fn is_h264(format: &Format) -> bool {
    format.name.eq_ignore_ascii_case("H264/90000")
}

#[cfg(test)]
mod tests;
