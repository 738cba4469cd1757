//! Everybody's pictures in one: decoded, laid out, and encoded once.
//!
//! ```text
//! frames ─ Tile (decode, scale, name) ─┐
//! frames ─ Tile ───────────────────────┴─ Layout ─ canvas, so many times a second of the room's clock ─ H.264
//! ```
//!
//! GStreamer decodes, scales, writes names and encodes; what is shown when is decided here, on the room's clock, so that the composed
//! picture has the timeline of everything else, and a decoder that breaks takes its own tile and nothing more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crescendo_leg_api::{Codec, Frame, Layer, Track, TrackKey};

use crate::budget::{Budget, Place};
use crate::encode::Picture;
use crate::pipeline;
use crate::rungs::Rungs;

mod image;
mod layout;
#[cfg(test)]
mod tests;
mod tile;

pub use image::Size;
use image::{BLACK, Image};
pub use layout::Layout;
use tile::Tile;
pub(crate) use tile::caps as raw;

/// How old a picture is when it is composed: time to be decoded, and to come late. Higher: fewer pictures are missed; lower: less
/// delay of the whole broadcast, which is no less than that of the sound.
const DELAY: Duration = Duration::from_millis(200);

/// A layer that brought nothing for this long is not waited for. Higher: bears slower pictures; lower: a layer that its sender drops
/// is missed sooner.
pub const LAYER_SILENT: Duration = Duration::from_millis(500);

/// Pictures that are made up for when the leg was held up; more are skipped.
const BEHIND_MAX: u32 = 5;

/// An encoder that broke is replaced after this time.
const BROKEN_FOR: Duration = Duration::from_secs(2);

/// The track that the composed picture is of: no participant's.
pub const COMPOSED: TrackKey = TrackKey(u64::MAX);

impl From<Picture> for Frame {
    fn from(Picture { layer, capture, key, data }: Picture) -> Self {
        Self { track: COMPOSED, layer, codec: Codec::H264, capture, key, data }
    }
}

/// How a composed picture is made.
#[derive(Debug, Clone)]
pub struct Composition {
    pub layout: Layout,
    pub size: Size,
    /// Pictures a second.
    pub fps: u32,
    pub kbps: u32,
    /// Most tiles; who comes later is heard.
    pub tiles: usize,
    /// Heights that it is encoded in, in pixels, the largest first, three at most; none: its own. Larger ones than that are left out.
    pub ladder: Vec<usize>,
}

impl Default for Composition {
    /// One participant; of several, 720p25.
    fn default() -> Self {
        let size = Size { width: 1_280, height: 720 };
        Self { layout: Layout::Single, size, fps: 25, kbps: 2_500, tiles: 16, ladder: Vec::new() }
    }
}

#[derive(Debug)]
pub struct Composite {
    how: Composition,
    /// Identifier of the participant who comes first, `p7`.
    first: Option<String>,
    budget: Arc<Budget>,
    /// In the order in which they came.
    entries: Vec<Entry>,
    /// Identifier of the participant who has the floor.
    speaker: Option<String>,
    encoder: Encoder,
    /// Number of the next picture: those of the room's clock, from its 0.
    next: Option<u64>,
    canvas: Image,
    dropped: u64,
}

/// Somebody, or the screen that somebody shows.
#[derive(Debug)]
struct Entry {
    participant: String,
    screen: bool,
    /// It is there as long as they are.
    tracks: BTreeSet<TrackKey>,
    tile: Tile,
    /// What of it does for its place; None where it has no place.
    wanted: Option<Layer>,
}

#[derive(Debug)]
enum Encoder {
    None,
    Runs { rungs: Rungs, _place: Place },
    Off { until: Duration, why: String },
}

impl Composite {
    /// `first`: identifier of the participant whose tile comes first.
    pub fn new(how: Composition, first: Option<String>, budget: Arc<Budget>) -> Self {
        Self {
            canvas: Image::flat(how.size, BLACK),
            how,
            first,
            budget,
            entries: Vec::new(),
            speaker: None,
            encoder: Encoder::None,
            next: None,
            dropped: 0,
        }
    }

    pub fn add(&mut self, track: &Track) {
        let screen = track.screen && !track.audio;
        let same = |entry: &&mut Entry| entry.participant == track.participant && entry.screen == screen;
        if let Some(entry) = self.entries.iter_mut().find(same) {
            entry.tracks.insert(track.key);
            return;
        }
        self.entries.push(Entry {
            participant: track.participant.clone(),
            screen,
            tracks: BTreeSet::from([track.key]),
            tile: Tile::new(&track.name, self.how.size),
            wanted: None,
        });
    }

    pub fn remove(&mut self, key: TrackKey) {
        for entry in &mut self.entries {
            entry.tracks.remove(&key);
        }
        self.entries.retain(|entry| !entry.tracks.is_empty());
    }

    pub fn gap(&mut self, key: TrackKey, layer: Layer) {
        if let Some(entry) = self.entry(key) {
            entry.tile.gap(layer);
        }
    }

    pub fn frame(&mut self, frame: &Frame) {
        if let Some(entry) = self.entry(frame.track) {
            entry.tile.frame(frame, entry.wanted);
        }
    }

    /// `speaker`: identifier of the participant who has the floor.
    pub fn tick(&mut self, now: Duration, speaker: Option<&str>) -> Vec<Picture> {
        self.speaker = speaker.map(str::to_owned);
        for entry in &mut self.entries {
            entry.tile.pull(now);
        }
        self.open(now);
        self.compose(now);
        let Encoder::Runs { rungs, .. } = &self.encoder else { return Vec::new() };
        let pictures = rungs.pictures();
        if let Some(why) = rungs.error() {
            tracing::warn!(why, "a composed picture cannot be encoded");
            self.encoder = Encoder::Off { until: now + BROKEN_FOR, why };
        }
        pictures
    }

