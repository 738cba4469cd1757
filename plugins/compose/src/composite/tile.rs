//! One tile: a picture of somebody who sends one, decoded and scaled, or a card with the name of who does not.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use crescendo_leg_api::{Codec, Frame, Layer, TrackKey};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppLeakyType;

use super::LAYER_SILENT;
use super::image::{DARK, Image, Size};
use crate::decode::{COLOURS, byte_stream, decoder};
use crate::pipeline::{Pipeline, PipelineError, Raw, make};

/// A camera that brought nothing for this long is off. Higher: bears slower pictures; lower: what stands still is gone sooner.
const OFF_AFTER: Duration = Duration::from_secs(2);

/// A decoder that broke is replaced after this time, so that garbage from a sender costs little.
const BROKEN_FOR: Duration = Duration::from_secs(2);

/// Decoded pictures that wait for their turn: what comes within the delay of the composition, at 30 pictures a second, and a burst.
const WAITING_MAX: usize = 12;

/// Characters of a name that are shown.
const NAME_MAX: usize = 32;

#[derive(Debug)]
pub(super) struct Tile {
    name: String,
    size: Size,
    /// The track that brings the picture.
    track: Option<TrackKey>,
    layers: [Option<Duration>; Layer::ALL.len()],
    /// The layer that is decoded.
    from: Option<Layer>,
    codec: Option<Codec>,
    decoder: Decoder,
    /// The decoder goes on with a key frame.
    needs_key: bool,
    waiting: VecDeque<(Duration, Image)>,
    shown: Option<Image>,
    card: Card,
}

#[derive(Debug)]
enum Decoder {
    None,
    Runs { pipeline: Pipeline, scale: gst::Element },
    Broken { until: Duration },
}

/// Drawn once for a size.
#[derive(Debug)]
enum Card {
    None,
    Drawn(Pipeline),
    Ready(Image),
}

impl Tile {
    pub(super) fn new(name: &str, size: Size) -> Self {
        Self {
            name: name.chars().filter(|character| !character.is_control()).take(NAME_MAX).collect(),
            size,
            track: None,
            layers: Default::default(),
            from: None,
            codec: None,
            decoder: Decoder::None,
            needs_key: true,
            waiting: VecDeque::new(),
            shown: None,
            card: Card::None,
        }
    }

    /// What is decoded from now on has this size.
    pub(super) fn resize(&mut self, size: Size) {
        if size == self.size {
            return;
        }
        self.size = size;
        self.card = Card::None;
        if let Decoder::Runs { scale, .. } = &self.decoder {
            scale.set_property("caps", caps(size, None));
        }
    }

    /// Frames were lost.
    pub(super) fn gap(&mut self, layer: Layer) {
        self.needs_key |= self.from == Some(layer);
    }

    /// `wanted`: the smallest layer that does for its size; None while nobody sees it.
    pub(super) fn frame(&mut self, frame: &Frame, wanted: Option<Layer>) {
        if self.track.replace(frame.track) != Some(frame.track) {
            self.restart();
        }
        self.layers[frame.layer as usize] = Some(frame.capture);
        let Some(wanted) = wanted else {
            self.needs_key = true;
            return;
        };
        if self.codec != Some(frame.codec) && self.from.is_none_or(|from| from == frame.layer) {
            (self.codec, self.decoder, self.needs_key) = (Some(frame.codec), Decoder::None, true);
        }
        if frame.key && self.wants(frame.capture, wanted) == Some(frame.layer) {
            self.from = Some(frame.layer);
        }
        if self.from != Some(frame.layer) || self.codec != Some(frame.codec) || (self.needs_key && !frame.key) {
            return;
        }
        self.start(frame.codec, frame.capture);
        let Decoder::Runs { pipeline, .. } = &self.decoder else { return };
        // A picture that finds no room is as good as lost.
        self.needs_key = pipeline.full();
        if !self.needs_key {
            let data = if frame.codec == Codec::H264 { byte_stream(&frame.data) } else { Bytes::clone(&frame.data) };
            pipeline.push(frame.capture, &data);
        }
    }

    /// A key frame of its sender is needed, before anything can be decoded or for another layer.
    pub(super) fn wants_key(&self, now: Duration, wanted: Option<Layer>) -> bool {
        let Some(wanted) = wanted else { return false };
        let broken = matches!(self.decoder, Decoder::Broken { until } if now < until);
        self.comes(now) && !broken && (self.needs_key || self.wants(now, wanted) != self.from)
    }

    pub(super) fn track(&self) -> Option<TrackKey> {
        self.track
    }

    /// A picture comes.
    pub(super) fn comes(&self, now: Duration) -> bool {
        self.layers.iter().flatten().any(|last| now.saturating_sub(*last) < OFF_AFTER)
    }

    /// Takes what was decoded.
    pub(super) fn pull(&mut self, now: Duration) {
        let Decoder::Runs { pipeline, .. } = &self.decoder else { return };
        while let Some(Raw { time, width, height, planes }) = pipeline.pull_picture() {
            let image = Image::new(Size { width, height }, planes);
            self.waiting.extend(time.zip(image));
        }
        while self.waiting.len() > WAITING_MAX {
            self.shown = self.waiting.pop_front().map(|(_, image)| image);
        }
        if let Some(error) = pipeline.error() {
            tracing::debug!(error, "a picture cannot be decoded");
            (self.decoder, self.needs_key) = (Decoder::Broken { until: now + BROKEN_FOR }, true);
        }
    }

