//! Legs: server-side consumers of the room that are not people. What a leg wants never touches a path or the mode.

use std::collections::BTreeSet;

use super::Source;
use super::ids::{LegId, ParticipantId, TrackId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegKind {
    Hls,
    Record,
    /// What the server was built with besides.
    Other,
}

/// What a broadcast or a recording shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Layout {
    /// One participant; of a recording each, in a file of their own.
    #[default]
    Single,
    /// Everybody, in tiles of one size.
    Grid,
    /// Who speaks, large, and the others in a row.
    Speaker,
}

/// What the files of a recording are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Format {
    #[default]
    Mp4,
    WebM,
}

/// Heights of the pictures that a broadcast is transcoded to, in pixels, the largest first. None: it is transcoded only where it has to
/// be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Ladder([u16; Ladder::MOST]);

/// What is no [`Ladder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ladder is at most {} heights, even and from {} to {}", Ladder::MOST, Ladder::HEIGHTS.start(), Ladder::HEIGHTS.end())]
pub struct NoLadder;

impl Ladder {
    /// Sizes.
    pub const MOST: usize = 3;
    /// In pixels.
    pub const HEIGHTS: std::ops::RangeInclusive<u16> = 90..=2_160;

    pub fn heights(&self) -> impl Iterator<Item = u16> {
        self.0.into_iter().filter(|height| *height > 0)
    }

    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }
}

impl TryFrom<Vec<u16>> for Ladder {
    type Error = NoLadder;

    /// In any order; what is there twice counts once.
    fn try_from(mut heights: Vec<u16>) -> Result<Self, NoLadder> {
        let mut ladder = Self::default();
        let fits = |height: &u16| Self::HEIGHTS.contains(height) && height.is_multiple_of(2);
        let is_ladder = heights.len() <= Self::MOST && heights.iter().all(fits);
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.dedup();
        let places = ladder.0.get_mut(..heights.len()).filter(|_| is_ladder).ok_or(NoLadder)?;
        places.copy_from_slice(&heights);
        Ok(ladder)
    }
}

/// What somebody wants a leg to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegPlan {
    pub kind: LegKind,
    /// Whose picture it shows, or who alone is recorded; of a picture of several, who comes first.
    pub of: Option<ParticipantId>,
    /// Of a broadcast.
    pub layout: Layout,
    /// Of a broadcast.
    pub ladder: Ladder,
    /// Of a recording.
    pub format: Format,
}

impl LegPlan {
    pub fn new(kind: LegKind, of: Option<ParticipantId>) -> Self {
        Self { kind, of, layout: Layout::default(), ladder: Ladder::default(), format: Format::default() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegState {
    /// Wanted, and its media is on the way.
    Starting,
    /// It has output that somebody can watch.
    Running,
    /// It runs but has no input it can use; the text says what is missing.
    Waiting(String),
    /// It has ended for a reason other than being stopped.
    Failed(String),
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegInfo {
    pub id: LegId,
    pub plan: LegPlan,
    pub state: LegState,
    /// Who asked for it; nobody in the room when the API did.
    pub started_by: Option<ParticipantId>,
}

impl LegState {
    /// It takes media and holds resources.
    pub(super) fn is_live(&self) -> bool {
        match self {
            LegState::Starting | LegState::Running | LegState::Waiting(_) => true,
            LegState::Failed(_) | LegState::Stopped => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Leg {
    pub(super) info: LegInfo,
    pub(super) taps: BTreeSet<TrackId>,
}

impl Leg {
    /// Whether it takes a track of `source` that `owner` publishes. A broadcast mixes all sound, and its pictures are those of
    /// the one who was named, or everybody's for the leg to choose from or to compose. A recording takes everything, of one or of
    /// everybody, and so does what is neither; composed, of everybody.
    pub(super) fn wants(&self, owner: ParticipantId, source: Source) -> bool {
        match (self.info.plan.kind, source) {
            (LegKind::Hls, Source::Microphone | Source::ScreenAudio) => true,
            _ if self.info.plan.layout != Layout::Single => true,
            (LegKind::Hls, Source::Camera | Source::Screen)
            | (
                LegKind::Record | LegKind::Other,
                Source::Microphone | Source::ScreenAudio | Source::Camera | Source::Screen,
            ) => self.info.plan.of.is_none_or(|of| of == owner),
        }
    }
}