    /// Those of whom a key frame is needed.
    pub fn wants_key(&self, now: Duration) -> Vec<TrackKey> {
        let wants = |entry: &&Entry| entry.tile.wants_key(now, entry.wanted);
        self.entries.iter().filter(wants).filter_map(|entry| entry.tile.track()).collect()
    }

    /// The next composed picture is to be a key frame.
    pub fn force_key(&mut self, now: Duration) {
        if let Encoder::Runs { rungs, .. } = &mut self.encoder {
            rungs.force_key(now);
        }
    }

    /// Why there is no picture.
    pub fn refusal(&self) -> Option<&str> {
        match &self.encoder {
            Encoder::Off { why, .. } => Some(why),
            Encoder::None | Encoder::Runs { .. } => None,
        }
    }

    /// Pictures that were not made in time, since this was asked last.
    pub fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn entry(&mut self, key: TrackKey) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.tracks.contains(&key))
    }

    fn open(&mut self, now: Duration) {
        match &self.encoder {
            Encoder::Runs { .. } => return,
            Encoder::Off { until, .. } if now < *until => return,
            Encoder::None | Encoder::Off { .. } => {}
        }
        if self.entries.is_empty() {
            return;
        }
        let (most, sizes) = (self.budget.most(), self.how.ladder.len().max(1));
        let Some(place) = self.budget.take(sizes) else {
            let why = format!(
                "a composed picture is encoded in {sizes} size(s), and of the places for that (hls.transcodes = {most}) not as many \
                 are free"
            );
            self.encoder = Encoder::Off { until: now + BROKEN_FOR, why };
            return;
        };
        let rungs = Rungs::new(&self.how.ladder, self.how.kbps, self.how.fps);
        self.encoder = match pipeline::init() {
            Ok(()) => Encoder::Runs { rungs, _place: place },
            Err(error) => Encoder::Off { until: now + BROKEN_FOR, why: error.to_string() },
        };
    }

    /// Gives the encoder the pictures that are due.
    fn compose(&mut self, now: Duration) {
        let fps = u64::from(self.how.fps);
        let due = u64::try_from(now.saturating_sub(DELAY).as_nanos() * u128::from(fps) / 1_000_000_000).unwrap_or(0);
        let first = due.saturating_sub(u64::from(BEHIND_MAX));
        let next = self.next.unwrap_or(due);
        let Encoder::Runs { .. } = &self.encoder else { return };
        self.dropped += first.saturating_sub(next);
        self.arrange(now);
        for number in next.max(first)..=due {
            let capture = Duration::from_nanos(number * 1_000_000_000 / fps);
            self.paint(capture);
            let Encoder::Runs { rungs, .. } = &mut self.encoder else { return };
            match rungs.push(capture, self.how.size, &Bytes::from(self.canvas.data.clone())) {
                Ok(true) => {}
                Ok(false) => self.dropped += 1,
                Err(error) => self.encoder = Encoder::Off { until: now + BROKEN_FOR, why: error.to_string() },
            }
        }
        self.next = Some(next.max(due + 1));
    }

    fn paint(&mut self, capture: Duration) {
        let order = self.order(capture);
        let places = layout::places(self.how.layout, self.how.size, order.len());
        self.canvas = Image::flat(self.how.size, BLACK);
        for (index, place) in order.into_iter().zip(places) {
            if let Some(image) = self.entries[index].tile.image(capture) {
                self.canvas.paint(image, place);
            }
        }
    }

    /// Tells the tiles how large they are.
    fn arrange(&mut self, now: Duration) {
        let order = self.order(now);
        let places = layout::places(self.how.layout, self.how.size, order.len());
        let mut wanted = vec![None; self.entries.len()];
        for (index, place) in order.into_iter().zip(places) {
            wanted[index] = Some(layer(place.size, self.how.size));
            self.entries[index].tile.resize(place.size);
        }
        for (entry, wanted) in self.entries.iter_mut().zip(wanted) {
            entry.wanted = wanted;
        }
    }

    /// Who is shown, the one that matters most first.
    fn order(&self, now: Duration) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.entries.len()).collect();
        let speaks = |entry: &Entry| !entry.screen && self.speaker.as_ref() == Some(&entry.participant);
        let named = |entry: &Entry| !entry.screen && self.first.as_ref() == Some(&entry.participant);
        match self.how.layout {
            Layout::Speaker => {
                let rank = |entry: &Entry| (!named(entry), !entry.screen, !speaks(entry), !entry.tile.comes(now));
                // Of those who are alike, who came first; the others keep their places.
                if let Some(main) = (0..order.len()).min_by_key(|index| (rank(&self.entries[*index]), *index)) {
                    order.remove(main);
                    order.insert(0, main);
                }
            }
            Layout::Single | Layout::Grid => order.sort_by_key(|index| !named(&self.entries[*index])),
        }
        let beyond = order.iter().skip(self.how.tiles).find(|index| speaks(&self.entries[**index])).copied();
        order.truncate(self.how.tiles);
        if let (Some(last), Some(speaker)) = (order.last_mut(), beyond) {
            *last = speaker;
        }
        order
    }
}

/// What does for a place of this size: senders make layers of the whole, the half and the quarter of what they film, and a canvas is
/// about as large as that.
fn layer(place: Size, canvas: Size) -> Layer {
    match place.width * 100 / canvas.width {
        75.. => Layer::High,
        30.. => Layer::Medium,
        _ => Layer::Low,
    }
}
