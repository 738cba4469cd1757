//! Who gets how much of what the path to one receiver takes: first the smallest layer of all, then more of what matters most.

use super::Rate;
use crate::sfu::forward::layer::{LAYERS, Layer};

/// What a layer has to leave free to be gone up to, as a factor of its rate. Higher: fewer switches; lower: sharper sooner.
const UP: f64 = 1.15;
/// What there has to be of the rate of a layer that is sent already. Lower: fewer switches; higher: smaller queues.
const KEEP: f64 = 0.9;
/// The same of the smallest layer, below which there is nothing but a picture that stands still.
const KEEP_LOWEST: f64 = 0.7;
/// Share of the pixels of the largest picture with which one is large as well.
const LARGE: f32 = 0.5;

/// One picture that a receiver could get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    pub screen: bool,
    /// Pixels that it is shown with; infinite when nothing is known.
    pub shown: f32,
    /// What each layer takes that is sent, up to the one that is wished for.
    pub rates: [Option<Rate>; LAYERS],
    /// What it was granted last.
    pub before: Grant,
}

/// What a subscription may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grant {
    /// Nothing is known of the path, or it takes everything.
    #[default]
    All,
    /// No layer above this one.
    Most(Layer),
    Paused,
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Screen,
    Large,
    Small,
}

impl Track {
    fn layers(&self) -> impl DoubleEndedIterator<Item = Layer> + use<> {
        let rates = self.rates;
        Layer::ALL.into_iter().filter(move |layer| rates[layer.index()].is_some())
    }

    /// What it takes to give it this layer.
    fn cost(&self, layer: Layer) -> Rate {
        let rate = self.rates[layer.index()].unwrap_or(Rate::ZERO);
        let is_sent = match self.before {
            Grant::All => true,
            Grant::Most(before) => layer <= before,
            Grant::Paused => false,
        };
        let is_lowest = self.layers().next() == Some(layer);
        rate * match (is_sent, is_lowest) {
            (true, true) => KEEP_LOWEST,
            (true, false) => KEEP,
            (false, _) => UP,
        }
    }

    fn rank(&self, largest: f32) -> Rank {
        match (self.screen, self.shown >= largest * LARGE) {
            (true, _) => Rank::Screen,
            (false, true) => Rank::Large,
            (false, false) => Rank::Small,
        }
    }
}

/// Divides what there is; it keeps the room that it works in, as it does so all the time.
#[derive(Debug, Default)]
pub struct Allocator {
    order: Vec<(Rank, usize)>,
    grants: Vec<Grant>,
}

impl Allocator {
    /// Divides `budget`, in which nothing but these pictures has to fit; a grant for each, in their order.
    pub fn allocate(&mut self, budget: Rate, tracks: &[Track]) -> &[Grant] {
        let Self { order, grants } = self;
        let largest = tracks.iter().filter(|track| !track.screen).map(|track| track.shown).fold(0.0, f32::max);
        order.clear();
        order.extend(tracks.iter().zip(0..).map(|(track, at)| (track.rank(largest), at)));
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then(tracks[b.1].shown.total_cmp(&tracks[a.1].shown)).then(a.1.cmp(&b.1))
        });
        grants.clear();
        grants.resize(tracks.len(), Grant::Paused);
        let mut left = budget;
        for (_, at) in order.iter() {
            let track = &tracks[*at];
            match track.layers().next() {
                // Nothing of it is sent now: what will be is bounded when it comes.
                None => {
                    grants[*at] = match track.before {
                        Grant::Paused => Grant::Most(Layer::LOW),
                        before @ (Grant::All | Grant::Most(_)) => before,
                    }
                }
                Some(lowest) if track.cost(lowest) <= left => {
                    left = left - track.cost(lowest);
                    grants[*at] = Grant::Most(lowest);
                }
                Some(_) => {}
            }
        }
        for rank in [Rank::Screen, Rank::Large, Rank::Small] {
            let mut raised = true;
            while raised {
                raised = false;
                for (_, at) in order.iter().filter(|(other, _)| *other == rank) {
                    let (track, grant) = (&tracks[*at], &mut grants[*at]);
                    let Grant::Most(has) = *grant else { continue };
                    let Some(next) = track.layers().find(|layer| *layer > has) else { continue };
                    let more = track.cost(next) - track.cost(has);
                    if more <= left {
                        left = left - more;
                        *grant = Grant::Most(next);
                        raised = true;
                    }
                }
            }
        }
        grants
    }
}

/// What it would take to give everybody all that is wished for.
pub fn wanted(tracks: &[Track]) -> Rate {
    let most = |track: &Track| Some(track.rates[track.layers().next_back()?.index()]? * UP);
    tracks.iter().filter_map(most).sum()
}
