//! What participants publish.

use std::collections::BTreeSet;

use super::ids::TrackId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VideoCodec {
    H264,
    Vp8,
    Vp9,
    Av1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Audio,
    Video,
}

/// Where a track comes from. A participant has at most one track of each source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

impl Source {
    pub fn kind(self) -> Kind {
        match self {
            Source::Microphone | Source::ScreenAudio => Kind::Audio,
            Source::Camera | Source::Screen => Kind::Video,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    pub id: TrackId,
    pub source: Source,
    pub muted: bool,
}

/// The first of `wanted` that everybody decodes, or the first of all when they have none in common.
/// Whoever decodes nothing has no say. `None` only when nothing is wanted.
pub(super) fn preferred_codec<'a>(
    wanted: &[VideoCodec],
    decoders: impl Iterator<Item = &'a BTreeSet<VideoCodec>> + Clone,
) -> Option<VideoCodec> {
    let mut voters = decoders.filter(|decodes| !decodes.is_empty());
    let common = wanted.iter().find(|codec| voters.clone().all(|decodes| decodes.contains(codec)));
    voters.next().and(common).or(wanted.first()).copied()
}

/// The sources that a new participant wants to publish name none twice.
pub(super) fn first_repeated(sources: &[(Source, bool)]) -> Option<Source> {
    let mut seen = BTreeSet::new();
    sources.iter().map(|&(source, _)| source).find(|&source| !seen.insert(source))
}
