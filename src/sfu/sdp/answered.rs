//! An up transport that the client offers, as in WHIP (RFC 9725) and Ant Media's `publish`: the server answers, and the numbers
//! are the client's.

use std::fmt::Write;

use super::answer::{self, Answer, Format, Section};
use super::fragment::{ICE_OPTIONS, IceSession};
use super::h264::{self, Profile, parameter};
use super::tables::{self, Payload, Scope};
use super::write::{self, bundle_and_session, setup};
use super::{Local, SdpError};
use crate::room::{Kind, Source, VideoCodec};
use crate::sfu::forward::numbers::Numbers;
use crate::sfu::{DtlsRole, PublicationId, Receive, Remote};

/// What the first and the second m-line of a kind is taken for.
const AUDIO: [Source; 2] = [Source::Microphone, Source::ScreenAudio];
const VIDEO: [Source; 2] = [Source::Camera, Source::Screen];

#[derive(Debug)]
pub struct AnsweredUp {
    local: Local,
    codecs: Vec<VideoCodec>,
    start_bitrate_kbps: u32,
    /// It takes data channels.
    data: bool,
    version: u64,
    /// What the m-lines of the last offer were taken for, by MID.
    sources: Vec<(String, Source)>,
    /// Video codecs that were agreed on.
    agreed: Vec<VideoCodec>,
}

/// An m-line that is taken.
struct Taken<'a> {
    section: &'a Section,
    source: Source,
    /// What the client may send, the most wanted first: its format, and the payload type that the server has for it.
    formats: Vec<(&'a Format, u8)>,
}

