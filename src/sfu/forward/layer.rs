//! Layers: the encodings of one picture in several sizes (simulcast, RFC 8853), and which of them a receiver gets.

use super::picture::Size;

/// One encoding of a publication, the smallest picture first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer(u8);

/// How many there are at most.
pub const LAYERS: usize = 3;

impl Layer {
    pub const LOW: Self = Self(0);
    pub const MEDIUM: Self = Self(1);
    pub const HIGH: Self = Self(2);
    pub const ALL: [Self; LAYERS] = [Self::LOW, Self::MEDIUM, Self::HIGH];
    /// What comes in one encoding only is the best there is.
    pub const WHOLE: Self = Self::HIGH;

    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// What a picture of this layer is taken to have while its size is not known: each has twice the one before.
    fn assumed(self) -> Size {
        Size { width: 320 << self.0, height: 180 << self.0 }
    }
}

/// What a receiver can use of a picture. Nothing said: all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// How large it is shown.
    pub shown: Option<Size>,
    /// No layer above this one.
    pub most: Option<Layer>,
}

/// What a sender brings now: for each layer nothing, or the size of its pictures as far as it is known.
pub type Sent = [Option<Option<Size>>; LAYERS];

/// The layer that a receiver gets: the smallest that has `enough` of the pixels that are shown, else the largest that it
/// wishes for, else the smallest there is. Nothing when nothing is sent.
pub fn choose(sent: &Sent, wish: &Wish, enough: f32) -> Option<Layer> {
    let there = || Layer::ALL.into_iter().filter_map(|layer| Some((layer, sent[layer.index()]?)));
    let allowed = || there().filter(|(layer, _)| wish.most.is_none_or(|most| *layer <= most));
    let wanted = wish.shown.map_or(f32::INFINITY, |shown| shown.pixels() * enough);
    let suffices = |(layer, size): &(Layer, Option<Size>)| size.unwrap_or(layer.assumed()).pixels() >= wanted;
    allowed().find(suffices).or_else(|| allowed().next_back()).or_else(|| there().next()).map(|(layer, _)| layer)
}
