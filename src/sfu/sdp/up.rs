//! The up transport's description: one m-line a source, for the life of the transport. Tracks come and go in them by
//! `replaceTrack`, so one offer is enough unless the order of codecs changes.

use super::answer::{self, Section};
use super::write::{Line, Offer};
use super::{Local, SdpError};
use crate::room::{Source, VideoCodec};
use crate::sfu::{IceCredential, PublicationId, Receive, Remote};

const SLOTS: [(&str, Source); 4] =
    [("0", Source::Microphone), ("1", Source::Camera), ("2", Source::Screen), ("3", Source::ScreenAudio)];
/// Mid of the m-line of data channels, the last one.
const DATA: &str = "d";

#[derive(Debug)]
pub struct Up {
    local: Local,
    codecs: Vec<VideoCodec>,
    start_bitrate_kbps: u32,
    /// A camera's picture is asked for in several encodings.
    simulcast: bool,
    /// Sound is asked for redundantly.
    red: bool,
    version: u64,
}

impl Up {
    /// `codecs`: the most wanted first.
    pub fn new(local: Local, codecs: &[VideoCodec], start_bitrate_kbps: u32) -> Self {
        Self { local, codecs: codecs.to_vec(), start_bitrate_kbps, simulcast: false, red: false, version: 0 }
    }

    /// Asks for a camera's picture in several encodings.
    #[must_use]
    pub fn with_simulcast(self, simulcast: bool) -> Self {
        Self { simulcast, ..self }
    }

    /// Asks for sound that brings what was before once more (RFC 2198).
    #[must_use]
    pub fn with_red(self, red: bool) -> Self {
        Self { red, ..self }
    }

    /// The offer as it is now; each one has a higher version.
    pub fn offer(&mut self) -> String {
        self.version += 1;
        let offer = Offer {
            local: &self.local,
            version: self.version,
            codecs: &self.codecs,
            start_bitrate_kbps: Some(self.start_bitrate_kbps),
            red: self.red,
        };
        let line = |source: Source| {
            let layers = self.simulcast && source == Source::Camera;
            Line::Receive { kind: source.kind(), layers }
        };
        let media = SLOTS.iter().map(|(mid, source)| (*mid, line(*source)));
        offer.text(media.chain([(DATA, Line::Data)]))
    }

    /// Which m-line is for what.
    pub fn slots(&self) -> Vec<(String, Source)> {
        SLOTS.iter().map(|(mid, source)| ((*mid).to_owned(), *source)).collect()
    }

    /// Puts a codec first. True when that changed the order: a new offer has to be made. False for one that is not offered.
    pub fn prefer(&mut self, codec: VideoCodec) -> bool {
        match self.codecs.iter().position(|known| *known == codec) {
            None | Some(0) => false,
            Some(at) => {
                self.codecs[..=at].rotate_right(1);
                true
            }
        }
    }

    /// ICE begins anew with the next offer (RFC 8839 section 4.4.1.1.1).
    pub fn restart(&mut self, ice: IceCredential) {
        self.local.ice = ice;
    }

    /// What the client will send, and where it is.
    pub fn answer(&mut self, sdp: &str, publication_of: impl Fn(Source) -> PublicationId) -> Result<Remote, SdpError> {
        if self.version == 0 {
            return Err(SdpError::Unasked);
        }
        let answer = answer::parse(sdp)?;
        let offered = SLOTS.map(|(mid, _)| mid).into_iter().chain([DATA]);
        // A rejected m-line may be named or not.
        let same =
            |(section, mid): (&Section, &str)| section.mid == mid || (section.rejected && section.mid.is_empty());
        if answer.sections.len() != SLOTS.len() + 1 || !answer.sections.iter().zip(offered).all(same) {
            return Err(SdpError::Sections);
        }
        let data = answer.sections.last().is_some_and(|section| !section.rejected);
        let sent = answer.sections.iter().zip(SLOTS).filter(|(section, _)| section.sends && !section.rejected);
        let receive = sent
            .map(|(section, (mid, source))| Receive {
                mid: mid.to_owned(),
                ssrc: section.ssrc,
                repair_ssrc: section.repair_ssrc,
                kind: source.kind(),
                publication: publication_of(source),
            })
            .collect();
        Ok(Remote { ice: answer.ice, fingerprint: answer.fingerprint, dtls: answer.dtls, receive, data, numbers: None })
    }
}