    /// What it shows of what was captured until `capture`.
    pub(super) fn image(&mut self, capture: Duration) -> Option<&Image> {
        let due = self.waiting.iter().take_while(|(time, _)| *time <= capture).count();
        if let Some((_, image)) = self.waiting.drain(..due).next_back() {
            self.shown = Some(image);
        }
        if !self.comes(capture) {
            self.restart();
        }
        if self.shown.is_none() {
            self.draw_card();
        }
        match (&self.shown, &self.card) {
            (Some(image), _) | (None, Card::Ready(image)) => Some(image),
            (None, Card::None | Card::Drawn(_)) => None,
        }
    }

    /// What comes next has nothing to do with what was.
    fn restart(&mut self) {
        (self.shown, self.from, self.needs_key) = (None, None, true);
        (self.layers, self.codec, self.decoder) = (Default::default(), None, Decoder::None);
        self.waiting.clear();
    }

    /// The smallest of those that come that is not smaller than `wanted`, else the largest.
    fn wants(&self, now: Duration, wanted: Layer) -> Option<Layer> {
        let recent = |last: Duration| now.saturating_sub(last) < LAYER_SILENT;
        let comes = |layer: &Layer| self.layers[*layer as usize].is_some_and(recent);
        let large_enough = Layer::ALL.into_iter().filter(|layer| *layer >= wanted).find(comes);
        large_enough.or_else(|| Layer::ALL.into_iter().rfind(comes)).or(self.from)
    }

    fn start(&mut self, codec: Codec, now: Duration) {
        match &self.decoder {
            Decoder::Runs { .. } => return,
            Decoder::Broken { until } if now < *until => return,
            Decoder::Broken { .. } | Decoder::None => {}
        }
        self.decoder = match open(codec, &self.name, self.size) {
            Ok((pipeline, scale)) => Decoder::Runs { pipeline, scale },
            Err(error) => {
                tracing::warn!(%error, "a participant cannot be seen in the broadcast");
                Decoder::Broken { until: now + BROKEN_FOR }
            }
        };
    }

    fn draw_card(&mut self) {
        match &self.card {
            Card::Ready(_) => {}
            Card::None => {
                // Without its name it is what stands behind it.
                self.card = draw(&self.name, self.size).map_or_else(
                    |error| {
                        tracing::debug!(%error, "a name cannot be drawn");
                        Card::Ready(Image::flat(self.size, DARK))
                    },
                    Card::Drawn,
                );
            }
            Card::Drawn(pipeline) => {
                if let Some(Raw { planes, .. }) = pipeline.pull_picture() {
                    let image = Image::new(self.size, planes).unwrap_or_else(|| Image::flat(self.size, DARK));
                    self.card = Card::Ready(image);
                }
            }
        }
    }
}

/// `fps`: 0 of a still picture; any where it is none.
/// Of pictures that are not encoded; `fps`: 0 where that varies, None where any will do.
pub(crate) fn caps(size: Size, fps: Option<u32>) -> gst::Caps {
    let length = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
    let picture = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("colorimetry", COLOURS)
        .field("width", length(size.width))
        .field("height", length(size.height))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    match fps {
        Some(fps) => picture.field("framerate", gst::Fraction::new(i32::try_from(fps).unwrap_or(i32::MAX), 1)).build(),
        None => picture.build(),
    }
}

/// Decodes, and fits the picture with its name into `size`. Gives the element, too, that says which size that is.
fn open(codec: Codec, name: &str, size: Size) -> Result<(Pipeline, gst::Element), PipelineError> {
    let (media, decoder) = decoder(codec)?;
    let scale = make("capsfilter")?;
    scale.set_property("caps", caps(size, None));
    let mut chain = vec![decoder, make("videoconvert")?, make("videoscale")?, scale.clone()];
    chain.extend(label(name, "bottom", "left"));
    let raw = gst::Caps::builder("video/x-raw").field("format", "I420").build();
    // A decoder that lags loses nothing: what comes meanwhile is not pushed.
    Ok((Pipeline::start(&media, &chain, &raw, AppLeakyType::None)?, scale))
}

fn draw(name: &str, size: Size) -> Result<Pipeline, PipelineError> {
    let chain: Vec<_> = label(name, "center", "center").into_iter().collect();
    let still = caps(size, Some(0));
    let pipeline = Pipeline::start(&still, &chain, &still, AppLeakyType::None)?;
    pipeline.push(Duration::ZERO, &Image::flat(size, DARK).data.into());
    Ok(pipeline)
}

/// What writes a name onto pictures; None where it cannot be had (it comes with GStreamer's Pango plugin).
fn label(name: &str, vertical: &str, horizontal: &str) -> Option<gst::Element> {
    let overlay = make("textoverlay").ok()?;
    // It takes markup: what somebody is called is none.
    overlay.set_property("text", gst::glib::markup_escape_text(name).as_str());
    overlay.set_property_from_str("valignment", vertical);
    overlay.set_property_from_str("halignment", horizontal);
    overlay.set_property_from_str("wrap-mode", "none");
    overlay.set_property("font-desc", "Sans 16");
    overlay.set_property("shaded-background", true);
    Some(overlay)
}
