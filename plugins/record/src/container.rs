//! What recordings are written in.

use bytes::Bytes;
use crescendo_cmaf::{AUDIO_TIMESCALE, Coding, Error, Sample, VIDEO_TIMESCALE};

use crate::webm;

/// What a file is. A file's name says it, so that one that is found again is finished as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// Fragmented while it is written, an ordinary one once it is finished (ISO/IEC 14496-12).
    #[default]
    Mp4,
    /// Live while it is written (RFC 9559): VP8, VP9 and AV1.
    WebM,
}

impl Container {
    const ALL: [Self; 2] = [Self::Mp4, Self::WebM];

    /// Behind the dot of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::WebM => "webm",
        }
    }

    /// A file's media type (RFC 2046).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::WebM => "video/webm",
        }
    }

    /// What a file of this name is, and the name without the dot and what is behind it. None where it is none of a recording.
    pub fn of(name: &str) -> Option<(Self, &str)> {
        let (stem, extension) = name.rsplit_once('.')?;
        Some((Self::ALL.into_iter().find(|container| container.extension() == extension)?, stem))
    }

    pub(crate) fn takes(self, coding: &Coding) -> bool {
        match self {
            Self::Mp4 => true,
            Self::WebM => webm::takes(coding),
        }
    }

    /// What a file with these tracks begins with; they are numbered from 1 in their order.
    pub(crate) fn head(self, tracks: &[Coding]) -> Result<Bytes, Error> {
        match self {
            Self::Mp4 => crescendo_cmaf::recording_head(tracks),
            Self::WebM => Ok(webm::head(tracks)),
        }
    }

    /// What is appended for samples of these tracks, by their numbers; of them, `sound` is that.
    pub(crate) fn fragment(
        self,
        sequence: u32,
        tracks: &[(u32, &[(Sample, u32)])],
        sound: u32,
    ) -> Result<Bytes, Error> {
        let timescale = |number: u32| if number == sound { AUDIO_TIMESCALE } else { VIDEO_TIMESCALE };
        match self {
            Self::Mp4 => crescendo_cmaf::fragment(sequence, tracks),
            Self::WebM => {
                let tracks = tracks.iter().map(|(number, samples)| (*number as u8, timescale(*number), *samples));
                Ok(webm::clusters(&tracks.collect::<Vec<_>>()))
            }
        }
    }
}