/// An m-line that could be taken, with its formats as in [`Taken`].
type Usable<'a> = (&'a Section, Kind, Vec<(&'a Format, u8)>);

impl AnsweredUp {
    /// `codecs`: the most wanted first. `data`: whether data channels are taken.
    pub fn new(local: Local, codecs: &[VideoCodec], start_bitrate_kbps: u32, data: bool) -> Self {
        Self {
            local,
            codecs: codecs.to_vec(),
            start_bitrate_kbps,
            data,
            version: 0,
            sources: Vec::new(),
            agreed: Vec::new(),
        }
    }

    /// The answer, and what will be received. A later offer of the same client is answered anew.
    ///
    /// The first m-lines of a kind that send are taken, each for the same source as in the offer before, and the first of data
    /// channels; all others are rejected.
    ///
    /// # Errors
    /// The offer is malformed, or has nothing that this server takes.
    pub fn answer(
        &mut self,
        offer: &str,
        publication_of: impl Fn(Source) -> PublicationId,
    ) -> Result<(String, Remote), SdpError> {
        let offer = answer::parse_offer(offer)?;
        let taken = self.take(&offer);
        if taken.iter().all(Option::is_none) {
            return Err(SdpError::Nothing);
        }
        self.version += 1;
        self.sources = taken.iter().flatten().map(|taken| (taken.section.mid.clone(), taken.source)).collect();
        let text = self.text(&offer, &taken);
        let kept = || taken.iter().flatten();
        let camera = kept().filter(|taken| taken.source == Source::Camera).flat_map(|taken| &taken.formats);
        let known = |ours: u8| tables::VIDEO.iter().find(|p| p.payload_type == ours).map(|p| p.codec);
        self.agreed = camera.filter_map(|(_, ours)| known(*ours)).collect();
        let payloads = kept().flat_map(|taken| taken.formats.iter().map(|(format, ours)| (format.payload_type, *ours)));
        let extensions = kept()
            .flat_map(|taken| extensions(taken.section, taken.source.kind()).map(|(theirs, ours, _)| (theirs, ours)));
        let numbers = Some(Box::new(Numbers::new(payloads, extensions)));
        let receive = kept()
            .map(|taken| Receive {
                mid: taken.section.mid.clone(),
                ssrc: taken.section.ssrc,
                repair_ssrc: None,
                kind: taken.source.kind(),
                publication: publication_of(taken.source),
            })
            .collect();
        let data = self.data_section(&offer).is_some();
        let Answer { ice, fingerprint, dtls, .. } = &offer;
        Ok((text, Remote { ice: ice.clone(), fingerprint: *fingerprint, dtls: *dtls, receive, data, numbers }))
    }

    /// What an offer would be taken for, every m-line of it: half a call misleads who publishes (RFC 9725 section 4.4.3). What
    /// is neither audio nor video is passed over.
    ///
    /// # Errors
    /// The offer is malformed, or has an m-line that would not be taken.
    pub fn sources(offer: &str, codecs: &[VideoCodec]) -> Result<Vec<Source>, SdpError> {
        let offer = answer::parse_offer(offer)?;
        let (mut audio, mut video) = (AUDIO.into_iter(), VIDEO.into_iter());
        let mut sources = Vec::new();
        let is_media = |section: &Section| section.kind.is_some() && !section.rejected;
        let media = offer.sections.iter().enumerate().filter(|(_, section)| is_media(section));
        for (at, section) in media {
            let source = usable(section, codecs).and_then(|(_, kind, _)| match kind {
                Kind::Audio => audio.next(),
                Kind::Video => video.next(),
            });
            sources.push(source.ok_or(SdpError::Section(at + 1))?);
        }
        let mids = offer.sections.iter().filter(|section| is_media(section)).map(|section| section.mid.as_str());
        match sources.len() {
            0 => Err(SdpError::Nothing),
            2.. if !offer.bundles(mids) => Err(SdpError::Bundle),
            _ => Ok(sources),
        }
    }

    /// The video codecs that the client may send; none before its offer, or when it sends sound alone.
    pub fn agreed_codecs(&self) -> &[VideoCodec] {
        &self.agreed
    }

    /// ICE as it was agreed on with the last offer.
    pub fn ice(&self, remote: &Remote) -> Option<IceSession> {
        let (mid, source) = self.sources.first()?;
        Some(IceSession::new(&self.local, &remote.ice, (source.kind(), mid.clone())))
    }

    /// The m-line of data channels that is taken.
    fn data_section<'a>(&self, offer: &'a Answer) -> Option<&'a Section> {
        let mut sections = offer.sections.iter().filter(|_| self.data);
        // There is one transport.
        sections.find(|section| !section.rejected && section.is_data && offer.is_bundled(&section.mid))
    }

    /// For each m-line what it is taken for: the source that it was for in the offer before, or one that is free.
    fn take<'a>(&self, offer: &'a Answer) -> Vec<Option<Taken<'a>>> {
        let usable: Vec<_> = offer.sections.iter().map(|section| usable(section, &self.codecs)).collect();
        let mut kept = self.sources.clone();
        kept.retain(|(mid, source)| {
            usable.iter().flatten().any(|(section, kind, _)| section.mid == *mid && *kind == source.kind())
        });
        let mut free: Vec<Source> = AUDIO.into_iter().chain(VIDEO).collect();
        free.retain(|source| kept.iter().all(|(_, taken)| taken != source));
        let mut take = |(section, kind, formats): Usable<'a>| {
            let before = kept.iter().position(|(mid, source)| *mid == section.mid && source.kind() == kind);
            let source = match before {
                Some(at) => kept.swap_remove(at).1,
                None => free.remove(free.iter().position(|source| source.kind() == kind)?),
            };
            Some(Taken { section, source, formats })
        };
        usable.into_iter().map(|usable| usable.and_then(&mut take)).collect()
    }

    fn text(&self, offer: &Answer, taken: &[Option<Taken<'_>>]) -> String {
        let mut out = String::new();
        let data = self.data_section(offer);
        let is_data = |section: &Section| data.is_some_and(|data| std::ptr::eq(data, section));
        let open = offer.sections.iter().zip(taken).filter(|(section, taken)| taken.is_some() || is_data(section));
        // An answer's groups are the offer's, without what it rejects (RFC 9143 section 7.3).
        let mids = open.map(|(section, _)| section.mid.as_str()).filter(|mid| offer.is_bundled(mid));
        let written = bundle_and_session(&mut out, &self.local, self.version, mids).and_then(|()| {
            out.push_str(ICE_OPTIONS);
            offer.sections.iter().zip(taken).try_for_each(|(section, taken)| match taken {
                Some(taken) => self.section(&mut out, taken, offer.dtls),
                None if is_data(section) => write::data(&mut out, &self.local, &section.mid, setup(offer.dtls)),
                None => reject(&mut out, section),
            })
        });
        written.expect("writing to a string does not fail");
        out
    }

    fn section(&self, out: &mut String, taken: &Taken<'_>, dtls: DtlsRole) -> std::fmt::Result {
        let Taken { section, source, formats } = taken;
        let (kind, types) = (source.kind(), formats.iter().map(|(format, _)| format.payload_type));
        write::taken(out, kind, types, &section.mid, "recvonly")?;
        write::transport(out, &self.local, setup(dtls))?;
        extensions(section, kind).try_for_each(|(theirs, _, uri)| write!(out, "a=extmap:{theirs} {uri}\r\n"))?;
        let start = match kind {
            Kind::Audio => String::new(),
            Kind::Video => format!("x-google-start-bitrate={}", self.start_bitrate_kbps),
        };
        for (format, _) in formats {
            let parameters = [format.parameters.as_str(), &start].into_iter().filter(|p| !p.is_empty());
            let parameters = parameters.collect::<Vec<_>>().join(";");
            // What the server sends.
            write::format(out, format, &parameters, &["transport-cc", "ccm fir", "nack", "nack pli"])?;
        }
        Ok(())
    }
}

/// An m-line that sends something the server forwards; the most wanted of `codecs` first.
fn usable<'a>(section: &'a Section, codecs: &[VideoCodec]) -> Option<Usable<'a>> {
    if section.rejected || !section.sends || section.mid.is_empty() {
        return None;
    }
    let kind = section.kind?;
    let formats: Vec<_> = match kind {
        Kind::Audio => sound_formats(section),
        Kind::Video => codecs.iter().flat_map(|codec| video_formats(section, *codec)).collect(),
    };
    (!formats.is_empty()).then_some((section, kind, formats))
}

/// RFC 3264 section 6: a port of 0, and the formats as they were offered.
pub(super) fn reject(out: &mut String, section: &Section) -> std::fmt::Result {
    let mut words = section.line.splitn(3, ' ');
    let (media, _, rest) = (words.next().unwrap_or(""), words.next(), words.next().unwrap_or(""));
    write!(out, "m={media} 0 {rest}\r\nc=IN IP4 0.0.0.0\r\n")?;
    if !section.mid.is_empty() {
        write!(out, "a=mid:{}\r\n", section.mid)?;
    }
    out.write_str("a=inactive\r\n")
}

/// (the client's id, the server's, URI) of the extensions that both know.
pub(super) fn extensions(section: &Section, kind: Kind) -> impl Iterator<Item = (u8, u8, &str)> {
    section.extensions.iter().filter_map(move |(theirs, uri)| {
        let (ours, scope, _) = tables::EXTENSIONS.into_iter().find(|(_, _, known)| known == uri)?;
        let is_used = match scope {
            Scope::Both => true,
            Scope::Audio => kind == Kind::Audio,
            Scope::Encodings | Scope::Reserved => false,
        };
        is_used.then_some((*theirs, ours, uri.as_str()))
    })
}

pub(super) fn is_opus(format: &Format) -> bool {
    format.name.eq_ignore_ascii_case("opus/48000/2")
}

/// The client's Opus, and its redundant form where it has one (RFC 2198), in its own order.
pub(super) fn sound_formats(section: &Section) -> Vec<(&Format, u8)> {
    let Some(opus) = section.formats.iter().find(|format| is_opus(format)) else { return Vec::new() };
    let of_opus = |format: &&Format| {
        let mut blocks = format.parameters.split('/').map(str::parse);
        let name = format.name.eq_ignore_ascii_case("red/48000/2");
        name && blocks.all(|block| block == Ok(opus.payload_type))
    };
    let red = section.formats.iter().find(of_opus);
    let both = [(Some(opus), tables::OPUS), (red, tables::RED)];
    let mut known: Vec<(&Format, u8)> = both.into_iter().filter_map(|(format, ours)| Some((format?, ours))).collect();
    known.sort_by_key(|(format, _)| section.formats.iter().position(|f| f.payload_type == format.payload_type));
    known
}

/// The client's formats of a codec that are one of ours.
fn video_formats(section: &Section, codec: VideoCodec) -> impl Iterator<Item = (&Format, u8)> {
    let payloads = tables::VIDEO.iter().filter(move |payload| payload.codec == codec);
    payloads.filter_map(|payload| {
        let same = |format: &&Format| is_video(format, payload);
        section.formats.iter().find(same).map(|format| (format, payload.payload_type))
    })
}

pub(super) fn is_video(format: &Format, payload: &Payload) -> bool {
    let (name, clock) = format.name.split_once('/').unwrap_or((&format.name, ""));
    if !name.eq_ignore_ascii_case(payload.name) || clock != "90000" {
        return false;
    }
    match payload.codec {
        VideoCodec::H264 => {
            let same =
                Profile::of(&format.parameters).is_some_and(|theirs| Some(theirs) == Profile::of(payload.format));
            same && h264::is_non_interleaved(&format.parameters)
        }
        VideoCodec::Vp9 => parameter(&format.parameters, "profile-id").is_none_or(|profile| profile == "0"),
        VideoCodec::Av1 => parameter(&format.parameters, "profile").is_none_or(|profile| profile == "0"),
        VideoCodec::Vp8 => true,
    }
}
